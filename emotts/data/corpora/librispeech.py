"""Reader of LibriSpeech."""

from __future__ import annotations

from pathlib import Path

from emotts.data.corpora.common import audio_files, read_lines, read_speech, visible
from emotts.data.kaldi import Record
from emotts.errors import DataError

_LIMIT = 8000
"""LibriSpeech is published at 16 kHz."""


def read_librispeech(corpus: Path) -> list[Record]:
    """LibriSpeech: `<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` beside the audio, at any depth.

    The transcripts are capitals without punctuation; they are put in lower case, or a phonemiser would
    spell words such as "US" as initials.

    Raises:
        DataError: no transcripts, or a line that cannot be read.
    """
    transcripts = visible(corpus.rglob("*.trans.txt"))
    if not transcripts:
        raise DataError(f"{corpus}: no *.trans.txt; give the folder that holds the speakers' folders")
    records = []
    for transcript in transcripts:
        audio = audio_files(transcript.parent)
        for number, line in enumerate(read_lines(transcript), start=1):
            name, _, text = line.strip().partition(" ")
            speaker, _, rest = name.partition("-")
            if not text.strip() or not speaker.isdigit() or not rest:
                raise DataError(f"{transcript}:{number}: cannot be read; a line is `<utterance> <TEXT>`")
            if name in audio:
                records.append(read_speech(rest, f"ls{speaker}", text.strip().lower(), audio[name], _LIMIT))
    return records
