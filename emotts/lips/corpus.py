"""Clips of a corpus of mouths: pictures, and when each word is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotts.errors import DataError
from emotts.lips.features import HEIGHT, WIDTH
from emotts.text.phonemize import Phonemes
from emotts.timebase import TOKEN_RATE

REGION = 1.5
"""Pictures of the corpus show this times the mouth's box, so that training can move the box."""

REGION_HEIGHT, REGION_WIDTH = round(REGION * HEIGHT), round(REGION * WIDTH)


@dataclass(frozen=True)
class TimedWords:
    """A sentence whose words have times.

    Attributes:
        name: of the file.
        words: word, start and end in seconds, in order.
    """

    name: str
    words: tuple[tuple[str, float, float], ...]

    @property
    def start(self) -> float:
        """Start of the first word in seconds."""
        return self.words[0][1]

    @property
    def end(self) -> float:
        """End of the last word."""
        return self.words[-1][2]

    @property
    def text(self) -> str:
        """As it is read aloud; single letters are capitals, for they are names of letters."""
        said = [word.upper() if len(word) == 1 else word for word, _, _ in self.words]
        return " ".join([said[0].capitalize(), *said[1:]]) + "."


@dataclass(frozen=True)
class Clip(TimedWords):
    """One clip.

    Attributes:
        pictures: mouth and what is around it at 25 frames a second, uint8, shape (frames, 24, 48).
    """

    pictures: np.ndarray = field(repr=False)


def save_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Writes clips to one .npz file."""
    arrays = {clip.name: clip.pictures for clip in clips}
    words = [f"{clip.name}\t{word}\t{start!r}\t{end!r}" for clip in clips for word, start, end in clip.words]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays, words=np.array(words))


def load_clips(path: Path) -> list[Clip]:
    """Reads what `save_clips` wrote.

    Raises:
        DataError: missing, or of another form.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        rows = [str(row).split("\t") for row in arrays.pop("words")]
    except (OSError, KeyError, ValueError):
        raise DataError(f"cannot read the clips {path}; make them with stage 1") from None
    words: dict[str, list[tuple[str, float, float]]] = {}
    for name, word, start, end in rows:
        words.setdefault(name, []).append((word, float(start), float(end)))
    return [Clip(name, tuple(words[name]), pictures) for name, pictures in arrays.items()]


def split(clips: Sequence[Clip], held_out: int = 10) -> dict[str, list[Clip]]:
    """Every `held_out`-th clip by name for "test", those half-way between for "dev", the rest for "train"."""
    parts: dict[str, list[Clip]] = {"train": [], "dev": [], "test": []}
    for index, clip in enumerate(sorted(clips, key=lambda clip: clip.name)):
        part = {0: "test", held_out // 2: "dev"}.get(index % held_out, "train")
        parts[part].append(clip)
    return parts


def phoneme_times(clip: Clip, phonemes: Phonemes, natural: Sequence[float]) -> np.ndarray:
    """End of each phoneme in seconds, of word times: inside of a word, lengths are as predicted.

    Args:
        clip: whose words are the phonemes' words.
        phonemes: of its text.
        natural: predicted length of each.

    Returns:
        shape (phonemes,), rising; the last is infinite.

    Raises:
        DataError: other words.
    """
    if len(phonemes.words) != len(clip.words):
        raise DataError(
            f"{clip.name}: {len(clip.words)} words are aligned, but {len(phonemes.words)} are said"
        )
    index = np.array(phonemes.word_index)
    lengths = np.maximum(np.asarray(natural, dtype=float), 0.25)
    ends = np.zeros(len(index))
    for number, (_, start, end) in enumerate(clip.words):
        here = np.flatnonzero(index == number)
        shares = lengths[here].cumsum() / lengths[here].sum()
        ends[here] = start + (end - start) * shares
    for place in np.flatnonzero(index < 0):
        following = index[place + 1] if place + 1 < len(index) else -1
        ends[place] = clip.words[following][1] if following >= 0 else np.inf
    return ends


def at_frames(ends: np.ndarray, start: float, frames: int, rate: float = 1.0) -> np.ndarray:
    """The phoneme in the middle of each frame of a window.

    Args:
        ends: of each phoneme in seconds, as `phoneme_times` gives them.
        start: of the window in seconds.
        frames: in the window.
        rate: seconds of the clip that pass in a second of the window.

    Returns:
        shape (frames,), indices.
    """
    times = start + (np.arange(frames) + 0.5) * rate / TOKEN_RATE
    return np.minimum(np.searchsorted(ends, times, side="right"), len(ends) - 1)
