"""Scripts as tables: CSV and JSON lines, with a column for each field of a line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from emotts.dubbing.script import Cue
from emotts.errors import InputError

COLUMNS = ("start", "end", "text", "speaker", "emotion", "intensity", "instruct", "on_screen", "voice")
"""Fields of a line; start, end and text must be there."""

_KIN = {"character": "speaker", "script": "text", "line": "text", "onscreen": "on_screen"}
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_TRUE, _FALSE = ("true", "yes", "y", "1", "on"), ("false", "no", "n", "0", "off")


def parse(text: str, format: str, source: str) -> tuple[list[Cue], list[str]]:
    """Cues of a CSV or JSONL text, and warnings.

    Raises:
        InputError: a column is missing, or a row cannot be read; names the row.
    """
    rows = list(_csv(text, source) if format == "csv" else _jsonl(text, source))
    if not rows:
        raise InputError(f"{source} holds no line")
    unknown = sorted({key for _, row in rows for key in row if key not in COLUMNS})
    warnings = [f"{source}: column {name!r} is not known and not used" for name in unknown]
    return [_cue(row, number, source) for number, row in rows], warnings


def _csv(text: str, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    header = text.lstrip("\n").partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    try:
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if names is None:
                names = [_column(value) for value in values]
                _require(names, source)
                continue
            if len(values) > len(names):
                raise InputError(
                    f"{source}: row {reader.line_num} has {len(values)} values for {len(names)} columns; "
                    "put quotes around a text that holds the separator"
                )
            yield reader.line_num, dict(zip(names, values, strict=False))
    except csv.Error as error:
        raise InputError(f"{source}: row {reader.line_num} is not valid CSV: {error}") from None


def _require(names: list[str], source: str) -> None:
    missing = [name for name in ("start", "end", "text") if name not in names]
    if missing:
        raise InputError(f"{source} lacks the column {', '.join(missing)}; it has {', '.join(names)}")


def _jsonl(text: str, source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            values = json.loads(row)
        except json.JSONDecodeError as error:
            raise InputError(f"{source}: row {number} is not valid JSON: {error.msg}") from None
        if not isinstance(values, dict):
            raise InputError(f'{source}: row {number} must be an object like {{"start": 1.0, ...}}')
        record = {_column(key): value for key, value in values.items()}
        _require(list(record), f"{source}: row {number}")
        yield number, record


def _column(name: str) -> str:
    key = re.sub(r"[\s-]+", "_", name.strip().casefold())
    return _KIN.get(key, key)


def _cue(row: Mapping[str, Any], number: int, source: str) -> Cue:
    def text(name: str) -> str:
        value = row.get(name)
        return "" if value is None else str(value).strip()

    try:
        return Cue(
            start=seconds(row["start"], "start"),
            end=seconds(row["end"], "end"),
            text=text("text"),
            row=number,
            speaker=text("speaker"),
            emotion=text("emotion"),
            intensity=_intensity(row.get("intensity")),
            instruct=text("instruct"),
            on_screen=_flag(text("on_screen")),
            voice=text("voice"),
        )
    except (InputError, KeyError) as error:
        detail = error if isinstance(error, InputError) else f"no {error.args[0]}"
        raise InputError(f"{source}: row {number}: {detail}") from None


def seconds(value: Any, name: str = "time") -> float:
    """Seconds of 12.5, "12.5", "00:00:12,500" or "0:12.5".

    Raises:
        InputError: none of these, or negative.
    """
    match = _CLOCK.fullmatch(str(value).strip())
    if match:
        hours, minutes, rest = match.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    try:
        number = float("nan") if isinstance(value, bool) else float(str(value).strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise InputError(f"{name} {str(value)!r} is no time; give seconds or 00:00:12.500")
    return number


def _intensity(value: Any) -> float | None:
    if value is None or not str(value).strip():
        return None
    from emotts.emotion.emotion import check_intensity

    return check_intensity("intensity", value)


def _flag(value: str) -> bool | None:
    if not value:
        return None
    if value.casefold() in _TRUE + _FALSE:
        return value.casefold() in _TRUE
    raise InputError(f"on_screen is {value!r}; give true or false")
