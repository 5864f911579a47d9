"""How far a mouth is open, frame by frame: one interface, several sources.

A source may be landmarks of a face, a table, or, where no mouth is seen, the original dialogue, whose
activity moves with the lips. Lips are a signal, not a dependency: a source may know nothing of a line.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from emotts.dubbing.qc import levels
from emotts.errors import InputError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, TOKEN_RATE

FLOOR_RANGE = 30.0
"""dB below a recording's loudest speech at which a mouth counts as closed."""


@dataclass(frozen=True)
class MouthTrack:
    """A mouth over a stretch of time, at 25 frames a second.

    Attributes:
        aperture: 0 closed to 1 as far as this mouth opens; float32, shape (frames,).
        visible: whether the source saw it; bool, shape (frames,).
        source: name of the source.
        pictures: the mouth in grey, uint8, shape (frames, 16, 32) of `emotts.lips.features`; None where the
            source has no picture. What the lip aligner reads.
    """

    aperture: np.ndarray = field(repr=False)
    visible: np.ndarray = field(repr=False)
    source: str
    pictures: np.ndarray | None = field(default=None, repr=False)


class MouthSource(Protocol):
    """Anything that knows how a mouth moves.

    Attributes:
        name: for reports.
    """

    name: str

    def track(self, start: float, end: float) -> MouthTrack | None:
        """The mouth from `start` to `end` (seconds of the video); None where it knows nothing."""
        ...


@dataclass(frozen=True)
class _Frames:
    """Apertures of a whole video."""

    aperture: np.ndarray
    visible: np.ndarray

    def cut(self, start: float, end: float, name: str) -> MouthTrack | None:
        first = max(0, round(start * TOKEN_RATE))
        last = min(len(self.aperture), round(end * TOKEN_RATE))
        visible = self.visible[first:last]
        if last <= first or not visible.any():
            return None
        return MouthTrack(self.aperture[first:last], visible, name)


class ApertureTable:
    """Apertures from a CSV file with the columns time (s), aperture, and perhaps visible (0 or 1).

    Times may be of any frame rate; apertures of any scale: they are brought to 25 frames a second and to 0-1.

    Args:
        path: of the file.

    Raises:
        InputError: the file cannot be read, a column is missing, or a row is not of numbers.
    """

    name = "aperture table"

    def __init__(self, path: Path | str) -> None:
        time, aperture, visible = _read_table(Path(path))
        count = int(np.floor(time[-1] * TOKEN_RATE)) + 1
        grid = np.arange(count) / TOKEN_RATE
        low, high = np.percentile(aperture[visible], [1, 99]) if visible.any() else (0.0, 1.0)
        scaled = np.clip((aperture - low) / max(high - low, 1e-9), 0.0, 1.0)
        nearest = np.clip(np.searchsorted(time, grid - 0.5 / TOKEN_RATE), 0, len(time) - 1)
        covered = np.abs(time[nearest] - grid) <= 1.5 / TOKEN_RATE
        self._frames = _Frames(np.interp(grid, time, scaled).astype(np.float32), visible[nearest] & covered)

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        return self._frames.cut(start, end, self.name)


def _read_table(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except OSError as error:
        raise InputError(f"cannot read apertures {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"apertures {path} are not CSV in UTF-8") from None
    if not rows or not {"time", "aperture"} <= set(rows[0]):
        raise InputError(f"apertures {path} must have the columns time, aperture and perhaps visible")
    values = np.empty((len(rows), 3))
    for number, row in enumerate(rows):
        try:
            values[number] = float(row["time"]), float(row["aperture"]), float(row.get("visible") or 1)
        except (TypeError, ValueError):
            raise InputError(f"apertures {path}: row {number + 2} is not of numbers") from None
    if not np.isfinite(values).all() or (values[:, 0] < 0).any() or (np.diff(values[:, 0]) <= 0).any():
        raise InputError(f"apertures {path}: times must be finite and rise from row to row")
    return values[:, 0], values[:, 1], values[:, 2] > 0.5


class DialogueActivity:
    """The original dialogue as a stand-in for a mouth: its level moves as the lips did.

    Args:
        audio: the original sound, float, shape (samples,), at 24 kHz, from the start of the video.
    """

    name = "original dialogue"

    def __init__(self, audio: np.ndarray) -> None:
        level = levels(audio)
        count = len(level) // FRAMES_PER_TOKEN
        level = level[: count * FRAMES_PER_TOKEN].reshape(count, FRAMES_PER_TOKEN).max(axis=1)
        top = np.percentile(level, 98) if count else 0.0
        aperture = np.clip((level - top + FLOOR_RANGE) / FLOOR_RANGE, 0.0, 1.0)
        silent = count == 0 or top < -60.0
        self._frames = _Frames(aperture.astype(np.float32), np.full(count, not silent))

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        return self._frames.cut(start, end, self.name)


@dataclass(frozen=True)
class Sync:
    """How the dub moves with a mouth.

    Attributes:
        correlation: of aperture and envelope at the best lag, -1 to 1.
        lag: seconds by which the sound comes after the mouth there.
        overlap: share of frames, of those where mouth or voice is active, where both are.
    """

    correlation: float
    lag: float
    overlap: float


EARLIEST_LAG, LATEST_LAG = -1, 5
"""Range of the lag in frames: from 40 ms ahead of the mouth to 200 ms after it."""


def envelope(audio: np.ndarray, frames: int, shift: int = 0) -> np.ndarray:
    """Level of speech at 25 frames a second, 0 to 1.

    Args:
        audio: float, shape (samples,), at 24 kHz.
        frames: length of the result.
        shift: samples from the first frame to the first sample of the audio.
    """
    whole = np.zeros(frames * SAMPLE_RATE // TOKEN_RATE)
    start, skipped = max(0, shift), max(0, -shift)
    piece = audio[skipped : skipped + max(0, len(whole) - start)]
    whole[start : start + len(piece)] = piece
    level = levels(whole).reshape(frames, FRAMES_PER_TOKEN).max(axis=1)
    return np.clip((level - level.max(initial=-99.0) + FLOOR_RANGE) / FLOOR_RANGE, 0.0, 1.0)


def compare(track: MouthTrack, sound: np.ndarray) -> Sync | None:
    """Compares a mouth with an envelope of the same length; None where either of them does not move."""
    best: tuple[float, int] | None = None
    for lag in range(EARLIEST_LAG, LATEST_LAG + 1):
        value = _correlation(track, sound, lag)
        if value is not None and (best is None or value > best[0]):
            best = value, lag
    if best is None:
        return None
    mouth, voice = track.aperture > 0.5, sound > 0.5
    either = (mouth | voice)[track.visible].sum()
    both = (mouth & voice)[track.visible].sum()
    return Sync(round(best[0], 4), best[1] / TOKEN_RATE, round(float(both / max(either, 1)), 4))


def _correlation(track: MouthTrack, sound: np.ndarray, lag: int) -> float | None:
    first, second = max(0, -lag), max(0, lag)
    size = len(sound) - abs(lag)
    if size < 5:
        return None
    seen = track.visible[first : first + size]
    mouth, voice = track.aperture[first : first + size][seen], sound[second : second + size][seen]
    if len(mouth) < 5 or mouth.std() < 1e-4 or voice.std() < 1e-4:
        return None
    return float(np.corrcoef(mouth, voice)[0, 1])
