"""The timing plan: how many 40 ms tokens each phoneme of a text lasts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from emotts.errors import InputError
from emotts.timebase import tokens_to_seconds

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TimingPlan:
    """A whole number of tokens for each phoneme, pauses included.

    Zero is allowed: a flap may share its neighbour's 40 ms, and most word boundaries are no pause.

    Attributes:
        durations: tokens of each phoneme, at least 0, with a sum of at least 1.

    Raises:
        InputError: durations that are empty, negative, not whole numbers, or all zero.
    """

    durations: tuple[int, ...]

    def __post_init__(self) -> None:
        values = tuple(self.durations)
        if not values:
            raise InputError("a timing plan needs at least one phoneme")
        if any(value != int(value) for value in values):
            raise InputError("a timing plan counts whole tokens; round its durations first")
        if min(values) < 0:
            position = next(i for i, value in enumerate(values) if value < 0)
            raise InputError(
                f"duration {values[position]} of phoneme {position} is negative; it must be 0 or more"
            )
        if sum(values) < 1:
            raise InputError("a timing plan must last at least one token")
        object.__setattr__(self, "durations", tuple(int(value) for value in values))

    @classmethod
    def from_alignment(cls, durations: Iterable[int]) -> TimingPlan:
        """The plan of a recording, from its forced alignment."""
        return cls(tuple(durations))

    @classmethod
    def rounded(cls, durations: Iterable[float]) -> TimingPlan:
        """Rounds real durations (tokens) cumulatively: boundaries move half a token at most."""
        return cls(round_cumulatively(durations))

    @classmethod
    def even(cls, count: int, total: int) -> TimingPlan:
        """Spreads `total` tokens evenly over `count` phonemes."""
        if count < 1:
            raise InputError(f"a timing plan of {count} phonemes; at least one is needed")
        marks = [index * total // count for index in range(count + 1)]
        return cls(tuple(after - before for before, after in pairwise(marks)))

    @classmethod
    def concatenate(cls, plans: Sequence[TimingPlan]) -> TimingPlan:
        """One plan after the other."""
        return cls(tuple(value for plan in plans for value in plan.durations))

    def __len__(self) -> int:
        return len(self.durations)

    @property
    def total(self) -> int:
        """Length in tokens."""
        return sum(self.durations)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return tokens_to_seconds(self.total)

    def starts(self) -> list[int]:
        """The token at which each phoneme starts."""
        return list(accumulate(self.durations, initial=0))[:-1]

    def centers(self) -> list[float]:
        """Centre of each phoneme's place, in tokens: its rotary position in the language model."""
        return [start + value / 2 for start, value in zip(self.starts(), self.durations, strict=True)]

    def expand(self) -> list[int]:
        """The index of the phoneme at each token; length `total`."""
        return [index for index, value in enumerate(self.durations) for _ in range(value)]

    def jittered(self, generator: torch.Generator, amount: float) -> TimingPlan:
        """Moves every inner boundary at random; the total stays.

        Args:
            generator: source of randomness.
            amount: largest move of a boundary, in tokens (uniform both ways, then rounded).
        """
        import torch

        ends = list(accumulate(self.durations))[:-1]
        moves = torch.rand(len(ends), generator=generator, device=generator.device).tolist()
        moved = (end + round((2 * move - 1) * amount) for end, move in zip(ends, moves, strict=True))
        marks = [0, *sorted(min(max(end, 0), self.total) for end in moved), self.total]
        return TimingPlan(tuple(after - before for before, after in pairwise(marks)))

    def scaled_to(self, total: int, symbols: Sequence[str]) -> TimingPlan:
        """Stretches or compresses the plan to `total` tokens; see `emotts.timing.scale.scale_plan`.

        A plan that has this length already comes back as it is.

        Args:
            total: tokens of the new plan, at least 1.
            symbols: the phonemes of this plan.
        """
        from emotts.text.symbols import kind
        from emotts.timing.scale import scale_plan

        if len(symbols) != len(self):
            raise InputError(f"a plan of {len(self)} phonemes cannot time {len(symbols)} symbols")
        if total == self.total:
            return self
        return scale_plan(self.durations, [kind(symbol) for symbol in symbols], total)

    def phoneme_at(self, token: int) -> int:
        """The index of the phoneme that sounds at a token; the last one past the end."""
        if token >= self.total:
            return len(self) - 1
        return bisect_right(list(accumulate(self.durations)), max(token, 0))


def round_cumulatively(durations: Iterable[float]) -> tuple[int, ...]:
    """Rounds the boundaries between real durations, not the durations, so that errors never add up."""
    marks = [0, *(int(end + 0.5) for end in accumulate(durations))]
    return tuple(after - before for before, after in pairwise(marks))
