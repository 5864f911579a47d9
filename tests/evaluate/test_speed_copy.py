import math

import pytest
import soundfile

from emotts.data.espeak import speak
from emotts.data.kaldi import DataDir, Record
from emotts.emotion import Emotion
from emotts.errors import DataError
from emotts.evaluate.copy_synthesis import STAGES, copy_synthesis, render_stages, score_stages
from emotts.evaluate.speed import Benchmark, Timing, render_benchmark, text_of, time_synthesis
from emotts.timebase import SAMPLES_PER_TOKEN

TEXTS = ["Good morning, everyone.", "The house is on the other side."]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    records = []
    for place, text in enumerate(TEXTS):
        speech = speak(text)
        path = folder / f"spk-{place}.wav"
        soundfile.write(path, speech.samples, speech.rate)
        records.append(
            Record(
                f"spk-{place}", "spk", text, path, emotion=Emotion.neutral(), split="test", language="en-us"
            )
        )
    DataDir(records).write(folder / "data")
    return folder / "data"


def test_timing_holds_every_stage(tiny_tts):
    timing = time_synthesis(tiny_tts, ["Hello there.", "Good morning."], repeats=2, warm=False)
    assert set(timing.stages) == {"text", "duration", "lm", "acoustic", "vocoder"}
    assert timing.batch == 2
    assert timing.real_time_factor == pytest.approx(timing.total / timing.seconds)


def test_text_grows_with_the_length_asked_for():
    assert len(text_of(60).split()) == 12 * len(text_of(5).split())


def test_benchmark_report_gives_seconds_for_each_second():
    timing = Timing(10.0, 1, {"lm": 2.0, "vocoder": 1.0}, 3.0)
    report = render_benchmark(Benchmark("a machine; 2 cores, 2 threads", (timing,), (timing,), 512 * 2**20))
    assert "2 cores, 2 threads" in report
    assert "0.200" in report and "0.300" in report and "512 MB" in report


def test_copy_synthesis_keeps_the_natural_timing(tiny_tts, data, tmp_path):
    left_out = copy_synthesis(tiny_tts, data, tmp_path)
    assert left_out == []
    for place in range(len(TEXTS)):
        natural = soundfile.info(tmp_path / "natural" / f"spk-{place}.wav").frames
        assert natural % SAMPLES_PER_TOKEN == 0
        for stage in STAGES:
            made = soundfile.info(tmp_path / stage / f"spk-{place}.wav").frames
            assert stage == "full" or made == natural
    table = score_stages(tmp_path, ("duration",))
    assert list(table) == ["natural", *STAGES]
    assert table["vocoder"][1] > 0 and math.isnan(table["full"][1])
    assert render_stages(table).count("\n") == 2 + len(table)


def test_copy_synthesis_needs_utterances(tiny_tts, data, tmp_path):
    with pytest.raises(DataError, match="no utterances of the split 'dev'"):
        copy_synthesis(tiny_tts, data, tmp_path, split="dev")
