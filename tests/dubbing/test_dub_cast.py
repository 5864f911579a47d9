"""Casts: voices, defaults, lexicons, and all missing speakers in one error."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotts.dubbing.cast import load_cast, make_cast, respell
from emotts.dubbing.script import ScriptLine
from emotts.errors import InputError

CAST = """
Anna: low
Bob:
  voice: high
  emotion: sad:0.4
  rate: [0.9, 1.3]
  gain: -2
  lexicon: {Leith: leeth, "Dr No": doctor no, no: know}
"""


def line(number: int, speaker: str, text: str = "Hi.", **fields: object) -> ScriptLine:
    return ScriptLine(0.0, 1.0, text, 1, speaker, number=number, **fields)  # type: ignore[arg-type]


@pytest.fixture
def cast_file(tmp_path: Path) -> Path:
    path = tmp_path / "cast.yaml"
    path.write_text(CAST, encoding="utf-8")
    return path


def test_roles_follow_the_entries(cast_file: Path) -> None:
    anna, bob = load_cast(cast_file).roles([line(1, "anna"), line(2, "BOB", "No, Dr No of Leith.")])
    assert (anna.voice, anna.emotion.is_neutral, anna.rate, anna.gain) == ("low", True, None, 0.0)
    assert (bob.voice, bob.rate, bob.gain) == ("high", (0.9, 1.3), -2.0)
    assert bob.emotion.as_mapping() == {"sad": 0.4}
    assert bob.text == "know, doctor no of leeth."
    assert bob.line.text == "No, Dr No of Leith."


def test_a_line_overrides_its_speaker(cast_file: Path) -> None:
    (role,) = load_cast(cast_file).roles([line(1, "Bob", emotion="angry", intensity=0.5, voice="low")])
    assert role.voice == "low"
    assert role.emotion.as_mapping() == {"angry": 0.5}


def test_all_missing_speakers_are_listed(cast_file: Path) -> None:
    lines = [line(1, "Eve"), line(2, "Bob"), line(3, "Dan"), line(4, "Eve"), line(5, "")]
    with pytest.raises(
        InputError, match=r"'Eve' \(lines 1, 4\); 'Dan' \(lines 3\); no speaker named \(lines 5\)"
    ):
        load_cast(cast_file).roles(lines)
    cast = make_cast({"Anna": "low", "*": "high"})
    assert [role.voice for role in cast.roles([line(1, "Eve"), line(2, ""), line(3, "Anna")])] == [
        "high", "high", "low",
    ]  # fmt: skip


def test_one_entry_serves_lines_without_a_speaker() -> None:
    assert make_cast({"Anna": "low"}).roles([line(1, "")])[0].voice == "low"
    assert make_cast({}).roles([line(1, "")])[0].voice is None


def test_words_of_yaml_are_words(tmp_path: Path) -> None:
    path = tmp_path / "cast.yaml"
    path.write_text("No: low\n7: high\n", encoding="utf-8")
    assert load_cast(path).names == ("No", "7")


def test_a_voice_file_lies_beside_the_cast(tmp_path: Path) -> None:
    (tmp_path / "anna.wav").write_bytes(b"x")
    (tmp_path / "words.yaml").write_text("Leith: leeth\n")
    (tmp_path / "cast.yaml").write_text("Anna: {voice: anna.wav, lexicon: words.yaml}\n")
    entry = load_cast(tmp_path / "cast.yaml").entries["Anna"]
    assert entry.voice == str(tmp_path / "anna.wav")
    assert entry.lexicon == {"Leith": "leeth"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Anna: {voice: low, emotoin: sad}", "Anna: unknown key 'emotoin'.*did you mean 'emotion'"),
        ("Anna: {emotion: sad}", "Anna: voice"),
        ("Anna: {voice: low, emotion: sadd}", 'Anna: unknown emotion "sadd"'),
        ("Anna: {voice: low, rate: [1.3, 0.9]}", "slowest first"),
        ("Anna: {voice: low, gain: 99}", "gain"),
        ("Anna: [low]", "give a voice"),
        ("Anna: {voice: low", "not valid YAML"),
        ("- low", "must hold speakers"),
        ("Anna: low\nanna: high", "is there twice"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "cast.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        load_cast(path)


def test_instructions_need_a_reader() -> None:
    from emotts.emotion import Emotion

    if hasattr(Emotion, "from_text"):
        assert make_cast({}).roles([line(1, "", instruct="furious")])[0].emotion.name == "angry"
    else:
        with pytest.raises(InputError, match="instruct"):
            make_cast({}).roles([line(1, "", instruct="furious")])


def test_respelling_keeps_to_whole_words() -> None:
    assert respell("Noel said no, NO.", {"no": "know"}) == "Noel said know, know."
