from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotts.data.kaldi import DataDir, Record, label_text
from emotts.data.tables import parse_label
from emotts.emotion import EMOTIONS, Emotion
from emotts.errors import DataError, OutputError

words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6)
# Weights as people write them: sixteenths, so that the sum is exact.
labels = st.lists(st.integers(0, 2), min_size=8, max_size=8).map(lambda v: Emotion(tuple(n / 16 for n in v)))


@st.composite
def records(draw):
    speaker = draw(words)
    name = draw(words)
    start = draw(st.integers(0, 10**6)) / 1000
    return Record(
        id=f"{speaker}-{name}",
        speaker=speaker,
        text=" ".join(draw(st.lists(words, min_size=1, max_size=4))),
        audio=Path("/audio") / f"a {draw(st.integers(0, 999))}.wav",
        recording=f"rec-{speaker}-{name}",
        start=start,
        end=start + draw(st.integers(1, 10**5)) / 1000,
        emotion=draw(labels),
        intensity=draw(st.integers(0, 100)) / 100,
        language=draw(words),
        bandwidth=draw(st.integers(1, 48000)),
        split=draw(st.sampled_from(["train", "dev", "test"])),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=5, unique_by=lambda r: r.id))
def test_load_reads_back_what_write_wrote(tmp_path, found):
    data = DataDir(found)
    data.write(tmp_path / "data")
    back = DataDir.load(tmp_path / "data")
    assert [r.id.encode() for r in back] == sorted(r.id.encode() for r in found)
    for old, new in zip(data, back, strict=True):
        assert (new.start, new.end) == (pytest.approx(old.start, abs=1e-6), pytest.approx(old.end, abs=1e-6))
        assert replace(new, start=old.start, end=old.end) == old


@given(labels)
def test_labels_are_read_back_and_sum_to_one(emotion):
    assert parse_label(label_text(emotion)).vector == pytest.approx(emotion.vector, abs=1e-6)
    weights = [float(item.split(":")[1]) for item in label_text(emotion).split()]
    assert sum(weights) == pytest.approx(1.0, abs=1e-3)


def plain(name: str, speaker: str = "anna", **fields) -> Record:
    return replace(Record(f"{speaker}-{name}", speaker, f"Text {name}.", Path(f"/a/{name}.wav")), **fields)


def test_whole_recordings_need_no_segments(tmp_path):
    DataDir([plain("b"), plain("a")]).write(tmp_path / "d")
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == ["spk2utt", "text", "utt2spk", "wav.scp"]
    assert (tmp_path / "d" / "spk2utt").read_text() == "anna anna-a anna-b\n"
    first = DataDir.load(tmp_path / "d").utterances[0]
    assert (first.recording, first.start, first.end, first.emotion) == ("anna-a", 0.0, None, None)


def test_ids_sort_by_bytes_not_by_locale(tmp_path):
    DataDir([plain("a", "anna"), plain("B", "anna"), plain("é", "anna"), plain("z", "Zoe")]).write(
        tmp_path / "d"
    )
    assert [r.id for r in DataDir.load(tmp_path / "d")] == ["Zoe-z", "anna-B", "anna-a", "anna-é"]


def test_subset_and_speakers():
    data = DataDir([plain("a", split="train"), plain("b", split="test"), plain("c", "ben", split="train")])
    assert [r.id for r in data.subset("train")] == ["anna-a", "ben-c"]
    assert data.speakers == {"anna": ["anna-a", "anna-b"], "ben": ["ben-c"]}


def test_writing_again_replaces_tables_and_keeps_other_files(tmp_path):
    DataDir([plain("a", split="train")]).write(tmp_path / "d")
    (tmp_path / "d" / "notes.md").write_text("mine")
    DataDir([plain("b")]).write(tmp_path / "d")
    assert [r.id for r in DataDir.load(tmp_path / "d")] == ["anna-b"]
    assert not (tmp_path / "d" / "utt2split").exists()
    assert (tmp_path / "d" / "notes.md").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["d"]  # nothing temporary is left


def test_a_failed_write_changes_nothing(tmp_path):
    DataDir([plain("a")]).write(tmp_path / "d")
    for bad in (plain("b", text=" "), plain("b c"), plain("b", audio=Path("/a/b\n.wav"))):
        with pytest.raises(DataError):
            DataDir([plain("a"), bad]).write(tmp_path / "d")
    assert [r.id for r in DataDir.load(tmp_path / "d")] == ["anna-a"]
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_write_refuses_a_foreign_folder_and_a_file(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("x")
    with pytest.raises(OutputError, match="not a data directory"):
        DataDir([plain("a")]).write(tmp_path / "thesis")
    with pytest.raises(OutputError, match="is a file"):
        DataDir([plain("a")]).write(tmp_path / "thesis" / "chapter1.tex")


def test_records_that_cannot_stand_together_are_refused(tmp_path):
    with pytest.raises(DataError, match="unique"):
        DataDir([plain("a"), plain("a")])
    with pytest.raises(DataError, match="must start with its speaker"):
        DataDir([Record("x-1", "anna", "t", Path("a.wav"))])
    with pytest.raises(DataError, match="has no split"):
        DataDir([plain("a", split="dev"), plain("b")]).write(tmp_path / "d")
    with pytest.raises(DataError, match="two audio files"):
        DataDir([plain("a", recording="r"), plain("b", recording="r")]).write(tmp_path / "d")
    with pytest.raises(DataError, match="has no end"):
        DataDir([plain("a", recording="r")]).write(tmp_path / "d")
    with pytest.raises(DataError, match="at least one"):
        DataDir([]).write(tmp_path / "d")


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("text", "anna-a one\nanna-a two\n", "text:2: "),
        ("text", "anna-a one\n\nanna-b two\n", "text:2: "),
        ("text", "anna-b one\nanna-a two\n", "text:2: "),
        ("text", "anna-a one\n", 'utt2spk:2: "anna-b" is not in text'),
        ("text", "anna-a one\nanna-b\n", "text:2: "),
        ("text", "", "text: the file is empty"),
        ("wav.scp", "anna-a /a.wav\nanna-b sox x |\n", "wav.scp:2: "),
        ("wav.scp", "anna-a /a.wav\n", 'text:2: "anna-b" is not in wav.scp'),
        ("utt2spk", "anna-a anna\nanna-b ben\n", "utt2spk:2: "),
        ("utt2spk", "anna-a anna\nanna-b anna maria\n", "utt2spk:2: "),
        ("utt2emo", "anna-a cross:1\nanna-b sad:1\n", 'utt2emo:1: "anna-a": unknown emotion "cross"'),
        ("utt2emo", "anna-a sad:0.7 angry:0.7\nanna-b sad:1\n", "utt2emo:1: "),
        ("utt2intensity", "anna-a 0.1\nanna-b 1.1\n", "utt2intensity:2: "),
        ("utt2split", "anna-a train\nanna-b eval\n", "utt2split:2: "),
        ("utt2bandwidth", "anna-a 8000\nanna-b 8k\n", "utt2bandwidth:2: "),
        ("segments", "anna-a anna-a 0 1\nanna-b anna-b 1 1\n", "segments:2: "),
        ("segments", "anna-a anna-a 0 1\nanna-b other 0 1\n", "segments:2: "),
        ("segments", "anna-a anna-a 0\nanna-b anna-b 0 1\n", "segments:1: "),
    ],
)
def test_reading_errors_name_file_and_line(tmp_path, file, content, where):
    DataDir([plain("a"), plain("b")]).write(tmp_path / "d")
    (tmp_path / "d" / file).write_text(content)
    with pytest.raises(DataError) as caught:
        DataDir.load(tmp_path / "d")
    assert str(caught.value).startswith(f"{tmp_path / 'd'}/{where}")
    assert "\n" not in str(caught.value)


def test_missing_directory_missing_table_and_not_text(tmp_path):
    with pytest.raises(DataError, match="no such data directory"):
        DataDir.load(tmp_path / "d")
    DataDir([plain("a")]).write(tmp_path / "d")
    (tmp_path / "d" / "text").write_bytes(b"anna-a \xff\xfe\n")
    with pytest.raises(DataError, match="UTF-8"):
        DataDir.load(tmp_path / "d")
    (tmp_path / "d" / "text").unlink()
    with pytest.raises(DataError, match="text: the file is missing"):
        DataDir.load(tmp_path / "d")


def test_every_emotion_survives_a_label():
    for name in EMOTIONS:
        assert parse_label(f"{name}:0.6 neutral:0.4").as_mapping() == {name: 0.6}
