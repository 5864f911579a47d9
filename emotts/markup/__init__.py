"""Markup inside of texts: pauses, emotions, rates and pronunciations; and pronunciation lexicons."""

from __future__ import annotations

from emotts.markup.errors import MarkupError
from emotts.markup.lexicon import Lexicon
from emotts.markup.parse import check_markup, parse_markup
from emotts.markup.tree import to_markup

__all__ = ["Lexicon", "MarkupError", "check_markup", "parse_markup", "to_markup"]
