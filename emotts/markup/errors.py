"""Errors that name the place in the text."""

from __future__ import annotations

from emotts.errors import InputError


class MarkupError(InputError):
    """Markup that cannot be read.

    Attributes:
        line: of the text, from 1.
        column: of the character in that line, from 1.
    """

    def __init__(self, problem: str, line: int, column: int) -> None:
        place = f"column {column}" if line == 1 else f"line {line}, column {column}"
        super().__init__(f"markup, {place}: {problem}")
        self.line = line
        self.column = column

    @classmethod
    def at(cls, text: str, position: int, problem: str) -> MarkupError:
        """The error at a character of a text (counted from 0)."""
        before = text[:position]
        return cls(problem, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
