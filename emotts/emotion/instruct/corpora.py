"""The emotion text corpora, with their labels as soft intensities."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from emotts.emotion.emotion import EMOTIONS
from emotts.errors import DataError

_GO = {
    "admiration": {"happy": 0.4},
    "amusement": {"happy": 0.6},
    "anger": {"angry": 0.85},
    "annoyance": {"angry": 0.5},
    "approval": {"calm": 0.2, "happy": 0.15},
    "caring": {"calm": 0.45, "happy": 0.1},
    "confusion": {"surprised": 0.35},
    "curiosity": {"surprised": 0.25},
    "desire": {"happy": 0.15, "melancholic": 0.2},
    "disappointment": {"sad": 0.4, "melancholic": 0.35},
    "disapproval": {"angry": 0.35},
    "disgust": {"disgusted": 0.85},
    "embarrassment": {"afraid": 0.35, "sad": 0.2},
    "excitement": {"happy": 0.8, "surprised": 0.15},
    "fear": {"afraid": 0.85},
    "gratitude": {"happy": 0.5},
    "grief": {"sad": 0.95},
    "joy": {"happy": 0.85},
    "love": {"happy": 0.6, "calm": 0.15},
    "nervousness": {"afraid": 0.6},
    "optimism": {"happy": 0.45},
    "pride": {"happy": 0.6},
    "realization": {"surprised": 0.3},
    "relief": {"calm": 0.45, "happy": 0.4},
    "remorse": {"sad": 0.65, "melancholic": 0.2},
    "sadness": {"sad": 0.8, "melancholic": 0.2},
    "surprise": {"surprised": 0.85},
    "neutral": {},
}
"""Labels of GoEmotions (Demszky et al. 2020) as intensities."""

_XED = {
    1: {"angry": 0.8},
    2: {},
    3: {"disgusted": 0.8},
    4: {"afraid": 0.8},
    5: {"happy": 0.75},
    6: {"sad": 0.75, "melancholic": 0.15},
    7: {"surprised": 0.75},
    8: {"calm": 0.35},
}
"""Numbers of XED (Öhman et al. 2020: Plutchik's eight) as intensities; anticipation is none of ours."""


@dataclass(frozen=True)
class LabelledText:
    """A text with soft labels.

    Attributes:
        text: as the corpus has it, placeholders such as [NAME] taken out.
        intensities: eight in [0, 1], or None where the corpus has none.
        affect: valence and arousal in [0, 1], or None.
    """

    text: str
    intensities: tuple[float, ...] | None = None
    affect: tuple[float, float] | None = None


def read_goemotions(folder: Path, split: str) -> list[LabelledText]:
    """One split (train, dev, test) of GoEmotions as published: `<split>.tsv` and labels.txt.

    The listing of labels names 27 emotions; a number after the last of them is neutral.

    Raises:
        DataError: a file is missing, or a line is not text, labels, id.
    """
    names = (
        [line.strip() for line in _lines(folder / "labels.txt")] if (folder / "labels.txt").exists() else []
    )
    names = names or [*sorted(name for name in _GO if name != "neutral"), "neutral"]
    found = []
    for number, line in enumerate(_lines(folder / f"{split}.tsv"), start=1):
        parts = line.split("\t")
        try:
            labels = [names[int(index)] for index in parts[1].split(",")]
            vector = _blend([_GO[label] for label in labels])
        except (IndexError, ValueError, KeyError):
            raise DataError(f"{folder / split}.tsv, line {number}: expected text, labels and id") from None
        found.append(LabelledText(_clean(parts[0]), vector))
    return found


def read_xed(folder: Path) -> list[LabelledText]:
    """XED's English lines: en-annotated.tsv (emotions) and neu_en.txt (neutral).

    Raises:
        DataError: a file is missing, or a line is not text and numbers from 1 to 8.
    """
    path = folder / "en-annotated.tsv"
    found = []
    for number, line in enumerate(_lines(path), start=1):
        text, tab, labels = line.rpartition("\t")
        try:
            vector = _blend([_XED[int(label)] for label in labels.split(",")])
        except (ValueError, KeyError):
            raise DataError(
                f"{path}, line {number}: expected a text, a tab and numbers from 1 to 8"
            ) from None
        if tab:
            found.append(LabelledText(_clean(text), vector))
    zeros = (0.0,) * len(EMOTIONS)
    return found + [
        LabelledText(_clean(line.split("\t")[-1]), zeros) for line in _lines(folder / "neu_en.txt")
    ]


def read_emobank(folder: Path, split: str) -> list[LabelledText]:
    """One split (train, dev, test) of EmoBank: emobank.csv with V, A, D from 1 to 5; no intensities.

    Raises:
        DataError: the file is missing or lacks a column.
    """
    path = folder / "emobank.csv"
    if not path.is_file():
        raise DataError(f"{path} is missing; give the folder of EmoBank")
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [
                LabelledText(
                    _clean(row["text"]), None, ((float(row["V"]) - 1) / 4, (float(row["A"]) - 1) / 4)
                )
                for row in csv.DictReader(file)
                if row["split"] == split
            ]
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(
                f"{path} is not EmoBank's table of id, split, V, A, D and text: {error}"
            ) from None


def _blend(parts: list[dict[str, float]]) -> tuple[float, ...]:
    """Of several labels each keeps most of its intensity: annotators agreed on all of them."""
    share = 1.0 if len(parts) < 2 else 0.85
    return tuple(share * max((part.get(name, 0.0) for part in parts), default=0.0) for name in EMOTIONS)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path} is missing; give the corpus as published")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _clean(text: str) -> str:
    return " ".join(re.sub(r"\[(?:NAME|RELIGION|PERSON|LOCATION|ORGANIZATION)\]", " ", text).split())
