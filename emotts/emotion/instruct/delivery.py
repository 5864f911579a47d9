"""Words of delivery to a factor on the speed and a change of the loudness."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources

import yaml

from emotts.config import StrictModel
from emotts.emotion.instruct.rules import Clause


class DeliveryGroup(StrictModel):
    """Words that do the same: an item of grammar/delivery.yaml.

    Attributes:
        speed: factor on the speaking rate.
        energy: change in dB.
        words: words and phrases.
    """

    speed: float
    energy: float
    words: tuple[str, ...]


@functools.cache
def load_delivery() -> dict[str, tuple[float, float]]:
    """Speed factor and dB of every word and phrase of delivery."""
    source = resources.files("emotts.emotion.instruct.grammar") / "delivery.yaml"
    groups = [
        DeliveryGroup.parse(values, "delivery.yaml") for values in yaml.safe_load(source.read_text("utf-8"))
    ]
    return {word: (group.speed, group.energy) for group in groups for word in group.words}


@functools.cache
def _pattern() -> re.Pattern[str]:
    ordered = sorted(load_delivery(), key=len, reverse=True)
    return re.compile(r"(?<![\w'])(?:" + "|".join(map(re.escape, ordered)) + r")(?![\w'])")


_WANTED = re.compile(
    r"\b(?:wants?|wanting|longs?|would like|ready|about|trying not|has a) to (?:\w+ )?$|\bwon't $"
)


def delivery_hints(clauses: Sequence[Clause]) -> tuple[float, float]:
    """Factor on the speed and change in dB that the words of an instruction ask for.

    Of several words for one thing the strongest counts. A negated word gives a third of its opposite
    ("not so fast"), one that is only wanted ("wants to scream") gives nothing, and degree words scale.
    """
    speeds, energies = [1.0], [0.0]
    for clause in clauses:
        text = clause.full
        for match in _pattern().finditer(text):
            if _WANTED.search(text[: match.start()]):
                continue
            speed, energy = load_delivery()[match[0]]
            share = min(1.3, clause.factor * clause.exponent**0.35)
            if clause.negated:
                share = -0.33
            speeds.append(1.0 + (speed - 1.0) * share)
            energies.append(energy * share)
        if clause.hidden:
            energies.append(-2.0)
    return (
        max(speeds) if abs(max(speeds) - 1) > abs(min(speeds) - 1) else min(speeds),
        max(energies, key=abs),
    )
