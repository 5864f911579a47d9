"""Readers of the ARCTIC sentences: Kathleen's recordings and CMU ARCTIC's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from emotts.data.corpora.common import audio_files, need, read_lines, read_speech, visible
from emotts.data.kaldi import Record
from emotts.data.splits import split_of
from emotts.errors import DataError

_CMU_LIMIT = 8000
"""CMU ARCTIC is published at 16 kHz."""

_PROMPTS = {
    "arctic_a0011": "If I ever needed a fighter in my life I need one now.",
    "arctic_a0021": "It fairly clubbed me into recognizing it.",
    "arctic_a0062": "The men stared into each other's face.",
    "arctic_a0108": "He waded into the edge of the water and began scrubbing himself.",
    "arctic_a0143": "Ah, I had forgotten, he exclaimed.",
    "arctic_a0148": "Now these things had been struck dead within him.",
    "arctic_a0221": "I don't know why you're here at all.",
    "arctic_a0252": "O'Brien had been a clean living young man with ideals.",
    "arctic_a0451": "I noticed blood spouting from Kerfoot's left hand.",
    "arctic_a0579": "There was the Emma Louisa.",
    "arctic_b0043": "It won't be for sale.",
    "arctic_b0059": "In moments of mental energy Philip was restless.",
    "arctic_b0106": "For a full minute the two men stared into each other's face.",
    "arctic_b0402": "An altruistic act is an act performed for the welfare of others.",
    "arctic_b0439": "The land exchanged its austere robes for the garb of a smiling wanton.",
}
"""The prompts that Kathleen read in other words. Her words are her text, but the prompt decides the split, or
a sentence that tests one voice would train another but for a letter."""


def read_kathleen(corpus: Path) -> list[Record]:
    """Kathleen (rhasspy/dataset-voice-kathleen): `data/<prompt>_<time>.{wav,txt}`, some prompts read twice.

    The owners' erratum, that a0252 is clipped to "O'Brien had been a clean living young man.", needs no care:
    the published text file already says just that.

    Raises:
        DataError: no audio, or a recording without its text.
    """
    folder = need(corpus / "data", "give the folder of the corpus, which holds data/")
    records = []
    for stem, audio in audio_files(folder).items():
        text = " ".join(read_lines(folder / f"{stem}.txt")).strip()
        if not text:
            raise DataError(f"{folder / stem}.txt: the text is empty")
        prompt, _, time = stem.rpartition("_")
        record = read_speech(f"{prompt}-{time}" if prompt else stem, "kathleen", text, audio)
        records.append(replace(record, split=split_of(_PROMPTS.get(prompt, text))))
    return records


def read_cmu_arctic(corpus: Path) -> list[Record]:
    """CMU ARCTIC: any of `cmu_us_<voice>_arctic/{etc/txt.done.data,wav/}` in the folder.

    Prompts without a recording are passed over: a subset of the recordings is still a corpus.

    Raises:
        DataError: no voice found, or a line of the prompts that cannot be read.
    """
    voices = [path for path in visible(corpus.glob("cmu_us_*_arctic")) if path.is_dir()]
    if not voices:
        raise DataError(f"{corpus}: no cmu_us_<voice>_arctic folder")
    records = []
    for folder in voices:
        speaker = folder.name.split("_")[2]
        audio = audio_files(need(folder / "wav", "CMU ARCTIC keeps its audio there"))
        prompts = folder / "etc" / "txt.done.data"
        for number, line in enumerate(read_lines(prompts), start=1):
            match = re.fullmatch(r'\(\s*(\S+)\s+"(.*)"\s*\)', line.strip())
            if match is None and line.strip():
                raise DataError(f'{prompts}:{number}: cannot be read; a line is `( name "text" )`')
            if match and match[1] in audio:
                text = match[2].replace('\\"', '"').strip()
                records.append(read_speech(match[1], speaker, text, audio[match[1]], _CMU_LIMIT))
    return records
