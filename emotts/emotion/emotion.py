"""One emotion as eight intensities: what every source of emotion becomes and every consumer reads."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotts.errors import InputError

if TYPE_CHECKING:
    import torch

EMOTIONS = ("happy", "angry", "sad", "afraid", "disgusted", "melancholic", "surprised", "calm")
"""Names of the eight intensities, in the order of the vector (that of IndexTTS-2)."""

NEUTRAL = "neutral"
"""Name of the zero vector."""

# Words that people write for one of the eight; used to suggest the right name, never silently accepted.
_KIN = {
    "anger": "angry",
    "fear": "afraid",
    "fearful": "afraid",
    "scared": "afraid",
    "disgust": "disgusted",
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "melancholy": "melancholic",
    "calmness": "calm",
    "none": NEUTRAL,
}


def check_name(name: str) -> str:
    """The valid name (lower case) of an emotion or `neutral`.

    Raises:
        InputError: the name is unknown; the message lists the valid ones and the nearest.
    """
    key = name.strip().lower()
    valid = (*EMOTIONS, NEUTRAL)
    if key in valid:
        return key
    near = _KIN.get(key) or next(iter(difflib.get_close_matches(key, valid, n=1, cutoff=0.5)), None)
    hint = f' Did you mean "{near}"?' if near else ""
    raise InputError(f'unknown emotion "{name.strip()}"; valid names: {", ".join(valid)}.{hint}')


def check_intensity(name: str, value: object) -> float:
    """The intensity of one emotion as a float in [0, 1].

    Raises:
        InputError: not a number, or outside [0, 1].
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f'intensity of "{name}" is not a number: "{value}"; give one from 0 to 1') from None
    if not 0.0 <= number <= 1.0:  # also catches NaN
        raise InputError(f'intensity of "{name}" is {number:g}; it must be from 0 to 1')
    return number + 0.0  # -0.0 becomes 0.0


@dataclass(frozen=True)
class Emotion:
    """Eight intensities in [0, 1], in the order of `EMOTIONS`; the zero vector is neutral.

    Attributes:
        vector: eight floats in [0, 1]. They need not sum to one: "angry:1,sad:1" is a blend.
    """

    vector: tuple[float, ...] = (0.0,) * len(EMOTIONS)

    def __post_init__(self) -> None:
        values = tuple(self.vector)
        if len(values) != len(EMOTIONS):
            names = ", ".join(EMOTIONS)
            raise InputError(f"an emotion vector has {len(EMOTIONS)} values ({names}), not {len(values)}")
        checked = tuple(check_intensity(n, v) for n, v in zip(EMOTIONS, values, strict=True))
        object.__setattr__(self, "vector", checked)

    @classmethod
    def neutral(cls) -> Emotion:
        """The zero vector."""
        return cls()

    @classmethod
    def of(cls, value: Emotion | str | Mapping[str, float] | Sequence[float] | None) -> Emotion:
        """Emotion from whatever a caller may hold.

        Args:
            value: an emotion, text (see `parse`), a mapping (see `from_mapping`), eight intensities in a
                sequence, an array or a tensor, or None for neutral.

        Raises:
            InputError: none of these, or not a valid one.
        """
        if value is None:
            return cls.neutral()
        if isinstance(value, Emotion):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        if isinstance(value, Mapping):
            return cls.from_mapping(value)
        if isinstance(value, Sequence) or hasattr(value, "tolist"):
            return cls(tuple(value))
        raise InputError(f"an emotion is a name, a mapping or eight intensities, not {type(value).__name__}")

    @classmethod
    def from_mapping(cls, intensities: Mapping[str, float]) -> Emotion:
        """Emotion from names and intensities; names not given are zero.

        `neutral` is accepted, so that shares of votes can be passed as they are; it adds nothing.

        Args:
            intensities: name -> intensity in [0, 1].

        Raises:
            InputError: unknown name, a name given twice (in two spellings), intensity outside [0, 1].
        """
        found: dict[str, float] = {}
        for name, value in intensities.items():
            key = check_name(name)
            if key in found:
                raise InputError(f'emotion "{key}" is given twice; name each emotion once')
            found[key] = check_intensity(key, value)
        return cls(tuple(found.get(name, 0.0) for name in EMOTIONS))

    @classmethod
    def parse(cls, text: str) -> Emotion:
        """Emotion from text: "angry", "angry:0.7", "happy:0.5,sad:0.2", "neutral".

        Items are separated by commas or spaces; a name alone has intensity 1.

        Raises:
            InputError: empty text, an item that is not `name` or `name:intensity`, unknown name, a name given
                twice, intensity outside [0, 1].
        """
        return cls.from_mapping(parse_weights(text))

    @classmethod
    def from_text(cls, words: str) -> Emotion:
        """Emotion of an instruction in words: "choking back tears, barely audible"; see docs/emotion.md.

        Words that name no emotion give neutral. `emotts.emotion.instruct.direct` gives the delivery as well.

        Raises:
            InputError: no string, or no word in it.
            ModelError: the files of the mapper are missing or corrupt.
        """
        from emotts.emotion.instruct import direct  # here: it loads torch and a model

        return direct(words).emotion

    @property
    def is_neutral(self) -> bool:
        """Whether all intensities are zero."""
        return not any(self.vector)

    @property
    def name(self) -> str:
        """Name of the strongest emotion (the first in order on a tie), or `neutral`."""
        if self.is_neutral:
            return NEUTRAL
        return EMOTIONS[max(range(len(EMOTIONS)), key=lambda i: self.vector[i])]

    @property
    def intensity(self) -> float:
        """Intensity of the strongest emotion, in [0, 1]."""
        return max(self.vector)

    def as_mapping(self) -> dict[str, float]:
        """Name -> intensity of the emotions that are not zero."""
        return {n: v for n, v in zip(EMOTIONS, self.vector, strict=True) if v > 0.0}

    def scaled(self, factor: float) -> Emotion:
        """Every intensity times `factor` (finite, >= 0), the result capped at 1.

        Raises:
            InputError: factor negative or not finite.
        """
        if not math.isfinite(factor) or factor < 0.0:
            raise InputError(f"an emotion is scaled by a factor of 0 or more, not {factor:g}")
        return Emotion(tuple(min(1.0, v * factor) for v in self.vector))

    def tensor(self) -> torch.Tensor:
        """The vector as a float32 tensor of shape (8,)."""
        import torch  # here, so that reading labels does not load it

        return torch.tensor(self.vector, dtype=torch.float32)

    def __str__(self) -> str:
        """Text that `parse` reads back to the same emotion."""
        return ",".join(f"{n}:{v!r}" for n, v in self.as_mapping().items()) or NEUTRAL


def parse_weights(text: str) -> dict[str, float]:
    """Name -> weight of every item of "angry:0.6 neutral:0.4", `neutral` kept.

    Raises:
        InputError: as `Emotion.parse`.
    """
    items = [item for item in re.split(r"[,\s]+", text.strip()) if item]
    if not items:
        raise InputError('the emotion is empty; write e.g. "neutral", "angry:0.7" or "happy:0.5,sad:0.2"')
    weights: dict[str, float] = {}
    for item in items:
        name, colon, value = item.partition(":")
        if not name or (colon and not value):
            raise InputError(f'cannot read "{item}" as an emotion; write e.g. "angry" or "angry:0.7"')
        key = check_name(name)
        if key in weights:
            raise InputError(f'emotion "{key}" is given twice; name each emotion once')
        weights[key] = check_intensity(key, value) if colon else 1.0
    return weights
