"""Reader of RAVDESS speech. Its licence (CC BY-NC-SA 4.0) keeps it out of training: every clip is `test`."""

from __future__ import annotations

from pathlib import Path

from emotts.data.corpora.common import audio_files, bandwidth_of, visible
from emotts.data.kaldi import Record
from emotts.emotion import NEUTRAL, Emotion
from emotts.emotion.corpora import RAVDESS_INTENSITY, emotion_name
from emotts.errors import DataError

SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
"""Fifth number of the file name -> the sentence."""

_AUDIO_ONLY, _SPEECH = "03", "01"


def read_ravdess(corpus: Path) -> list[Record]:
    """RAVDESS: `Actor_<nn>/<modality>-<channel>-<emotion>-<intensity>-<sentence>-<repetition>-<actor>.wav`.

    S. R. Livingstone and F. A. Russo, PLoS ONE 13(5), 2018. Songs and other modalities are passed over. The
    label is what was acted.

    Raises:
        DataError: no actors' folders, or a name that cannot be read.
    """
    folders = [path for path in visible(corpus.glob("Actor_*")) if path.is_dir()]
    if not folders:
        raise DataError(f"{corpus}: no Actor_<nn> folders")
    return [
        _record(stem, audio)
        for folder in folders
        for stem, audio in audio_files(folder).items()
        if stem.startswith(f"{_AUDIO_ONLY}-{_SPEECH}-")
    ]


def _record(stem: str, audio: Path) -> Record:
    parts = stem.split("-")
    if len(parts) != 7 or parts[4] not in SENTENCES or parts[3] not in RAVDESS_INTENSITY:
        raise DataError(f"{audio}: not a RAVDESS name; it has seven numbers, e.g. 03-01-05-01-02-01-12")
    name = emotion_name("ravdess", parts[2])
    return Record(
        id=f"ravdess{parts[6]}-{stem}",
        speaker=f"ravdess{parts[6]}",
        text=SENTENCES[parts[4]],
        audio=audio,
        emotion=Emotion.from_mapping({name: 1.0}),
        intensity=0.0 if name == NEUTRAL else RAVDESS_INTENSITY[parts[3]],
        language="en-us",
        bandwidth=bandwidth_of(audio),
        split="test",
    )
