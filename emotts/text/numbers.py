"""Words for numbers: English in full, other languages through num2words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w.])\.\d+)"
"""An English number as written: digits, thousands separators, decimals; no sign."""

_MOST_DIGITS = 15
_IRREGULAR_PLURALS = {"foot": "feet", "penny": "pence", "half": "halves", "six": "sixes"}
# The languages whose num2words code is not the first part of espeak's code.
_NUM2WORDS = {"nb": "no", "pt-br": "pt_BR", "fr-be": "fr_BE", "fr-ch": "fr_CH", "kk": "kz"}
_POINT_LANGUAGES = frozenset({"en", "ja", "ko", "cmn", "yue", "th", "he", "hi", "bn", "kn", "te", "am"})


@functools.lru_cache(maxsize=8192)
def cardinal(number: int, conjunction: bool = False) -> str:
    """Return an English cardinal without commas or hyphens; `conjunction` keeps the British "and"."""
    if len(str(abs(number))) > _MOST_DIGITS:
        return ("minus " if number < 0 else "") + digits(str(abs(number)))
    return _plain(str(_num2words()(number, lang="en")), conjunction)


@functools.lru_cache(maxsize=8192)
def ordinal(number: int) -> str:
    """Return an English ordinal (``21`` → ``"twenty first"``)."""
    if len(str(number)) > _MOST_DIGITS:
        return digits(str(number))
    return _plain(str(_num2words()(number, lang="en", to="ordinal")), False)


def digits(text: str, zero: str = "zero") -> str:
    """Return the digits of a text one by one."""
    return " ".join(zero if digit == "0" else cardinal(int(digit)) for digit in text if digit.isdigit())


def year(number: int) -> str:
    """Return a year as people say it: "nineteen eighty four", "nineteen oh five", "two thousand five"."""
    century, rest = divmod(number, 100)
    if number < 1000 or number > 9999 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def decade(number: int) -> str:
    """Return the plural name of a decade or century (``1990`` → ``"nineteen nineties"``)."""
    return plural(year(number) if number >= 100 else cardinal(number))


def plural(words: str) -> str:
    """Return words with the last in the English plural: "half" → "halves", "ninety" → "nineties"."""
    head, _, last = words.rpartition(" ")
    if last in _IRREGULAR_PLURALS:
        last = _IRREGULAR_PLURALS[last]
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "es" if last.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{head} {last}".strip()


def spoken(number: str) -> str:
    """Return the words of a number as `NUMBER` matches it, with an optional ``-``.

    Digits after the point are said one by one; numbers with leading zeros or more than 15 digits as well.
    """
    if number.startswith("-"):
        return f"minus {spoken(number[1:])}"
    whole, point, fraction = number.replace(",", "").partition(".")
    if not whole:
        words = ""
    elif (len(whole) > 1 and whole[0] == "0") or len(whole) > _MOST_DIGITS:
        words = digits(whole)
    else:
        words = cardinal(int(whole))
    return f"{words} point {digits(fraction)}".strip() if point and fraction else words


def value(number: str) -> float:
    """Return the value of a number as `NUMBER` matches it."""
    return float(number.replace(",", "")[:300])


def localize(text: str, language: str) -> str:
    """Return the text with numbers in words of another language; digits stay where num2words lacks it."""
    code = _num2words_code(language)
    if code is None:
        return text
    point, comma = (".", ",") if language.split("-")[0] in _POINT_LANGUAGES else (",", ".")
    grouped = rf"\d{{1,3}}(?:[{re.escape(comma)} \u202f\u00a0]\d{{3}})+(?!\d)"
    pattern = rf"((?<![\w-])-)?({grouped}|\d+)(?:{re.escape(point)}(\d+))?"

    def words(found: re.Match[str]) -> str:
        whole = re.sub(r"\D", "", found[2])
        fraction = found[3]
        if len(whole) > _MOST_DIGITS or (fraction and len(fraction) > _MOST_DIGITS):
            return found[0]
        sign = -1 if found[1] else 1
        number: int | float = sign * (float(f"{whole}.{fraction}") if fraction else int(whole))
        try:
            said = str(_num2words()(number, lang=code))
        except Exception:  # num2words has gaps in many languages; espeak reads the digits then.
            return found[0]
        return f" {said} "

    return re.sub(pattern, words, text)


@functools.cache
def _num2words_code(language: str) -> str | None:
    from num2words import CONVERTER_CLASSES

    for code in (_NUM2WORDS.get(language), language.replace("-", "_"), language.split("-")[0]):
        if code in CONVERTER_CLASSES:
            return str(code)
    return None


@functools.cache
def _num2words() -> Callable[..., object]:
    from num2words import num2words

    function: Callable[..., object] = num2words
    return function


def _plain(words: str, conjunction: bool) -> str:
    words = words.replace(",", "").replace("-", " ")
    return words if conjunction else words.replace(" and ", " ")
