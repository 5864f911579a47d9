"""What the models say of a text: pieces that pass them one by one, and the silences between.

A plain text is cut into sentences. Where markup changes the emotion, or asks for a pause, a new piece
begins; rates and pronunciations stay inside of a piece, for durations and phones are given to each phoneme.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.markup.lexicon import Lexicon
from emotts.markup.parse import parse_markup
from emotts.markup.tree import Pause, Span, flatten
from emotts.text.ipa import parse_pronunciation
from emotts.text.phonemize import Fragment, Phonemes, Phonemizer
from emotts.text.segment import split_text
from emotts.timebase import SAMPLES_PER_TOKEN, seconds_to_samples

_MARKS_AT_END = re.compile(r"[.,;:?!…。，、；：！？｡—–-][\"'”’»)\]）」』\s]*$")

_MARKS_AT_START = re.compile(r"[\"'”’»)\]）」』\s]*[.,;:?!…。，、；：！？｡—–-]")


@dataclass(frozen=True)
class Piece:
    """A stretch of text that passes the models at once.

    Attributes:
        text: as it is written.
        phonemes: what is said.
        emotion: its emotion, or None for that of the request.
        rates: of each phoneme; 2 is twice as fast.
        lead: tokens of the first pause, or None for the predicted length.
        tail: tokens of the last pause, or None.
        silence: samples of silence before the piece.
    """

    text: str
    phonemes: Phonemes
    emotion: Emotion | None = None
    rates: tuple[float, ...] = ()
    lead: int | None = None
    tail: int | None = None
    silence: int = 0

    @property
    def ends_sentence(self) -> bool:
        """Whether the text was cut at the end of a sentence, not inside of one."""
        return self.text.rstrip("\"'”’»)]）」』 \n")[-1:] in tuple(".?!…。！？｡")


@dataclass(frozen=True)
class Script:
    """All pieces of a text.

    Attributes:
        pieces: at least one.
        silence: samples of silence after the last.
    """

    pieces: tuple[Piece, ...]
    silence: int = 0

    @property
    def silences(self) -> list[int]:
        """Samples of silence before each piece, and after the last."""
        return [*(piece.silence for piece in self.pieces), self.silence]

    @property
    def fixed(self) -> dict[int, int]:
        """Tokens of the phonemes, counted over all pieces, that no length or speed changes."""
        found: dict[int, int] = {}
        start = 0
        for piece in self.pieces:
            end = start + len(piece.phonemes.symbols)
            if piece.lead is not None:
                found[start] = piece.lead
            if piece.tail is not None:
                found[end - 1] = piece.tail
            start = end
        return found


def make_script(
    text: str,
    phonemizer: Phonemizer,
    markup: bool = False,
    lexicon: Lexicon | None = None,
    whole: bool = False,
) -> Script:
    """The script of a text.

    Args:
        text: with markup if `markup`.
        phonemizer: of its language.
        markup: read brackets or SSML.
        lexicon: pronunciations of words; phones in the markup come before them.
        whole: make one piece of a text without markup, however long.

    Raises:
        MarkupError: wrong markup.
        InputError: nothing in the text can be pronounced.
    """
    leaves: list[Span | Pause] = [Span(text)]
    if markup:
        leaves = list(flatten(parse_markup(text, phonemizer.language)))
    english = phonemizer.language.startswith("en")
    pieces: list[Piece] = []
    pauses: list[int] = [0]
    last: InputError | None = None
    for pause, spans in _stretches(leaves):
        pauses[-1] += pause
        spoken = list(lexicon.apply(spans, english)) if lexicon else spans
        for part in [spoken] if whole else _sentences(spoken):
            try:
                pieces.append(_piece(part, phonemizer))
            except InputError as error:
                # A line of dashes between two chapters is no fault of the text, unless there is nothing else.
                last = error
                continue
            pauses.append(0)
    if not pieces:
        # A text of one plain piece has the better message; the rest is empty brackets.
        raise last or InputError("the text is empty; give at least one word")
    return _with_pauses(pieces, pauses)


def _stretches(leaves: Iterable[Span | Pause]) -> list[tuple[int, list[Span]]]:
    """Spans of one emotion without a pause between them, with the samples of pause before them."""
    found: list[tuple[int, list[Span]]] = []
    pause = 0
    for leaf in leaves:
        if isinstance(leaf, Pause):
            pause += seconds_to_samples(leaf.seconds)
        elif not leaf.text.strip() and leaf.ipa is None and (pause or not found):
            continue
        elif pause or not found or found[-1][1][-1].emotion != leaf.emotion:
            found.append((pause, [leaf]))
            pause = 0
        else:
            found[-1][1].append(leaf)
    return [*found, (pause, [])] if pause else found


def _sentences(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans of each sentence; a span may be cut."""
    if not spans:
        return []
    text = "".join(span.text for span in spans)
    pieces = split_text(text)
    if len(pieces) < 2:
        return [list(spans)]
    if len(spans) == 1:
        return [[Span(piece, spans[0].ipa, spans[0].emotion, spans[0].rate)] for piece in pieces]
    cuts = _starts(text, pieces)
    return [_between(spans, start, end) for start, end in pairwise([0, *cuts[1:], len(text)])]


def _starts(text: str, pieces: Sequence[str]) -> list[int]:
    """Where each piece begins in the text: pieces hold all its letters, but not all of its blanks."""
    letters = [place for place, character in enumerate(text) if character.isalnum()]
    starts, done = [], 0
    for piece in pieces:
        count = sum(map(str.isalnum, piece))
        start = letters[done] if count else len(text)
        opening = re.match(r"[\W_]*", piece)
        for character in reversed(opening[0] if opening else ""):
            before = start
            while before and text[before - 1].isspace():
                before -= 1
            if before and text[before - 1] == character:
                start = before - 1
        starts.append(start)
        done += count
    return starts


def _between(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    """The spans between two places of their joined text. A word with phones goes where it begins."""
    found, place = [], 0
    for span in spans:
        first, last = place, place + len(span.text)
        place = last
        if span.ipa is not None:
            if start <= first < end:
                found.append(span)
        elif max(first, start) < min(last, end):
            text = span.text[max(start - first, 0) : end - first]
            found.append(Span(text, None, span.emotion, span.rate))
    return found


def _piece(spans: Sequence[Span], phonemizer: Phonemizer) -> Piece:
    fragments = [
        Fragment(span.text, None if span.ipa is None else parse_pronunciation(span.ipa)) for span in spans
    ]
    phonemes, owners = phonemizer.phonemize_fragments(fragments)
    rates = tuple(spans[owner].rate for owner in owners)
    return Piece("".join(span.text for span in spans), phonemes, spans[0].emotion if spans else None, rates)


def _with_pauses(pieces: Sequence[Piece], pauses: Sequence[int]) -> Script:
    """Gives each piece the silence before it.

    A pause lasts from the last phone before it to the first after it. One token of it at each side stays
    with the models, for a sound needs room to end and to begin; the rest is digital silence.
    """
    found: list[Piece] = []
    count = len(pieces)
    for number, piece in enumerate(pieces):
        before, after = pauses[number], pauses[number + 1]
        joined_before = number > 0 and not before and _runs_on(pieces[number - 1], piece)
        joined_after = number < count - 1 and not after and _runs_on(piece, pieces[number + 1])
        lead, tail = _edges(before)[1], _edges(after)[0]
        silence = before - SAMPLES_PER_TOKEN * (lead + (_edges(before)[0] if number else 0))
        found.append(
            Piece(
                piece.text,
                piece.phonemes,
                piece.emotion,
                piece.rates,
                lead if before else (0 if joined_before else None),
                tail if after else (1 if joined_after else None),
                silence,
            )
        )
    return Script(tuple(found), pauses[count] - SAMPLES_PER_TOKEN * _edges(pauses[count])[0])


def _edges(pause: int) -> tuple[int, int]:
    """Tokens of a pause (given in samples) that the piece before it and the piece after it keep."""
    return int(pause >= SAMPLES_PER_TOKEN), int(pause >= 2 * SAMPLES_PER_TOKEN)


def _runs_on(piece: Piece, following: Piece) -> bool:
    """Whether markup parted words that are said in one breath."""
    marked = _MARKS_AT_END.search(piece.text) or _MARKS_AT_START.match(following.text)
    return piece.emotion != following.emotion and not marked
