import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotts.cli.main import run
from emotts.data.espeak import speak
from emotts.errors import AudioError, DataError, InputError, OutputError
from emotts.evaluate.evaluation import evaluate
from emotts.evaluate.lists import Sentence, write_sentences
from emotts.evaluate.report import render
from emotts.evaluate.scoring import NATURAL, SYNTHESISED, parse_metrics
from emotts.evaluate.similarity import ClassicalEncoder, compare_voices
from emotts.evaluate.synthesis import synthesize_list

TEXTS = {"a": "Good morning everyone.", "b": "The house is on the other side."}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """Folders `made` and `natural` of two sentences, the second voice an octave or so higher."""
    folder = tmp_path_factory.mktemp("spoken")
    for name, voice, pitch in (("made", "en-us", 30), ("natural", "en-us", 40), ("others", "en-us+f4", 90)):
        (folder / name).mkdir()
        for key, text in TEXTS.items():
            speech = speak(text, voice, pitch=pitch)
            soundfile.write(folder / name / f"{key}.wav", speech.samples, speech.rate)
    return folder


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    return [Sentence(key, text, voice="kathleen", duration=2.0) for key, text in TEXTS.items()]


def test_natural_recordings_are_scored_by_the_same_tools(spoken, sentences):
    result = evaluate(sentences, spoken / "made", spoken / "made", ("wer", "prosody"))
    made, natural = result.row(SYNTHESISED), result.row(NATURAL)
    assert made.words == natural.words
    assert made.prosody == natural.prosody
    assert made.words.words == 10
    assert made.interval[0] <= made.words.rate <= made.interval[1]
    assert f" {100 * made.words.rate:.1f} | " in render(result)


def test_report_shows_the_numbers_of_the_rows(spoken, sentences):
    result = evaluate(
        sentences, spoken / "made", spoken / "natural", ("duration", "prosody", "similarity"),
        others=spoken / "others",
    )  # fmt: skip
    row = result.row(SYNTHESISED)
    lines = [line for line in render(result).splitlines() if line.startswith("| kathleen")]
    assert len(lines) == 2
    assert f" {row.prosody['f0_mean']:.1f} |" in lines[0]
    assert row.duration.files == 2 and row.duration.exact == 0.0
    similarity = row.similarity[0]
    assert similarity.encoder in render(result)
    assert f"{similarity.synthesised:.2f}" in lines[0]
    assert result.row(NATURAL).duration is None


def test_duration_needs_no_recogniser_and_no_natural_recordings(tmp_path, sentences):
    for sentence, samples in zip(sentences, (48_000, 48_100), strict=True):
        soundfile.write(tmp_path / f"{sentence.id}.wav", np.full(samples, 0.1), 24_000)
    row = evaluate(sentences, tmp_path, metrics=("duration",)).row(SYNTHESISED)
    assert (row.duration.exact, row.duration.within_token, row.duration.worst) == (0.5, 1.0, 100)
    assert row.words is None


def test_bursts_before_speech_are_counted(tmp_path):
    time = np.arange(24_000) / 24_000
    speech = 0.5 * np.sin(2 * np.pi * 200 * time) * (time > 0.2)
    click = speech + 0.1 * np.sin(2 * np.pi * 900 * time) * ((time > 0.05) & (time < 0.08))
    for name, samples in (("a", speech), ("b", click)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 24_000)
    texts = [Sentence("a", "One."), Sentence("b", "Two.")]
    result = evaluate(texts, tmp_path, metrics=("bursts",))
    assert [score.burst for score in result.files] == [False, True]
    assert result.row(SYNTHESISED).bursts == 0.5
    table = render(result)
    assert "burst before speech %" in table and "50.0" in table


def test_missing_file_fails_the_evaluation(spoken, sentences):
    more = [*sentences, Sentence("c", "Not there."), Sentence("d", "Nor this.")]
    with pytest.raises(DataError, match="2 of 4 sentences: c, d"):
        evaluate(more, spoken / "made", metrics=("duration",))


def test_silent_file_fails_the_evaluation_and_is_named(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(24_000), 24_000)
    with pytest.raises(AudioError, match=r"x\.wav: .*silent"):
        evaluate([Sentence("x", "Hello.")], tmp_path, metrics=("prosody",))


def test_two_processes_score_as_one(spoken, sentences):
    alone = evaluate(sentences, spoken / "made", metrics=("prosody",))
    assert evaluate(sentences, spoken / "made", metrics=("prosody",), jobs=2).rows == alone.rows


def test_dnsmos_prefers_speech_to_noise(tmp_path, spoken):
    noise = 0.1 * np.random.default_rng(0).normal(size=40_000)
    soundfile.write(tmp_path / "a.wav", noise, 22_050)
    items = [Sentence("a", TEXTS["a"])]
    bad, good = (evaluate(items, path, metrics=("dnsmos",)) for path in (tmp_path, spoken / "made"))
    assert bad.row(SYNTHESISED).quality["p808"] < good.row(SYNTHESISED).quality["p808"]
    assert all(1.0 <= value <= 5.0 for value in good.row(SYNTHESISED).quality.values())


def test_unknown_metric_names_the_valid_ones():
    assert parse_metrics("similarity, WER") == ("wer", "similarity")
    with pytest.raises(InputError, match="unknown metric 'mos'; valid metrics: wer, dnsmos"):
        parse_metrics("mos")


def test_natural_and_synthesised_meet_the_same_comparison():
    generator = np.random.default_rng(0)
    natural = {key: np.array([1.0, 0.0, 0.0]) + 0.01 * generator.normal(size=3) for key in "abc"}
    others = [np.array([0.0, 1.0, 0.0])]
    result = compare_voices(natural, natural, others, "test")
    assert result.synthesised == result.same > 0.99
    assert abs(result.other) < 0.1
    alone = compare_voices({"a": natural["b"]}, {"a": natural["a"]}, [], "test")
    assert alone.synthesised > 0.99 and math.isnan(alone.same) and math.isnan(alone.other)


def test_classical_encoder_tells_two_voices_apart(spoken):
    voices = {
        name: [soundfile.read(spoken / name / f"{key}.wav")[0][::1] for key in TEXTS]
        for name in ("natural", "others")
    }
    encoder = ClassicalEncoder().fit(voices)
    low, high = ([encoder.embed(x) for x in voices[name]] for name in ("natural", "others"))
    assert float(low[0] @ low[1]) > float(low[0] @ high[1])


def test_command_prints_the_table_and_writes_the_report(spoken, sentences, tmp_path, capsys):
    path = write_sentences(sentences, tmp_path / "list.jsonl")
    arguments = [
        "evaluate",
        "--sentences",
        str(path),
        "--audio",
        str(spoken / "made"),
        "--metrics",
        "duration",
    ]
    assert run([*arguments, "-o", str(tmp_path / "report.json")]) == 0
    assert "| kathleen | synthesised" in capsys.readouterr().out
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["rows"][0]["duration"]["files"] == 2
    assert [file["id"] for file in record["files"]] == ["a", "b"]
    assert run([*arguments, "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == ["duration"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--audio", "nowhere"], "audio directory nowhere does not exist"),
        (["--metrics", "mos"], "unknown metric 'mos'"),
        (["-o", "report.txt"], ".json or .md"),
        (["--language-model", "none.arpa", "--metrics", "wer"], "none.arpa does not exist"),
    ],
)
def test_command_refuses_bad_input_in_one_line(spoken, sentences, tmp_path, capsys, changes, message):
    path = write_sentences(sentences, tmp_path / "list.jsonl")
    arguments = ["evaluate", "-s", str(path), "--audio", str(spoken / "made"), "--metrics", "duration"]
    assert run([*arguments, *changes]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_missing_file_is_exit_status_two(spoken, sentences, tmp_path, capsys):
    path = write_sentences([*sentences, Sentence("c", "Gone.")], tmp_path / "list.jsonl")
    assert run(["evaluate", "-s", str(path), "-a", str(spoken / "made"), "--metrics", "duration"]) == 2
    assert "1 of 3 sentences: c" in capsys.readouterr().err


def test_list_is_synthesised_once(tiny_tts, tmp_path):
    items = [
        Sentence("a", "Hello there.", duration=1.0),
        Sentence("b", "Good morning.", "happy:0.5", tokens=30),
    ]
    assert synthesize_list(tiny_tts, items, tmp_path / "made", batch=2) == 2
    assert soundfile.info(tmp_path / "made" / "a.wav").frames == 24_000
    assert soundfile.info(tmp_path / "made" / "b.wav").frames == 30 * 960
    before = (tmp_path / "made" / "a.wav").stat().st_mtime_ns
    changed = [items[0], Sentence("b", "Good evening.", tokens=30)]
    assert synthesize_list(tiny_tts, changed, tmp_path / "made") == 1
    assert (tmp_path / "made" / "a.wav").stat().st_mtime_ns == before
    assert synthesize_list(tiny_tts, changed, tmp_path / "made", temperature=0.0) == 2


def test_synthesis_does_not_overwrite_recordings(tiny_tts, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 24_000)
    with pytest.raises(OutputError, match="was not made by emotts evaluate"):
        synthesize_list(tiny_tts, [Sentence("a", "Hello.")], tmp_path)


def test_command_synthesises_and_scores(tiny_model, tmp_path, capsys):
    path = write_sentences([Sentence("a", "Hello there.", duration=1.0)], tmp_path / "list.jsonl")
    arguments = ["evaluate", "-s", str(path), "-a", str(tmp_path / "made"), "--metrics", "duration"]
    assert run([*arguments, "--synthesize", "--model", str(tiny_model), "--device", "cpu"]) == 0
    assert "100.0" in capsys.readouterr().out
