"""Every rule that a data directory must keep, checked without stopping at the first breach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from emotts.data.tables import (
    FILES,
    REQUIRED,
    FieldError,
    Problem,
    Segment,
    Table,
    parse_rows,
    scan_table,
)
from emotts.errors import DataError

RULES = {
    "file-missing": "the required tables are there",
    "file-unreadable": "tables are UTF-8 text",
    "file-empty": "tables have lines",
    "empty-line": "no line is empty",
    "malformed-line": "a line is an id and a value of the table's form",
    "duplicate-id": "an id stands once in a table",
    "unsorted": "lines are sorted by the bytes of their ids (LC_ALL=C)",
    "empty-text": "every utterance has words",
    "id-missing": "all tables have the same ids",
    "speaker-not-prefix": "an utterance's id starts with its speaker",
    "spk2utt-not-inverse": "spk2utt is utt2spk turned round",
    "unknown-emotion": "emotions are known and named once",
    "weights-out-of-range": "emotion weights are in [0, 1] and sum to at most 1",
    "intensity-out-of-range": "intensities are in [0, 1]",
    "bad-bandwidth": "bandwidths are whole Hz above 0",
    "unknown-split": "splits are train, dev or test",
    "segment-times": "a segment ends after it starts",
    "segment-beyond-audio": "a segment ends within its recording",
    "audio-missing": "audio files exist",
    "audio-unreadable": "audio files can be opened",
    "audio-empty": "recordings have samples",
    "video-missing": "video files exist",
}
"""Rule -> what it asks for; the keys are the values of `Problem.rule`."""

SEGMENT_TOLERANCE = 0.01
"""Seconds by which a rounded segment may pass the end of its recording."""


@dataclass
class LoadedTables:
    """The tables of a data directory as far as they can be read: file -> table, file -> id -> value."""

    tables: dict[str, Table]
    values: dict[str, dict[str, Any]]
    problems: list[Problem]


def read_tables(folder: Path) -> LoadedTables:
    """Reads every table, collecting the problems of lines and of values.

    Raises:
        DataError: the folder is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data directory")
    found = LoadedTables({}, {}, [])
    for name in FILES:
        if name not in REQUIRED and not (folder / name).exists():
            continue
        table = scan_table(folder / name)
        values, problems = parse_rows(table.path, table.rows)
        found.tables[name], found.values[name] = table, values
        found.problems += sorted(table.problems + problems, key=lambda problem: problem.line)
    return found


def validate(path: Path | str, audio: bool = True) -> list[Problem]:
    """All problems of a data directory; none means that every reader of the package accepts it.

    Args:
        path: the data directory.
        audio: whether to open the audio files' headers too (the slow part).

    Returns:
        Problems in the order of the tables and their lines, audio last.

    Raises:
        DataError: the directory itself is missing.
    """
    found = read_tables(Path(path))
    problems = [
        *found.problems,
        *_check_ids(found),
        *_check_recordings(found),
        *_check_speakers(found),
        *_check_inverse(found),
    ]
    if audio:
        problems += _check_audio(found)
    return problems


def audio_seconds(path: Path) -> float:
    """Length of an audio file by its header, in seconds.

    Raises:
        FieldError: missing, unreadable or without samples; carries the rule.
    """
    if not path.is_file():
        raise FieldError("audio-missing", f"audio file {path} does not exist")
    try:
        info = soundfile.info(str(path))
    except (OSError, RuntimeError) as error:
        message = f"audio file {path} cannot be opened ({str(error).strip()})"
        raise FieldError("audio-unreadable", message) from None
    if info.frames <= 0 or info.samplerate <= 0:
        raise FieldError("audio-empty", f"audio file {path} has no samples")
    return info.frames / info.samplerate


def _check_ids(found: LoadedTables) -> Iterator[Problem]:
    """Tables by utterance have the ids of `text`; a missing or unreadable table is reported already."""
    whole = set(found.tables) - {"text", "spk2utt"}
    if "segments" in found.tables:
        whole.discard("wav.scp")
    text = found.tables["text"]
    for name in (name for name in FILES if name in whole):
        other = found.tables[name]
        if text.ids and other.ids:
            yield from _missing(text, other)
            yield from _missing(other, text)


def _missing(first: Table, second: Table) -> Iterator[Problem]:
    for key, line in first.ids.items():
        if key not in second.ids:
            message = f'"{key}" is not in {second.path.name}; both tables must have the same ids'
            yield Problem("id-missing", str(first.path), line, message)


def _check_recordings(found: LoadedTables) -> Iterator[Problem]:
    """Segments and `wav.scp` name the same recordings."""
    segments, recordings = found.tables.get("segments"), found.tables["wav.scp"]
    if segments is None or not recordings.ids:
        return
    used: set[str] = set()
    for row in segments.rows:
        recording = row.value.split()[0]
        used.add(recording)
        if recording not in recordings.ids:
            message = f'recording "{recording}" of "{row.key}" is not in wav.scp'
            yield Problem("id-missing", str(segments.path), row.line, message)
    for key, line in recordings.ids.items():
        if key not in used:
            message = f'recording "{key}" is in no segment; remove it or add segments'
            yield Problem("id-missing", str(recordings.path), line, message)


def _check_speakers(found: LoadedTables) -> Iterator[Problem]:
    table = found.tables["utt2spk"]
    for row in table.rows:
        speaker = found.values["utt2spk"].get(row.key)
        if speaker is not None and not row.key.startswith(speaker):
            message = f'the id "{row.key}" must start with its speaker "{speaker}", or sorting breaks'
            yield Problem("speaker-not-prefix", str(table.path), row.line, message)


def _check_inverse(found: LoadedTables) -> Iterator[Problem]:
    table, forward = found.tables["spk2utt"], found.tables["utt2spk"]
    if not table.ids or not forward.ids:
        return
    expected: dict[str, list[str]] = {}
    for key, speaker in found.values["utt2spk"].items():
        expected.setdefault(speaker, []).append(key)
    for row in table.rows:
        ids = found.values["spk2utt"][row.key]
        right = sorted(expected.get(row.key, []), key=lambda key: key.encode("utf-8"))
        # A line of utt2spk that cannot be read is reported there, not here as well.
        odd = sorted((set(ids) ^ set(right)) - (set(forward.ids) - set(found.values["utt2spk"])))
        if odd:
            message = (
                f'speaker "{row.key}" does not have the utterances of utt2spk, e.g. not alike: "{odd[0]}"'
            )
            yield Problem("spk2utt-not-inverse", str(table.path), row.line, message)
        elif len(ids) != len(set(ids)) or list(ids) != sorted(ids, key=lambda key: key.encode("utf-8")):
            message = f'the utterances of "{row.key}" are not sorted, or repeated; run tools/fix_data_dir.py'
            yield Problem("spk2utt-not-inverse", str(table.path), row.line, message)
    for speaker in sorted(set(expected) - set(table.ids)):
        message = f'speaker "{speaker}" of utt2spk is missing'
        yield Problem("spk2utt-not-inverse", str(table.path), 0, message)


def _check_audio(found: LoadedTables) -> Iterator[Problem]:
    table = found.tables["wav.scp"]
    seconds: dict[str, float] = {}
    for row in table.rows:
        if row.key in found.values["wav.scp"]:
            try:
                seconds[row.key] = audio_seconds(found.values["wav.scp"][row.key])
            except FieldError as error:
                yield Problem(error.rule, str(table.path), row.line, f'"{row.key}": {error}')
    for row in found.tables["segments"].rows if "segments" in found.tables else []:
        segment = found.values["segments"].get(row.key)
        if isinstance(segment, Segment) and segment.recording in seconds:
            length = seconds[segment.recording]
            if segment.end > length + SEGMENT_TOLERANCE:
                message = f'"{row.key}" ends at {segment.end:g} s, beyond the {length:.2f} s of its recording'
                yield Problem("segment-beyond-audio", str(found.tables["segments"].path), row.line, message)
    for row in found.tables["video.scp"].rows if "video.scp" in found.tables else []:
        video = found.values["video.scp"].get(row.key)
        if video is not None and not video.is_file():
            message = f'"{row.key}": video file {video} does not exist'
            yield Problem("video-missing", str(found.tables["video.scp"].path), row.line, message)
