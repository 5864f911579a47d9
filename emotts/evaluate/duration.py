"""How far speech is from the length that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emotts.errors import InputError
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN, seconds_to_samples


@dataclass(frozen=True)
class DurationError:
    """Length of one file against its request.

    Attributes:
        wanted: samples asked for, at `SAMPLE_RATE`.
        samples: samples it has.
    """

    wanted: int
    samples: int

    @property
    def off(self) -> int:
        """Samples too many (positive) or too few."""
        return self.samples - self.wanted

    @property
    def exact(self) -> bool:
        """Whether it is right to the sample."""
        return self.off == 0

    @property
    def within_token(self) -> bool:
        """Whether it is right to within one token (40 ms)."""
        return abs(self.off) <= SAMPLES_PER_TOKEN


@dataclass(frozen=True)
class DurationSummary:
    """Duration errors of many files.

    Attributes:
        files: how many had a request.
        exact: share of them, 0 to 1, that are right to the sample.
        within_token: share that are right to within one token.
        worst: largest number of samples off, either way.
    """

    files: int
    exact: float
    within_token: float
    worst: int


def duration_error(
    samples: int, rate: int, seconds: float | None = None, tokens: int | None = None
) -> DurationError:
    """Compares a file with its request.

    Args:
        samples: length of the file.
        rate: its sample rate; lengths are compared at `SAMPLE_RATE`.
        seconds: length asked for, or
        tokens: length asked for in tokens.

    Raises:
        InputError: not exactly one of `seconds` and `tokens` is given.
    """
    if (seconds is None) == (tokens is None):
        raise InputError("give the length that was asked for either in seconds or in tokens")
    wanted = seconds_to_samples(seconds) if seconds is not None else (tokens or 0) * SAMPLES_PER_TOKEN
    return DurationError(wanted, samples if rate == SAMPLE_RATE else round(samples * SAMPLE_RATE / rate))


def summarize_durations(errors: Sequence[DurationError]) -> DurationSummary:
    """Shares of exact and nearly exact files; NaN where there are none."""
    if not errors:
        return DurationSummary(0, float("nan"), float("nan"), 0)
    count = len(errors)
    return DurationSummary(
        count,
        sum(error.exact for error in errors) / count,
        sum(error.within_token for error in errors) / count,
        max(abs(error.off) for error in errors),
    )
