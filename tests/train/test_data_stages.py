from __future__ import annotations

from pathlib import Path

import pytest

from emotts.data.kaldi import DataDir, Record
from emotts.data.shards import Utterance
from emotts.emotion import Emotion
from emotts.errors import DataError
from emotts.text.symbols import encode
from emotts.train.data_stages import take
from emotts.train.pack_model import prompt_tokens


def test_a_long_prompt_ends_between_words() -> None:
    phonemes = encode(["^", "h", "ə", " ", "l", "ˈoʊ", "."])
    utterance = Utterance("x", "x", "c", "", "train", "en-us", phonemes, [0.0] * 8, 0.0, 8000, 140)
    utterance.durations = [5, 20, 15, 10, 45, 40, 5]
    assert prompt_tokens(utterance) == 40
    utterance.durations = None
    assert prompt_tokens(utterance) == 75
    utterance.tokens = 60
    assert prompt_tokens(utterance) == 60


def test_a_part_of_a_corpus_keeps_its_splits_and_few_speakers() -> None:
    records = [
        Record(f"s{speaker:02d}-{number}", f"s{speaker:02d}", "word", Path("x.wav"), split=split)
        for speaker in range(20)
        for number, split in enumerate(["train"] * 6 + ["dev", "test"])
    ]
    part = take(DataDir(records), 12)
    assert {split: len(part.subset(split)) for split in ("train", "dev", "test")} == {
        "train": 8,
        "dev": 2,
        "test": 2,
    }
    assert set(part.speakers) == {"s00", "s01"}
    assert len(take(DataDir(records), 1000)) == len(records)


def test_a_corpus_without_splits_cannot_be_limited() -> None:
    record = Record("a-1", "a", "word", Path("x.wav"), emotion=Emotion.neutral())
    with pytest.raises(DataError, match="utt2split"):
        take(DataDir([record]), 4)
