"""English dates, years and times in words."""

from __future__ import annotations

import re

from emotts.text.numbers import cardinal, decade, digits, ordinal, year

_MONTHS = (
    str.split("January February March April May June July August September October November December")
)  # fmt: skip
_MONTH = r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"  # noqa: E501
_END = r"(?![\w/]|[.,:-]\d)"
_YEAR = r"([12]\d{3})"

_ISO = re.compile(rf"(?<![\w/.-]){_YEAR}-(\d{{2}})-(\d{{2}})(?:T(?=\d\d:))?(?![\w-])")
_SLASHED = re.compile(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_DAY_ONLY = re.compile(r"(?<=\b[Oo]n )(\d{1,2})/(\d{1,2})(?![\w/-]|\.\d)")
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\b\.?\s(\d{{1,2}})(?:st|nd|rd|th)?(?:\s?(?:-|to)\s?(\d{{1,2}})(?:st|nd|rd|th)?)?{_END}(?:,?\s{_YEAR}{_END})?"
)
_DAY_MONTH = re.compile(
    rf"(?<![\w.,:/$£€-])([Tt]he\s)?(\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}\b\.?(?:,?\s{_YEAR}{_END})?",
)
_MONTH_YEAR = re.compile(rf"\b{_MONTH}\b\.?(,?)\s{_YEAR}{_END}")
_DECADE = re.compile(r"(?<![\w.,$£€])(?:'(\d0)|([12]\d\d0|[2-9]0))'?s\b")
_SHORT_YEAR = re.compile(r"(?<!\w)'(\d\d)(?![\w'])")
_BARE_YEAR = re.compile(r"(?<![\w.,/:$£€#+-])(1[1-9]\d\d|20\d\d)('s)?(?![\w/%°:]|[.,-]\d)(\s+[a-z]+)?")
_YEAR_RANGE = re.compile(rf"(?<![\w.,/$£€+-]){_YEAR}\s?-\s?({_YEAR}|\d\d){_END}(?!-)")
_NAMED_YEAR = re.compile(
    r"\b([Ii]n|[Ss]ince|[Bb]y|[Uu]ntil|[Yy]ear|[Aa]round|AD)\s(10\d\d)(?![\w/%°:]|[.,-]\d)"
)
_CLOCK = re.compile(
    r"(?<![\w:.,/])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?:\s?([ap])(?:m\b|\.\s?m\b(\.?)))?(?![:\d])",
    re.I,
)
_CLOCK_RANGE = re.compile(r"(?<=\d:\d\d)\s?-\s?(?=\d{1,2}:\d\d)|(?<=[ap]m)\s?-\s?(?=\d)", re.I)
_HOUR = re.compile(r"(?<![\w:.,/$£€])(1[0-2]|0?[1-9])\s?([ap])(?:m\b|\.\s?m\b(\.?))", re.I)
_MERIDIEM = {"a": "A-M", "p": "P-M"}
# Words after a four-digit number that end in s and yet count nothing.
_NOT_COUNTED = frozenset(str.split("was is has as this its his us does goes says"))


def expand_dates(text: str, language: str = "en-us") -> str:
    """Return the text with dates and years in words.

    ``5/6/2024`` is the sixth of May in ``en-us``, the fifth of June elsewhere.
    """
    text = _ISO.sub(lambda found: _date(found, found[1], found[2], found[3]), text)
    text = _SLASHED.sub(lambda found: _slashed(found, language), text)
    text = _DAY_ONLY.sub(lambda found: _slashed_day(found, language), text)
    text = _DAY_MONTH.sub(_day_month, text)
    text = _MONTH_DAY.sub(_month_day, text)
    text = _MONTH_YEAR.sub(lambda found: f"{_month_name(found[1])}{found[2]} {year(int(found[3]))}", text)
    text = _DECADE.sub(lambda found: decade(int(found[1] or found[2])), text)
    text = _SHORT_YEAR.sub(
        lambda found: digits(found[1], "oh") if found[1][0] == "0" else cardinal(int(found[1])), text
    )
    text = _YEAR_RANGE.sub(_year_range, text)
    text = _NAMED_YEAR.sub(lambda found: f"{found[1]} {year(int(found[2]))}", text)
    return _BARE_YEAR.sub(_bare_year, text)


def expand_times(text: str) -> str:
    """Return the text with clock times in words (``15:05`` → ``"fifteen oh five"``)."""
    text = _CLOCK_RANGE.sub(" to ", text)
    text = _CLOCK.sub(_clock, text)

    def hour(found: re.Match[str]) -> str:
        return f"{cardinal(int(found[1]))} {_MERIDIEM[found[2].lower()]}{_kept_stop(found, found[3])}"

    return _HOUR.sub(hour, text)


def _month_name(written: str) -> str:
    return next(month for month in _MONTHS if month.startswith(written[:3]))


def _date(found: re.Match[str], year_digits: str, month: str, day: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    number = int(year_digits)
    said = year(number) if len(year_digits) == 4 else _two_digit_year(number)
    return f"{_MONTHS[int(month) - 1]} {ordinal(int(day))}, {said} "


def _two_digit_year(number: int) -> str:
    return year(2000 + number if number < 50 else 1900 + number)


def _slashed(found: re.Match[str], language: str) -> str:
    first, mark, second, year_digits = found.groups()
    month_first = language in ("en", "en-us") and mark != "."
    month, day = (first, second) if month_first else (second, first)
    if int(month) > 12:
        month, day = day, month
    return _date(found, year_digits, month, day)


def _slashed_day(found: re.Match[str], language: str) -> str:
    month, day = (found[1], found[2]) if language in ("en", "en-us") else (found[2], found[1])
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    return f"{_MONTHS[int(month) - 1]} {ordinal(int(day))}"


def _month_day(found: re.Match[str]) -> str:
    month, day, last, year_digits = found.groups()
    if not 1 <= int(day) <= 31:
        return found[0]
    words = f"{_month_name(month)} {ordinal(int(day))}"
    words += f" to {ordinal(int(last))}" if last else ""
    return f"{words}, {year(int(year_digits))}" if year_digits else words


def _day_month(found: re.Match[str]) -> str:
    article, day, month, year_digits = found.groups()
    if not 1 <= int(day) <= 31:
        return found[0]
    words = f"{article or 'the '}{ordinal(int(day))} of {_month_name(month)}"
    return f"{words}, {year(int(year_digits))}" if year_digits else words


def _bare_year(found: re.Match[str]) -> str:
    number, possessive, after = found.groups()
    word = (after or "").strip()
    # "1500 metres" counts; "in 1984 he" and "1984 was" name a year.
    counts = len(word) > 2 and word.endswith("s") and not word.endswith("ss") and word not in _NOT_COUNTED
    said = cardinal(int(number)) if counts else year(int(number))
    return f"{said}{possessive or ''}{after or ''}"


def _year_range(found: re.Match[str]) -> str:
    first, last = int(found[1]), int(found[2])
    if not 1100 <= first < 2100:
        return found[0]
    return f"{year(first)} to {year(last) if last > 99 else cardinal(last)}"


def _clock(found: re.Match[str]) -> str:
    hour, minute, second, meridiem, stop = found.groups()
    number = int(hour)
    words = [cardinal(number)]
    if int(minute):
        words.append(digits(minute, "oh") if minute[0] == "0" else cardinal(int(minute)))
    elif not meridiem and not second:
        words = ["midnight"] if number in (0, 24) else [*words, "o'clock" if number <= 12 else "hundred"]
    if second and int(second):
        words += ["and", cardinal(int(second)), "second" if int(second) == 1 else "seconds"]
    if meridiem:
        words.append(_MERIDIEM[meridiem.lower()])
    return " ".join(words) + _kept_stop(found, stop)


def _kept_stop(found: re.Match[str], stop: str | None) -> str:
    """Keep the stop of "a.m." where it ends the sentence as well."""
    rest = found.string[found.end() :].lstrip("\"' )")
    return "." if stop and (not rest or rest[0].isupper()) else ""
