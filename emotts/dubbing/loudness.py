"""Loudness of lines, by ITU-R BS.1770 (pyloudnorm)."""

from __future__ import annotations

import math
import warnings

import numpy as np

from emotts.dubbing.optional import optional_import
from emotts.dubbing.options import DubOptions
from emotts.timebase import SAMPLE_RATE, seconds_to_samples

DEFAULT = -23.0
"""LUFS of a dub without an original to follow (EBU R 128)."""

SOFTEST, LOUDEST = -35.0, -14.0
"""Range of the loudness that is taken from an original."""

_SHORTEST = 0.5
_PEAK = 0.89
_SILENT = -60.0


def loudness(audio: np.ndarray) -> float:
    """Integrated loudness in LUFS of mono audio that plays on both sides of a stereo track.

    A line shorter than the gating block of BS.1770 is measured as if it were repeated.

    Args:
        audio: float, shape (samples,), at 24 kHz.

    Returns:
        LUFS, or minus infinity for silence.
    """
    meter = optional_import("pyloudnorm").Meter(SAMPLE_RATE)
    if not len(audio) or not np.any(audio):
        return -math.inf
    shortest = seconds_to_samples(_SHORTEST)
    if len(audio) < shortest:
        audio = np.tile(audio, -(-shortest // len(audio)))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore")
        value = float(meter.integrated_loudness(np.stack([audio, audio], axis=1).astype(np.float64)))
    return value if math.isfinite(value) else -math.inf


class LoudnessMatcher:
    """Targets of the lines: the dub's level, and how much louder or softer the original was here.

    Args:
        options: the levels.
        original: the original sound at 24 kHz, mono, shape (samples,), or None.
        windows: start and end (samples) of every line.
    """

    def __init__(
        self, options: DubOptions, original: np.ndarray | None, windows: list[tuple[int, int]]
    ) -> None:
        self._options = options
        self._lines: dict[tuple[int, int], float] = {}
        if original is not None:
            for start, end in windows:
                value = loudness(original[start:end])
                if value > _SILENT:
                    self._lines[start, end] = value
        self._middle = float(np.median(list(self._lines.values()))) if self._lines else None

    @property
    def target(self) -> float:
        """Loudness of the whole dub in LUFS."""
        if self._options.loudness is not None:
            return self._options.loudness
        if self._middle is None:
            return DEFAULT
        return min(LOUDEST, max(SOFTEST, self._middle))

    def of(self, start: int, end: int) -> float:
        """Loudness of the line with this window, in LUFS."""
        own = self._lines.get((start, end))
        if own is None or self._middle is None:
            return self.target
        reach = self._options.loudness_range
        return self.target + min(reach, max(-reach, own - self._middle))

    def gain(self, audio: np.ndarray, start: int, end: int, extra: float = 0.0) -> float:
        """Factor that brings a line to its loudness plus `extra` dB, without peaks over -1 dBFS."""
        peak = float(np.abs(audio).max(initial=0.0))
        value = loudness(audio)
        if value < _SILENT or peak <= 0.0:
            return 1.0
        return min(10.0 ** ((self.of(start, end) + extra - value) / 20.0), _PEAK / peak)


def fade(audio: np.ndarray, milliseconds: float) -> np.ndarray:
    """A copy whose edges rise and fall along half a cosine."""
    size = min(round(milliseconds * SAMPLE_RATE / 1000), len(audio) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(size) + 0.5) / max(size, 1))).astype(np.float32)
    result = np.array(audio, dtype=np.float32)
    result[:size] *= ramp
    result[len(result) - size :] *= ramp[::-1]
    return result
