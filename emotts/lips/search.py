"""The most likely monotonic alignment of phonemes and frames, on log-probabilities.

Monotonic alignment search (Glow-TTS, arXiv 2005.11129) over segments: each phoneme takes a run of frames,
whose log-probabilities are added to those of its length. Lengths keep the plan near what a speaker would do
where the lips tell little. A phoneme may take no frame, so that fast speech has a plan too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emotts.errors import InputError

LONGEST = 50
"""Most frames of one phoneme."""


@dataclass(frozen=True)
class Prior:
    """What is expected of lengths before the lips are seen.

    Attributes:
        weight: of the log-probability of lengths beside that of the frames.
        spread: standard deviation of the logarithm of a length.
        pause_spread: that of a pause's.
        skipped: log-probability that a phone has no frame.
    """

    weight: float = 1.0
    spread: float = 0.35
    pause_spread: float = 1.0
    skipped: float = -3.0


def length_scores(expected: Sequence[float], pauses: Sequence[bool], frames: int, prior: Prior) -> np.ndarray:
    """Log-probability of each length of each phoneme, up to a constant.

    Args:
        expected: frames of each phoneme; 0 says that a pause is not expected.
        pauses: which of them are pauses.
        frames: longest length of interest.
        prior: how sure that is.

    Returns:
        shape (phonemes, frames + 1).
    """
    lengths = np.arange(min(frames, LONGEST) + 1)
    mean = np.maximum(np.asarray(expected, dtype=float), 0.0)[:, None]
    spread = np.where(np.asarray(pauses), prior.pause_spread, prior.spread)[:, None]
    scores = -0.5 * ((np.log(lengths + 0.5) - np.log(mean + 0.5)) / spread) ** 2
    phones = ~np.asarray(pauses)
    scores[phones, 0] = np.minimum(scores[phones, 0], prior.skipped)
    return prior.weight * scores


def monotonic_search(log_probability: np.ndarray, lengths: np.ndarray) -> tuple[list[int], float]:
    """Frames of each phoneme on the best path.

    Args:
        log_probability: of each phoneme in each frame, shape (frames, phonemes).
        lengths: log-probability of each length of each phoneme, shape (phonemes, longest + 1).

    Returns:
        durations, whose sum is the number of frames; and the score of the path.

    Raises:
        InputError: no path is long enough, or the shapes do not fit.
    """
    frames, phonemes = log_probability.shape
    if len(lengths) != phonemes or not phonemes:
        raise InputError(f"lengths of {len(lengths)} phonemes for {phonemes}; one for each is needed")
    longest = lengths.shape[1] - 1
    if longest * phonemes < frames:
        raise InputError(f"{phonemes} phonemes cannot last {frames} frames")
    summed = np.concatenate([np.zeros((1, phonemes)), np.cumsum(log_probability, axis=0)])
    best = np.full(frames + 1, -np.inf)
    best[0] = 0.0
    taken = np.zeros((phonemes, frames + 1), dtype=np.int64)
    # Rows are lengths: the place where a phoneme of that length, which ends here, begins.
    begins = np.arange(frames + 1)[None, :] - np.arange(longest + 1)[:, None]
    for phoneme in range(phonemes):
        gained = summed[:, phoneme]
        options = np.where(begins >= 0, (best - gained)[np.maximum(begins, 0)], -np.inf)
        options += lengths[phoneme][:, None] + gained[None, :]
        taken[phoneme] = options.argmax(axis=0)
        best = options.max(axis=0)
    durations, end = [0] * phonemes, frames
    for phoneme in reversed(range(phonemes)):
        durations[phoneme] = int(taken[phoneme, end])
        end -= durations[phoneme]
    return durations, float(best[frames])
