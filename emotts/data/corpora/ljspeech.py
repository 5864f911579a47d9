"""Reader of LJSpeech."""

from __future__ import annotations

from pathlib import Path

from emotts.data.corpora.common import audio_files, need, read_lines, read_speech
from emotts.data.kaldi import Record
from emotts.errors import DataError

_LIMIT = 11025
"""LJSpeech is published at 22.05 kHz; a copy at a higher rate holds no more."""


def read_ljspeech(corpus: Path) -> list[Record]:
    """LJSpeech: `metadata.csv` (`name|text|text with numbers in words`) and `wavs/`.

    The third column is taken, so that the words are those that were spoken.

    Args:
        corpus: the folder with metadata.csv, or the one above it.

    Raises:
        DataError: files missing or a line that cannot be read.
    """
    folder = corpus if (corpus / "metadata.csv").exists() else corpus / "LJSpeech-1.1"
    metadata = need(folder / "metadata.csv", "give the folder of LJSpeech-1.1")
    audio = audio_files(need(folder / "wavs", "LJSpeech keeps its audio there"))
    records = []
    # Not a CSV in the usual sense: quotation marks are text, so the csv module would misread it.
    for number, line in enumerate(read_lines(metadata), start=1):
        columns = line.split("|")
        if len(columns) != 3 or not columns[2].strip():
            raise DataError(f"{metadata}:{number}: cannot be read; a line is `name|text|spoken text`")
        if columns[0] in audio:
            records.append(read_speech(columns[0], "ljspeech", columns[2].strip(), audio[columns[0]], _LIMIT))
    return records
