"""What the corpus readers share: finding audio in any container, its bandwidth, a read utterance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import soundfile

from emotts.data.kaldi import Record
from emotts.data.splits import split_of
from emotts.emotion import Emotion
from emotts.errors import DataError
from emotts.timebase import SAMPLE_RATE

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
"""Containers accepted, the first preferred where a recording is there twice."""

MAX_BANDWIDTH = SAMPLE_RATE // 2
"""Nothing above this is heard in a waveform of the package's rate (Hz)."""


def visible(paths: Iterable[Path]) -> list[Path]:
    """Paths sorted, without hidden files (some archives carry `._name` files of another system)."""
    return sorted(path for path in paths if not path.name.startswith("."))


def audio_files(folder: Path, pattern: str = "*") -> dict[str, Path]:
    """Stem -> audio file of those in `folder` that match `pattern` (a glob without suffix).

    Raises:
        DataError: there is none.
    """
    found: dict[str, Path] = {}
    for suffix in AUDIO_SUFFIXES:
        for path in visible(folder.glob(pattern)):
            if path.suffix.lower() == suffix:
                found.setdefault(path.stem, path.resolve())
    if not found:
        raise DataError(f"{folder}: no audio files ({', '.join(AUDIO_SUFFIXES)}) match {pattern}")
    return dict(sorted(found.items()))


def bandwidth_of(audio: Path, limit: int = MAX_BANDWIDTH) -> int:
    """Hz above which a recording carries nothing: half its sample rate, and no more than the corpus's limit.

    The limit matters for a recording that was resampled upwards: its own rate then promises too much.

    Raises:
        DataError: the file cannot be read or holds no samples.
    """
    try:
        info = soundfile.info(str(audio))
    except (OSError, RuntimeError) as error:
        raise DataError(f"{audio}: cannot be read as audio ({str(error).strip()})") from None
    if info.frames <= 0:
        raise DataError(f"{audio}: the recording has no samples")
    return min(info.samplerate // 2, limit, MAX_BANDWIDTH)


def read_lines(path: Path) -> list[str]:
    """Lines of a text file of the corpus.

    Raises:
        DataError: missing or not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def read_speech(name: str, speaker: str, text: str, audio: Path, limit: int = MAX_BANDWIDTH) -> Record:
    """A record of read (neutral) US English speech, its split decided by its sentence."""
    return Record(
        id=f"{speaker}-{name}",
        speaker=speaker,
        text=text,
        audio=audio,
        emotion=Emotion.neutral(),
        intensity=0.0,
        language="en-us",
        bandwidth=bandwidth_of(audio, limit),
        split=split_of(text),
    )


def need(folder: Path, what: str) -> Path:
    """The path itself.

    Raises:
        DataError: it does not exist.
    """
    if not folder.exists():
        raise DataError(f"{folder}: missing; {what}")
    return folder
