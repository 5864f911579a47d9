"""SSML's `say-as`: text that is read letter by letter, as a number, ..."""

from __future__ import annotations

import re

from emotts.errors import InputError
from emotts.markup.tree import Node, Text, Word
from emotts.text.numbers import cardinal, digits, ordinal

KINDS = ("characters", "spell-out", "digits", "cardinal", "number", "ordinal", "telephone", "date", "time")
"""Values of `interpret-as`."""

_LONGEST_NUMBER = 40


def say_as(kind: str, text: str, language: str) -> list[Node]:
    """What is read for a text.

    Args:
        kind: one of `KINDS`. Dates and times are read as the normaliser reads them anyway.
        text: as it is written.
        language: as espeak names it. Only English is written out here; the digits of other languages are
            left to their own rules.

    Raises:
        InputError: unknown kind, or a text that does not fit it.
    """
    english = language.lower().split("-")[0] == "en"
    if kind not in KINDS:
        raise InputError(f"cannot say anything as {kind!r}; interpret-as is one of: {', '.join(KINDS)}")
    if kind in ("characters", "spell-out"):
        return _spelled(text, english)
    if kind in ("digits", "telephone"):
        groups = re.findall(r"\d+", text)
        if not groups:
            raise InputError(f"{text.strip()!r} holds no digit to say as {kind}")
        return [Text(", ".join(digits(group) if english else " ".join(group) for group in groups))]
    if kind in ("date", "time"):
        return [Text(text)]
    return [Text(_number(text.strip().replace(",", ""), kind, english))]


def _number(text: str, kind: str, english: bool) -> str:
    if not re.fullmatch(r"-?[0-9]+", text) or len(text) > _LONGEST_NUMBER:
        raise InputError(f"{text!r} is no whole number to say as {kind}")
    if not english:
        return text
    value = int(text)
    if kind != "ordinal":
        return cardinal(value)
    if value < 0:
        raise InputError(f"{text!r} has no ordinal")
    return ordinal(value)


def _spelled(text: str, english: bool) -> list[Node]:
    """Letters and digits one by one; an English "A" would be read as the article."""
    nodes: list[Node] = []
    for character in text:
        if not character.isalnum():
            continue
        if english and character.lower() == "a":
            nodes += [Word("A", "ˈeɪ"), Text(" ")]
        else:
            said = digits(character) if english and character in "0123456789" else character.upper()
            nodes.append(Text(f"{said} "))
    if not nodes:
        raise InputError(f"{text.strip()!r} holds no letter and no digit to spell")
    return nodes
