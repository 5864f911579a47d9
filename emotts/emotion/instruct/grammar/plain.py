"""Instructions without an emotion: plain readings, matters of technique, scenes in which nothing is felt.

Most of what can be said to an actor names no emotion, and a network that has seen little of it finds an
emotion in any word. Slots make many such instructions of words of all kinds.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

from emotts.emotion.instruct.grammar.spelling import adverb

_SLOT = re.compile(r"\{(\w+)(:ly)?\}")


@cache
def load_plain() -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Templates and slots of plain.yaml."""
    source = resources.files("emotts.emotion.instruct.grammar") / "plain.yaml"
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    slots = {name: tuple(words) for name, words in content["slots"].items()}
    return tuple(content["templates"]), slots


def plain_instruction(rng: random.Random, words: Sequence[str] = ()) -> str:
    """One instruction without an emotion, in lower case.

    Args:
        rng: draws it.
        words: any words of the language, for the slot {word}; without them it is drawn from {noun}.
    """
    templates, slots = load_plain()
    filled = {**slots, "word": tuple(words) or slots["noun"]}
    return _fill(rng.choice(templates), filled, rng).lower()


def _fill(text: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    def draw(match: re.Match[str]) -> str:
        found = _fill(rng.choice(slots[match[1]]), slots, rng)
        return adverb(found) if match[2] else found

    return _SLOT.sub(draw, text)
