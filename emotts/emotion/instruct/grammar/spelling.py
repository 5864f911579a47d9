"""Spelling of words made from other words."""

from __future__ import annotations

import re


def adverb(adjective: str) -> str:
    """The adverb of an adjective, by the spelling rules of English; of a phrase, that of its last word."""
    if adjective.endswith("ly") or " " in adjective:
        return adjective
    if adjective.endswith("y") and len(adjective) > 3:
        return f"{adjective[:-1]}ily"
    if adjective.endswith("ic"):
        return f"{adjective}ally"
    if adjective.endswith("le"):
        return f"{adjective[:-1]}y"
    return f"{adjective}ly"


def stem(phrase: str) -> str:
    """A phrase without the endings of its last word, so that "sigh", "sighs" and "sighing" are one.

    It is no word, only a key; of a short word nothing is cut.
    """
    return re.sub(r"(?<=\w{3})(?:ing|ed|es|s|e)$", "", phrase)
