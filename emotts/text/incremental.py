"""Sentences out of a text that arrives in pieces, as a language model writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from emotts.errors import InputError
from emotts.text.segment import cut_sentences


def whole_sentences(pieces: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Gives each sentence as soon as nothing that may follow can change it.

    That is known when the first word of the next sentence has begun: until then, "Dr." may go on with a
    name, and "3." with a digit. `split_text` cuts the parts just as it cuts the whole text.

    Args:
        pieces: of any length, cut anywhere; what belongs between them (a blank) must be in them.

    Yields:
        one or more whole sentences with all their blanks, and whether it is the end of the text. Together
        they are the whole text.

    Raises:
        InputError: a piece that is no string.
    """
    rest = ""
    for piece in pieces:
        if not isinstance(piece, str):
            raise InputError(f"the pieces of a text must be strings, not {type(piece).__name__}")
        rest += piece
        if not any(map(str.isalnum, piece)):
            continue  # only a word can show that the sentence before it is over
        sentences = cut_sentences(rest)
        # The last with a word in it is still open, and so is what follows it.
        last = max((n for n, sentence in enumerate(sentences) if any(map(str.isalnum, sentence))), default=0)
        done = "".join(sentences[:last])
        if done:
            rest = rest[len(done) :]
            yield done, False
    yield rest, True
