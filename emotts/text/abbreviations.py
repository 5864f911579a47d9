"""English abbreviations that are written with a stop, and which of them may end a sentence."""

from __future__ import annotations

import re

# Title or place before a name: the stop never ends a sentence.
TITLES: dict[str, str] = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "messrs": "Messers", "mx": "Mix", "prof": "Professor",
    "gen": "General", "col": "Colonel", "maj": "Major", "sgt": "Sergeant", "lt": "Lieutenant",
    "capt": "Captain", "cmdr": "Commander", "cpl": "Corporal", "pvt": "Private", "adm": "Admiral",
    "rev": "Reverend", "hon": "Honorable", "gov": "Governor", "sen": "Senator", "pres": "President",
    "supt": "Superintendent", "fr": "Father", "mt": "Mount", "ft": "Fort", "mme": "Madame",
    "mlle": "Mademoiselle",
}  # fmt: skip

# Always in the middle of a thought.
INNER: dict[str, str] = {
    "e.g": "for example", "i.e": "that is", "vs": "versus", "cf": "compare",
    "approx": "approximately",
    "ca": "circa", "viz": "namely", "al": "al", "incl": "including", "esp": "especially",
    "aka": "also known as",
}  # fmt: skip

# Before a number only.
NUMBERED: dict[str, str] = {
    "no": "number", "nos": "numbers", "nr": "number", "p": "page", "pp": "pages", "vol": "volume",
    "ch": "chapter",
    "fig": "figure", "figs": "figures", "sec": "section", "eq": "equation", "art": "article",
    "para": "paragraph",
    "ep": "episode", "ver": "version", "apt": "apartment",
}  # fmt: skip

# May end a sentence; the stop stays where the sentence ends.
FINAL: dict[str, str] = {
    "etc": "et cetera", "jr": "Junior", "sr": "Senior", "inc": "Incorporated", "ltd": "Limited",
    "co": "Company",
    "corp": "Corporation", "dept": "Department", "ave": "Avenue", "blvd": "Boulevard", "rd": "Road",
    "bros": "Brothers", "esq": "Esquire", "est": "established", "assn": "Association", "univ": "University",
    "hwy": "Highway", "pkwy": "Parkway", "sq": "Square", "ph.d": "PhD", "m.d": "MD", "b.a": "BA",
    "m.a": "MA", "b.c": "BC", "a.d": "AD", "d.c": "DC", "a.k.a": "also known as", "r.i.p": "RIP",
    "b.sc": "BSc", "m.sc": "MSc",
}  # fmt: skip

_CALENDAR: dict[str, str] = {
    "jan": "January", "feb": "February", "apr": "April", "aug": "August", "sept": "September",
    "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip

NEVER_FINAL: frozenset[str] = frozenset((*TITLES, *INNER, "st", "dr"))
"""Lower-case abbreviations without their stop, after which no sentence ends."""
MAYBE_FINAL: frozenset[str] = frozenset(
    (*FINAL, *_CALENDAR, "a.m", "p.m", "u.s", "u.k", "u.s.a", "u.n", "e.u")
)
"""Abbreviations after which a sentence ends only where the next word begins with a capital."""

_CASELESS = {**FINAL, **INNER, **_CALENDAR}
# Words in their own right or names when written small or without a number.
_CAPITAL_ONLY = {"co", "ave", "est", "sq", "rd", "jr", "sr", *_CALENDAR}


def _alternatives(table: dict[str, str]) -> str:
    return "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))


_TITLE = re.compile(rf"\b({_alternatives(TITLES)})\.\s?(?=[A-Z\"'])", re.I)
_BARE_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr)\s(?=[A-Z])")
_NUMBERED = re.compile(rf"\b({_alternatives(NUMBERED)})\.\s?(?=#?\d)", re.I)
_GENERAL = re.compile(rf"(?<![\w.])({_alternatives(_CASELESS)})\.(?!\w)", re.I)
_VERSUS = re.compile(r"(?<=\w )v\.(?=\s\w)")
_BARE = re.compile(r"\b(vs|etc|approx)\b(?!\.)")
_SAINT = re.compile(r"(?:\b([A-Z][a-z]+|\d+(?:st|nd|rd|th))\s)?\bSt\.(?=([ ,;:!?'\"]*)(\w?))")
_DOCTOR = re.compile(r"(?:\b([A-Z][a-z]+)\s)?\bDr\.(?=([ ,;:!?'\"]*)(\w?))")
_DOTTED = re.compile(r"(?<![\w.'])((?:[A-Za-z]\.\s?){2,})(?![A-Za-z]\b)")
_INITIAL = re.compile(
    r"(?:(?<=^)|(?<=[A-Z][a-z] )|(?<=[a-z]{2} )|(?<=[\"'(]))([A-HJ-Z])\.(?=\s[A-Z][a-z]|\s[a-z])"
)
# A capitalised word before "St." that is no street's name.
_NOT_STREETS = frozenset(
    str.split("In At To From The And Of By For With Near On Visit When While But Our Is Was Old")
)


def expand_abbreviations(text: str) -> str:
    """Return the English text with abbreviations written out; a stop that also ends the sentence is kept."""
    text = _NUMBERED.sub(lambda found: NUMBERED[found[1].lower()] + " ", text)
    text = _SAINT.sub(lambda found: _street(found, "Street", "Saint"), text)
    text = _DOCTOR.sub(lambda found: _street(found, "Drive", "Doctor"), text)
    text = _TITLE.sub(lambda found: TITLES[found[1].lower()] + " ", text)
    text = _BARE_TITLE.sub(lambda found: {**TITLES, "dr": "Doctor"}[found[1].lower()] + " ", text)
    text = _VERSUS.sub("versus", _GENERAL.sub(_general, text))
    text = _BARE.sub(lambda found: _CASELESS[found[1]], text)
    text = _DOTTED.sub(_dotted, text)
    return _INITIAL.sub(r"\1", text)


def _ends_sentence(found: re.Match[str]) -> bool:
    rest = found.string[found.end() :].lstrip("\"') ")
    return not rest or (rest[0].isupper() and found.string[found.end() : found.end() + 1].isspace())


def _general(found: re.Match[str]) -> str:
    key = found[1].lower()
    if key in _CAPITAL_ONLY and not found[1][0].isupper():
        return found[0]
    # "Apple Inc. said" goes on; a capital after "Co." may be either, and a full stop is the safer pause.
    keeps = key not in INNER and _ends_sentence(found)
    if key in _CALENDAR and found.string[found.end() :].strip():
        keeps = False
    return _CASELESS[key] + ("." if keeps else "")


def _street(found: re.Match[str], road: str, person: str) -> str:
    before, gap, following = found[1], found[2], found[3]
    named = before is not None and before not in _NOT_STREETS
    numbered = re.search(r"\d+\s(?:[A-Z]\w*\s)*$", found.string[: found.start()]) is not None
    # "Main St. is", "12 Elm St. Boston", "on Main St." but "Visit St. John", "Old St. Paul".
    if named and (not following or not following.isupper() or numbered or gap.strip()):
        stop = "." if not following or (following.isupper() and not numbered and not gap.strip()) else ""
        return f"{before} {road}{stop}"
    return f"{before} {person}" if before else person


def _dotted(found: re.Match[str]) -> str:
    """Write "U.S." as "US" and "J. R. R." as "J R R"; one that ends the sentence keeps a stop."""
    run = found[1]
    spaced = ". " in run.strip()
    letters = re.findall(r"[A-Za-z]", run)
    if spaced and "I" in letters[-1:]:
        return found[0]
    joined = (" " if spaced else "").join(letters).upper()
    tail = " " if run[-1].isspace() else ""
    rest = found.string[found.end() :].lstrip("\"') ")
    ends = not rest or (not spaced and len(letters) > 1 and rest[0].isupper() and _starts_sentence(rest))
    return joined + ("." if ends else "") + tail


def _starts_sentence(rest: str) -> bool:
    """Guess whether a capitalised word begins a sentence: one of the words that hardly follow a name."""
    word = rest.split()[0].strip("'\",.!?")
    starters = (
        "The A An He She It They We I You But And In On At This That There His Her When If What Then So"
    )
    return word in starters.split()
