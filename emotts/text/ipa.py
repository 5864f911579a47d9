"""Turn espeak's IPA into symbols of the closed table.

espeak marks a phone by one or more characters. Where the table has the phone it is taken whole; otherwise it
is taken apart, the longest known beginning first, and what is still unknown becomes its nearest letter.
"""

from __future__ import annotations

import functools
import logging
import re
import unicodedata

from emotts.errors import InputError
from emotts.text.symbols import BASE_PHONES, PRIMARY, SECONDARY, SYMBOLS, VOWELS

_LOGGER = logging.getLogger(__name__)

_TABLE = frozenset(SYMBOLS)
_VOWEL_SET = frozenset(VOWELS)
_PHONES = frozenset(unicodedata.normalize("NFD", phone) for phone in BASE_PHONES)
_COMPOSED = {unicodedata.normalize("NFD", phone): phone for phone in BASE_PHONES}
_LONGEST = max(len(phone) for phone in _PHONES)
_LANGUAGE_FLAG = re.compile(r"\([a-z]{2,3}(?:-[A-Za-z0-9-]+)?\)")

# Written letter by letter in NFD; the right side is symbols of the table, parted by spaces.
_NEAREST: dict[str, str] = {
    unicodedata.normalize("NFD", source): target
    for source, target in {
        "g": "ɡ", "ʏ": "y", "ɵ": "ø", "ɘ": "ə", "ɜ": "ɐ", "ɞ": "œ", "ɶ": "œ", "ɩ": "ɪ", "ɷ": "ʊ", "ä": "a",
        "əʊ": "oʊ", "ɒ": "ɔ",
        "ɝ": "ɜː ɹ", "ɫ": "l", "ɭ": "l", "ɮ": "l", "ʟ": "l", "ɺ": "ɾ", "ɽ": "ɾ", "ɻ": "ɹ", "ʀ": "ʁ", "ɰ": "ɣ",
        "ʋ": "v", "ⱱ": "v", "ʍ": "w", "ɸ": "f", "χ": "x", "ɦ": "h", "ɧ": "ʃ", "ʜ": "ħ", "ʢ": "ʕ", "ɱ": "m",
        "ɳ": "n", "ɴ": "ŋ", "ʝ": "j", "ɢ": "ɡ", "ʛ": "ɡ", "ɓ": "b", "ɗ": "d", "ɠ": "ɡ", "ʄ": "ɟ", "ƭ": "t",
        "tɕ": "tʃ", "dʑ": "dʒ", "ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tʃ", "ʥ": "dʒ", "ʘ": "p",
        "ǀ": "t", "ǃ": "k", "ǂ": "k", "ǁ": "l", "ᵊ": "ə", "ɚː": "ɜː ɹ", "ɿ": "ɨ", "ʅ": "ɨ", "ɬ̩": "ɬ",
        "m̩": "ə m", "l̩": "ə l", "ɹ̩": "ɚ", "r̩": "ə r", "ŋ̩": "ə ŋ",
    }.items()
}  # fmt: skip
_MODIFIERS = {"ʲ": "j", "ʷ": "w", "ʰ": "h", "ʱ": "h", "ˠ": "", "ˤ": "", "ⁿ": "n", "ˡ": "l", "ʼ": "", "ᵝ": ""}
_NASAL = "\u0303"


@functools.lru_cache(maxsize=4096)
def symbols_of_phone(phone: str) -> tuple[str, ...]:
    """Return the symbols of one espeak phone without stress marks: ``"aɪɚ"`` → ``("aɪ", "ɚ")``."""
    rest = unicodedata.normalize("NFD", phone.replace("\u0361", "").replace("\u035c", ""))
    found: list[str] = []
    while rest:
        size = next((n for n in range(min(_LONGEST, len(rest)), 0, -1) if rest[:n] in _PHONES), 0)
        near = next((n for n in range(min(3, len(rest)), 0, -1) if rest[:n] in _NEAREST), 0)
        if size and size >= near:
            found.append(_COMPOSED[rest[:size]])
        elif near:
            found.extend(_NEAREST[rest[:near]].split())
            size = near
        else:
            _apply_modifier(rest[0], found, phone)
            size = 1
        rest = rest[size:]
    return tuple(found)


def _apply_modifier(character: str, found: list[str], phone: str) -> None:
    """Handle one character that is no phone of its own: length, nasality, palatalisation, tone."""
    if character in ("ː", "ˑ"):
        # Length that the table cannot hold is kept as a doubled sound.
        if found and character == "ː":
            found.append(found[-1])
    elif character == _NASAL:
        if found and found[-1] in _VOWEL_SET:
            found.append("ŋ")
    elif character in _MODIFIERS:
        if _MODIFIERS[character]:
            found.append(_MODIFIERS[character])
    elif character.isalpha() and unicodedata.category(character) != "Lm":
        _LOGGER.warning(
            "the phone %r holds the letter %r, which no symbol stands for: dropped", phone, character
        )


def parse_word(word: str) -> list[str]:
    """Return the symbols of one word as espeak writes it: phones parted by ``_``, stress before its phone.

    A stress mark before a consonant moves to the next vowel of the word. The result may be empty.
    """
    result: list[str] = []
    pending = ""
    for phone in word.split("_"):
        for mark in (PRIMARY, SECONDARY):
            if mark in phone:
                # Primary wins where espeak writes both.
                pending = mark if pending != PRIMARY else pending
                phone = phone.replace(mark, "")
        for symbol in symbols_of_phone(phone):
            if pending and symbol in _VOWEL_SET:
                stressed = pending + symbol
                symbol = stressed if stressed in _TABLE else symbol
                pending = ""
            result.append(symbol)
    return result


def parse_output(output: str) -> list[list[str]]:
    """Return the non-empty word groups of espeak's output as symbols; flags such as ``(en)`` are dropped."""
    groups = (parse_word(word) for word in _LANGUAGE_FLAG.sub("", output).split())
    return [group for group in groups if group]


_MARKS = frozenset("ˈˌːˑ.|‿_\u0303\u0361\u035c")
_READ = frozenset("".join(_PHONES) + "".join(_NEAREST)) | frozenset(_MODIFIERS) | _MARKS
_SEPARATORS = re.compile(r"[\s._|‿]+")


@functools.lru_cache(maxsize=4096)
def parse_pronunciation(ipa: str) -> tuple[str, ...]:
    """Return the symbols of a pronunciation that a person wrote: ``"təˈmɑːtoʊ"``.

    Phones need no separator; blanks and dots may stand between them. Unlike espeak's output, a letter that
    stands for no phone is an error.

    Raises:
        InputError: Empty, a letter that is no IPA, or nothing that sounds.
    """
    written = unicodedata.normalize("NFD", ipa.strip().strip("/"))
    if not written:
        raise InputError("the phones are empty; write IPA such as təˈmɑːtoʊ")
    for character in written:
        if character not in _READ and not character.isspace():
            raise InputError(f"{character!r} in the phones {ipa.strip()!r} is no IPA; write e.g. təˈmɑːtoʊ")
    # A stress mark belongs to the syllable after it, so it opens a phone of its own here.
    parted = re.sub(rf"(?=[{PRIMARY}{SECONDARY}])", "_", _SEPARATORS.sub("_", written))
    symbols = tuple(parse_word(unicodedata.normalize("NFC", parted)))
    if not symbols:
        raise InputError(f"the phones {ipa.strip()!r} make no sound; write IPA such as təˈmɑːtoʊ")
    return symbols
