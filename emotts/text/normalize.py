"""Rewrite a text as the words that a reader would say."""

from __future__ import annotations

import re

from emotts.text.abbreviations import expand_abbreviations
from emotts.text.english_dates import expand_dates, expand_times
from emotts.text.english_quantities import expand_numbers, expand_quantities
from emotts.text.english_words import expand_addresses, expand_roman, expand_symbols, respell
from emotts.text.fold import fold, tidy
from emotts.text.numbers import localize

# Apostrophes that open a word; all others at a word's edge are quotation marks.
_ELIDED = r"(?:em|tis|twas|cause|til|n|round|bout|twill|tween|neath)"
_EDGE_QUOTE = re.compile(rf"(?<!\w)'(?!{_ELIDED}\b)|'(?!\w)", re.I)
_UNSAID = re.compile(r"[^\w\s'?!….—;:,-]|_")
_SYMBOLS_OF_ESPEAK = re.compile(r"[^\w\s'’?!….—;:,%&@+=°$£€#-]|_")
_BRACKETS = re.compile(r"\s*[()\[\]{}]+\s*")
_CONTRACTION = re.compile(r"'S\b|'LL\b|'T\b|'RE\b|'VE\b|'M\b|'D\b")


def normalize(text: str, language: str = "en-us") -> str:
    """Return the text as words: letters, apostrophes, hyphens, and the marks ``? ! … . — ; : ,``.

    English is written out in full: numbers, money, dates, times, units, abbreviations, addresses, Roman
    numerals and symbols.
    Other languages get their numbers in words where num2words knows them; espeak reads the rest.

    Args:
        text: Any text; it may hold markup, emoji or several lines.
        language: An espeak code; codes that begin with ``en`` are English.

    Returns:
        The text on one line. Empty when nothing can be said.
    """
    text = fold(text)
    if language.lower().split("-")[0] != "en":
        return _other(text, language)
    text = _calm_capitals(text)
    text = expand_addresses(text)
    text = expand_times(text)
    text = expand_dates(text, language.lower())
    text = expand_abbreviations(text)
    text = expand_quantities(text)
    text = expand_roman(text)
    text = expand_symbols(text)
    text = expand_numbers(text)
    text = re.sub(r"[<>|~^\\*]+", " ", text)
    text = _marks(text.replace('"', " "))
    text = re.sub(r"(?<=[a-z])\.(?=[A-Z][a-z])", ". ", text)
    text = re.sub(r"(?<=\w)\.(?=\w)", " dot ", text)
    return tidy(_words(_UNSAID.sub(" ", respell(text))))


def _other(text: str, language: str) -> str:
    text = localize(text, language)
    text = _marks(text.replace('"', " "))
    text = re.sub(r"(?<=[^\W\d])\.(?=[^\W\d])", " ", text)
    return tidy(_words(_SYMBOLS_OF_ESPEAK.sub(" ", text)))


def _calm_capitals(text: str) -> str:
    """Lower the case of a text that is all capitals; espeak would spell its short words ("US" for "us")."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if len(word) > 1]
    shouted = (
        len(words) > 1 and text.upper() == text and any(len(word) > 4 or word in _COMMON for word in words)
    )
    if not shouted:
        return _CONTRACTION.sub(lambda found: found[0].lower(), text)
    return re.sub(
        r"[^\W\d_]+", lambda found: found[0] if found[0] in _KEPT_CAPITALS else found[0].lower(), text
    )


_KEPT_CAPITALS = frozenset(
    str.split("I FBI CIA NSA NASA NATO USA UK EU UN BBC CNN TV PC DVD CD CEO DNA GPS HIV ATM UFO SUV SOS OK")
)
_COMMON = frozenset(
    str.split(
        "THE AND YOU NOT ARE WAS HIS HER FOR BUT HAD WITH THIS THAT OF TO IS IT IN ON NO GO ME MY WE HE SHE"
    )
)


def _marks(text: str) -> str:
    """Turn brackets into commas and drop quotation marks at the edges of words."""
    text = _BRACKETS.sub(", ", text)
    return _EDGE_QUOTE.sub(" ", text)


def _words(text: str) -> str:
    """Drop hyphens and apostrophes that stand alone."""
    text = re.sub(r"(?<!\w)-+|-+(?!\w)", " ", text)
    return re.sub(r"(?<!\w)'+(?!\w)", " ", text)
