"""Checks of what a caller asks for that need neither a model nor a tensor library."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from emotts.emotion.calibration import MAX_ALPHA, MAX_BETA, SCHEDULES
from emotts.errors import InputError

SLOWEST, FASTEST = 0.5, 2.0
"""Range of `speed`."""

SHORTEST_SECONDS = 0.04
"""One token."""

_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 1000),
    "cfg": (0.0, 20.0),
    "noise": (0.0, 2.0),
    "temperature": (0.0, 5.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "repetition_penalty": (1.0, 20.0),
    "takes": (1, 64),
    "emotion_cfg": (0.0, 5.0),
    "alpha": (0.0, MAX_ALPHA),
    "beta": (0.0, MAX_BETA),
}
_CHOICES: dict[str, tuple[str, ...]] = {"guidance_schedule": SCHEDULES}
_WHOLE = ("steps", "top_k", "takes")


def check_request(
    text: str,
    *,
    emotion: object = None,
    emotion_audio: object = None,
    instruct: str | None = None,
    emotion_from_text: bool = False,
    duration: float | None = None,
    tokens: int | None = None,
    speed: float | None = None,
    plan: object = None,
    seed: int | None = None,
    **options: Any,
) -> None:
    """Checks one request; `EmoTTS.synthesize` says what the arguments mean.

    Raises:
        InputError: the first thing that is wrong.
    """
    if not isinstance(text, str):
        raise InputError(f"the text must be a string, not {type(text).__name__}")
    if not text.strip():
        raise InputError("the text is empty; give at least one word")
    if not any(_may_be_said(character) for character in text):
        raise InputError(
            f"the text {shorten(text)!r} holds nothing that can be pronounced: give at least one word"
        )
    check_emotion_source(emotion, emotion_audio, instruct, emotion_from_text)
    if isinstance(emotion, str):
        from emotts.emotion import Emotion

        Emotion.parse(emotion)
    check_length(duration, tokens, speed, plan)
    if seed is not None and (not _is_whole(seed) or not 0 <= seed < 2**63):
        raise InputError(f"seed must be a whole number from 0 to 2**63 - 1, not {seed}")
    for name, value in options.items():
        check_option(name, value)


def check_stream(text: object, markup: bool = False, **asked: Any) -> None:
    """Checks a request whose text may be an iterable of pieces; `asked` are arguments of `check_request`.

    Raises:
        InputError: the first thing that is wrong.
    """
    if isinstance(text, str):
        check_request(text, **asked)
        return
    if not isinstance(text, Iterable) or isinstance(text, bytes | bytearray | Mapping):
        kind = type(text).__name__
        raise InputError(f"the text must be a string or an iterable of strings, not {kind}")
    for name in ("duration", "tokens", "plan", "markup"):
        if (markup or None) if name == "markup" else asked.get(name) is not None:
            raise InputError(f"{name} needs the whole text: give it as one string, or leave {name} out")
    check_request("a text", **asked)


def check_emotion_source(
    emotion: object = None,
    emotion_audio: object = None,
    instruct: object = None,
    emotion_from_text: object = None,
) -> None:
    """Checks that there is at most one source of emotion, and that an instruction has words.

    Raises:
        InputError: two sources, or an instruction that is no string or holds no letter.
    """
    sources = {
        "emotion": emotion,
        "emotion_audio": emotion_audio,
        "instruct": instruct,
        "emotion_from_text": emotion_from_text or None,
    }
    given = [name for name, value in sources.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"give one source of emotion ({', '.join(sources)}), not {' and '.join(given)}")
    if instruct is not None and not isinstance(instruct, str):
        raise InputError(f"instruct must be an instruction in words, not {type(instruct).__name__}")
    if instruct is not None and not any(character.isalpha() for character in instruct):
        raise InputError('the instruction holds no word; write e.g. "furious, through clenched teeth"')


def check_length(duration: Any, tokens: Any, speed: Any, plan: object) -> None:
    """Checks the wish for a length: at most one of the four, and a number that can be one.

    Raises:
        InputError: two are given, or one is zero, negative, not a number, ...
    """
    wishes = {"duration": duration, "tokens": tokens, "speed": speed, "plan": plan}
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) > 1:
        raise InputError(
            f"give at most one of duration, tokens, speed and plan, not both {' and '.join(given)}"
        )
    if duration is not None and not (_is_number(duration) and duration > 0):
        raise InputError(f"duration must be a length in seconds greater than 0, not {duration}")
    if duration is not None and duration < SHORTEST_SECONDS:
        raise InputError(f"duration must be at least {SHORTEST_SECONDS} s (one token), not {duration}")
    if tokens is not None and not (_is_whole(tokens) and tokens > 0):
        raise InputError(f"tokens must be a whole number greater than 0 (25 a second), not {tokens}")
    if speed is not None and not (_is_number(speed) and SLOWEST <= speed <= FASTEST):
        raise InputError(f"speed must be from {SLOWEST} to {FASTEST} (1 is natural), not {speed}")


def check_option(name: str, value: Any) -> None:
    """Checks a setting of the models; None means the model's default.

    Raises:
        InputError: no such setting, or out of range.
    """
    if name not in _RANGES and name not in _CHOICES:
        known = ", ".join([*_RANGES, *_CHOICES])
        raise InputError(f"unknown option {name!r}; valid options: {known}")
    if value is None:
        return
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise InputError(f"{name} must be {', '.join(_CHOICES[name])}, not {value!r}")
        return
    low, high = _RANGES[name]
    whole = name in _WHOLE
    if not (_is_whole(value) if whole else _is_number(value)) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{name} must be {kind} from {low:g} to {high:g}, not {value}")


def spread(name: str, value: Any, count: int, single: bool) -> list[Any]:
    """The value for each text: a list has one for each, anything else is for all.

    Args:
        name: of the argument.
        value: of the argument; eight numbers for `emotion` are one value.
        count: number of texts.
        single: the caller gave one text that is no list.

    Raises:
        InputError: a list of another length, or a list for one text.
    """
    vector = name == "emotion" and isinstance(value, list) and all(isinstance(x, int | float) for x in value)
    if not isinstance(value, list) or vector:
        return [value] * count
    if single:
        raise InputError(f"{name} is a list, but there is one text; give one value")
    if len(value) != count:
        raise InputError(f"{name} has {len(value)} values for {count} texts; give one for each")
    return value


def shorten(text: str, length: int = 40) -> str:
    """The beginning of a text on one line, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _may_be_said(character: str) -> bool:
    """Letters, digits and symbols such as & and €; the phonemizer has the last word."""
    return character.isalnum() or character in "&@#%" or unicodedata.category(character)[0] == "S"


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(value)
    except (TypeError, OverflowError):  # OverflowError: a whole number that no float can hold
        return False


def _is_whole(value: Any) -> bool:
    return _is_number(value) and value == int(value)
