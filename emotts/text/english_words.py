"""English addresses, symbols, Roman numerals, interjections and drawn-out words."""

from __future__ import annotations

import re

from emotts.text.numbers import cardinal, digits, ordinal

_DOMAINS = "com|org|net|edu|gov|io|ai|app|dev|co|uk|us|de|fr|info|biz|tv|me|eu|ca|au|jp|ly|gg"
_URL = re.compile(
    rf"(?<![\w@.])(?:(?:https?|ftp)://[^\s<>\"]+|www\.[^\s<>\"]+|(?:[A-Za-z0-9-]+\.)+(?:{_DOMAINS})\b(?![\w.-]*@)(?:/[^\s<>\"]*)?)"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS_WORDS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark",
    "=": "equals", "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde",
}  # fmt: skip

_ROMAN = r"(?=[IVXLC])(X{0,3}|XL|LX{0,3})(IX|IV|V?I{0,3})"
_ROMAN_AFTER = (
    r"Chapter|CHAPTER|Part|Book|Volume|Vol\.?|Act|Scene|Section|Article|Appendix|Phase|Type|Class|Level|Episode|Season|"
    r"Stage|Mark|World\sWar|Super\sBowl|Table|Figure|Title|Canto|Round|Group|Rocky|Division|Schedule"
)
_REGNAL = (
    r"Henry|Louis|Charles|George|Edward|James|William|Elizabeth|Mary|Richard|Philip|Napoleon|Catherine|Peter|Ivan|"
    r"Nicholas|Alexander|Frederick|Wilhelm|Leopold|Ferdinand|Pius|Benedict|Gregory|Clement|Leo|Urban|Innocent|"
    r"Boniface|John\sPaul|Paul|Ramses|Ramesses|Ptolemy|Umberto|Victor\sEmmanuel|Christian|Gustav|Harald|Olav|Haakon|"
    r"Alfonso|Isabella|Margrethe|Maximilian|Otto|Robert|Stephen|Francis|Joseph|Tsar|Queen|King|Pope|Cleopatra|Darius"
)
_NUMERAL_AFTER = re.compile(rf"\b({_ROMAN_AFTER})\s((?:{_ROMAN}))(?![\w'])")
_REGNAL_AFTER = re.compile(rf"\b({_REGNAL})\s((?:{_ROMAN}))(?!\w|'[a-rt-z])(?=(\s+[a-z]+)?)")
_NUMERAL_LATE = re.compile(
    r"(?<=[a-z] )(II|III|VI|VII|VIII|IX|XI|XII|XIII|XIV|XV|XVI|XVII|XVIII|XIX|XX|XXI)(?![\w'])"
)
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_AFTER_REGNAL_I = frozenset(str.split("of was is had became ruled reigned died and in who"))

_SYMBOLS: tuple[tuple[str, str], ...] = (
    (r"(?<=\w)\s?<=\s?(?=\w)", " is at most "), (r"(?<=\w)\s?>=\s?(?=\w)", " is at least "),
    (r"\bw/o\b", "without"), (r"\bw/(?=\s)", "with"),
    (r"/(?=(?:hour|hr|day|week|month|year|person|night|kg|lb|mile|minute)\b)", " per "),
    (r"(?<=[a-z])/(?=[a-z])", " "),
    (r"#(?=\d)", "number "), (r"#(?=[^\W\d_])", "hashtag "), (r"(?<!\w)@(?=\w)", "at "), (r"@", " at "),
    (r"&", " and "), (r"(?<=\w)\s?\+(?=\s*$|\s[a-z]|[,.;:!?])", " plus"), (r"\+", " plus "),
    (r"(?<=\w)\s?(?:=+|≡)\s?(?=[\w$£€-])", " equals "), (r"≈", " is about "), (r"≠", " is not "),
    (r"≤", " is at most "), (r"≥", " is at least "), (r"(?<=\w)\s?<\s?(?=\d)", " is less than "),
    (r"(?<=\w)\s?>\s?(?=\d)", " is greater than "), (r"±", " plus or minus "), (r"÷", " divided by "),
    (r"(?<=\d)\s?[×*]\s?(?=\d)|(?<=\d)\s?x\s?(?=\d)", " times "), (r"×", " times "),
    (r"~(?=\s?\d)", "about "),
    (r"(?<=\d)\s-\s(?=\d)", " minus "), (r"(?<=\d|\w)\^2\b", " squared"), (r"\^3\b", " cubed"),
    (r"(?<=[\dA-Za-z])\^(?=\d)", " to the "), (r"§\s?", "section "), (r"©", "copyright "),
    (r"°", " degrees "),
    (r"%", " percent "), (r"\$", " dollars "), (r"£", " pounds "), (r"€", " euros "),
)  # fmt: skip
_SYMBOL_RULES = tuple((re.compile(pattern), words) for pattern, words in _SYMBOLS)
_FOOTNOTE = re.compile(r"(?<=[a-z][a-z][a-z.,!?\"])\^\d+")

# espeak spells these letter by letter or reads them oddly; the right side it says as people do.
_INTERJECTIONS: dict[str, str] = {
    "shh": "shush", "sh": "shush", "psst": "pst", "hm": "hmm", "mm": "hmm", "mhm": "hmm hmm", "hmph": "humph",
    "aww": "aw", "eww": "ew", "ew": "ew", "ow": "ouw", "brr": "burr", "grr": "gurr", "pfft": "puft",
    "pft": "puft",
    "tsk": "tisk", "zzz": "zuz", "ugh": "ug", "argh": "arg", "ahh": "ah", "ohh": "oh", "ooh": "ooh",
    "hahaha": "ha ha ha",
    "haha": "ha ha", "hehe": "heh heh", "hehehe": "heh heh heh", "nah": "nah", "yay": "yay",
    "mhmm": "hmm hmm",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_DRAWN_OUT = re.compile(r"([a-z])\1{2,}", re.I)
_DOUBLED_O = re.compile(r"^(?:w|b|z|m|t|c|y)oo+$", re.I)
_LETTER_A = re.compile(
    r"(?:(?<=[a-z]{2} )A(?=\s*(?:$|[,.;:!?…—]))|(?<=[Vv]itamin )A\b|(?<=[Gg]rade )A\b|(?<=[Pp]lan )A\b|"
    r"(?<=[Tt]ype )A\b|"
    r"(?<=[Hh]epatitis )A\b|(?<=[Gg]roup )A\b|(?<=[Oo]ption )A\b|(?<=[Pp]oint )A\b)"
)


def expand_addresses(text: str) -> str:
    """Return the text with e-mail and web addresses as they are read out."""
    text = _EMAIL.sub(lambda found: _address(found[0]), text)
    return _URL.sub(_url, text)


def _url(found: re.Match[str]) -> str:
    url = found[0]
    body = url.rstrip(".,;:!?)'")
    tail = url[len(body) :]
    body = re.sub(r"^\w+://", "", body).rstrip("/")
    return _address(body) + tail


def _address(address: str) -> str:
    body = address.rstrip(".-")
    tail = address[len(body) :].replace("-", "")
    parts = re.findall(r"\d+|[^\W\d_]+|[^\w\s]|_", body)
    words = (digits(part) if part.isdigit() else _ADDRESS_WORDS.get(part, part) for part in parts)
    said = " ".join(word if re.match(r"\w", word) else "" for word in words)
    return re.sub(r"\bwww\b", "W W W", said, flags=re.I) + tail


def expand_roman(text: str) -> str:
    """Return the text with Roman numerals in words where a number is meant ("Henry VIII", not "a MIX")."""
    text = re.sub(r"\bWW(?=II?\b)", "World War ", text)
    text = _NUMERAL_AFTER.sub(lambda found: f"{found[1]} {cardinal(roman(found[2]))}", text)
    text = _REGNAL_AFTER.sub(_regnal, text)
    return _NUMERAL_LATE.sub(_late, text)


def _regnal(found: re.Match[str]) -> str:
    following = (found[5] or "").strip()
    # "Mary I think" speaks of oneself.
    if found[2] == "I" and following and following not in _AFTER_REGNAL_I:
        return found[0]
    return f"{found[1]} the {ordinal(roman(found[2]))}"


def _late(found: re.Match[str]) -> str:
    before = found.string[: found.start()].split()
    named = bool(before) and before[-1][0].isupper()
    return cardinal(roman(found[1])) if named else found[0]


def roman(numeral: str) -> int:
    """Return the value of a Roman numeral below 100."""
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))


def expand_symbols(text: str) -> str:
    """Return the text with symbols as words; those that are not said are dropped."""
    text = _FOOTNOTE.sub("", text)
    for pattern, words in _SYMBOL_RULES:
        text = pattern.sub(words, text)
    return text


def respell(text: str) -> str:
    """Return the text with interjections and drawn-out words ("nooo") as espeak can read them."""
    return _WORD.sub(lambda found: _respell_word(found[0]), _LETTER_A.sub("eh", text))


def _respell_word(word: str) -> str:
    if len(word) > 2 and word.isupper() and not _DRAWN_OUT.search(word):
        return word
    small = word.lower()
    if _DRAWN_OUT.search(word) and set(small) - set("ivx") and small != "www":
        small = _shorten(small)
        word = small.capitalize() if word[0].isupper() else small
    if small in _INTERJECTIONS and (word != small.upper() or len(word) > 2):
        said = _INTERJECTIONS[small]
        return said.capitalize() if word[0].isupper() else said
    return word


def _shorten(word: str) -> str:
    """Return a drawn-out word in its usual spelling: "soooo" → "so", "freeee" → "free", "yesss" → "yes"."""
    if _DOUBLED_O.match(word):
        return word[0] + "oo"
    if len(set(word)) == 1:
        return {"a": "ah", "o": "oh", "e": "ee", "u": "oo", "h": "huh", "m": "hmm", "z": "zuz"}.get(
            word[0], word[:1] * 3
        )

    def one(found: re.Match[str]) -> str:
        letter = found[1]
        last_e = letter == "e" and found.end() == len(word)
        return letter * 2 if last_e else letter

    short = _DRAWN_OUT.sub(one, word)
    return {"sh": "shh", "br": "brr", "gr": "grr", "hm": "hmm"}.get(short, short)
