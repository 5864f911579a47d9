"""A sound before the speech: a click, or the start of a phone that breaks off; a listener hears a flaw.

Breath and noise last longer and go over into the speech; the bursts that are told here stand alone.
"""

from __future__ import annotations

import numpy as np

BURST_LEVEL = -35.0
"""Level of 10 ms, below the loudest of the file, over which there is a sound."""

LONGEST_BURST = 0.06
"""Seconds that a burst may last; what lasts longer is speech, or breath."""

SHORTEST_GAP = 0.04
"""Seconds of quiet between a burst and the speech; a plosive goes over into its vowel sooner."""

_FRAMES = 100
"""Levels a second."""


def burst_before_speech(waveform: np.ndarray, rate: int) -> float | None:
    """Level of a short sound that stands alone before the speech.

    Args:
        waveform: shape (samples,).
        rate: samples a second.

    Returns:
        dB below the loudest 10 ms of the file, or None where speech comes first.
    """
    size = rate // _FRAMES
    frames = waveform[: len(waveform) // size * size].reshape(-1, size).astype(np.float64)
    levels = 10.0 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    sounding = levels >= levels.max(initial=-120.0) + BURST_LEVEL
    onset = first_of_speech(sounding)
    before = levels[:onset][sounding[:onset]]
    return float(before.max() - levels.max()) if len(before) else None


def first_of_speech(sounding: np.ndarray) -> int:
    """First frame of the speech: a burst that stands alone before it is passed over.

    Args:
        sounding: whether there is a sound in each 10 ms, shape (frames,).

    Returns:
        the number of frames where there is none.
    """
    if not sounding.any():
        return len(sounding)
    first = int(sounding.argmax())
    quiet = np.flatnonzero(~sounding[first:])
    if not len(quiet) or quiet[0] > round(LONGEST_BURST * _FRAMES):
        return first
    end = first + int(quiet[0])
    after = np.flatnonzero(sounding[end:])
    if not len(after) or after[0] < round(SHORTEST_GAP * _FRAMES):
        return first
    return end + int(after[0])
