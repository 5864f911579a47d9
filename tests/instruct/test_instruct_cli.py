"""Instructions on the command line and in `EmoTTS.synthesize`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotts import EmoTTS
from emotts.cli import main as cli
from emotts.errors import InputError

TEXT = "We have to leave now."


@pytest.fixture(scope="module")
def tts(tiny_model: Path) -> EmoTTS:
    return EmoTTS.from_pretrained(tiny_model, "cpu")


def test_the_command_prints_an_emotion_that_synthesize_takes(capsys: pytest.CaptureFixture) -> None:
    assert cli.run(["emotion", "furious, whispering"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("angry:") and "energy -" in shown.out
    assert not shown.err


def test_the_record_has_vector_hints_and_clauses(capsys: pytest.CaptureFixture) -> None:
    assert cli.run(["emotion", "not angry, just tired", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert len(record["vector"]) == 8 and record["vector"][1] == 0.0
    assert 0.85 <= record["speed"] <= 1.0
    assert [clause["negated"] for clause in record["clauses"]] == [True, False]


def test_words_without_an_emotion_are_neutral_and_said_so(capsys: pytest.CaptureFixture) -> None:
    assert cli.run(["emotion", "read it plainly"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "neutral\n"
    assert shown.err == 'emotts: the instruction "read it plainly" names no emotion; the speech is neutral\n'


@pytest.mark.parametrize(
    "options",
    [
        ["--instruct", "sad", "--emotion", "happy"],
        ["--instruct", "sad", "--emotion-from-text"],
        ["--emotion", "neutral", "--emotion-from-text"],
        ["--instruct", "  "],
        ["--instruct", "?!"],
    ],
)
def test_bad_sources_of_emotion_are_one_line(
    options: list[str], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    assert cli.run(["synthesize", TEXT, *options, "-o", str(tmp_path / "out.wav")]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and ("one source of emotion" in shown or "no word" in shown)
    assert not list(tmp_path.iterdir())


def test_synthesize_says_that_an_instruction_was_neutral(
    tiny_model: Path, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    options = ["--model", str(tiny_model), "-o", str(tmp_path / "out.wav"), "--seed", "1"]
    assert cli.run(["synthesize", TEXT, "--instruct", "as written", *options]) == 0
    assert '"as written" names no emotion; the speech is neutral' in capsys.readouterr().err


def test_an_instruction_is_the_emotion_that_it_means(tts: EmoTTS) -> None:
    speech = tts.synthesize(TEXT, instruct="absolutely furious", seed=1)
    assert speech.emotion.name == "angry"
    same = tts.synthesize(TEXT, emotion=speech.emotion, seed=1)
    np.testing.assert_array_equal(speech.audio, same.audio)


def test_a_whisper_is_softer_and_a_shout_louder(tts: EmoTTS) -> None:
    plain, soft = (tts.synthesize(TEXT, instruct=words, seed=1) for words in ("neutral", "whispered"))
    tokens = len(soft.tokens)
    plain = tts.synthesize(TEXT, tokens=tokens, instruct="neutral", seed=1)
    soft = tts.synthesize(TEXT, tokens=tokens, instruct="whispered", seed=1)
    levels = [float(np.sqrt(np.mean(speech.audio**2))) for speech in (plain, soft)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(-9.0, abs=0.1)


def test_rate_follows_the_words_unless_a_length_is_asked_for(tts: EmoTTS) -> None:
    slow, plain, fast = (
        len(tts.synthesize(TEXT, instruct=words, seed=1).tokens) for words in ("slowly", "neutral", "rushed")
    )
    assert fast < plain < slow
    assert len(tts.synthesize(TEXT, instruct="rushed", tokens=plain, seed=1).tokens) == plain
    assert len(tts.synthesize(TEXT, instruct="rushed", speed=0.8, seed=1).tokens) > fast


def test_each_text_of_a_list_has_its_own_instruction(tts: EmoTTS) -> None:
    found = tts.synthesize([TEXT, TEXT], instruct=["terrified", None], emotion=[None, "happy:0.5"], seed=1)
    assert [speech.emotion.name for speech in found] == ["afraid", "happy"]


def test_the_text_itself_can_be_the_source(tts: EmoTTS) -> None:
    speech = tts.synthesize("I am so happy that you are here, I love you!", emotion_from_text=True, seed=1)
    assert speech.emotion.name == "happy"


def test_two_sources_are_refused_in_python_too(tts: EmoTTS) -> None:
    with pytest.raises(InputError, match="not emotion and instruct"):
        tts.synthesize(TEXT, emotion="sad", instruct="happy")
    with pytest.raises(InputError, match="not int"):
        tts.synthesize(TEXT, instruct=3)
