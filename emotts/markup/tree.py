"""What a marked-up text is read as: a tree of five kinds of nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.request import FASTEST, SLOWEST

SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 60.0
"""Range of one pause, in seconds."""

MOST_SILENCE = 600.0
"""Most seconds of pauses in one text."""

DEEPEST = 16
"""Most tags that may stand inside one another."""


@dataclass(frozen=True)
class Text:
    """Words to be read as they stand.

    Attributes:
        text: not empty.
    """

    text: str


@dataclass(frozen=True)
class Pause:
    """Silence.

    Attributes:
        seconds: `SHORTEST_PAUSE` to `LONGEST_PAUSE`.
    """

    seconds: float


@dataclass(frozen=True)
class Word:
    """A word with its pronunciation.

    Attributes:
        text: as it is written; what the timings of words show.
        ipa: its phones.
    """

    text: str
    ipa: str


@dataclass(frozen=True)
class Feeling:
    """A stretch with an emotion of its own, which replaces the one around it.

    Attributes:
        emotion: of the stretch.
        children: what it holds.
    """

    emotion: Emotion
    children: tuple[Node, ...]


@dataclass(frozen=True)
class Pace:
    """A stretch at a rate of its own, which multiplies the one around it.

    Attributes:
        rate: 2 is twice as fast.
        children: what it holds.
    """

    rate: float
    children: tuple[Node, ...]


Node: TypeAlias = Text | Pause | Word | Feeling | Pace


@dataclass(frozen=True)
class Span:
    """A stretch of text with all that applies to it.

    Attributes:
        text: as it is written.
        ipa: its phones, or None to let the phonemizer find them.
        emotion: its emotion, or None for that of the request.
        rate: 2 is twice as fast.
    """

    text: str
    ipa: str | None = None
    emotion: Emotion | None = None
    rate: float = 1.0


def flatten(
    nodes: tuple[Node, ...], emotion: Emotion | None = None, rate: float = 1.0
) -> Iterator[Span | Pause]:
    """The leaves of a tree in order, each with the emotion and the rate that apply to it."""
    for node in nodes:
        if isinstance(node, Text):
            yield Span(node.text, None, emotion, rate)
        elif isinstance(node, Word):
            yield Span(node.text, node.ipa, emotion, rate)
        elif isinstance(node, Pause):
            yield node
        elif isinstance(node, Feeling):
            yield from flatten(node.children, node.emotion, rate)
        else:
            yield from flatten(node.children, emotion, rate * node.rate)


def plain_text(nodes: tuple[Node, ...]) -> str:
    """The words of a tree without markup."""
    return "".join(leaf.text if isinstance(leaf, Span) else " " for leaf in flatten(nodes))


def to_markup(nodes: tuple[Node, ...]) -> str:
    """A tree in brackets; `parse_markup` reads it back to the same tree."""
    return "".join(map(_write, nodes))


def _write(node: Node) -> str:
    if isinstance(node, Text):
        return re.sub(r"[\\\[<]", r"\\\g<0>", node.text)
    if isinstance(node, Pause):
        return f"[pause {node.seconds!r}s]"
    if isinstance(node, Word):
        word = re.sub(r"[\\|<>]", r"\\\g<0>", node.text)
        return f"<{word}|{node.ipa}>"
    if isinstance(node, Feeling):
        return f"[emotion {node.emotion}]{to_markup(node.children)}[/emotion]"
    return f"[rate {node.rate!r}]{to_markup(node.children)}[/rate]"


def make_pause(seconds: float) -> Pause:
    """A pause.

    Raises:
        InputError: out of range.
    """
    if not SHORTEST_PAUSE <= seconds <= LONGEST_PAUSE:
        raise InputError(f"a pause lasts {SHORTEST_PAUSE:g} to {LONGEST_PAUSE:g} s, not {seconds:g} s")
    return Pause(seconds)


def check_rate(rate: float, around: float) -> float:
    """The rate of a stretch inside of others, whose rates multiply to `around`.

    Raises:
        InputError: it, or the product, is out of the range of speed.
    """
    for value in (rate, around * rate):
        if not SLOWEST <= value <= FASTEST:
            inside = "" if value == rate else ", which it is with the rates around it"
            raise InputError(f"a rate is {SLOWEST:g} to {FASTEST:g} (1 is natural), not {value:g}{inside}")
    return rate
