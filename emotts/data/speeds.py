"""Training recordings at other speeds: more voices and more tempi than were recorded.

Played faster, a recording is that of a smaller speaker with a higher voice (Ko et al. 2015, "Audio
augmentation for speech recognition"). The versions are not stored: a folder of shards names the speeds,
and they are made while it is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from emotts.errors import DataError
from emotts.timebase import SAMPLE_RATE

SPEEDS_FILE = "speeds.json"
"""In a folder of shards: the speeds besides 1, as a list."""


def write_speeds(directory: Path, speeds: Sequence[float]) -> None:
    """Names the speeds of a folder of shards; no speeds, no file."""
    path = directory / SPEEDS_FILE
    if not speeds:
        path.unlink(missing_ok=True)
        return
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(speeds)) + "\n", encoding="utf-8")


def read_speeds(directory: Path) -> tuple[float, ...]:
    """The speeds besides 1 of a folder of shards.

    Raises:
        DataError: the file holds something else than positive numbers.
    """
    path = directory / SPEEDS_FILE
    if not path.is_file():
        return ()
    try:
        speeds = tuple(float(speed) for speed in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} must hold a list of numbers: {error}") from None
    if any(not 0.5 <= speed <= 2 for speed in speeds):
        raise DataError(f"{path}: speeds must lie between 0.5 and 2, not {list(speeds)}")
    return speeds


def play(samples: np.ndarray, speed: float) -> np.ndarray:
    """A waveform (samples,) at `SAMPLE_RATE`, played `speed` times as fast: (samples / speed,)."""
    return soxr.resample(samples, speed * SAMPLE_RATE, SAMPLE_RATE)


def play_f0(f0: np.ndarray, speed: float, frames: int) -> np.ndarray:
    """F0 of what `play` gives: that of the nearest frame, times the speed; Hz, zero where unvoiced.

    Args:
        f0: shape (frames,), Hz.
        speed: as for `play`.
        frames: of the result.
    """
    places = np.floor((np.arange(frames) + 0.5) * speed).astype(int).clip(0, len(f0) - 1)
    return f0[places] * speed
