"""Instructions in words to an emotion and a delivery: "choking back tears, barely audible"."""

from __future__ import annotations

from emotts.emotion.instruct.direction import Direction, Reading

__all__ = ["Direction", "Reading", "direct"]


def direct(words: str, *, line: bool = False) -> Direction:
    """What an instruction asks for, by the mapper inside the package.

    Args:
        words: an instruction as a director gives it, of at least one word, in English.
        line: `words` are not an instruction but the text that is to be spoken.

    Raises:
        InputError: no string, or no word in it.
        ModelError: the mapper's files are missing or corrupt.
    """
    from emotts.emotion.instruct.mapper import embedded_mapper

    return embedded_mapper().direct(words, line=line)
