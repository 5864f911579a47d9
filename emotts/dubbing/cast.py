"""Casts: who speaks with which voice, how by default, how fast, how loud, and how names are said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, field_validator

from emotts.config import StrictModel
from emotts.dubbing.options import Rate
from emotts.dubbing.script import ScriptLine
from emotts.emotion import Emotion
from emotts.errors import InputError

EVERYONE = "*"
"""Name of the entry for speakers who have none of their own, and for lines without a speaker."""


class CastEntry(StrictModel):
    """One speaker.

    Attributes:
        voice: a named voice, a recording, or a voice file; paths start at the cast file.
        emotion: of lines that tell none.
        rate: slowest and fastest speaking rate; 1 is natural.
        gain: in dB, added to the matched loudness.
        lexicon: how words are to be said: word -> respelling.
    """

    voice: str
    emotion: str = "neutral"
    rate: tuple[Rate, Rate] | None = None
    gain: Annotated[float, Field(ge=-60.0, le=24.0)] = 0.0
    lexicon: dict[str, str] = Field(default_factory=dict)

    @field_validator("voice")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty; give a named voice or a file")
        return value.strip()

    @field_validator("rate")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(f"is [{value[0]:g}, {value[1]:g}]; give the slowest first")
        return value


@dataclass(frozen=True)
class Role:
    """What a line is spoken with.

    Attributes:
        line: of the script.
        text: what is said, after the lexicon.
        voice: as in `EmoTTS.voice`; None is the model's default.
        emotion: of the line.
        rate: slowest and fastest; None leaves it to the options.
        gain: in dB.
    """

    line: ScriptLine
    text: str
    voice: str | None
    emotion: Emotion
    rate: tuple[float, float] | None = None
    gain: float = 0.0


@dataclass(frozen=True)
class Cast:
    """Entries by the name of the speaker.

    Attributes:
        entries: name -> entry; `EVERYONE` is for all others.
        source: the file, for messages.
    """

    entries: Mapping[str, CastEntry] = field(default_factory=dict)
    source: str = "the cast"

    @property
    def names(self) -> tuple[str, ...]:
        """Speakers that are named."""
        return tuple(name for name in self.entries if name != EVERYONE)

    def entry(self, speaker: str) -> CastEntry | None:
        """The entry of a speaker, whatever the case of the letters."""
        if speaker in self.entries:
            return self.entries[speaker]
        folded = {name.casefold(): entry for name, entry in self.entries.items()}
        found = folded.get(speaker.casefold())
        if found is None and not speaker and len(self.names) == 1 and EVERYONE not in self.entries:
            return self.entries[self.names[0]]
        return found or self.entries.get(EVERYONE)

    def roles(self, lines: Sequence[ScriptLine]) -> list[Role]:
        """What each line is spoken with.

        Raises:
            InputError: speakers without a voice (all are listed), or an emotion that is not valid.
        """
        missing: dict[str, list[int]] = {}
        for line in lines:
            named = bool(line.speaker or self.entries)
            if not line.voice and named and self.entry(line.speaker) is None:
                missing.setdefault(line.speaker, []).append(line.number)
        if missing:
            raise InputError(self._without_voice(missing))
        return [self._role(line) for line in lines]

    def _without_voice(self, missing: Mapping[str, list[int]]) -> str:
        listed = "; ".join(
            f"{repr(name) if name else 'no speaker named'} (lines {_numbers(numbers)})"
            for name, numbers in missing.items()
        )
        names = ", ".join(map(repr, self.entries))
        has = f"{self.source} has {names}" if self.entries else "there is no cast"
        mend = 'give each a voice in the cast file, or one for "*"'
        return f"speakers without a voice: {listed}; {has}; {mend}"

    def _role(self, line: ScriptLine) -> Role:
        entry = self.entry(line.speaker)
        text = respell(line.text, entry.lexicon) if entry else line.text
        try:
            emotion = line_emotion(line, entry.emotion if entry else "neutral")
        except InputError as error:
            raise InputError(f"{line.place}: {error}") from None
        voice = line.voice or (entry.voice if entry else None)
        return Role(line, text, voice, emotion, entry.rate if entry else None, entry.gain if entry else 0.0)


def line_emotion(line: ScriptLine, default: str) -> Emotion:
    """Emotion of a line: its own, or from its instruction, or the default, times its intensity."""
    if line.emotion and line.instruct:
        raise InputError("tells both an emotion and an instruct; give one")
    emotion = Emotion.from_text(line.instruct) if line.instruct else Emotion.parse(line.emotion or default)
    return emotion if line.intensity is None else emotion.scaled(line.intensity)


def respell(text: str, lexicon: Mapping[str, str]) -> str:
    """Replaces whole words of a text, whatever the case of their letters; longer entries first."""
    if not lexicon:
        return text
    folded = {word.casefold(): said for word, said in lexicon.items()}
    words = "|".join(re.escape(word) for word in sorted(folded, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: folded.get(match[0].casefold(), match[0]), text)


def load_cast(path: Path | str) -> Cast:
    """Reads a cast file: YAML, with a voice or a mapping of `CastEntry` for each speaker.

    Raises:
        InputError: missing, not YAML, an unknown key, a value out of range.
    """
    path = Path(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise InputError(f"cannot read cast {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"cast {path} is not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        row = f" in row {mark.line + 1}" if mark else ""
        raise InputError(f"cast {path} is not valid YAML{row}: {getattr(error, 'problem', error)}") from None
    if not isinstance(values, dict) or not values:
        raise InputError(f"cast {path} must hold speakers, like\n  Anna: {{voice: kathleen, emotion: calm}}")
    return make_cast(values, str(path), path.parent)


def make_cast(values: Mapping[Any, Any], source: str = "the cast", folder: Path | None = None) -> Cast:
    """A cast from plain values; see `load_cast`.

    Args:
        values: speaker -> voice, or speaker -> mapping of `CastEntry`.
        source: name of the file, for messages.
        folder: where relative paths of voices and lexicons start.
    """
    entries: dict[str, CastEntry] = {}
    for key, value in values.items():
        name = str(key).strip()
        if name.casefold() in (known.casefold() for known in entries):
            raise InputError(f"{source}: speaker {name!r} is there twice")
        content = {"voice": value} if isinstance(value, str) else value
        if not isinstance(content, Mapping):
            raise InputError(f"{source}: {name}: give a voice, or a mapping with the key voice")
        content = dict(content)
        if isinstance(content.get("lexicon"), str):
            content["lexicon"] = _lexicon(content["lexicon"], folder, f"{source}: {name}")
        entry = CastEntry.parse(content, f"{source}: {name}")
        _check_emotion(entry.emotion, f"{source}: {name}")
        entries[name] = entry.model_copy(update={"voice": _located(entry.voice, folder)})
    return Cast(entries, source)


def _check_emotion(emotion: str, place: str) -> None:
    try:
        Emotion.parse(emotion)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _located(voice: str, folder: Path | None) -> str:
    path = Path(voice).expanduser()
    if folder is None or path.is_absolute() or not (folder / path).is_file():
        return voice
    return str(folder / path)


def _lexicon(name: str, folder: Path | None, place: str) -> dict[str, str]:
    path = (folder or Path()) / name
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: cannot read lexicon {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise InputError(f"{place}: lexicon {path} must hold word: respelling")
    return {str(word): str(said) for word, said in values.items()}


class _Loader(yaml.SafeLoader):
    """Reads Yes, No, On and Off as the words they are: names and respellings, not booleans."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _numbers(numbers: Iterable[int], most: int = 8) -> str:
    listed = list(numbers)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(map(str, listed[:most])) + more
