"""Scaling a plan to an exact length the way people speak faster and slower.

When people change their rate, pauses change most (Goldman-Eisler 1968, Grosjean and Lane 1976), then
vowels, and consonants least, for a closure or a frication cannot shrink much and stay itself (Klatt
1976, Gay 1981). Phoneme i of natural length w becomes w * s^e, with an elasticity e by its kind and
one s for the whole line, found so that the sum is exact.

Whole tokens are dealt one at a time, to the phoneme whose next token comes due at the smallest s. This
is a divisor method (Webster's, for the elastic lengths), so a longer total never shortens any
phoneme, which rounding by largest remainders does not promise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heapify, heapreplace
from typing import Literal

from emotts.errors import InputError
from emotts.text.symbols import kind
from emotts.timebase import tokens_to_seconds
from emotts.timing.plan import TimingPlan

Kind = Literal["vowel", "consonant", "pause"]

ELASTICITY: dict[str, float] = {"consonant": 0.6, "vowel": 1.0, "pause": 1.4}
"""Exponent of the common stretch by kind: at double length a consonant lasts 1.5 times its natural
length where a vowel lasts twice and a pause 2.6 times."""

MINIMUM: dict[str, int] = {"consonant": 1, "vowel": 1, "pause": 0}
"""Fewest tokens of a phoneme, unless the total forces fewer."""

SMALLEST_WEIGHT = 0.5
"""Natural length, in tokens, of a phone that its plan gives less: it still has to stretch with the rest."""

FASTEST, SLOWEST = 0.5, 2.5
"""Range of a natural voice, as a multiple of the predicted length."""

FEWEST_TOKENS_PER_PHONE = 1.0
"""At 25 phones a second speech stops being intelligible."""

_GOLDEN_RATIO = 0.6180339887498949


def scale_plan(weights: Sequence[float], kinds: Sequence[Kind], total: int) -> TimingPlan:
    """Gives each phoneme a whole number of tokens, `total` in all.

    No phone gets less than its minimum unless `total` is smaller than the number of phones; then the
    longest phones keep one token each. For fixed weights every duration is monotone in `total`.

    Args:
        weights: natural length of each phoneme in tokens, finite, at least 0.
        kinds: "vowel", "consonant" or "pause" for each phoneme. A pause of weight 0 stays 0.
        total: tokens of the plan, at least 1.

    Raises:
        InputError: lengths that differ, a weight or a total out of range, nothing that can last.
    """
    _check(weights, kinds, total)
    lengths = [_natural(weight, part) for weight, part in zip(weights, kinds, strict=True)]
    durations = [0] * len(lengths)
    phones = [index for index, part in enumerate(kinds) if MINIMUM[part]]
    for index in sorted(phones, key=lambda index: -lengths[index])[:total]:
        durations[index] = MINIMUM[kinds[index]]
    queue = [
        (_due(durations[index], length, kinds[index], index), index)
        for index, length in enumerate(lengths)
        if length > 0
    ]
    heapify(queue)
    for _ in range(total - sum(durations)):
        _, index = queue[0]
        durations[index] += 1
        heapreplace(queue, (_due(durations[index], lengths[index], kinds[index], index), index))
    return TimingPlan(tuple(durations))


def bounds(plan: TimingPlan, symbols: Sequence[str]) -> tuple[int, int]:
    """Fewest and most tokens in which a natural voice would say a text.

    Args:
        plan: the predicted plan.
        symbols: its phonemes.
    """
    phones = sum(kind(symbol) != "pause" for symbol in symbols)
    fewest = max(math.ceil(FASTEST * plan.total), math.ceil(FEWEST_TOKENS_PER_PHONE * phones))
    return min(fewest, plan.total), math.ceil(SLOWEST * plan.total)


def require_natural(
    total: int,
    plan: TimingPlan,
    symbols: Sequence[str],
    silence: float = 0.0,
    seconds: float | None = None,
) -> None:
    """Refuses a length that no natural voice would give a text.

    Args:
        total: the requested length in tokens.
        plan: the predicted plan.
        symbols: its phonemes.
        silence: tokens beside the plan, of pauses that cannot change; for the message.
        seconds: what was asked for, which is no whole number of tokens; for the message.

    Raises:
        InputError: names the range that would do, in seconds.
    """
    fewest, most = bounds(plan, symbols)
    if fewest <= total <= most:
        return
    fault = "short" if total < fewest else "long"
    asked, low, high = (tokens_to_seconds(value + silence) for value in (total, fewest, most))
    asked = asked if seconds is None else seconds
    raise InputError(
        f"duration {asked:.2f} s is too {fault} for this text: between {low:.2f} and {high:.2f} s would do"
    )


def _check(weights: Sequence[float], kinds: Sequence[Kind], total: int) -> None:
    if len(weights) != len(kinds):
        raise InputError(f"{len(weights)} durations for {len(kinds)} phonemes; one for each is needed")
    if total < 1:
        raise InputError(f"a plan of {total} tokens; at least 1 is needed")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise InputError("natural durations must be finite and 0 or more")
    if not any(weight > 0 or MINIMUM[part] for weight, part in zip(weights, kinds, strict=True)):
        raise InputError("a plan needs a phone, or a pause that lasts")


def _natural(weight: float, part: Kind) -> float:
    return max(float(weight), SMALLEST_WEIGHT) if MINIMUM[part] else float(weight)


def _due(given: int, length: float, part: Kind, index: int) -> float:
    """Logarithm of the stretch s at which a phoneme that has `given` tokens is due one more.

    The rounding threshold is one half, moved by up to a quarter along a low-discrepancy sequence:
    equal phones would otherwise all round alike, and the surplus land on the first of them.
    """
    threshold = 0.25 + 0.5 * ((index + 1) * _GOLDEN_RATIO % 1.0)
    return (math.log(given + threshold) - math.log(length)) / ELASTICITY[part]
