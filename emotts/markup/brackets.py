r"""Markup in brackets: `[pause 0.5s]`, `[emotion sad:0.6]…[/emotion]`, `[rate 0.9]…[/rate]`, `<word|PHONES>`.

`\[`, `\<` and `\\` stand for the characters themselves. A closing bracket needs no backslash.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.markup.errors import MarkupError
from emotts.markup.tree import DEEPEST, Feeling, Node, Pace, Text, Word, check_rate, make_pause
from emotts.text.ipa import parse_pronunciation

_TAG = re.compile(r"\[\s*(?P<close>/?)\s*(?P<name>[^\W\d_]*)(?P<argument>[^\[\]\n]*)\]")
_WORD = re.compile(r"<(?P<word>(?:\\[\\|<>]|[^|<>\n])*)\|(?P<phones>[^|<>\n]*)>")
_STOP = re.compile(r"[\[<\\]")
_ESCAPE = re.compile(r"\\([\\\[\]<>|])")
_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(s|ms)", re.I)
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_NAMES = ("pause", "emotion", "rate")
_TAGS = "[pause 0.5s], [emotion sad:0.6]…[/emotion], [rate 0.9]…[/rate]"


@dataclass
class _Open:
    """A tag that waits for its end."""

    name: str
    position: int
    value: Emotion | float
    rate: float
    children: list[Node] = field(default_factory=list)


def parse_brackets(text: str) -> tuple[Node, ...]:
    """The tree of a text with markup in brackets.

    Raises:
        MarkupError: wrong markup; names the column.
    """
    return _Parser(text).parse()


def read_seconds(argument: str) -> float:
    """Seconds of "0.5s" or "500ms".

    Raises:
        InputError: no such length.
    """
    found = _SECONDS.fullmatch(argument.strip())
    if not found:
        raise InputError(f"{argument.strip()!r} is no length of a pause; write it like 0.5s or 500ms")
    return float(found[1]) / (1000 if found[2].lower() == "ms" else 1)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.stack = [_Open("", 0, 1.0, 1.0)]

    def parse(self) -> tuple[Node, ...]:
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "[":
                self._tag()
            elif character == "<":
                self._word()
            else:
                self._literal()
        if len(self.stack) > 1:
            opened = self.stack[-1]
            self._fail(f"[{opened.name} …] is never closed; write [/{opened.name}]", opened.position)
        return tuple(self.stack[0].children)

    def _fail(self, problem: str, position: int | None = None) -> None:
        raise MarkupError.at(self.text, self.position if position is None else position, problem)

    def _literal(self) -> None:
        """Text up to the next bracket."""
        start = self.position
        pieces: list[str] = []
        while self.position < len(self.text) and self.text[self.position] not in "[<":
            escape = _ESCAPE.match(self.text, self.position)
            if escape:
                pieces.append(escape[1])
                self.position = escape.end()
                continue
            end = _STOP.search(self.text, self.position + 1)
            stop = end.start() if end else len(self.text)
            pieces.append(self.text[self.position : stop])
            self.position = stop
        if self.position > start:
            self._add_text("".join(pieces))

    def _add_text(self, text: str) -> None:
        children = self.stack[-1].children
        if children and isinstance(children[-1], Text):
            text = children.pop().text + text
        children.append(Text(text))

    def _word(self) -> None:
        found = _WORD.match(self.text, self.position)
        if not found:
            self._fail(r"“<” opens a word with its phones, <word|PHONES>; write \< for the character itself")
        word = re.sub(r"\\([\\|<>])", r"\1", found["word"])
        if not word.strip():
            self._fail("the word of <word|PHONES> is empty", found.start("word"))
        ipa = found["phones"].strip()
        try:
            parse_pronunciation(ipa)
        except InputError as error:
            self._fail(str(error), found.start("phones"))
        self.stack[-1].children.append(Word(word, ipa))
        self.position = found.end()

    def _tag(self) -> None:
        found = _TAG.match(self.text, self.position)
        if not found:
            self._fail(r"“[” opens a tag that “]” does not close; write \[ for the character itself")
        name, argument = found["name"].lower(), found["argument"]
        if name not in _NAMES or (argument and not argument[0].isspace()):
            self._unknown(found)
        if found["close"]:
            self._close(name, argument)
        else:
            self._open(name, argument, found.start("argument"))
        self.position = found.end()

    def _unknown(self, found: re.Match[str]) -> None:
        near = difflib.get_close_matches(found["name"].lower(), _NAMES, n=1)
        hint = f" Did you mean “{near[0]}”?" if near and near[0] != found["name"].lower() else ""
        self._fail(rf"unknown tag {found[0]}; tags: {_TAGS}; write \[ for the character itself.{hint}")

    def _close(self, name: str, argument: str) -> None:
        opened = self.stack[-1]
        if argument.strip() or name == "pause":
            self._fail(f"[/{name}{argument}] closes nothing; tags: {_TAGS}")
        if opened.name != name:
            wanted = f"[/{opened.name}]" if opened.name else "no closing tag"
            self._fail(f"[/{name}] stands where {wanted} is expected")
        self.stack.pop()
        children = tuple(opened.children)
        node = (
            Feeling(opened.value, children)
            if isinstance(opened.value, Emotion)
            else Pace(opened.value, children)
        )
        self.stack[-1].children.append(node)

    def _open(self, name: str, argument: str, place: int) -> None:
        place += len(argument) - len(argument.lstrip())
        try:
            if name == "pause":
                self.stack[-1].children.append(make_pause(read_seconds(argument)))
                return
            value, rate = self._value(name, argument.strip())
        except MarkupError:
            raise
        except InputError as error:
            self._fail(str(error), place if argument.strip() else None)
        if len(self.stack) > DEEPEST:
            self._fail(f"more than {DEEPEST} tags stand inside one another")
        self.stack.append(_Open(name, self.position, value, rate))

    def _value(self, name: str, argument: str) -> tuple[Emotion | float, float]:
        """Value of a tag, and the rate that then applies."""
        around = self.stack[-1].rate
        if name == "emotion":
            return Emotion.parse(argument), around
        if not _NUMBER.fullmatch(argument):
            raise InputError(f"{argument!r} is no rate; write it like [rate 0.9]")
        rate = check_rate(float(argument), around)
        return rate, around * rate
