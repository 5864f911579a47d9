"""Mends a data directory: sorts, drops what cannot be mended, rebuilds spk2utt, keeps a backup."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from emotts.data.tables import FILES, FieldError, Segment
from emotts.data.validate import SEGMENT_TOLERANCE, LoadedTables, audio_seconds, read_tables
from emotts.errors import DataError, OutputError

BACKUP = ".backup"
"""Folder in the data directory that keeps the tables as they were (then `.backup.1` and so on)."""

_BY_UTTERANCE = tuple(name for name in FILES if name not in ("wav.scp", "spk2utt"))


@dataclass(frozen=True)
class FixReport:
    """What was done.

    Attributes:
        actions: one line for each thing dropped or mended; empty if the directory was right.
        kept: utterances that remain.
        dropped: utterances dropped.
        backup: folder with the tables as they were, None if nothing was changed.
    """

    actions: tuple[str, ...]
    kept: int
    dropped: int
    backup: Path | None


def fix(path: Path | str, audio: bool = True) -> FixReport:
    """Mends a data directory in place.

    Lines are sorted, empty and malformed ones dropped; of a repeated id the first stays. An utterance that
    lacks a valid line in any table, or whose audio cannot be read, is dropped from all. A segment that
    passes the end of its recording is cut there. A missing utt2spk is rebuilt from spk2utt, and spk2utt
    always from utt2spk. An optional table without a single valid line is removed.

    Args:
        path: the data directory.
        audio: whether to open the audio files too.

    Raises:
        DataError: the directory, wav.scp or text is missing or unreadable, or no utterance would remain;
            nothing is changed then.
        OutputError: the tables cannot be written.
    """
    folder = Path(path)
    found = read_tables(folder)
    actions = _line_actions(found)
    rows = _valid_rows(folder, found, actions)
    seconds = _audio(rows["wav.scp"], found, actions) if audio else None
    everyone = {key for name in _BY_UTTERANCE if name in rows for key in rows[name]}
    kept = _keep(rows, found, seconds, actions)
    if not kept:
        raise DataError(f"{folder}: no utterance is left after mending; nothing was changed")
    texts = _render(rows, kept)
    changed = [name for name in FILES if _current(folder / name) != texts.get(name)]
    if not changed:
        return FixReport((), len(kept), 0, None)
    if not actions:
        actions.append(f"{folder}: rewritten: {', '.join(changed)}")
    try:
        backup = _backup(folder)
        for name in changed:
            _replace(folder / name, texts.get(name))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error})") from None
    return FixReport(tuple(actions), len(kept), len(everyone - set(kept)), backup)


def _line_actions(found: LoadedTables) -> list[str]:
    """A line for each line that is dropped, and one for each table that is sorted."""
    silent = ("file-missing", "file-empty", "unsorted")
    actions = [f"dropped line: {p}" for p in found.problems if p.rule not in silent]
    unsorted = sorted({p.file for p in found.problems if p.rule == "unsorted"})
    return actions + [f"sorted {file}" for file in unsorted]


def _valid_rows(folder: Path, found: LoadedTables, actions: list[str]) -> dict[str, dict[str, str]]:
    """File -> id -> the line's value, of the lines that are right."""
    rows = {
        name: {row.key: row.value for row in table.rows if row.key in found.values[name]}
        for name, table in found.tables.items()
    }
    if not rows["utt2spk"] and rows["spk2utt"]:
        actions.append(f"{folder / 'utt2spk'}: rebuilt from spk2utt")
        rows["utt2spk"] = {key: spk for spk, ids in rows["spk2utt"].items() for key in ids.split()}
    for name in ("wav.scp", "text", "utt2spk"):
        if not rows[name]:
            raise DataError(f"{folder / name}: no valid line; this cannot be mended, write the table anew")
    for name in [name for name in rows if not rows[name]]:
        if name != "spk2utt":
            actions.append(f"{folder / name}: removed, for it has no valid line")
        del rows[name]
    return rows


def _audio(recordings: dict[str, str], found: LoadedTables, actions: list[str]) -> dict[str, float]:
    """Recording -> seconds; those that cannot be opened are taken out of `recordings`."""
    seconds: dict[str, float] = {}
    for key in list(recordings):
        try:
            seconds[key] = audio_seconds(found.values["wav.scp"][key])
        except FieldError as error:
            actions.append(f'{found.tables["wav.scp"].path}: dropped "{key}": {error} [{error.rule}]')
            del recordings[key]
    return seconds


def _keep(
    rows: dict[str, dict[str, str]], found: LoadedTables, seconds: dict[str, float] | None, actions: list[str]
) -> list[str]:
    """Ids of the utterances that are right in every table, sorted by bytes."""
    everyone = {key for name in _BY_UTTERANCE if name in rows for key in rows[name]}
    if "segments" not in rows:
        everyone |= set(rows["wav.scp"])
    kept = []
    for key in _sorted(everyone):
        lacking = [name for name in _BY_UTTERANCE if name in rows and key not in rows[name]]
        reason = f"no valid line in {', '.join(lacking)}" if lacking else ""
        if not reason and not key.startswith(rows["utt2spk"][key]):
            reason = f'the id does not start with the speaker "{rows["utt2spk"][key]}"'
        if not reason and "segments" in rows:
            reason = _mend_segment(key, rows, found.values["segments"][key], seconds, actions)
        elif not reason and key not in rows["wav.scp"]:
            reason = "no valid recording in wav.scp"
        if not reason and seconds is not None:
            reason = _lacks_video(key, rows)
        if reason:
            actions.append(f'dropped utterance "{key}": {reason}')
        else:
            kept.append(key)
    return kept


def _lacks_video(key: str, rows: dict[str, dict[str, str]]) -> str:
    video = rows["video.scp"][key] if "video.scp" in rows else None
    return f"video file {video} does not exist" if video and not Path(video).is_file() else ""


def _mend_segment(
    key: str,
    rows: dict[str, dict[str, str]],
    segment: Segment,
    seconds: dict[str, float] | None,
    actions: list[str],
) -> str:
    """Cuts a segment at the end of its recording; returns why the utterance cannot stay, or nothing."""
    if segment.recording not in rows["wav.scp"]:
        return f'no valid recording "{segment.recording}" in wav.scp'
    if seconds is None:
        return ""
    length = seconds[segment.recording]
    if segment.start >= length:
        return f"its segment starts at {segment.start:g} s, beyond the {length:.2f} s of its recording"
    if segment.end > length + SEGMENT_TOLERANCE:
        rows["segments"][key] = f"{segment.recording} {segment.start:.6f} {length:.6f}"
        actions.append(f'"{key}": end of its segment moved from {segment.end:g} s to the end, {length:.2f} s')
    return ""


def _render(rows: dict[str, dict[str, str]], kept: list[str]) -> dict[str, str]:
    """File -> its text."""
    speakers: dict[str, list[str]] = {}
    for key in kept:
        speakers.setdefault(rows["utt2spk"][key], []).append(key)
    texts = {name: _lines(kept, rows[name]) for name in _BY_UTTERANCE if name in rows}
    texts["spk2utt"] = _lines(_sorted(speakers), {spk: " ".join(ids) for spk, ids in speakers.items()})
    used = {rows["segments"][key].split()[0] for key in kept} if "segments" in rows else kept
    texts["wav.scp"] = _lines(_sorted(used), rows["wav.scp"])
    return texts


def _lines(keys: Iterable[str], values: dict[str, str]) -> str:
    return "".join(f"{key} {values[key]}\n" for key in keys)


def _sorted(keys: Iterable[str]) -> list[str]:
    return sorted(keys, key=lambda key: key.encode("utf-8"))


def _current(path: Path) -> str | None:
    """Text of a table, None if there is none; what is not UTF-8 equals nothing."""
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None


def _backup(folder: Path) -> Path:
    """Copies the tables aside; an earlier backup is never overwritten."""
    target, number = folder / BACKUP, 0
    while target.exists():
        number += 1
        target = folder / f"{BACKUP}.{number}"
    target.mkdir()
    for name in FILES:
        if (folder / name).exists():
            shutil.copy2(folder / name, target / name)
    return target


def _replace(path: Path, text: str | None) -> None:
    """Writes a table in one step, or removes it."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(text.encode("utf-8"))
    os.replace(fresh, path)
