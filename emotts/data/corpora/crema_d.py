"""Reader of CREMA-D, with what listeners heard in the voice as its labels.

H. Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE Trans. Affective Computing
5(4), 2014.

`tabulatedVotes.csv` has three rows for each clip: ids 1xxxxx are votes on the voice alone, 2xxxxx on the
face alone, 3xxxxx on both. The file does not say so; it follows from `summaryTable.csv`: `emoVote` equals
VoiceVote in all 7,442 rows of the 1-series (FaceVote in 3,373 of them, MultiModalVote in 3,788), FaceVote
in all of the 2-series and MultiModalVote in all of the 3-series. Only the first series is used: what a face
showed is not in the sound.
"""

from __future__ import annotations

import csv
from pathlib import Path

from emotts.data.corpora.common import audio_files, bandwidth_of, need
from emotts.data.kaldi import Record
from emotts.emotion import Emotion
from emotts.emotion.corpora import CREMA_D_VOTES
from emotts.errors import DataError

SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
"""Code in the file name -> the sentence."""

TEST_SENTENCES = frozenset({"TSI", "WSI"})
TEST_ACTORS = frozenset({"1064", "1039", "1059", "1069", "1036", "1006", "1079", "1028", "1078", "1089"})
"""The actors whom listeners recognise best, five men and five women."""
DEV_ACTORS = frozenset({"1001", "1002"})

SILENT = frozenset({"1076_MTI_SAD_XX"})
"""Clips without a voice, left out."""

_LIMIT = 8000
"""CREMA-D's processed audio is published at 16 kHz."""

_VOICE_SERIES = "1"
_LEVEL_COLUMNS = {
    "A": "meanAngerResp",
    "D": "meanDisgustResp",
    "F": "meanFearResp",
    "H": "meanHappyResp",
    "S": "meanSadResp",
}


def split_of_clip(actor: str, sentence: str) -> str:
    """Split of a clip; by hash a whole sentence of only twelve could go, so lists decide."""
    if sentence in TEST_SENTENCES or actor in TEST_ACTORS:
        return "test"
    return "dev" if actor in DEV_ACTORS else "train"


def read_crema_d(corpus: Path) -> list[Record]:
    """CREMA-D: `AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav` and `tabulatedVotes.csv`.

    The label of a clip is the share of listeners' votes for each emotion. Its intensity is the mean level
    (0 to 100 in the table) that those listeners gave who heard an emotion, over 100; 0 where all heard
    none. The level of "neutral" is left out, because it says how sure of no emotion they were, not how
    strong one was.

    Raises:
        DataError: files missing, a name that cannot be read, or a clip without votes.
    """
    votes = read_votes(_votes_file(corpus))
    records = []
    for stem, audio in audio_files(need(corpus / "AudioWAV", "CREMA-D keeps its audio there")).items():
        parts = stem.split("_")
        if len(parts) != 4 or parts[1] not in SENTENCES:
            raise DataError(f"{audio}: not a CREMA-D name; it is `<actor>_<sentence>_<emotion>_<level>`")
        # One file, 1040_ITH_SAD_X, lacks the last letter of its name; all tables have 1040_ITH_SAD_XX.
        actor, sentence, acted, level = *parts[:3], "XX" if parts[3] == "X" else parts[3]
        name = f"{actor}_{sentence}_{acted}_{level}"
        if name in SILENT:
            continue
        if name not in votes:
            raise DataError(f"{audio}: no votes on the voice for {name} in tabulatedVotes.csv")
        emotion, intensity = votes[name]
        records.append(
            Record(
                id=f"crema{actor}-{sentence}_{acted}_{level}",
                speaker=f"crema{actor}",
                text=SENTENCES[sentence],
                audio=audio,
                emotion=emotion,
                intensity=intensity,
                language="en-us",
                bandwidth=bandwidth_of(audio, _LIMIT),
                split=split_of_clip(actor, sentence),
            )
        )
    return records


def read_votes(path: Path) -> dict[str, tuple[Emotion, float]]:
    """Clip -> (shares of the votes on its voice, intensity in [0, 1]).

    Raises:
        DataError: a column is missing or a row cannot be read.
    """
    found: dict[str, tuple[Emotion, float]] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        needed = {"", "fileName", *CREMA_D_VOTES, *_LEVEL_COLUMNS.values()}
        lacking = sorted(needed - set(reader.fieldnames or ()))
        if lacking:
            raise DataError(f"{path}:1: columns missing: {', '.join(repr(name) for name in lacking)}")
        for row in reader:
            if not row[""].startswith(_VOICE_SERIES):
                continue
            try:
                found[row["fileName"]] = _votes_of(row)
            except (TypeError, ValueError, ZeroDivisionError):
                raise DataError(f"{path}:{reader.line_num}: the votes cannot be read") from None
    return found


def _votes_of(row: dict[str, str]) -> tuple[Emotion, float]:
    counts = {letter: int(row[letter]) for letter in CREMA_D_VOTES}
    total = sum(counts.values())
    emotion = Emotion.from_mapping({CREMA_D_VOTES[k]: round(n / total, 4) for k, n in counts.items()})
    emotional = {k: n for k, n in counts.items() if k in _LEVEL_COLUMNS and n > 0}
    if not emotional:
        return emotion, 0.0
    level = sum(n * float(row[_LEVEL_COLUMNS[k]]) for k, n in emotional.items()) / sum(emotional.values())
    return emotion, round(min(max(level / 100.0, 0.0), 1.0), 4)


def _votes_file(corpus: Path) -> Path:
    """The table, in the folder itself or where the owners' repository has it."""
    for folder in (corpus, corpus / "processedResults"):
        if (folder / "tabulatedVotes.csv").exists():
            return folder / "tabulatedVotes.csv"
    raise DataError(f"{corpus}: no tabulatedVotes.csv, here or in processedResults/")
