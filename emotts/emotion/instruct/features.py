"""Words and pieces of words as numbers, by hashing: no vocabulary, so no word is unknown."""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

_WORD = re.compile(r"[a-z0-9]+(?:['_-][a-z0-9]+)*")
_LONGEST_WORD = 24


def tokenize(text: str) -> list[str]:
    """Words of a text in lower case; typographic apostrophes become plain, punctuation goes."""
    return _WORD.findall(fold(text))


def fold(text: str) -> str:
    """Lower case, plain apostrophes and dashes, single spaces."""
    text = text.lower().replace("’", "'").replace("‘", "'").replace("`", "'")
    return " ".join(re.sub(r"\s[-–—]\s|[–—]", " ; ", f" {text} ").split())


@functools.lru_cache(maxsize=65536)
def word_features(word: str, words: int, pieces: int) -> tuple[int, tuple[int, ...]]:
    """Bucket of a word, and the buckets of its pieces of three to five characters.

    Args:
        word: in lower case.
        words: number of buckets for words.
        pieces: number of buckets for pieces.
    """
    marked = f"<{word[:_LONGEST_WORD]}>"
    grams = {marked[i : i + size] for size in (3, 4, 5) for i in range(len(marked) - size + 1)}
    return _hash(word) % words, tuple(sorted(_hash(gram) % pieces for gram in grams))


def _hash(text: str) -> int:
    # CRC-32 is the same on every machine, which Python's own hash is not.
    return zlib.crc32(text.encode())


def batch_features(
    texts: Sequence[Sequence[str]], words: int, pieces: int, longest: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features of a batch of tokenised texts.

    Args:
        texts: words of each text; at least one text, each with at least one word.
        words: number of buckets for words.
        pieces: number of buckets for pieces.
        longest: words after this many are left out.

    Returns:
        buckets of the words (batch, time) int64, all pieces (total,) int64, where each word's pieces begin
        (batch · time,) int64, and a mask (batch, time), True on words.
    """
    time = min(longest, max(map(len, texts)))
    ids = torch.zeros(len(texts), time, dtype=torch.int64)
    mask = torch.zeros(len(texts), time, dtype=torch.bool)
    flat: list[int] = []
    offsets: list[int] = []
    for row, text in enumerate(texts):
        for column in range(time):
            offsets.append(len(flat))
            if column < len(text):
                bucket, grams = word_features(text[column], words, pieces)
                ids[row, column], mask[row, column] = bucket, True
                flat.extend(grams)
    return ids, torch.tensor(flat, dtype=torch.int64), torch.tensor(offsets, dtype=torch.int64), mask
