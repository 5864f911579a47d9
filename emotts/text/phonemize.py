"""From text to phonemes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emotts.errors import InputError
from emotts.text import espeak, fold
from emotts.text.ipa import parse_output
from emotts.text.normalize import normalize
from emotts.text.symbols import SENTENCE_ENDS, START, WORD_BOUNDARY, encode
from emotts.text.words import WordPhones, assign

# What espeak may say without a letter in it, in languages whose symbols are left to it.
_SAID_SYMBOLS = frozenset("%&@+=°$£€#")
_MOST_WORDS = 60
_SHOWN = 40
# Marks at the beginning of a fragment belong to the words before it; a dot before a digit is no mark.
_OPENING_MARKS = re.compile(r"[^\w$£€#@&+%.]*(?:\.(?!\d)[^\w$£€#@&+%.]*)*")


class Fragment(NamedTuple):
    """A part of a text.

    Attributes:
        text: As it is written.
        phones: Its symbols where they are known; None leaves them to espeak.
    """

    text: str
    phones: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Phonemes:
    """The phonemes of a text.

    Attributes:
        symbols: Begins with ``^``; words are parted by just one pause symbol; ends with ``. ? !`` or ``…``.
        words: The words as they are said (after normalisation), in order.
        word_index: For each symbol the place of its word in `words`, -1 for pauses.
    """

    symbols: tuple[str, ...]
    words: tuple[str, ...]
    word_index: tuple[int, ...]

    @property
    def ids(self) -> list[int]:
        """Id of each symbol in `emotts.text.symbols.SYMBOLS`."""
        return encode(self.symbols)


class Phonemizer:
    """Turns text of one language into `Phonemes`. Thread-safe; instances of a language share one espeak.

    Args:
        language: espeak's code of the language, such as ``"en-us"`` or ``"de"``.

    Raises:
        InputError: espeak does not know the language.
    """

    def __init__(self, language: str = "en-us") -> None:
        self.language = espeak.canonical_language(language)

    def phonemize(self, text: str) -> Phonemes:
        """Return the phonemes of a text, which is normalised first.

        Raises:
            InputError: The text is empty or holds nothing that can be pronounced.
        """
        if not text.strip():
            raise InputError("the text is empty: give at least one word")
        return self.phonemize_fragments([Fragment(text)])[0]

    def phonemize_fragments(self, fragments: Sequence[Fragment]) -> tuple[Phonemes, tuple[int, ...]]:
        """Return the phonemes of a text that is given in parts, and for each symbol the place of its part.

        A pause belongs to the part of the word before it.

        Raises:
            InputError: The text holds nothing that can be pronounced.
        """
        clauses: list[tuple[list[WordPhones], str]] = []
        owners: list[int] = []
        for number, (text, phones) in enumerate(fragments):
            if phones is not None:
                found = [([WordPhones(text.strip(), phones)], "")]
            else:
                mark = fold.strongest(fold.fold(_OPENING_MARKS.match(text)[0])) if clauses else ""
                if mark:
                    clauses[-1] = (clauses[-1][0], fold.strongest(clauses[-1][1] + mark))
                found = list(self._clauses(normalize(text, self.language)))
            clauses += found
            owners += [number] * sum(len(words) for words, _ in found)
        if not clauses:
            raise InputError(_unpronounceable("".join(fragment.text for fragment in fragments)))
        phonemes = _assemble(clauses)
        last = owners[0]
        places = []
        for index in phonemes.word_index:
            last = last if index < 0 else owners[index]
            places.append(last)
        return phonemes, tuple(places)

    def phonemize_many(self, texts: Iterable[str]) -> list[Phonemes]:
        """Return the phonemes of each text; see `phonemize`."""
        return [self.phonemize(text) for text in texts]

    def _clauses(self, text: str) -> Iterator[tuple[list[WordPhones], str]]:
        """Yield the words of each clause and the mark after it; clauses without a phone are left out."""
        for clause, mark in fold.clauses(text):
            words = [word for word in clause.split() if any(map(_is_said, word))]
            said = [entry for part in _parts(words) for entry in self._say(part)]
            if said:
                yield said, mark

    def _say(self, words: list[str]) -> list[WordPhones]:
        groups = parse_output(espeak.ipa(" ".join(words), self.language))
        return assign(words, groups, functools.partial(_isolated, self.language))


def _is_said(character: str) -> bool:
    return character.isalnum() or character in _SAID_SYMBOLS


def _parts(words: list[str]) -> list[list[str]]:
    """Cut a very long clause: matching its words takes time that grows as a square."""
    return [words[start : start + _MOST_WORDS] for start in range(0, len(words), _MOST_WORDS)]


@functools.lru_cache(maxsize=65536)
def _isolated_cached(language: str, word: str) -> tuple[str, ...]:
    return tuple(symbol for group in parse_output(espeak.ipa(word, language)) for symbol in group)


def _isolated(language: str, word: str) -> list[str]:
    return list(_isolated_cached(language, word))


def _assemble(clauses: list[tuple[list[WordPhones], str]]) -> Phonemes:
    symbols, index, words = [START], [-1], []
    for said, mark in clauses:
        for entry in said:
            symbols += [*entry.phones, WORD_BOUNDARY]
            index += [len(words)] * len(entry.phones) + [-1]
            words.append(entry.word)
        symbols[-1] = mark or WORD_BOUNDARY
    if symbols[-1] not in SENTENCE_ENDS:
        symbols[-1] = "."
    return Phonemes(tuple(symbols), tuple(words), tuple(index))


def _unpronounceable(text: str) -> str:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    return f"the text {shown!r} holds nothing that can be pronounced: give at least one word"
