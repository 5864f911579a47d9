"""From a marked-up text to its tree, and checks that need no model."""

from __future__ import annotations

from emotts.errors import InputError
from emotts.markup.brackets import parse_brackets
from emotts.markup.ssml import is_ssml, parse_ssml
from emotts.markup.tree import MOST_SILENCE, Node, Pause, flatten, plain_text


def parse_markup(text: str, language: str = "en-us") -> tuple[Node, ...]:
    """Reads markup: SSML where the text begins with `<speak`, brackets otherwise.

    Args:
        text: the marked-up text.
        language: of the text, as espeak names it; `say-as` writes numbers out in it.

    Raises:
        MarkupError: wrong markup; names the column.
        InputError: the pauses add up to more than `MOST_SILENCE` seconds.
    """
    nodes = parse_ssml(text, language) if is_ssml(text) else parse_brackets(text)
    silence = sum(leaf.seconds for leaf in flatten(nodes) if isinstance(leaf, Pause))
    if silence > MOST_SILENCE:
        raise InputError(
            f"the pauses of the text add up to {silence:g} s; at most {MOST_SILENCE:g} s are possible"
        )
    return nodes


def check_markup(text: str, language: str = "en-us") -> str:
    """The words of a marked-up text, to be checked as any text is.

    Raises:
        InputError: see `parse_markup`.
    """
    return plain_text(parse_markup(text, language))
