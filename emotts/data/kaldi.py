"""Kaldi-style data directories: one folder of small sorted tables for a corpus.

`wav.scp text utt2spk spk2utt`, optional `segments`, and emotts' own `utt2emo utt2intensity utt2lang
utt2bandwidth utt2split video.scp`. Ids sort by bytes (LC_ALL=C) and start with the speaker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotts.data.tables import FILES, REQUIRED, Problem, Segment, parse_rows, scan_table
from emotts.emotion import EMOTIONS, NEUTRAL, Emotion
from emotts.errors import DataError, OutputError


@dataclass(frozen=True)
class Record:
    """One utterance of a data directory.

    Attributes:
        id: utterance id, starting with the speaker.
        speaker: speaker id.
        text: the words spoken.
        audio: audio file.
        recording: id of the audio file in `wav.scp`; the utterance's own id where there are no segments.
        start: seconds from the beginning of the file.
        end: seconds, or None for the whole file.
        emotion: what is heard, as shares of listeners; None where it is not known.
        intensity: strength of what is heard in [0, 1], or None.
        language: e.g. "en-us", or None.
        bandwidth: Hz above which the recording carries nothing, or None.
        split: "train", "dev", "test" or None.
        video: video file, or None.
    """

    id: str
    speaker: str
    text: str
    audio: Path
    recording: str = ""
    start: float = 0.0
    end: float | None = None
    emotion: Emotion | None = None
    intensity: float | None = None
    language: str | None = None
    bandwidth: int | None = None
    split: str | None = None
    video: Path | None = None


_COLUMNS = {
    "utt2emo": "emotion",
    "utt2intensity": "intensity",
    "utt2lang": "language",
    "utt2bandwidth": "bandwidth",
    "utt2split": "split",
    "video.scp": "video",
}


class DataDir:
    """Utterances of a data directory, sorted by the bytes of their ids."""

    def __init__(self, utterances: Iterable[Record]) -> None:
        """Takes records in any order.

        Raises:
            DataError: two records have the same id, or an id does not start with its speaker.
        """
        self.utterances = sorted(utterances, key=lambda record: record.id.encode("utf-8"))
        for first, second in zip(self.utterances, self.utterances[1:], strict=False):
            if first.id == second.id:
                raise DataError(f'two utterances have the id "{first.id}"; ids must be unique')
        for record in self.utterances:
            if not record.id.startswith(record.speaker):
                raise DataError(f'the id "{record.id}" must start with its speaker "{record.speaker}"')

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.utterances)

    @property
    def speakers(self) -> dict[str, list[str]]:
        """Speaker -> ids of their utterances, both sorted."""
        found: dict[str, list[str]] = {}
        for record in self.utterances:
            found.setdefault(record.speaker, []).append(record.id)
        return dict(sorted(found.items(), key=lambda item: item[0].encode("utf-8")))

    def subset(self, split: str) -> DataDir:
        """The utterances of one split."""
        return DataDir(record for record in self.utterances if record.split == split)

    @classmethod
    def load(cls, path: Path | str) -> DataDir:
        """Reads a data directory; audio files are not opened (`emotts.data.validate` does that).

        Relative audio paths are taken from the working directory, as Kaldi does.

        Raises:
            DataError: a file is missing, a line cannot be read, an id is repeated, out of order or missing
                in another file; names file and line.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such data directory")
        tables = {name: _load_table(folder / name) for name in FILES if _wanted(folder, name)}
        for name, table in tables.items():
            if name not in ("text", "wav.scp", "spk2utt"):
                _same_ids(folder, tables["text"], table, name)
        if "segments" not in tables:
            _same_ids(folder, tables["text"], tables["wav.scp"], "wav.scp")
        return cls(_record(folder, tables, key) for key in tables["text"])

    def write(self, path: Path | str) -> None:
        """Writes all tables at once: a reader sees the old directory or the new one, never a mixture.

        Other files in an existing data directory are kept; tables that no longer apply are removed.

        Raises:
            OutputError: the path is a file, a directory that is not a data directory, or cannot be written.
            DataError: no utterances, or a value is given for some utterances only.
        """
        folder = Path(path)
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; give the path of a directory")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "wav.scp").exists():
            raise OutputError(f"{folder} exists and is not a data directory; give a new path")
        tables = {name: lines for name, lines in self._tables().items() if lines}
        try:
            _write_tables(tables, folder)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error})") from None

    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        records = self.utterances
        if not records:
            raise DataError("a data directory needs at least one utterance")
        recordings: dict[str, Path] = {}
        for record in records:
            recording = record.recording or record.id
            if recordings.setdefault(recording, record.audio) != record.audio:
                raise DataError(f'recording "{recording}" has two audio files; give each its own id')
        cut = any(r.end is not None or (r.recording or r.id) != r.id for r in records)
        tables = {
            "wav.scp": sorted(((k, str(v)) for k, v in recordings.items()), key=lambda i: i[0].encode()),
            "text": [(r.id, " ".join(r.text.split())) for r in records],
            "utt2spk": [(r.id, r.speaker) for r in records],
            "spk2utt": [(speaker, " ".join(ids)) for speaker, ids in self.speakers.items()],
            "segments": [(r.id, _segment_text(r)) for r in records] if cut else [],
        }
        for name, field in _COLUMNS.items():
            tables[name] = self._column(name, field)
        for name, lines in tables.items():
            for key, value in lines:
                _check_line(name, key, value)
        return tables

    def _column(self, name: str, field: str) -> list[tuple[str, str]]:
        known = [(r.id, getattr(r, field)) for r in self.utterances if getattr(r, field) is not None]
        if known and len(known) != len(self.utterances):
            lacking = next(r.id for r in self.utterances if getattr(r, field) is None)
            raise DataError(f'utterance "{lacking}" has no {field}; {name} needs one for every utterance')
        return [(key, _field_text(value)) for key, value in known]


def label_text(emotion: Emotion) -> str:
    """An emotion as `utt2emo` writes it, what is left to 1 as neutral: `angry:0.6 neutral:0.4`."""
    weights = {name: round(v, 6) for name, v in zip(EMOTIONS, emotion.vector, strict=True) if round(v, 6) > 0}
    rest = round(1.0 - sum(weights.values()), 4)
    if rest > 0.0:
        weights[NEUTRAL] = rest
    return " ".join(f"{name}:{_decimal(value)}" for name, value in weights.items())


def _decimal(value: float) -> str:
    """Shortest plain decimal with at most six digits (never `1e-05`)."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _field_text(value: Any) -> str:
    if isinstance(value, Emotion):
        return label_text(value)
    return _decimal(value) if isinstance(value, float) else str(value)


def _segment_text(record: Record) -> str:
    if record.end is None:
        raise DataError(f'utterance "{record.id}" has no end; with segments every utterance needs one')
    return f"{record.recording or record.id} {_decimal(record.start)} {_decimal(record.end)}"


def _check_line(name: str, key: str, value: str) -> None:
    """Raises DataError for a line that would be read back as another."""
    if len(key.split()) != 1 or key.strip() != key:
        raise DataError(f"the id {key!r} must be one word without spaces")
    if not value:
        raise DataError(f'utterance "{key}" has an empty value for {name}')
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(f"{key!r}: the value {value!r} for {name} is not valid text") from None
    if value.strip() != value or "\n" in value:
        raise DataError(
            f'"{key}": the value {value!r} for {name} must not have line breaks or spaces around it'
        )


def _write_tables(tables: dict[str, list[tuple[str, str]]], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        for name, lines in tables.items():
            content = "".join(f"{key} {value}\n" for key, value in lines)
            (fresh / name).write_bytes(content.encode("utf-8"))
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, folder: Path) -> None:
    """Puts `fresh` in the place of `folder`, which keeps its files that are not tables."""
    if not folder.exists():
        os.replace(fresh, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    os.replace(folder, old)
    try:
        os.replace(fresh, folder)
    except OSError:
        os.replace(old, folder)
        raise
    for entry in old.iterdir():
        if entry.name not in FILES:
            os.replace(entry, folder / entry.name)
    shutil.rmtree(old)


def _wanted(folder: Path, name: str) -> bool:
    return name in REQUIRED or (folder / name).exists()


def _load_table(path: Path) -> dict[str, tuple[int, Any]]:
    """Id -> (line, value) of a table without problems."""
    table = scan_table(path)
    values, problems = parse_rows(path, table.rows)
    found = sorted(table.problems + problems, key=lambda problem: problem.line)
    if found:
        raise found[0].error()
    return {row.key: (row.line, values[row.key]) for row in table.rows}


def _same_ids(folder: Path, text: dict[str, Any], other: dict[str, Any], name: str) -> None:
    for first, second, place, missing in ((text, other, "text", name), (other, text, name, "text")):
        for key, (line, _) in first.items():
            if key not in second:
                message = f'"{key}" is not in {missing}; both files must have the same ids'
                raise Problem("id-missing", str(folder / place), line, message).error()


def _record(folder: Path, tables: dict[str, dict[str, Any]], key: str) -> Record:
    line, speaker = tables["utt2spk"][key]
    if not key.startswith(speaker):
        message = f'the id "{key}" must start with its speaker "{speaker}"'
        raise Problem("speaker-not-prefix", str(folder / "utt2spk"), line, message).error()
    record = Record(key, speaker, tables["text"][key][1], Path(), recording=key)
    if "segments" in tables:
        line, segment = tables["segments"][key]
        assert isinstance(segment, Segment)
        if segment.recording not in tables["wav.scp"]:
            message = f'recording "{segment.recording}" is not in wav.scp'
            raise Problem("id-missing", str(folder / "segments"), line, message).error()
        record = replace(record, recording=segment.recording, start=segment.start, end=segment.end)
    extra = {field: tables[name][key][1] for name, field in _COLUMNS.items() if name in tables}
    return replace(record, audio=tables["wav.scp"][record.recording][1], **extra)
