"""What the page does, without a browser: the handlers are called as Gradio calls them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile

gr = pytest.importorskip("gradio")
from PIL import Image  # noqa: E402

from emotts.emotion import Emotion  # noqa: E402
from emotts.errors import EmottsError, InputError  # noqa: E402
from emotts_demo.app import build, free_port  # noqa: E402
from emotts_demo.examples import EXAMPLES, example_row  # noqa: E402
from emotts_demo.messages import plain_line, shown  # noqa: E402
from emotts_demo.pictures import emotion_chart, spectrogram, speech_figure  # noqa: E402
from emotts_demo.player import playable  # noqa: E402
from emotts_demo.speech_tab import SpeechTab  # noqa: E402
from emotts_demo.wish import (  # noqa: E402
    HEARD,
    RECORDING,
    SECONDS,
    SLIDERS,
    SOURCES,
    SPEED,
    WORDS,
    Wish,
    feel,
    sources,
)

TEXT = "We have to leave now."


def told(fraction, desc="") -> None:
    """Stands for `gr.Progress`."""


def values(tts, **changes) -> list:
    """The inputs of the first example, changed by name."""
    row = example_row(EXAMPLES[0], tts)
    names = [name for name in Wish.__dataclass_fields__ if name != "intensities"]
    inputs = dict(zip(names, row, strict=False)) | {"text": TEXT, "length_from": "Natural"} | changes
    sliders = inputs.pop("intensities", row[len(names) :])
    return [*inputs.values(), *sliders]


def test_a_text_becomes_sound_with_numbers_and_pictures(tiny_tts) -> None:
    stages = []
    (rate, samples), numbers, picture, seed = SpeechTab(tiny_tts).speak(
        *values(tiny_tts, length_from=SECONDS, seconds=1.8, seed=5),
        progress=lambda done, desc: stages.append((done, desc)),
    )
    assert rate == 24_000 and samples.shape == (43_200,) and samples.dtype == np.int16
    direct = tiny_tts.synthesize(TEXT, voice="anna", emotion="happy:0.7", duration=1.8, seed=5)
    assert np.array_equal(samples, playable(direct.audio)[1])
    assert "1.800 s" in numbers and "43 200" in numbers and "happy 0.70" in numbers and seed == 5
    assert all(word in picture for word in ("leave", "Waveform", "Spectrogram"))
    assert [done for done, _ in stages] == sorted(done for done, _ in stages) and stages[-1][0] == 1.0


def test_speed_and_new_takes(tiny_tts) -> None:
    tab = SpeechTab(tiny_tts)
    (_, natural), *_ = tab.speak(*values(tiny_tts, seed=5), progress=told)
    (_, fast), *_ = tab.speak(*values(tiny_tts, length_from=SPEED, speed=1.5, seed=5), progress=told)
    assert len(fast) < len(natural)
    seeds = {tab.speak(*values(tiny_tts, new_each=True, seed=5), progress=told)[-1] for _ in range(3)}
    assert len(seeds) > 1


def test_a_recording_gives_the_voice(tiny_tts, reference: Path) -> None:
    row = values(tiny_tts, voice_from=RECORDING, recorded_voice=str(reference))
    (_, samples), *_ = SpeechTab(tiny_tts).speak(*row, progress=told)
    direct = tiny_tts.synthesize(TEXT, voice=reference, emotion="happy:0.7", seed=7)
    assert np.array_equal(samples, playable(direct.audio)[1])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)
def test_every_example_speaks(tiny_tts, example) -> None:
    row = example_row(example, tiny_tts)
    first = SpeechTab(tiny_tts).speak(*row, progress=told)
    assert len(first[0][1]) > 2400
    if example.seconds:
        assert len(first[0][1]) == round(24_000 * example.seconds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "  "}, "the text is empty; give at least one word"),
        ({"text": None}, "the text is empty; give at least one word"),
        ({"text": "word " * 2000}, "the page takes at most 4096"),
        ({"text": "…"}, "nothing that can be pronounced"),
        ({"length_from": SECONDS, "seconds": None}, "how many seconds"),
        ({"length_from": SECONDS, "seconds": -1}, "duration must be"),
        ({"length_from": SECONDS, "seconds": 60}, "60"),
        ({"voice_from": RECORDING}, "upload or record a voice first"),
        ({"emotion_from": WORDS, "words": " "}, "write the emotion in words"),
        ({"emotion_from": HEARD}, "upload or record the emotion first"),
        ({"markup": True, "text": "[pause 0.5s"}, "markup, column 1"),
    ],
)
def test_what_is_wrong_is_one_line_and_no_traceback(tiny_tts, changes, message) -> None:
    with pytest.raises(gr.Error) as caught:
        SpeechTab(tiny_tts).speak(*values(tiny_tts, **changes), progress=told)
    assert message in caught.value.message and "\n" not in caught.value.message
    assert not caught.value.print_exception


def test_a_file_that_is_no_recording_is_named_without_its_folder(tiny_tts, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("emotts_demo.messages._TEMPORARY", re.compile(rf"{tmp_path}/"))
    (tmp_path / "noise.wav").write_bytes(b"nothing")
    row = values(tiny_tts, voice_from=RECORDING, recorded_voice=str(tmp_path / "noise.wav"))
    with pytest.raises(gr.Error, match=r"noise\.wav") as caught:
        SpeechTab(tiny_tts).speak(*row, progress=told)
    assert str(tmp_path) not in caught.value.message


def test_unexpected_errors_are_told_and_logged(caplog) -> None:
    @shown
    def broken() -> None:
        raise RuntimeError("out of <memory>")

    with pytest.raises(gr.Error, match="RuntimeError: out of &lt;memory&gt;"):
        broken()
    assert "Traceback" in caplog.text


def test_messages_show_what_users_wrote_as_it_is() -> None:
    assert plain_line("unknown <b>\n voice & more") == "unknown &lt;b&gt; voice &amp; more"


def test_the_chart_follows_every_source_of_emotion(tiny_tts) -> None:
    def felt(**changes) -> tuple[Emotion, str]:
        return feel(tiny_tts, Wish.of(*values(tiny_tts, **changes)))

    blend = (0.0, 0.0, 0.6, 0.0, 0.0, 0.0, 0.0, 0.3)
    assert felt(emotion_from=SLIDERS, intensities=blend)[0].vector == blend
    angry, note = felt(emotion_from=WORDS, words="furious, shouting")
    assert angry.name == "angry" and "louder" in note
    assert felt(emotion_from=WORDS, words="")[1] == "Waiting for words."
    assert felt(emotion_from="The text itself", text="This is the best day of my life!")[0].name == "happy"
    drawn = SpeechTab(tiny_tts).show_emotion(*values(tiny_tts, emotion_from=SLIDERS, intensities=blend))
    assert "sad 0.60" in drawn and "calm 0.30" in drawn and "width:60.0%" in drawn


def test_a_model_without_ears_says_so_under_the_chart(tiny_tts, reference: Path) -> None:
    drawn = SpeechTab(tiny_tts).show_emotion(
        *values(tiny_tts, emotion_from=HEARD, emotion_recording=str(reference))
    )
    assert "cannot hear emotions" in drawn


def test_the_possible_lengths_are_told_before_speaking(tiny_tts) -> None:
    tab = SpeechTab(tiny_tts)
    fewest, natural, most = (n / 25 for n in tiny_tts.lengths(TEXT, "anna", "happy:0.7"))
    said = tab.show_lengths(*values(tiny_tts, length_from=SECONDS))
    assert f"{fewest:.2f} to {most:.2f} s; {natural:.2f} s is natural" in said
    assert tab.show_lengths(*values(tiny_tts, length_from=SECONDS, text="")) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"markup": True, "text": "Wait. [pause 3s] We have to [rate 0.7]leave now.[/rate]"},
        {"emotion_from": WORDS, "words": "whispered, slightly afraid"},
        {"emotion_from": "The text itself", "text": "This is the best day of my life!"},
    ],
)
def test_the_lengths_that_are_told_are_those_that_can_be_spoken(tiny_tts, changes) -> None:
    tab = SpeechTab(tiny_tts)
    said = tab.show_lengths(*values(tiny_tts, length_from=SECONDS, **changes))
    fewest, most, natural = (float(number) for number in re.findall(r"\d+\.\d+", said))
    (_, samples), *_ = tab.speak(*values(tiny_tts, **changes), progress=told)
    assert len(samples) / 24_000 == pytest.approx(natural, abs=0.03)
    for seconds, fits in ((fewest, True), (most, True), (fewest - 0.08, False), (most + 0.08, False)):
        row = values(tiny_tts, length_from=SECONDS, seconds=seconds, **changes)
        if fits:
            assert len(tab.speak(*row, progress=told)[0][1]) == round(24_000 * seconds)
        else:
            with pytest.raises(gr.Error, match="for this text: between"):
                tab.speak(*row, progress=told)


def test_a_model_without_ears_does_not_offer_recordings(tiny_tts, hearing_tts) -> None:
    assert HEARD not in sources(tiny_tts) and len(sources(tiny_tts)) == 3
    assert sources(hearing_tts) == SOURCES


def test_pictures_escape_the_text_and_fit_the_sound(tiny_tts) -> None:
    speech = tiny_tts.synthesize("Mind the <script> tag.", seed=1)
    drawn = speech_figure(speech)
    assert "<script" not in drawn and "<img" in drawn
    picture = Image.open(io.BytesIO(spectrogram(speech.audio)))
    assert picture.size == (4 * len(speech.tokens), 80)
    assert "neutral" in emotion_chart(Emotion()) and "&lt;" in emotion_chart(Emotion(), "<b>")
    assert spectrogram(np.zeros(24_000, dtype=np.float32))


def test_the_page_sends_nothing_home_and_bounds_its_queue(tiny_tts) -> None:
    page = build(tiny_tts)
    assert page.analytics_enabled is False
    assert page.api_open is False
    heavy = {"speak", "dub", "preview", "remake", "show_lengths"}
    limits = {
        (fn.name, fn.concurrency_id, fn.concurrency_limit) for fn in page.fns.values() if fn.name in heavy
    }
    assert limits == {(name, "model", 1) for name in heavy}


def test_a_port_that_is_taken_is_one_line() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="choose another port with --port"):
            free_port("127.0.0.1", taken.getsockname()[1])
    assert free_port("127.0.0.1", 0) > 0
    with pytest.raises(EmottsError):
        free_port("no.such.host.invalid", 0)


def test_the_command_names_the_extra_when_gradio_is_missing(monkeypatch, capsys) -> None:
    from emotts.cli.main import run

    for name in [name for name in sys.modules if name.startswith("emotts_demo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert run(["demo"]) == 2
    assert capsys.readouterr().err == (
        'emotts: emotts demo needs gradio; install it with: pip install "emotts[demo]"\n'
    )


def test_help_does_not_load_gradio() -> None:
    code = "import sys; from emotts.cli.main import run; run(['demo', '--help']); assert 'gradio' not in sys.modules"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--share" in done.stdout


def test_uploads_of_several_formats_are_read(tiny_tts, tmp_path: Path, reference: Path) -> None:
    samples, rate = soundfile.read(reference)
    for name in ("voice.flac", "voice.ogg", "voice.mp3"):
        soundfile.write(tmp_path / name, samples, rate)
        row = values(tiny_tts, voice_from=RECORDING, recorded_voice=str(tmp_path / name))
        assert len(SpeechTab(tiny_tts).speak(*row, progress=told)[0][1])


def test_the_command_of_the_guide_opens_the_page(tiny_model: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "demo.md").read_text(encoding="utf-8")
    assert "\nemotts demo\n" in guide
    command = [sys.executable, "-m", "emotts.cli.main", "demo", "--port", "0", "--model", str(tiny_model)]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        said = next(line for line in process.stderr if "the page is at" in line)
        address = re.search(r"http://\S+?(?=/?;)", said)[0]
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200 and b"emotts" in answer.read()
    finally:
        process.terminate()
        process.wait(60)
