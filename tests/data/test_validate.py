from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotts.data.fix import BACKUP, fix
from emotts.data.kaldi import DataDir, Record
from emotts.data.tables import FILES
from emotts.data.validate import RULES, validate
from emotts.emotion import Emotion
from emotts.errors import DataError

TOOLS = Path(__file__).parents[2] / "tools"


def tone(path: Path, seconds: float = 0.5) -> Path:
    soundfile.write(path, np.sin(np.arange(int(8000 * seconds)) * 0.2).astype("float32") * 0.3, 8000)
    return path


@pytest.fixture
def data(tmp_path) -> Path:
    """Two speakers, three utterances, every optional table but segments and video."""
    found = [
        Record(
            id=f"{speaker}-{number}",
            speaker=speaker,
            text=f"Sentence {number}.",
            audio=tone(tmp_path / f"{speaker}{number}.wav"),
            emotion=Emotion.parse("sad:0.25"),
            intensity=0.5,
            language="en-us",
            bandwidth=4000,
            split="train",
        )
        for speaker, number in (("anna", 1), ("anna", 2), ("ben", 1))
    ]
    DataDir(found).write(tmp_path / "data")
    return tmp_path / "data"


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def rules(data: Path, **options) -> list[tuple[str, str, int]]:
    return [(p.rule, Path(p.file).name, p.line) for p in validate(data, **options)]


def test_a_right_directory_has_no_problems_and_is_left_alone(data):
    assert validate(data) == []
    before = {p.name: p.stat().st_mtime_ns for p in data.iterdir()}
    report = fix(data)
    assert (report.actions, report.kept, report.dropped, report.backup) == ((), 3, 0, None)
    assert {p.name: p.stat().st_mtime_ns for p in data.iterdir()} == before


SENTENCES = "anna-1 Sentence 1.\nanna-2 Sentence 2.\nben-1 Sentence 1.\n"
EDITS = {
    "empty line": ("text", "anna-2", "\nanna-2", [("empty-line", "text", 2)], 3),
    "no value": ("utt2lang", "anna-2 en-us", "anna-2", [("malformed-line", "utt2lang", 2)], 2),
    "space first": ("utt2lang", "anna-2 en", " anna-2 en", [("malformed-line", "utt2lang", 2)], 2),
    "two speakers": ("utt2spk", "ben-1 ben", "ben-1 ben b", [("malformed-line", "utt2spk", 3)], 2),
    "pipe": ("wav.scp", "ben1.wav", "ben1.wav |", [("malformed-line", "wav.scp", 3)], 2),
    "no text": ("text", "anna-2 Sentence 2.", "anna-2  ", [("empty-text", "text", 2)], 2),
    "twice": ("text", "anna-2", "anna-1 Again.\nanna-2", [("duplicate-id", "text", 2)], 3),
    "unsorted": ("text", SENTENCES, "".join(reversed(SENTENCES.splitlines(True))), None, 3),
    "id missing": ("utt2lang", "anna-2 en-us\n", "", [("id-missing", "text", 2)], 2),
    "id of nobody": ("utt2lang", "ben-1", "aaa-1 de\nben-1", None, 3),
    "emotion": ("utt2emo", "ben-1 sad", "ben-1 cross", [("unknown-emotion", "utt2emo", 3)], 2),
    "weight": ("utt2emo", "ben-1 sad:0.25", "ben-1 sad:1.5", [("weights-out-of-range", "utt2emo", 3)], 2),
    "weights": ("utt2emo", "ben-1 sad:0.25", "ben-1 sad:0.9", [("weights-out-of-range", "utt2emo", 3)], 2),
    "intensity": (
        "utt2intensity",
        "ben-1 0.5",
        "ben-1 -0.5",
        [("intensity-out-of-range", "utt2intensity", 3)],
        2,
    ),
    "bandwidth": ("utt2bandwidth", "ben-1 4000", "ben-1 4kHz", [("bad-bandwidth", "utt2bandwidth", 3)], 2),
    "split": ("utt2split", "ben-1 train", "ben-1 eval", [("unknown-split", "utt2split", 3)], 2),
    "no file": ("wav.scp", "ben1.wav", "gone.wav", [("audio-missing", "wav.scp", 3)], 2),
    "inverse": ("spk2utt", "anna-1 anna-2", "anna-1", [("spk2utt-not-inverse", "spk2utt", 1)], 3),
    "inverse order": (
        "spk2utt",
        "anna-1 anna-2",
        "anna-2 anna-1",
        [("spk2utt-not-inverse", "spk2utt", 1)],
        3,
    ),
    "speaker lost": ("spk2utt", "ben ben-1\n", "", [("spk2utt-not-inverse", "spk2utt", 0)], 3),
}


@pytest.mark.parametrize("case", EDITS)
def test_each_breach_is_found_and_mended(data, case):
    file, old, new, expected, kept = EDITS[case]
    edit(data / file, old, new)
    before = (data / file).read_bytes()
    found = validate(data)
    assert found
    assert all(p.rule in RULES and "\n" not in p.message for p in found)
    if expected is not None:
        assert [(p.rule, Path(p.file).name, p.line) for p in found] == expected
    report = fix(data)
    assert validate(data) == []
    assert len(DataDir.load(data)) == report.kept == kept
    assert report.actions
    assert report.backup == data / BACKUP
    assert (data / BACKUP / file).read_bytes() == before


def test_unsorted_names_the_first_line_out_of_order(data):
    (data / "text").write_text("".join(reversed(SENTENCES.splitlines(True))))
    assert rules(data) == [("unsorted", "text", 2), ("unsorted", "text", 3)]


def test_a_missing_id_is_reported_where_it_stands(data):
    edit(data / "utt2lang", "ben-1", "ann-1 de\nben-1")
    assert ("id-missing", "utt2lang", 3) in rules(data)
    edit(data / "utt2lang", "ann-1 de\n", "")
    edit(data / "text", "ben-1 Sentence 1.\n", "")
    assert {rule for rule, _, _ in rules(data)} == {"id-missing"}


def test_audio_that_cannot_be_opened_or_is_empty(data, tmp_path):
    (tmp_path / "anna1.wav").write_bytes(b"not audio at all")
    soundfile.write(tmp_path / "anna2.wav", np.zeros(0, "float32"), 8000)
    assert rules(data) == [("audio-unreadable", "wav.scp", 1), ("audio-empty", "wav.scp", 2)]
    assert rules(data, audio=False) == []
    report = fix(data)
    assert [r.id for r in DataDir.load(data)] == ["ben-1"]
    assert any("anna-1" in action for action in report.actions)


def test_speaker_must_be_the_prefix(data):
    edit(data / "utt2spk", "ben-1 ben", "ben-1 carl")
    edit(data / "spk2utt", "ben ", "carl ")
    assert rules(data) == [("speaker-not-prefix", "utt2spk", 3)]
    fix(data)
    assert [r.speaker for r in DataDir.load(data)] == ["anna", "anna"]


@pytest.fixture
def cut(tmp_path) -> Path:
    """One recording of a second, two segments."""
    audio = tone(tmp_path / "long.wav", 1.0)
    found = [
        Record("anna-1", "anna", "One.", audio, "long", 0.0, 0.5),
        Record("anna-2", "anna", "Two.", audio, "long", 0.5, 1.0),
    ]
    DataDir(found).write(tmp_path / "cut")
    return tmp_path / "cut"


def test_segments_within_the_audio_are_right(cut):
    assert validate(cut) == []


@pytest.mark.parametrize(
    ("line", "rule", "ends"),
    [
        ("anna-2 long 0.5 1.7", "segment-beyond-audio", [0.5, 1.0]),
        ("anna-2 long 1.5 1.7", "segment-beyond-audio", [0.5]),
        ("anna-2 long 0.5 0.4", "segment-times", [0.5]),
        ("anna-2 long -1 0.4", "segment-times", [0.5]),
        ("anna-2 long x 0.4", "segment-times", [0.5]),
        ("anna-2 long 0.4", "malformed-line", [0.5]),
        ("anna-2 longer 0.5 1", "id-missing", [0.5]),
    ],
)
def test_segments_are_checked_and_cut_at_the_end(cut, line, rule, ends):
    edit(cut / "segments", "anna-2 long 0.5 1", line)
    assert rules(cut) == [(rule, "segments", 2)]
    fix(cut)
    assert validate(cut) == []
    assert [r.end for r in DataDir.load(cut)] == ends


def test_a_recording_without_segment_is_reported_and_removed(cut, tmp_path):
    with (cut / "wav.scp").open("a") as stream:
        stream.write(f"other {tmp_path / 'long.wav'}\n")
    assert rules(cut) == [("id-missing", "wav.scp", 2)]
    fix(cut)
    assert (cut / "wav.scp").read_text() == f"long {tmp_path / 'long.wav'}\n"


def test_missing_video_is_reported(data, tmp_path):
    video = tmp_path / "v.mp4"
    video.write_bytes(b"")
    (data / "video.scp").write_text(f"anna-1 {video}\nanna-2 {video}\nben-1 {tmp_path / 'no.mp4'}\n")
    assert rules(data) == [("video-missing", "video.scp", 3)]
    fix(data)
    assert len(DataDir.load(data)) == 2


@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk", "spk2utt"])
def test_missing_tables(data, name):
    (data / name).unlink()
    assert rules(data)[0] == ("file-missing", name, 0)
    if name in ("wav.scp", "text"):
        before = {p.name: p.read_bytes() for p in data.iterdir()}
        with pytest.raises(DataError, match="cannot be mended"):
            fix(data)
        assert {p.name: p.read_bytes() for p in data.iterdir()} == before
    else:
        fix(data)
        assert validate(data) == []
        assert len(DataDir.load(data)) == 3


def test_an_optional_table_without_a_valid_line_is_removed(data):
    (data / "utt2emo").write_bytes(b"\xff\xfe")
    assert rules(data) == [("file-unreadable", "utt2emo", 0)]
    fix(data)
    assert not (data / "utt2emo").exists()
    assert len(DataDir.load(data)) == 3


def test_nothing_left_changes_nothing(data):
    for name in ("anna-1", "anna-2", "ben-1"):
        edit(data / "utt2split", f"{name} train", f"{name} {'train' if name == 'ben-1' else 'eval'}")
    edit(data / "utt2emo", "ben-1 sad", "ben-1 cross")
    before = {p.name: p.read_bytes() for p in data.iterdir()}
    with pytest.raises(DataError, match="nothing was changed"):
        fix(data)
    assert {p.name: p.read_bytes() for p in data.iterdir()} == before


def test_an_earlier_backup_is_kept(data):
    first = (data / "text").read_text()
    edit(data / "text", "anna-2", "\nanna-2")
    fix(data)
    edit(data / "text", "anna-1", "\n\nanna-1")
    assert fix(data).backup == data / f"{BACKUP}.1"
    assert (data / BACKUP / "text").read_text() != (data / f"{BACKUP}.1" / "text").read_text()
    assert (data / "text").read_text() == first
    assert set(p.name for p in data.iterdir()) <= {*FILES, BACKUP, f"{BACKUP}.1"}


def tool(name: str):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tools_exit_0_or_2(data, capsys):
    check, mend = tool("validate_data_dir").main, tool("fix_data_dir").main
    assert check([str(data)]) == 0
    edit(data / "utt2split", "ben-1 train", "ben-1 eval")
    assert check([str(data)]) == 2
    assert f'{data / "utt2split"}:3: "ben-1": unknown split "eval"' in capsys.readouterr().err
    assert mend([str(data)]) == 0
    assert 'dropped utterance "ben-1"' in capsys.readouterr().out
    assert check([str(data)]) == 0
    assert check([str(data / "nowhere")]) == mend([str(data / "nowhere")]) == 2
