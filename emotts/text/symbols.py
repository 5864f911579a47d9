"""The closed table of symbols that every model reads, and its phonetics.

The table is frozen: model weights hold one embedding row per symbol, so a symbol may never move. It holds all
phones that espeak-ng gives for US English, plus single IPA letters that let other languages pass. What lies
outside of it is decomposed by `emotts.text.ipa` before it gets here.

Stress is part of the vowel symbol (``"ˈaɪ"`` primary, ``"ˌaɪ"`` secondary, ``"aɪ"`` none), because a stressed
vowel is a longer, higher and fuller sound, not a mark followed by a sound. `base` takes the stress off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from emotts.errors import InputError

Kind = Literal["vowel", "consonant", "pause"]

PAD = "<pad>"
START = "^"
WORD_BOUNDARY = " "
CLAUSE_PAUSES: tuple[str, ...] = (",", ";", ":", "—", "…")
SENTENCE_ENDS: tuple[str, ...] = (".", "?", "!", "…")
PRIMARY = "ˈ"
SECONDARY = "ˌ"

PAUSES: tuple[str, ...] = (START, WORD_BOUNDARY, ",", ";", ":", "—", "…", ".", "?", "!")

# Vowels of espeak's US English. R-coloured ones are the vowel and "ɹ", triphthongs a diphthong and "ə".
_ENGLISH_VOWELS = tuple(str.split("aɪ aʊ eɪ oʊ ɔɪ iː uː ɑː ɔː ɜː oː ɪ ɛ æ ʌ ʊ ə ɐ ᵻ ɚ i ɔ"))
_ENGLISH_CONSONANTS = tuple(str.split("p b t d k ɡ f v θ ð s z ʃ ʒ h m n ŋ l ɹ j w tʃ dʒ ɾ ʔ n̩"))
# Vowels and consonants that other languages need; their secondary stress is read as no stress.
_OTHER_VOWELS = tuple(str.split("a e o u y ø œ ɑ ɯ ɨ ʉ ɤ"))
_OTHER_CONSONANTS = tuple(str.split("r ʁ x ç ɣ β ɲ ʎ ɕ ʑ ts dz ħ ʕ q ɟ c ɬ ʈ ɖ ʂ ʐ ɥ"))

VOWELS: tuple[str, ...] = _ENGLISH_VOWELS + _OTHER_VOWELS
CONSONANTS: tuple[str, ...] = _ENGLISH_CONSONANTS + _OTHER_CONSONANTS

BASE_PHONES: tuple[str, ...] = VOWELS + CONSONANTS
"""Phones without stress; the CTC classes are these, counted from 1."""

SYMBOLS: tuple[str, ...] = (
    PAD,
    *PAUSES,
    *CONSONANTS,
    *(mark + vowel for vowel in _ENGLISH_VOWELS for mark in ("", PRIMARY, SECONDARY)),
    *(mark + vowel for vowel in _OTHER_VOWELS for mark in ("", PRIMARY)),
)
"""The table; a symbol's id is its place. Id 0 is padding."""

_ID = {symbol: index for index, symbol in enumerate(SYMBOLS)}
_BASE_PHONE_ID = {phone: index for index, phone in enumerate(BASE_PHONES, start=1)}
_PAUSE_SET = frozenset(PAUSES)
_VOWEL_SET = frozenset(VOWELS)


def _id_of(symbol: str) -> int:
    try:
        return _ID[symbol]
    except KeyError:
        raise InputError(
            f"{symbol!r} is not a phoneme symbol: use those of emotts.text.symbols.SYMBOLS, such as 'ˈaɪ'"
        ) from None


def encode(symbols: Iterable[str]) -> list[int]:
    """Return the id of each symbol.

    Raises:
        InputError: A symbol is not in the table.
    """
    return [_id_of(symbol) for symbol in symbols]


def decode(ids: Iterable[int]) -> list[str]:
    """Return the symbol of each id; padding (0) becomes ``"<pad>"``.

    Raises:
        InputError: An id lies outside of the table.
    """
    result = []
    for index in ids:
        if not 0 <= index < len(SYMBOLS):
            raise InputError(f"{index} is not a phoneme id: ids lie between 0 and {len(SYMBOLS) - 1}")
        result.append(SYMBOLS[index])
    return result


def base(symbol: str) -> str:
    """Return the symbol without its stress mark (``"ˈaɪ"`` → ``"aɪ"``); others come back unchanged."""
    return symbol[1:] if symbol[:1] in (PRIMARY, SECONDARY) else symbol


def stress(symbol: str) -> int:
    """Return 2 for primary stress, 1 for secondary stress, 0 for none."""
    return {PRIMARY: 2, SECONDARY: 1}.get(symbol[:1], 0)


def kind(symbol: str) -> Kind:
    """Say whether the symbol is a vowel, a consonant or a pause (padding counts as a pause).

    Raises:
        InputError: The symbol is not in the table.
    """
    _id_of(symbol)
    if symbol in _PAUSE_SET or symbol == PAD:
        return "pause"
    return "vowel" if base(symbol) in _VOWEL_SET else "consonant"


BASE_ID: tuple[int, ...] = tuple(_BASE_PHONE_ID.get(base(symbol), 0) for symbol in SYMBOLS)
"""CTC class of each symbol id: 0 for pauses and padding, otherwise 1 + the place in `BASE_PHONES`."""


def base_id(symbol_id: int) -> int:
    """Return the CTC class of a symbol id (0 for a pause or padding).

    Raises:
        InputError: The id lies outside of the table.
    """
    if not 0 <= symbol_id < len(BASE_ID):
        raise InputError(f"{symbol_id} is not a phoneme id: ids lie between 0 and {len(SYMBOLS) - 1}")
    return BASE_ID[symbol_id]


def base_ids_of(symbol_ids: Iterable[int]) -> list[int]:
    """Return the CTC class of each symbol id, pauses kept as 0, so that positions stay."""
    return [base_id(index) for index in symbol_ids]


def encode_base(symbols: Sequence[str]) -> list[int]:
    """Return CTC targets: pauses and stress dropped, classes from 1 (0 is the CTC blank).

    Raises:
        InputError: A symbol is not in the table.
    """
    return [index for index in base_ids_of(encode(symbols)) if index]
