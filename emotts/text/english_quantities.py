"""English money, units, fractions, ranges, phone numbers and plain numbers in words."""

from __future__ import annotations

import re

from emotts.text.numbers import NUMBER, cardinal, digits, ordinal, plural, spoken, value

_CURRENCIES: dict[str, tuple[str, str]] = {
    "$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "₹": ("rupee", "paisa"),
    "¥": ("yen", ""), "₩": ("won", ""), "₽": ("ruble", "kopek"), "₪": ("shekel", ""), "₺": ("lira", ""),
    "₴": ("hryvnia", ""), "฿": ("baht", ""), "₿": ("bitcoin", ""),
}  # fmt: skip
_UNCHANGED = frozenset(("yen", "won", "baht"))
_CODES = {
    "USD": "US dollar",
    "EUR": "euro",
    "GBP": "pound",
    "JPY": "yen",
    "CHF": "Swiss franc",
    "CAD": "Canadian dollar",
}
_COUNTRIES = {
    "US": "US ",
    "A": "Australian ",
    "AU": "Australian ",
    "C": "Canadian ",
    "CA": "Canadian ",
    "NZ": "New Zealand ",
}
_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "tn": "trillion",
    "t": "trillion",
}
_SCALE = r"(?:\s?(hundred|thousand|million|billion|trillion|bn|mn|tn|[kKmMbB])\b)?"
_SIGNS = "".join(_CURRENCIES)
_THING = r"(?=[ -](?:bill|note|coin|check|cheque|deal|ticket|fine|fee|prize|reward|bet|tip|lawsuit|question|gift|budget|grant|loan)\b)"  # noqa: E501

_MONEY_RANGE = re.compile(rf"([{_SIGNS}])\s?({NUMBER})\s?(?:-|to)\s?\1?\s?({NUMBER}){_SCALE}(?![\d-])")
_MONEY = re.compile(
    rf"(?<![A-Za-z])((?:US|AU|CA|NZ|A|C)(?=\$))?(-?)([{_SIGNS}])\s?(-?)({NUMBER}){_SCALE}({_THING})?"
)
_MONEY_AFTER = re.compile(rf"(?<![\w.,])(-?)({NUMBER}){_SCALE}\s?([{_SIGNS}¢]|(?:{'|'.join(_CODES)})\b)")

_UNITS: dict[str, str] = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer", "mi": "mile",
    "ft": "foot", "yd": "yard", "yds": "yard", "kg": "kilogram", "g": "gram", "mg": "milligram",
    "lb": "pound",
    "lbs": "pound", "oz": "ounce", "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter",
    "cl": "centiliter", "s": "second", "sec": "second", "secs": "second", "ms": "millisecond",
    "min": "minute",
    "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "Hz": "hertz", "kHz": "kilohertz",
    "MHz": "megahertz", "GHz": "gigahertz", "KB": "kilobyte", "kB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "W": "watt", "kW": "kilowatt", "MW": "megawatt",
    "kWh": "kilowatt hour",
    "V": "volt", "mV": "millivolt", "dB": "decibel",
    "px": "pixel", "tsp": "teaspoon", "tbsp": "tablespoon",
    "cal": "calorie", "kcal": "kilocalorie",
    "mph": "mile per hour", "kph": "kilometer per hour", "km/h": "kilometer per hour",
    "m/s": "meter per second",
    "fps": "frame per second", "rpm": "revolution per minute", "bpm": "beat per minute",
    "mpg": "mile per gallon",
    "kbps": "kilobit per second", "Mbps": "megabit per second", "sq ft": "square foot", "m^2": "square meter",
    "km^2": "square kilometer", "cm^2": "square centimeter", "ft^2": "square foot", "m^3": "cubic meter",
    "cm^3": "cubic centimeter", "°C": "degree Celsius", "°F": "degree Fahrenheit", "° C": "degree Celsius",
    "° F": "degree Fahrenheit", "°": "degree", "%": "percent", "‰": "per mille",
}  # fmt: skip
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_QUANTITY = re.compile(
    rf"(?<![\w.])({NUMBER})(\s?|-)({_UNIT})(?![\w'^])(?:/(s|h|hr|day|week|month|year|kg|km|min)\b)?"
)
_FEET = re.compile(r"(?<![\w'])(\d{1,2})'\s?(\d{1,2})(?:\"|'')?(?!\w)")
_FEET_ONLY = re.compile(r"(?<![\w'])(\d+)'(?=\s?(?:tall|long|wide|deep|high|x|by)\b)")

_PHONE = re.compile(
    r"(?<![\w.,-])(\+\d{1,3}[ .-]?)?(\(\d{2,5}\)\s?|\d{3}[ .-])(\d{3,4})[ .-](\d{4})(?![\w-]|\.\d)|"
    r"(?<![\w.,-])(\+\d{1,3}(?:[ .-]\d{2,5}){2,5})(?![\w-])"
)
_SHORT_PHONE = re.compile(
    r"(?:(?<=call )|(?<=dial )|(?<=phone )|(?<=Call )|(?<=Dial )|(?=555-))(\d{3})-(\d{4})(?![\w-])"
)
_EMERGENCY = re.compile(r"\b([Cc]all(?:ed|ing)?|[Dd]ial(?:ed|ing|led|ling)?)\s(\d{3})(?![\w.,-])")
_ZIP = re.compile(r"\b([A-Z]{2})\s(\d{5})(?:-(\d{4}))?(?![\w-])")
_RANGE = re.compile(rf"(?<![\w.,/-])({NUMBER})\s?-\s?(?=({NUMBER})(?![\w-]*-\d))")
_RATIO = re.compile(r"(?<![\w:.,])(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)(?![\d:])")
_INCHES = re.compile(r"\b((?:ft|feet|foot)\.?,?\s\d+)\sin\b\.?")
_FRACTION = re.compile(r"(?<![\w./,-])(?:(\d+)\s(?:and\s)?)?(\d+)/(\d+)(?![\d/])(?:th|ths|rd|rds)?")
_ORDINAL = re.compile(r"(?<![\w.])(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", re.I)
_FIXED = {
    "24/7": "twenty four seven",
    "9/11": "nine eleven",
    "50/50": "fifty fifty",
    "20/20": "twenty twenty",
}
_NEGATIVE = re.compile(r"(?<![\w.)\]%°'\"])-\s?(?=[.\d])")
_ROUGH_WORDS = {"10": "tens", "100": "hundreds", "1000": "thousands", "1,000": "thousands"}
_ROUGH = re.compile(r"(?<![\w.,])(1,?0{1,3})s(?=\sof\b|[.,;!?]|$)")
_VERSION = re.compile(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])")


def expand_quantities(text: str) -> str:
    """Return the text with money, units, fractions, ranges and phone numbers in words; plain numbers stay."""
    text = _PHONE.sub(_phone, text)
    text = _SHORT_PHONE.sub(_phone, text)
    text = _EMERGENCY.sub(lambda found: f"{found[1]} {digits(found[2])}", text)
    text = _ZIP.sub(
        lambda found: f"{found[1]} {digits(found[2])}{', ' + digits(found[3]) if found[3] else ''}", text
    )
    text = _MONEY_RANGE.sub(_money_range, text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(_money_after, text)
    text = _INCHES.sub(r"\1 inches", text)
    text = _FEET.sub(lambda found: f"{cardinal(int(found[1]))} foot {cardinal(int(found[2]))}", text)
    text = _FEET_ONLY.sub(lambda found: f"{cardinal(int(found[1]))} feet", text)
    text = _ROUGH.sub(lambda found: _ROUGH_WORDS[found[1]], text)
    text = _VERSION.sub(lambda found: " point ".join(spoken(part) for part in found[0].split(".")), text)
    text = _FRACTION.sub(_fraction, text)
    text = _RANGE.sub(lambda found: f"{found[1]} to ", text)
    text = _RATIO.sub(lambda found: f"{spoken(found[1])} to {spoken(found[2])}", text)
    text = _NEGATIVE.sub("minus ", text)
    return _QUANTITY.sub(_quantity, text)


def expand_numbers(text: str) -> str:
    """Return the text with all ordinals and numbers that are left in words, parted from letters."""
    text = _ORDINAL.sub(lambda found: ordinal(int(found[1].replace(",", ""))), text)
    text = re.sub(r"(?<=[^\W\d])-?(?=\d)|(?<=\d)(?=[^\W\d])", " ", text)

    def plain(found: re.Match[str]) -> str:
        long = len(found[0]) > 7 and found[0].isdigit()
        return digits(found[0]) if long else spoken(found[0])

    return re.sub(NUMBER, plain, text)


def _units(word: str, count: float) -> str:
    """Return a unit's name in the number that `count` asks for; of "mile per hour" only "mile" changes."""
    first, per, rest = word.partition(" per ")
    head, of, tail = first.partition(" ") if first.startswith("degree") else (first, "", "")
    if count != 1 and head.split()[-1] not in {"hertz", "percent", *_UNCHANGED} and word != "per mille":
        head = plural(head)
    return head + of + tail + per + rest


def _money(found: re.Match[str]) -> str:
    country, sign, currency, inner_sign, number, scale, thing = found.groups()
    minus = "minus " if sign or inner_sign else ""
    return minus + _amount(number, scale, currency, country, thing is not None)


def _money_range(found: re.Match[str]) -> str:
    currency, low, high, scale = found.groups()
    return f"{spoken(low)} to {_amount(high, scale, currency)}"


def _money_after(found: re.Match[str]) -> str:
    sign, number, scale, currency = found.groups()
    minus = "minus " if sign else ""
    if currency == "¢":
        return f"{minus}{spoken(number)} {_units('cent', value(number))}"
    if currency in _CODES:
        words = f"{spoken(number)} {_scale_word(scale)}".strip()
        return f"{minus}{words} {_units(_CODES[currency], 2 if scale else value(number))}"
    return minus + _amount(number, scale, currency)


def _scale_word(scale: str | None) -> str:
    return _SCALES.get(scale.lower(), scale) if scale else ""


def _amount(
    number: str, scale: str | None, currency: str, country: str | None = None, singular: bool = False
) -> str:
    """Return an amount in words: "five dollars and twenty cents", "two point five million pounds"."""
    large, small = _CURRENCIES[currency]
    large = _COUNTRIES.get(country or "", "") + large
    whole, _, fraction = number.replace(",", "").partition(".")
    if scale:
        return f"{spoken(number)} {_scale_word(scale)} {large if singular else _units(large, 2)}"
    if not small or len(fraction) != 2:
        return f"{spoken(number)} {large if singular else _units(large, value(number))}"
    parts = []
    if int(whole or 0) or not int(fraction):
        parts.append(f"{spoken(whole or '0')} {large if singular else _units(large, int(whole or 0))}")
    if int(fraction):
        parts.append(f"{cardinal(int(fraction))} {_units(small, int(fraction))}")
    return " and ".join(parts)


def _quantity(found: re.Match[str]) -> str:
    number, gap, unit, per = found.groups()
    # A hyphen makes an adjective: "a 5-km run".
    words = f"{spoken(number)} {_units(_UNITS[unit], 1 if gap == '-' else value(number))}"
    if per:
        words += f" per {_UNITS.get(per, per)}"
    return words


def _phone(found: re.Match[str]) -> str:
    groups = [group for part in found.groups() if part for group in re.findall(r"\d+", part)]
    plus = "plus " if "+" in found[0] else ""
    return plus + ", ".join(digits(group) for group in groups)


def _fraction(found: re.Match[str]) -> str:
    whole, top, bottom = found.groups()
    if found[0] in _FIXED:
        return _FIXED[found[0]]
    numerator, denominator = int(top[:18]), int(bottom[:18])
    if not 0 < numerator < denominator <= 1000:
        head = f"{spoken(whole)} " if whole else ""
        return f"{head}{spoken(top)} over {spoken(bottom)}"
    name = {2: "half", 4: "quarter"}.get(denominator) or ordinal(denominator)
    if whole:
        count = "a" if numerator == 1 else cardinal(numerator)
        return f"{spoken(whole)} and {count} {name if numerator == 1 else plural(name)}"
    return f"{cardinal(numerator)} {name if numerator == 1 else plural(name)}"
