"""Cut a text into pieces that a model can say in one breath."""

from __future__ import annotations

import re
from collections.abc import Callable

from emotts.errors import InputError
from emotts.text.abbreviations import MAYBE_FINAL, NEVER_FINAL, NUMBERED

_SMALLEST_LIMIT = 10
_CLOSERS = r"[\"'”’»)\]）」』]*"
# A mark at a sentence's end, with what closes around it; East Asian marks need no blank after them.
_END = re.compile(rf"[.?!…]+{_CLOSERS}(?=\s|$)|[。！？｡]+{_CLOSERS}|\n\s*\n")
_CLAUSE_ENDS = (
    re.compile(rf"[;:；：]{_CLOSERS}(?=\s)|[；：]"),
    re.compile(rf"[,،]{_CLOSERS}(?=\s)|[，、]|\s[—–-]+(?=\s)|—"),
    re.compile(r"(?=\s)"),
)
_OPENERS = "\"'“‘«([¿¡*_„"


def split_text(text: str, max_characters: int = 200) -> list[str]:
    """Split a text into sentences, and long sentences at clauses, then between words.

    All that can be said is kept, in order; a piece without a letter or a digit is joined to the piece before
    it, or dropped.
    Only a single word longer than the limit is cut inside.

    Args:
        text: Text as written, before normalisation.
        max_characters: Most characters of a piece, at least 10.

    Returns:
        Pieces without blanks at their ends, none empty; no piece when the text holds no letter and no digit.

    Raises:
        InputError: `max_characters` is less than 10.
    """
    if max_characters < _SMALLEST_LIMIT:
        raise InputError(f"max_characters is {max_characters}: give at least {_SMALLEST_LIMIT}")
    pieces: list[str] = []
    for sentence in cut_sentences(text):
        for piece in _shorten(" ".join(sentence.split()), max_characters):
            if any(map(str.isalnum, piece)):
                pieces.append(piece)
            elif pieces and len(pieces[-1]) + len(piece) < max_characters:
                pieces[-1] += f" {piece}"
    return pieces


def cut_sentences(text: str) -> list[str]:
    """The sentences of a text; joined, they are the text. What follows the last mark is one too."""
    found, start = [], 0
    for end in _END.finditer(text):
        if _ends(text[start : end.end()], text[end.end() :]):
            found.append(text[start : end.end()])
            start = end.end()
    return [*found, text[start:]]


def _ends(before: str, after: str) -> bool:
    """Say whether a mark ends its sentence, from the text before it (mark included) and after it."""
    following = after.lstrip().lstrip(_OPENERS)[:1]
    if not following or before[-1].isspace() or not after[:1].isspace():
        return True
    if following.islower():
        return False
    word = before.split()[-1]
    if not re.search(rf"(?<!\.)\.{_CLOSERS}$", word):
        return True
    word = re.sub(rf"\.{_CLOSERS}$", "", word).lstrip(_OPENERS)
    key = word.lower()
    if key in NEVER_FINAL or (key in NUMBERED and following.isdigit()):
        return False
    if key in MAYBE_FINAL:
        return following.isupper()
    # "J. Smith" is a name and "1. First" a list; "So did I." is an end.
    initial = len(word) == 1 and word.isupper() and word != "I"
    listed = word.isdigit() and word == before.split()[0].rstrip(".")
    return not (initial or listed)


def _shorten(sentence: str, limit: int) -> list[str]:
    if not sentence:
        return []
    if len(sentence) <= limit:
        return [sentence]
    for pattern in _CLAUSE_ENDS:
        cut = _best_cut(
            sentence, limit, lambda text, rule=pattern: [end.end() for end in rule.finditer(text)]
        )
        if cut:
            break
    else:
        cut = limit
    return [sentence[:cut].strip(), *_shorten(sentence[cut:].strip(), limit)]


def _best_cut(sentence: str, limit: int, ends_of: Callable[[str], list[int]]) -> int:
    """Return the cut nearest to even parts within the limit, 0 if there is none.

    Even parts sound better than a full one and a crumb.
    """
    parts = -(-len(sentence) // limit)
    ideal = min(limit, len(sentence) / parts)
    cuts = [cut for cut in ends_of(sentence[: limit + 1]) if limit // 4 <= cut <= limit]
    return min(cuts, key=lambda cut: abs(cut - ideal), default=0)
