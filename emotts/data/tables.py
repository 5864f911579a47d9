"""Kaldi's tables, line by line: `<id> <value>` sorted by the bytes of the id.

Reading collects problems instead of stopping at the first, so that the loader (which raises the first) and
the validator (which lists all) share one reader and one set of rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotts.data.splits import SPLITS
from emotts.emotion.emotion import Emotion, parse_weights
from emotts.errors import DataError, InputError

REQUIRED = ("wav.scp", "text", "utt2spk", "spk2utt")
OPTIONAL = (
    "segments",
    "utt2emo",
    "utt2intensity",
    "utt2lang",
    "utt2bandwidth",
    "utt2split",
    "video.scp",
)
FILES = REQUIRED + OPTIONAL
"""Every table of a data directory, the required ones first."""

WEIGHT_TOLERANCE = 1e-3
"""Rounded weights may sum to a little more than one."""


@dataclass(frozen=True)
class Problem:
    """One broken rule.

    Attributes:
        rule: short name of the rule, e.g. "unsorted".
        file: path of the table.
        line: number of the line, from 1; 0 where the file as a whole is meant.
        message: what is wrong and what would be right, one line.
    """

    rule: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message} [{self.rule}]"

    def error(self) -> DataError:
        """The same as an exception."""
        return DataError(str(self))


@dataclass(frozen=True)
class Row:
    """One line of a table: its number (from 1), its id and the rest of the line."""

    line: int
    key: str
    value: str


@dataclass(frozen=True)
class Table:
    """A table as read.

    Attributes:
        path: the file.
        rows: its well-formed lines in their order, each id once.
        problems: what is wrong with the lines' form.
        ids: every id that a line starts with, of the malformed lines too.
    """

    path: Path
    rows: list[Row]
    problems: list[Problem]
    ids: dict[str, int]


@dataclass(frozen=True)
class Segment:
    """A part of a recording: `<recording> <start> <end>`, seconds."""

    recording: str
    start: float
    end: float


class FieldError(ValueError):
    """A value that breaks a rule; carries the rule's name."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def parse_label(value: str) -> Emotion:
    """`angry:0.60 sad:0.20` -> Emotion; weights in [0, 1] with a sum of at most 1, the rest being neutral."""
    try:
        weights = parse_weights(value)
    except InputError as error:
        rule = "weights-out-of-range" if str(error).startswith("intensity") else "unknown-emotion"
        raise FieldError(rule, str(error)) from None
    total = sum(weights.values())
    if total > 1.0 + WEIGHT_TOLERANCE:
        raise FieldError("weights-out-of-range", f"weights of the emotions sum to {total:.3f}; at most 1")
    return Emotion.from_mapping(weights)


def parse_intensity(value: str) -> float:
    """`0.7` -> 0.7, in [0, 1]."""
    number = _number(value)
    if number is None or not 0.0 <= number <= 1.0:
        raise FieldError("intensity-out-of-range", f'intensity is "{value}"; it must be a number from 0 to 1')
    return number


def parse_bandwidth(value: str) -> int:
    """`8000` -> 8000 Hz, above 0."""
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        message = f'bandwidth is "{value}"; it must be a whole number of Hz, e.g. 8000'
        raise FieldError("bad-bandwidth", message)
    return int(value)


def parse_split(value: str) -> str:
    """One of `SPLITS`."""
    if value not in SPLITS:
        raise FieldError("unknown-split", f'unknown split "{value}"; it must be one of {", ".join(SPLITS)}')
    return value


def parse_word(value: str) -> str:
    """One word: a speaker or a language."""
    if len(value.split()) != 1:
        raise FieldError("malformed-line", f'"{value}" must be one word')
    return value


def parse_path(value: str) -> Path:
    """A path (it may hold spaces); Kaldi's `command |` is refused, for data should not run programs."""
    if value.endswith("|"):
        raise FieldError("malformed-line", "a command with a pipe is not supported; give an audio file")
    return Path(value)


def parse_segment(value: str) -> Segment:
    """`<recording> <start> <end>` in seconds, 0 <= start < end."""
    parts = value.split()
    if len(parts) != 3:
        raise FieldError("malformed-line", "a segment is `<utterance> <recording> <start> <end>`")
    start, end = _number(parts[1]), _number(parts[2])
    if start is None or end is None or start < 0.0:
        raise FieldError("segment-times", f'segment times "{parts[1]} {parts[2]}" must be seconds from 0')
    if end <= start:
        raise FieldError("segment-times", f"segment ends at {end:g} s, not after its start at {start:g} s")
    return Segment(parts[0], start, end)


def parse_text(value: str) -> str:
    """The words spoken."""
    return value


def parse_ids(value: str) -> tuple[str, ...]:
    """The utterances of a speaker."""
    return tuple(value.split())


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "wav.scp": parse_path,
    "text": parse_text,
    "utt2spk": parse_word,
    "spk2utt": parse_ids,
    "segments": parse_segment,
    "utt2emo": parse_label,
    "utt2intensity": parse_intensity,
    "utt2lang": parse_word,
    "utt2bandwidth": parse_bandwidth,
    "utt2split": parse_split,
    "video.scp": parse_path,
}
"""File -> reader of its values (raises FieldError)."""


def scan_table(path: Path) -> Table:
    """Reads a table, collecting what is wrong with the form of its lines.

    A repeated id is reported and kept out of the rows; an id out of order is reported and kept in.
    """
    table = Table(path, [], [], {})
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        table.problems.append(Problem("file-missing", str(path), 0, "the file is missing"))
        return table
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read as UTF-8 text ({error})"
        table.problems.append(Problem("file-unreadable", str(path), 0, message))
        return table
    previous = b""
    for number, line in enumerate(content.removesuffix("\n").split("\n") if content else [], start=1):
        found = _scan_line(table, number, line)
        if isinstance(found, Problem):
            table.problems.append(found)
            continue
        key = found.key.encode("utf-8")
        if key < previous:
            message = f'"{found.key}" is out of order; sort with LC_ALL=C, or run tools/fix_data_dir.py'
            table.problems.append(Problem("unsorted", str(path), number, message))
        previous = key
        table.rows.append(found)
    if not content:
        message = "the file is empty; it needs one line for each id"
        table.problems.append(Problem("file-empty", str(path), 0, message))
    return table


def _scan_line(table: Table, number: int, line: str) -> Row | Problem:
    path = str(table.path)
    parts = line.split(maxsplit=1)
    if not parts:
        return Problem("empty-line", path, number, "the line is empty; remove it")
    key = parts[0]
    if key in table.ids:
        message = f'"{key}" is given twice; the first time in line {table.ids[key]}'
        return Problem("duplicate-id", path, number, message)
    table.ids[key] = number
    if line[0].isspace():
        message = "the line starts with a space; it must start with an id"
        return Problem("malformed-line", path, number, message)
    if len(parts) == 1 and table.path.name == "text":
        return Problem("empty-text", path, number, f'"{key}" has no text')
    if len(parts) == 1:
        return Problem("malformed-line", path, number, f'"{key}" has no value; a line is `<id> <value>`')
    return Row(number, key, parts[1].strip())


def parse_rows(path: Path, rows: list[Row]) -> tuple[dict[str, Any], list[Problem]]:
    """Id -> value of the rows whose value is valid for this file, and the problems of the others."""
    parser = PARSERS[path.name]
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for row in rows:
        try:
            values[row.key] = parser(row.value)
        except FieldError as error:
            problems.append(Problem(error.rule, str(path), row.line, f'"{row.key}": {error}'))
    return values, problems


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
