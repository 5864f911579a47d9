"""Make a miniature corpus that espeak speaks: `make_corpus.py OUTPUT` writes OUTPUT/wav and OUTPUT/data.

Three voices read twelve sentences, each neutral, happy and sad. It is large enough to run every stage of a
recipe, and far too small, and too artificial, to learn to speak from.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile

from emotts.data.espeak import speak
from emotts.data.kaldi import DataDir, Record
from emotts.emotion import Emotion
from emotts.errors import EmottsError

SENTENCES = (
    "The door is open.",
    "She came home late.",
    "We have no time.",
    "A dog ran over the hill.",
    "Bring me the red book.",
    "He thinks the soup is cold.",
    "They will leave at noon.",
    "Nobody answered the phone.",
    "The young judge looked up.",
    "This is your last chance.",
    "Give the child some water.",
    "I heard a strange noise.",
)

SPLITS = ("train",) * 9 + ("dev",) + ("test",) * 2
"""Of each sentence: the sentences of dev and test are new to the model."""

VOICES = {"anna": ("en-us+f3", 60), "bert": ("en-us+m3", 35), "carl": ("en-us+m1", 45)}
"""Speaker -> espeak's voice, and its pitch."""

EMOTIONS = {"neutral": (175, 0, 50), "happy": (195, 18, 85), "sad": (145, -15, 20)}
"""Emotion -> words a minute, change of the pitch, range of the pitch."""


def records(folder: Path, voices: int = len(VOICES), sentences: int = len(SENTENCES)) -> Iterator[Record]:
    """Speaks every sentence in every voice and emotion into `folder`, and yields its record.

    Args:
        folder: for the WAV files.
        voices: how many of `VOICES`.
        sentences: how many of `SENTENCES`, the last ones first, so that all splits are there.
    """
    lines = list(zip(SENTENCES, SPLITS, strict=True))[-sentences:]
    for speaker, (voice, pitch) in list(VOICES.items())[:voices]:
        for number, (text, split) in enumerate(lines):
            for emotion, (rate, shift, spread) in EMOTIONS.items():
                speech = speak(text, voice, rate, pitch + shift, spread)
                key = f"{speaker}-{number:02d}-{emotion}"
                path = folder / f"{key}.wav"
                soundfile.write(path, speech.samples, speech.rate)
                yield Record(
                    id=key,
                    speaker=speaker,
                    text=text,
                    audio=path.absolute(),
                    emotion=Emotion.parse(emotion),
                    intensity=0.0 if emotion == "neutral" else 1.0,
                    language="en-us",
                    bandwidth=speech.rate // 2,
                    split=split,
                )


def make_corpus(output: Path, voices: int = len(VOICES), sentences: int = len(SENTENCES)) -> Path:
    """Writes the recordings and their data directory; returns the latter.

    Raises:
        OutputError: it cannot be written.
    """
    folder = output / "wav"
    folder.mkdir(parents=True, exist_ok=True)
    DataDir(records(folder, voices, sentences)).write(output / "data")
    return output / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the corpus; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make a miniature corpus that espeak speaks.")
    parser.add_argument("output", type=Path, help="folder to write")
    options = parser.parse_args(arguments)
    try:
        data = make_corpus(options.output)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{data}: {len(DataDir.load(data))} utterances\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
