"""How well dubbed lines move with mouths: activity overlap, lagged correlation, and onsets of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emotts.dubbing.mouth import EARLIEST_LAG, LATEST_LAG, MouthTrack, compare
from emotts.evaluate.word_timing import RECOGNIZER_RATE, time_words
from emotts.timebase import SAMPLE_RATE, TOKEN_RATE

ACTIVE = 0.5
"""Envelope or aperture from which a voice, or a mouth, counts as active; as in the report of a dub."""


@dataclass(frozen=True)
class SyncCase:
    """One line beside its mouth, over a stretch that holds all of both, at 25 frames a second.

    Attributes:
        mouth: the mouth in that stretch.
        sound: envelope of the line, 0 to 1, shape (frames,).
        original: the same of the original dialogue.
        onset_errors: ms from where each word was said to where it is said in the line; empty if unknown.
    """

    mouth: MouthTrack
    sound: np.ndarray = field(repr=False)
    original: np.ndarray = field(repr=False)
    onset_errors: tuple[float, ...] = ()


def shuffle(cases: Sequence[SyncCase]) -> list[SyncCase]:
    """Every line beside the mouth, and the original, of the next one: what chance gives."""
    result = []
    for case, other in zip(cases, [*cases[1:], *cases[:1]], strict=True):
        size = min(len(case.sound), len(other.sound))
        mouth = other.mouth
        cut = MouthTrack(mouth.aperture[:size], mouth.visible[:size], mouth.source)
        result.append(SyncCase(cut, case.sound[:size], other.original[:size]))
    return result


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Share of frames, of those in which one of two is active, in which both are; shapes (frames,)."""
    one, other = first > ACTIVE, second > ACTIVE
    either = int((one | other).sum())
    return float((one & other).sum() / either) if either else math.nan


def pooled_correlation(cases: Sequence[SyncCase]) -> tuple[float, float]:
    """Correlation of apertures and envelopes of all lines together, at the lag that suits all of them best.

    Each line is brought to a mean of 0 and a spread of 1 first. One lag for all leaves less to chance than
    the best lag of every line.

    Returns:
        correlation, and lag in seconds by which the sound comes after the mouth; NaN without any line.
    """
    best = math.nan, math.nan
    for lag in range(EARLIEST_LAG, LATEST_LAG + 1):
        pairs = [_shifted(case.mouth.aperture, case.sound, lag) for case in cases]
        mouths = [_standard(mouth) for mouth, _ in pairs]
        sounds = [_standard(sound) for _, sound in pairs]
        if not mouths:
            return best
        value = float((np.concatenate(mouths) * np.concatenate(sounds)).mean())
        if not value <= best[0]:
            best = value, lag / TOKEN_RATE
    return best


def _shifted(mouth: np.ndarray, sound: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    size = len(sound) - abs(lag)
    return mouth[max(0, -lag) :][:size], sound[max(0, lag) :][:size]


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def summarize(cases: Sequence[SyncCase]) -> dict[str, float]:
    """Means over lines.

    Returns:
        correlation (of each line at its own best lag), pooled and lag (ms; see `pooled_correlation`),
        mouth_overlap, original_overlap, onset (mean ms), within_80 (share of words), words.
    """
    found = [sync for case in cases if (sync := compare(case.mouth, case.sound)) is not None]
    pooled, lag = pooled_correlation(cases)
    errors = np.abs([error for case in cases for error in case.onset_errors])
    return {
        "correlation": float(np.mean([sync.correlation for sync in found])) if found else math.nan,
        "pooled": pooled,
        "lag": 1000.0 * lag,
        "mouth_overlap": _mean([overlap(case.mouth.aperture, case.sound) for case in cases]),
        "original_overlap": _mean([overlap(case.original, case.sound) for case in cases]),
        "onset": float(errors.mean()) if len(errors) else math.nan,
        "within_80": float((errors <= 80.0).mean()) if len(errors) else math.nan,
        "words": float(len(errors)),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def word_onsets(audio: np.ndarray, text: str) -> list[float] | None:
    """Seconds from the first sample at which each word begins, by an aligner that is no part of the dub.

    Args:
        audio: float, shape (samples,), at 24 kHz.
        text: that is said.

    Returns:
        one for each word; None where the aligner fails.

    Raises:
        MissingDependencyError: pocketsphinx is not installed.
    """
    import soxr

    silence = np.zeros(SAMPLE_RATE // 5, dtype=np.float32)  # it wants some before and after
    padded = np.concatenate([silence, audio.astype(np.float32), silence])
    found = time_words(soxr.resample(padded, SAMPLE_RATE, RECOGNIZER_RATE), text)
    return [start - 0.2 for _, start, _ in found] or None
