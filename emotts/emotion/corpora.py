"""The one table from corpora's emotion labels to our names."""

from __future__ import annotations

from collections.abc import Mapping

from emotts.errors import DataError

CREMA_D_VOTES: Mapping[str, str] = {
    "A": "angry",
    "D": "disgusted",
    "F": "afraid",
    "H": "happy",
    "N": "neutral",
    "S": "sad",
}
"""Letters in the listeners' votes of CREMA-D."""

CREMA_D_ACTED: Mapping[str, str] = {
    "ANG": "angry",
    "DIS": "disgusted",
    "FEA": "afraid",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
"""Codes in CREMA-D's file names: what was acted, which is often not what is heard."""

CREMA_D_LEVELS: Mapping[str, float | None] = {"LO": 0.33, "MD": 0.67, "HI": 1.0, "XX": None, "X": None}
"""Acted level codes in CREMA-D's file names as intensities; XX is unspecified (X: one misnamed file)."""

RAVDESS: Mapping[str, str] = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "afraid",
    "07": "disgusted",
    "08": "surprised",
}
"""Third number of a RAVDESS file name."""

RAVDESS_INTENSITY: Mapping[str, float] = {"01": 0.5, "02": 1.0}
"""Fourth number of a RAVDESS file name: normal and strong."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "crema_d": CREMA_D_VOTES,
    "crema_d_acted": CREMA_D_ACTED,
    "ravdess": RAVDESS,
}
"""Corpus -> its label table."""

CLEAR_SHARE = 0.7
"""Votes for one emotion from which on a recording counts as clear."""


def emotion_name(corpus: str, label: str) -> str:
    """Our name for a corpus's label.

    Args:
        corpus: a key of `TABLES`.
        label: the label as the corpus writes it.

    Raises:
        DataError: unknown corpus or label; the message names the valid ones.
    """
    if corpus not in TABLES:
        raise DataError(f'no emotion table for corpus "{corpus}"; there are: {", ".join(TABLES)}')
    table = TABLES[corpus]
    if label not in table:
        raise DataError(f'{corpus} has no emotion label "{label}"; its labels: {", ".join(table)}')
    return table[label]
