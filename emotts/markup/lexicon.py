"""Pronunciation lexicons: a text file of words and their phones.

One entry a line, `word<TAB>phones` in IPA; empty lines and lines that begin with `#` are skipped. A word in
lower case stands for all spellings of it; one with a capital only for itself, so that "Polish" and "polish"
can differ. English possessives ("Nguyen's") follow from their word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from emotts.errors import DataError, InputError
from emotts.markup.tree import Span
from emotts.text.ipa import parse_pronunciation

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’][sS]$")
_SIBILANTS = ("s", "z", "ʃ", "ʒ")
_VOICELESS = ("p", "t", "k", "f", "θ")


class Lexicon:
    """Words with their phones.

    Args:
        entries: word -> phones in IPA.

    Raises:
        InputError: what is no single word, or phones that are no IPA.
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries: dict[str, str] = {}
        for word, ipa in entries.items():
            _check(word, ipa)
            self._entries[_key(word)] = ipa.strip()

    @classmethod
    def load(cls, path: Path | str) -> Lexicon:
        """Reads a lexicon file.

        Raises:
            DataError: the file is missing or not UTF-8, or a line is wrong; names the line.
        """
        try:
            content = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise DataError(f"cannot read lexicon {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise DataError(f"lexicon {path} is not UTF-8") from None
        return cls(_read(content.splitlines(), path))

    @property
    def entries(self) -> dict[str, str]:
        """Word -> phones."""
        return dict(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, word: str) -> str | None:
        """Phones of a word, or None."""
        word = _key(word)
        return self._entries.get(word) or self._entries.get(word.lower())

    def apply(self, spans: Iterable[Span], english: bool = True) -> Iterator[Span]:
        """The spans, with those of known words cut out and given phones; phones given before stay.

        Args:
            spans: of one text.
            english: whether "'s" after a known word is its possessive.
        """
        for span in spans:
            if span.ipa is not None:
                yield span
                continue
            done = 0
            for start, end, ipa in self._matches(span.text, english):
                if start > done:
                    yield Span(span.text[done:start], None, span.emotion, span.rate)
                yield Span(span.text[start:end], ipa, span.emotion, span.rate)
                done = end
            if done < len(span.text):
                yield Span(span.text[done:], None, span.emotion, span.rate)

    def _matches(self, text: str, english: bool) -> Iterator[tuple[int, int, str]]:
        for found in _WORD.finditer(text):
            ipa = self._with_possessive(found[0], english)
            if ipa:
                yield found.start(), found.end(), ipa
                continue
            for part in re.finditer(r"[^.-]+", found[0]):
                ipa = self._with_possessive(part[0], english)
                if ipa:
                    yield found.start() + part.start(), found.start() + part.end(), ipa

    def _with_possessive(self, word: str, english: bool) -> str | None:
        ipa = self.find(word)
        if ipa or not english or not _POSSESSIVE.search(word):
            return ipa
        ipa = self.find(word[:-2])
        return ipa and f"{ipa} {_ending(ipa)}"


def _key(word: str) -> str:
    return word.strip().replace("’", "'")


def _check(word: str, ipa: str) -> None:
    if not _WORD.fullmatch(word.strip()):
        raise InputError(f"{word.strip()!r} is not a single word; the lexicon has one word in each line")
    parse_pronunciation(ipa)


def _ending(ipa: str) -> str:
    """Sound of the English possessive after a word."""
    last = parse_pronunciation(ipa)[-1]
    if last.endswith(_SIBILANTS):
        return "ᵻ z"
    return "s" if last in _VOICELESS else "z"


def _read(lines: Iterable[str], path: Path | str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        word, tab, ipa = line.partition("\t")
        if not tab or "\t" in ipa.strip():
            raise DataError(f"lexicon {path}, line {number}: write word, one tab, phones")
        try:
            _check(word, ipa)
        except InputError as error:
            raise DataError(f"lexicon {path}, line {number}: {error}") from None
        if _key(word) in entries:
            raise DataError(f"lexicon {path}, line {number}: {word.strip()!r} is given twice")
        entries[_key(word)] = ipa
    return entries
