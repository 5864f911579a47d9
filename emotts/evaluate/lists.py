"""Sentence lists: what is said, by whom, how, and how long.

A list is JSON Lines (one object a line) or a table with tab-separated columns whose first line names them.
Columns: `id` and `text`, and optionally `emotion voice reference duration tokens speed seed language`.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from emotts.errors import DataError
from emotts.files import write_atomically

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
"""Extensions that are looked for, the first found counts."""

_NUMBERS = {"duration": float, "speed": float, "tokens": int, "seed": int}
_JSON = (".jsonl", ".json", ".ndjson")


@dataclass(frozen=True)
class Sentence:
    """One line of a list.

    Attributes:
        id: name of its audio files, without extension.
        text: what is said.
        emotion: such as "angry:0.7".
        voice: name of a voice or a recording of one; None is the model's default.
        reference: natural recording of the same text by the same speaker.
        duration: seconds asked for.
        tokens: tokens asked for, instead of `duration`.
        speed: speaking rate asked for, instead of both.
        seed: of the synthesis.
        language: of the text.
    """

    id: str
    text: str
    emotion: str = "neutral"
    voice: str | None = None
    reference: str | None = None
    duration: float | None = None
    tokens: int | None = None
    speed: float | None = None
    seed: int | None = None
    language: str = "en-us"


COLUMNS = tuple(field.name for field in fields(Sentence))


def load_sentences(path: Path | str) -> list[Sentence]:
    """Reads a list; relative `reference` paths are taken from the list's folder.

    Raises:
        DataError: missing, empty, or a line that cannot be used; names file and line.
    """
    path = Path(path)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the sentence list {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"the sentence list {path} is not UTF-8") from None
    rows = _json_rows(path, content) if path.suffix.lower() in _JSON else _table_rows(path, content)
    sentences = [_sentence(f"{path}:{line}", values, path.parent) for line, values in rows]
    if not sentences:
        raise DataError(f"the sentence list {path} is empty")
    twice = [key for key, count in Counter(s.id for s in sentences).items() if count > 1]
    if twice:
        raise DataError(
            f"{path}: the id {twice[0]!r} is there twice; ids name audio files and must be unique"
        )
    return sentences


def write_sentences(sentences: Iterable[Sentence], path: Path | str, force: bool = False) -> Path:
    """Writes a list as JSON Lines; values that are not set are left out."""
    lines = (
        json.dumps({k: v for k, v in asdict(sentence).items() if v is not None}, ensure_ascii=False)
        for sentence in sentences
    )
    return write_atomically(path, "".join(f"{line}\n" for line in lines).encode(), force)


def find_audio(directory: Path | str, key: str) -> Path | None:
    """Audio file of an id in a directory, whatever its extension; None where there is none."""
    for suffix in AUDIO_SUFFIXES:
        path = Path(directory) / f"{key}{suffix}"
        if path.is_file():
            return path
    return None


def find_all_audio(directory: Path | str, sentences: Iterable[Sentence]) -> dict[str, Path]:
    """Audio file of every sentence of a list.

    Raises:
        DataError: the directory or a file is missing; a score over fewer would flatter.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise DataError(f"audio directory {directory} does not exist")
    found = {sentence.id: find_audio(directory, sentence.id) for sentence in sentences}
    return _all_or_error(found, f"{directory} lacks audio of")


def find_references(sentences: Iterable[Sentence]) -> dict[str, Path]:
    """Natural recording of every sentence, from the list's `reference` column; empty when it has none.

    Raises:
        DataError: some sentences have one and others not, or a file is missing.
    """
    given = {s.id: Path(s.reference) if s.reference else None for s in sentences}
    if not any(given.values()):
        return {}
    return _all_or_error(
        {key: path if path is not None and path.is_file() else None for key, path in given.items()},
        "no reference recording of",
    )


def _all_or_error(found: dict[str, Path | None], message: str) -> dict[str, Path]:
    missing = [key for key, path in found.items() if path is None]
    if missing:
        raise DataError(f"{message} {len(missing)} of {len(found)} sentences: {', '.join(missing)}")
    return {key: path for key, path in found.items() if path is not None}


def _json_rows(path: Path, content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{number}: not a JSON object ({error.msg})") from None
        if not isinstance(values, dict):
            raise DataError(f"{path}:{number}: not a JSON object")
        yield number, values


def _table_rows(path: Path, content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(content.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header: list[str] = []
    for number, row in enumerate(reader, start=1):
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header = [cell.strip() for cell in row]
            if "id" not in header or "text" not in header:
                raise DataError(
                    f"{path}:{number}: the first line must name the columns, id and text among them"
                )
            continue
        if len(row) != len(header):
            raise DataError(f"{path}:{number}: {len(row)} columns; the first line names {len(header)}")
        yield number, {name: cell.strip() or None for name, cell in zip(header, row, strict=True)}


def _sentence(place: str, values: dict[str, Any], folder: Path) -> Sentence:
    unknown = sorted(set(values) - set(COLUMNS))
    if unknown:
        raise DataError(f"{place}: unknown column {unknown[0]!r}; valid columns: {', '.join(COLUMNS)}")
    values = {name: value for name, value in values.items() if value is not None}
    for name in ("id", "text"):
        if not str(values.get(name, "")).strip():
            raise DataError(f"{place}: {name} is missing")
    for name in values:
        values[name] = _number(place, name, values[name]) if name in _NUMBERS else str(values[name])
    if values["id"] in (".", "..") or any(character in values["id"] for character in "/\\\0"):
        raise DataError(f"{place}: the id {values['id']!r} cannot name a file")
    if "reference" in values:
        values["reference"] = str(folder / values["reference"])
    if sum(name in values for name in ("duration", "tokens", "speed")) > 1:
        raise DataError(f"{place}: give at most one of duration, tokens and speed")
    return Sentence(**values)


def _number(place: str, name: str, value: Any) -> float | int:
    try:
        number = _NUMBERS[name](value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool) or (name != "seed" and number <= 0):
        raise DataError(f"{place}: {name} must be a number greater than 0, not {value!r}")
    return number
