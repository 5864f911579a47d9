"""Which sentences train, tune and test: decided by the sentence, not by the file.

Several corpora read the same sentences (ARCTIC: three voices). A sentence has to lie in one split across
all of them, or a test of unseen text is none; so the split is a pure function of the words.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

SPLITS = ("train", "dev", "test")
"""Names of the splits."""

TEST_SHARE = 0.06
DEV_SHARE = 0.02


def sentence_key(text: str) -> str:
    """The words of a text: lower-case letters and digits, one space between words, no punctuation.

    Apostrophes vanish inside a word ("don't" -> "dont"), every other mark separates words.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    folded = re.sub(r"['’ʼ]", "", folded)
    return " ".join(re.findall(r"[^\W_]+", folded))


def split_of(text: str) -> str:
    """Split of a sentence: "train", "dev" (2 %) or "test" (6 %), the same for the same words everywhere."""
    digest = hashlib.sha1(sentence_key(text).encode("utf-8"), usedforsecurity=False).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < TEST_SHARE:
        return "test"
    return "dev" if position < TEST_SHARE + DEV_SHARE else "train"
