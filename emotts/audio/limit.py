"""Peaks above full scale, turned down where they are and nowhere else."""

from __future__ import annotations

import numpy as np

from emotts.timebase import SAMPLE_RATE

_REACH = round(0.005 * SAMPLE_RATE)
"""Samples before and after a peak over which the gain moves: about a period of the voice."""


def limit_peaks(samples: np.ndarray, ceiling: float = 1.0) -> np.ndarray:
    """Speech without peaks above full scale, and as loud as before.

    A look-ahead limiter: the gain that each sample needs is held 5 ms to both sides (a running minimum), then
    smoothed over the same 5 ms, so that it falls before a peak and rises after it without a step. Scaling the
    whole would let one loud pulse make all of the speech quiet.

    Args:
        samples: shape (samples,), float32.
        ceiling: largest magnitude of the result.

    Returns:
        same shape and type; the argument itself where nothing is above the ceiling.
    """
    magnitude = np.abs(samples)
    if float(magnitude.max(initial=0.0)) <= ceiling:
        return samples
    from scipy.ndimage import convolve1d, minimum_filter1d

    needed = np.minimum(1.0, ceiling / np.maximum(magnitude, 1e-9)).astype(np.float64)
    held = minimum_filter1d(needed, 2 * _REACH + 1, mode="nearest")
    window = np.hanning(2 * _REACH + 3)[1:-1]
    gain = convolve1d(held, window / window.sum(), mode="nearest")
    return np.clip(samples * gain, -ceiling, ceiling).astype(samples.dtype)
