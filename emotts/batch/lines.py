"""The file of a batch: JSON Lines, checked whole before any model is loaded."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emotts.emotion import Emotion
from emotts.errors import AudioError, DataError, EmottsError, InputError
from emotts.request import check_request

FIELDS = (
    "id", "text", "voice", "emotion", "instruct", "duration", "tokens", "speed", "seed", "language", "markup"
)  # fmt: skip
"""What a line may hold; only `text` must be there."""

_ID = re.compile(r"[^\W][\w.-]{0,127}")


@dataclass(frozen=True)
class Line:
    """One line that can be spoken.

    Attributes:
        number: in the file, from 1.
        id: name of its audio file, without extension.
        text: what is said.
        voice: a name, or the path of a file; None is the model's default.
        emotion: eight intensities; None is neutral.
        instruct: how it is said, in words.
        duration: exact seconds.
        tokens: exact tokens.
        speed: speaking rate.
        seed: of its randomness.
        language: of the text; None is the model's first.
        markup: whether the text holds markup.
    """

    number: int
    id: str
    text: str
    voice: str | None = None
    emotion: tuple[float, ...] | None = None
    instruct: str | None = None
    duration: float | None = None
    tokens: int | None = None
    speed: float | None = None
    seed: int = 0
    language: str | None = None
    markup: bool = False

    def digest(self, settings: Mapping[str, Any]) -> str:
        """Names the result: the same for the same line, settings and voice file."""
        known = {name: value for name, value in asdict(self).items() if name not in ("number", "id")}
        if self.voice and Path(self.voice).is_file():
            known["voice"] = hashlib.sha256(Path(self.voice).read_bytes()).hexdigest()
        content = json.dumps([known, settings], sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class BadLine:
    """One line that cannot be spoken.

    Attributes:
        number: in the file, from 1.
        id: its own, or one made from its number.
        error: what is wrong.
    """

    number: int
    id: str
    error: str


@dataclass(frozen=True)
class Defaults:
    """What holds for lines that do not say it themselves.

    Attributes:
        values: field -> value, of `FIELDS`.
        voices: names of the model's voices.
        folder: that the paths of voices are relative to.
        check_language: raises InputError for a language that nobody speaks.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    voices: Collection[str] = ()
    folder: Path = Path()
    check_language: Callable[[str], object] = str


def read_lines(path: Path, defaults: Defaults) -> list[Line | BadLine]:
    """Reads and checks a whole file; empty lines are skipped.

    Raises:
        DataError: the file is missing, not UTF-8, or has no lines.
    """
    try:
        rows = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        number = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {number}: not UTF-8") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    found: list[Line | BadLine] = []
    owners: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        line = _read(row, number, defaults)
        if line.id in owners and isinstance(line, Line):
            line = BadLine(number, f"{number:05d}", f"id {line.id!r} is that of line {owners[line.id]} too")
        owners.setdefault(line.id, number)
        found.append(line)
    if not found:
        raise DataError(f"{path} has no lines; write one JSON object in each, with a text")
    return found


def emotion_of(value: Any) -> Emotion:
    """The emotion that a JSON value stands for: text, a mapping, or eight intensities.

    Raises:
        InputError: it stands for none.
    """
    if isinstance(value, str | Mapping | list):
        return Emotion.of(value)
    raise InputError(f"emotion must be text, an object or eight numbers, not {json.dumps(value)}")


def _read(row: str, number: int, defaults: Defaults) -> Line | BadLine:
    name = f"{number:05d}"
    try:
        values = json.loads(row)
        if not isinstance(values, dict):
            raise InputError('a line is a JSON object such as {"text": "Hello."}')
        given = values.get("id")
        name = given if isinstance(given, str) and _ID.fullmatch(given) else name
        return _line(values, number, defaults)
    except json.JSONDecodeError as error:
        return BadLine(number, name, f"no JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError):
        return BadLine(number, name, "no JSON that can be read: a number too long, or too many brackets")
    except EmottsError as error:
        return BadLine(number, name, str(error))


def _line(given: dict[str, Any], number: int, defaults: Defaults) -> Line:
    for key in given:
        if key not in FIELDS:
            near = difflib.get_close_matches(key, FIELDS, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(f"unknown field {key!r}{hint}; fields: {', '.join(FIELDS)}")
    own = {key: value for key, value in given.items() if value is not None}
    lengths = ("duration", "tokens", "speed")
    # A length of the line's own takes the place of the one for all.
    general = {k: v for k, v in defaults.values.items() if k not in lengths or not own.keys() & set(lengths)}
    values = {**general, **own}
    if "text" not in values:
        raise InputError('the line has no "text"')
    _check_kinds(values)
    values.setdefault("id", f"{number:05d}")
    if not _ID.fullmatch(values["id"]):
        raise InputError(f"id {values['id']!r} is no file name; use letters, digits and . _ -")
    if "emotion" in values:
        values["emotion"] = emotion_of(values["emotion"]).vector
    if "language" in values:
        defaults.check_language(values["language"])
    if "voice" in values:
        values["voice"] = _voice(values["voice"], defaults)
    check_request(_said(values), **{key: values.get(key) for key in ("duration", "tokens", "speed", "seed")})
    return Line(number=number, **values)


def _check_kinds(values: Mapping[str, Any]) -> None:
    for name in ("id", "text", "voice", "instruct", "language"):
        if name in values and not isinstance(values[name], str):
            raise InputError(f"{name} must be text in quotation marks, not {json.dumps(values[name])[:40]}")
    if not isinstance(values.get("markup", False), bool):
        raise InputError(f"markup must be true or false, not {json.dumps(values['markup'])[:40]}")


def _said(values: Mapping[str, Any]) -> str:
    text = values["text"]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the text holds half of a surrogate pair, which is no character") from None
    if not values.get("markup"):
        return text
    from emotts.markup import check_markup

    return check_markup(text, values.get("language") or "en-us")


def _voice(name: str, defaults: Defaults) -> str:
    if name in defaults.voices:
        return name
    path = defaults.folder / name
    if path.is_file():
        return str(path.resolve())
    if path.suffix or len(Path(name).parts) > 1:
        raise AudioError(f"voice file {path} does not exist")
    known = ", ".join(defaults.voices) or "none"
    raise InputError(f"unknown voice {name!r}; named voices: {known}; or give a recording or a voice file")
