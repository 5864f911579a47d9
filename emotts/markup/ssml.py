"""The useful part of SSML 1.1 (W3C Recommendation, 2010): break, prosody rate, phoneme, sub, say-as, p, s.

`<emotion name="sad:0.6">` is our own. What the models cannot do (pitch, volume, voice) is an error, not
silently left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.markup.brackets import read_seconds
from emotts.markup.errors import MarkupError
from emotts.markup.say_as import say_as
from emotts.markup.tree import DEEPEST, Feeling, Node, Pace, Text, Word, check_rate, make_pause
from emotts.text.ipa import parse_pronunciation

BREAKS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.75, "x-strong": 1.0}
"""Seconds of a break by its strength."""

RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.5}
"""Named speaking rates."""

_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "speak": ("version", "xmlns", "xml:lang"),
    "p": (),
    "s": (),
    "break": ("time", "strength"),
    "prosody": ("rate",),
    "phoneme": ("ph", "alphabet"),
    "sub": ("alias",),
    "say-as": ("interpret-as", "format", "detail"),
    "emotion": ("name",),
}
_NEEDED = {"prosody": "rate", "phoneme": "ph", "sub": "alias", "say-as": "interpret-as", "emotion": "name"}
_LEAVES = ("break", "phoneme", "sub", "say-as")
_RATE = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(%?)")


@dataclass
class _Element:
    name: str
    attributes: dict[str, str]
    place: tuple[int, int]
    rate: float = 1.0
    value: Any = None
    children: list[Node] = field(default_factory=list)

    def text(self) -> str:
        """Of an element that holds nothing but text."""
        return "".join(node.text for node in self.children if isinstance(node, Text))


def is_ssml(text: str) -> bool:
    """Whether a marked-up text is SSML: it begins with `<speak` or a declaration of XML."""
    return bool(re.match(r"\s*<(?:\?xml\s|!DOCTYPE\s|speak[\s/>])", text))


def parse_ssml(text: str, language: str = "en-us") -> tuple[Node, ...]:
    """The tree of an SSML document.

    Raises:
        MarkupError: no well-formed XML, an element or attribute that is not known, a wrong value.
    """
    return _Parser(language).parse(text)


class _Parser:
    def __init__(self, language: str) -> None:
        self.language = language
        self.stack = [_Element("", {}, (1, 1))]
        self.expat = expat.ParserCreate("utf-8")
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._characters
        # Without declarations there are no entities to expand, and no files to include.
        self.expat.StartDoctypeDeclHandler = self._doctype
        self._doctype_place = (1, 1)

    def parse(self, text: str) -> tuple[Node, ...]:
        before = text.lstrip().partition("<!DOCTYPE")[0]
        self._doctype_place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        try:
            self.expat.Parse(text.lstrip().encode("utf-8"), True)
        except UnicodeEncodeError as error:
            raise MarkupError.at(text, error.start, "a character that is no Unicode text") from None
        except expat.ExpatError as error:
            problem = f"no well-formed XML: {expat.ErrorString(error.code)}"
            raise self._error(problem, (error.lineno, error.offset + 1), text) from None
        except _Problem as problem:
            raise self._error(str(problem), problem.place, text) from None
        return tuple(self.stack[0].children)

    def _error(self, problem: str, place: tuple[int, int], text: str) -> MarkupError:
        """The error at a place of the document, which may begin after blanks."""
        skipped = text[: len(text) - len(text.lstrip())]
        line, column = place
        if line == 1:
            column += len(skipped) - (skipped.rfind("\n") + 1)
        return MarkupError(problem, line + skipped.count("\n"), column)

    def _place(self) -> tuple[int, int]:
        return self.expat.CurrentLineNumber, self.expat.CurrentColumnNumber + 1

    def _fail(self, problem: str) -> NoReturn:
        raise _Problem(problem, self._place())

    def _doctype(self, *declaration: object) -> None:
        raise _Problem("a document type declaration is not allowed", self._doctype_place)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        around = self.stack[-1]
        self._check(name, attributes, around)
        element = _Element(name, attributes, self._place(), around.rate)
        try:
            if name == "prosody":
                element.value = check_rate(_rate(attributes["rate"]), around.rate)
                element.rate = around.rate * element.value
            elif name == "emotion":
                element.value = Emotion.parse(attributes["name"])
            elif name == "phoneme":
                parse_pronunciation(attributes["ph"])
        except InputError as error:
            self._fail(str(error))
        self.stack.append(element)

    def _check(self, name: str, attributes: dict[str, str], around: _Element) -> None:
        if name not in _ATTRIBUTES:
            known = ", ".join(_ATTRIBUTES)
            self._fail(f"unknown element <{name}>; elements: {known}")
        if (name == "speak") != (not around.name):
            self._fail("<speak> holds the whole document" if name != "speak" else "<speak> inside <speak>")
        if around.name in _LEAVES:
            self._fail(f"<{around.name}> holds text only, not <{name}>")
        if len(self.stack) > DEEPEST:
            self._fail(f"more than {DEEPEST} elements stand inside one another")
        for attribute in attributes:
            if attribute not in _ATTRIBUTES[name] and not attribute.startswith("xmlns:"):
                known = ", ".join(_ATTRIBUTES[name]) or "none"
                self._fail(f"<{name}> has no attribute {attribute!r} here; attributes: {known}")
        needed = _NEEDED.get(name)
        if needed and needed not in attributes:
            self._fail(f'<{name}> needs {needed}="…"')
        if attributes.get("alphabet", "ipa") != "ipa":
            self._fail(f"the alphabet {attributes['alphabet']!r} is not known; phones are written in ipa")

    def _characters(self, text: str) -> None:
        if self.stack[-1].name == "break" and text.strip():
            self._fail("<break> holds no text")
        self._add(Text(text))

    def _add(self, *nodes: Node) -> None:
        children = self.stack[-1].children
        for node in nodes:
            if isinstance(node, Text) and children and isinstance(children[-1], Text):
                node = Text(children.pop().text + node.text)
            children.append(node)

    def _end(self, name: str) -> None:
        element = self.stack.pop()
        try:
            self._add(*self._nodes(element))
        except InputError as error:
            raise _Problem(str(error), element.place) from None

    def _nodes(self, element: _Element) -> list[Node]:
        """What an element becomes when it ends."""
        name, attributes = element.name, element.attributes
        if name == "break":
            seconds = _break(attributes)
            return [make_pause(seconds)] if seconds else []
        if name == "prosody":
            return [Pace(element.value, tuple(element.children))]
        if name == "emotion":
            return [Feeling(element.value, tuple(element.children))]
        if name == "phoneme":
            return [Word(element.text().strip() or attributes["ph"], attributes["ph"].strip())]
        if name == "sub":
            return [Text(attributes["alias"])] if attributes["alias"] else []
        if name == "say-as":
            return say_as(attributes["interpret-as"], element.text(), self.language)
        # An empty line ends a sentence wherever it stands.
        ends = [Text("\n\n")] if name in ("p", "s") else []
        return [*element.children, *ends]


class _Problem(Exception):
    """Something wrong at a line and column of the document."""

    def __init__(self, problem: str, place: tuple[int, int]) -> None:
        super().__init__(problem)
        self.place = place


def _break(attributes: dict[str, str]) -> float:
    strength = attributes.get("strength", "medium")
    if strength not in BREAKS:
        raise InputError(f"{strength!r} is no strength of a break; strengths: {', '.join(BREAKS)}")
    return read_seconds(attributes["time"]) if "time" in attributes else BREAKS[strength]


def _rate(text: str) -> float:
    """Rate of "slow", "0.9", "90%" or "-10%"."""
    if text.strip() in RATES:
        return RATES[text.strip()]
    found = _RATE.fullmatch(text.strip())
    if not found or (found[1] and not found[3]):
        raise InputError(f"{text!r} is no rate; write 0.9, 90%, -10% or one of: {', '.join(RATES)}")
    value = float(found[2]) / (100 if found[3] else 1)
    return {"": value, "+": 1 + value, "-": 1 - value}[found[1]]
