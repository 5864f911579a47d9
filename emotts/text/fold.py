"""Fold Unicode text into the few characters that the rules know, and keep punctuation in order."""

from __future__ import annotations

import html
import re
import unicodedata

MARKS = "?!….—;:,"
"""Pause marks, the strongest first: of a run of marks the strongest is kept ("?!" asks, ", —" breaks off)."""

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_KEPT_SYMBOLS = frozenset("°©®™№")
_QUOTES = dict.fromkeys(map(ord, "‘’‚‛′`´ʼʹ＇"), "'") | dict.fromkeys(
    map(ord, "“”„‟″«»「」『』《》〈〉〝〞＂"), '"'
)
_PUNCTUATION = {
    ord(source): target
    for source, target in {
        "。": ". ", "、": ", ", "，": ", ", "！": "! ", "？": "? ", "；": "; ", "：": ": ",
        "·": " ", "・": " ",
        "؟": "?", "،": ",", "؛": ";", "।": ".", "॥": ".", "۔": ".", "¿": "", "¡": "", "‼": "!!", "⁇": "??",
        "⁈": "?!", "⁉": "!?", "•": ", ", "‣": ", ", "−": "-", "‐": "-", "‑": "-", "‒": "-", "⁃": "-",
        "–": "–", "―": "—", "⸺": "—", "⸻": "—", "〜": "—", "⁄": "/", "∕": "/", "×": " × ", "⋯": "…",
    }.items()
}  # fmt: skip
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:[\s.][^<>\n]*)?/?>|\{\\[^{}\n]*\}")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[A-Za-z]{2,8});")
_RUN = re.compile(r"(?:\s|[?!…—;:]|(?<!\d)[.,]|[.,](?!\d))+")


def fold(text: str) -> str:
    """Return the text with quotes, dashes, digits, widths and blanks in one form, without emoji or markup.

    Paragraph breaks become ``". "`` where the line has no mark; superscripts become ``^2``; vulgar fractions
    ``1/2``. Tags such as ``<i>``, as subtitles have them, go; entities such as ``&amp;`` are read.
    """
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), _TAG.sub(" ", text))
    text = re.sub(r"[⁰¹²³⁴-⁹]+", lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞↉])", " ", text)
    text = text.translate(_QUOTES).translate(_PUNCTUATION)
    text = unicodedata.normalize("NFKC", "".join(map(_protect, text))).replace("\ue000", "™")
    text = "".join(map(_fold_character, text)).translate(_QUOTES).translate(_PUNCTUATION)
    text = re.sub(r"[ \t]*\n[ \t]*(?:\n[ \t]*)+", " .\n", text)
    text = re.sub(r"\.{2,}|(?:\. ){2,}\.", "…", text)
    return _fold_dashes(" ".join(text.split()))


def _protect(character: str) -> str:
    # NFKC would write "TM" for the sign; the rules drop it instead.
    return "\ue000" if character == "™" else character


def _fold_character(character: str) -> str:
    """Return what stands for a character: itself, an ASCII digit, a blank or nothing."""
    if character.isascii() and character.isprintable():
        return character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.digit(character, 0))
    if category in ("Zs", "Zl", "Zp", "Cc"):
        return "\n" if character in "\n\u2029" else " "
    if category == "So" and character not in _KEPT_SYMBOLS:
        return " "
    # Format characters, surrogates, unassigned and private ones, and what tints emoji.
    # Persian and Indic scripts need U+200C.
    if category in ("Cf", "Cs", "Cn", "Co", "Sk", "Me") or "\ufe00" <= character <= "\ufe0f":
        return character if character == "\u200c" else ""
    return character


def _fold_dashes(text: str) -> str:
    text = re.sub(r"(?<=\d)\s?–\s?(?=[$£€]?\d)", "-", text)
    text = re.sub(r"(?<=\w)–(?=\w)", "-", text)
    text = re.sub(r"\s?(?:-{2,}|–|—+)\s?", " — ", text)
    return re.sub(r"(?<=[^\W\d]|[.,!?\"'…]) - (?=\D)|(?<=\d) - (?=[^\W\d])", " — ", text)


def strongest(marks: str) -> str:
    """Return the strongest pause mark of a run of marks, or an empty string."""
    return next((mark for mark in MARKS if mark in marks), "")


def tidy(text: str) -> str:
    """Return the text with one mark or one blank between words, none at its start.

    A dot or comma between two digits is not a mark.
    """

    def one(found: re.Match[str]) -> str:
        mark = strongest(found[0])
        return (" — " if mark == "—" else f"{mark} ") if found.start() else ""

    return _RUN.sub(one, text).strip()


def clauses(text: str) -> list[tuple[str, str]]:
    """Split at pause marks; return each clause and the mark after it (empty where there is none)."""
    result: list[tuple[str, str]] = []
    start = 0
    for found in _RUN.finditer(text):
        mark = strongest(found[0])
        if mark:
            result.append((text[start : found.start()], mark))
            start = found.end()
    result.append((text[start:], ""))
    return [(clause.strip(), mark) for clause, mark in result if clause.strip()]
