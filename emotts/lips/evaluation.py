"""Scoring of plans against word times: how far the words of a clip are from where they were said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotts.lips.aligner import LipTimer, inner_plan
from emotts.lips.corpus import Clip
from emotts.text.phonemize import Phonemes
from emotts.text.symbols import kind
from emotts.timebase import SAMPLES_PER_TOKEN, TOKEN_RATE, seconds_to_samples
from emotts.timing import TimingPlan


@dataclass(frozen=True)
class Case:
    """A clip, its window and its mouth.

    Attributes:
        clip: word times.
        phonemes: of its text.
        natural: predicted lengths in tokens.
        start: of the window in seconds.
        tokens: of the window.
        pictures: of the mouth around the window, shape (frames, 16, 32).
        first: frame of `pictures` in which the window begins.
    """

    clip: Clip
    phonemes: Phonemes
    natural: tuple[float, ...]
    start: float
    tokens: int
    pictures: np.ndarray
    first: int


def window(clip: Clip, before: float = 0.0, after: float = 0.0) -> tuple[float, int]:
    """Start (s) and tokens of a window from the first word's onset to the last one's end, perhaps wider."""
    start = max(0.0, clip.start - before)
    samples = seconds_to_samples(clip.end + after) - seconds_to_samples(start)
    return start, samples // SAMPLES_PER_TOKEN


def onsets(plan: TimingPlan, phonemes: Phonemes, start: float) -> list[float]:
    """Seconds at which each word begins."""
    first = [phonemes.word_index.index(word) for word in range(len(phonemes.words))]
    starts = plan.starts()
    return [start + starts[index] / TOKEN_RATE for index in first]


def onset_errors(plan: TimingPlan, case: Case) -> np.ndarray:
    """Milliseconds from each word's onset to the plan's, shape (words,); positive is late."""
    said = np.array([start for _, start, _ in case.clip.words])
    return 1000.0 * (np.array(onsets(plan, case.phonemes, case.start)) - said)


def even(case: Case) -> TimingPlan:
    """All phones alike, no pauses."""
    phones = [index for index, symbol in enumerate(case.phonemes.symbols) if kind(symbol) != "pause"]
    durations = [0] * len(case.phonemes.symbols)
    for index, value in zip(phones, TimingPlan.even(len(phones), case.tokens).durations, strict=True):
        durations[index] = value
    return TimingPlan(tuple(durations))


def predicted(case: Case) -> TimingPlan:
    """Predicted durations, scaled to the window."""
    return inner_plan(case.phonemes, case.natural, case.tokens)


def by_lips(timer: LipTimer, mouth: Case | None = None) -> Callable[[Case], TimingPlan]:
    """Plans of the lip aligner; of another clip's mouth where one is given."""

    def plan(case: Case) -> TimingPlan:
        seen = mouth or case
        pictures = seen.pictures
        missing = case.first + case.tokens - len(pictures)
        if missing > 0:
            pictures = np.concatenate([pictures, np.repeat(pictures[-1:], missing, axis=0)])
        found = timer.plan(pictures, case.phonemes, case.natural, case.first, case.tokens)
        return predicted(case) if found is None else found.plan

    return plan


def errors_of(cases: Sequence[Case], planner: Callable[[Case], TimingPlan]) -> np.ndarray:
    """Errors of all words of all cases, shape (cases, words), in milliseconds."""
    return np.stack([onset_errors(planner(case), case) for case in cases])


def shuffled(cases: Sequence[Case], timer: LipTimer) -> np.ndarray:
    """Errors with the mouth of another clip: what the aligner knows without seeing."""
    others = [*cases[1:], cases[0]]
    rows = [
        onset_errors(by_lips(timer, other)(case), case) for case, other in zip(cases, others, strict=True)
    ]
    return np.stack(rows)


def summarize(errors: np.ndarray, exact: bool) -> dict[str, float]:
    """Mean and median magnitude in ms, share within 80 ms.

    Args:
        errors: shape (cases, words).
        exact: the window begins with the first word, whose onset is then known and left out.
    """
    values = np.abs(errors[:, 1:] if exact else errors)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "within_80": float((values <= 80.0).mean()),
    }


def confidence(errors: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean magnitude, by bootstrap over clips."""
    means = np.abs(errors).mean(axis=1)
    random = np.random.default_rng(seed)
    drawn = means[random.integers(len(means), size=(2000, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
