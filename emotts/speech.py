"""What synthesis returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotts.emotion import Emotion
from emotts.text.phonemize import Phonemes
from emotts.timebase import SAMPLE_RATE, tokens_to_seconds

Timed = tuple[str, float, float]
"""A symbol or a word with its start and end in seconds."""


@dataclass(frozen=True)
class Speech:
    """One synthesised text.

    Attributes:
        audio: float32, shape (samples,), within ±1.
        tokens: semantic tokens, int64, shape (tokens,).
        alignment: every phoneme and pause with start and end in seconds.
        word_timings: every word, as it is said, with start and end in seconds.
        seed: gives the same samples again.
        text: what was asked for.
        voice: name of the voice.
        emotion: its emotion.
        timings: seconds of computing by stage: text, duration, lm, acoustic, vocoder. Texts that were
            synthesised together share them by their length.
        sample_rate: in Hz.
    """

    audio: np.ndarray = field(repr=False)
    tokens: np.ndarray = field(repr=False)
    alignment: tuple[Timed, ...] = field(repr=False)
    word_timings: tuple[Timed, ...] = field(repr=False)
    seed: int
    text: str
    voice: str
    emotion: Emotion
    timings: dict[str, float] = field(repr=False)
    sample_rate: int = SAMPLE_RATE

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.audio) / self.sample_rate

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing for each second of speech."""
        return sum(self.timings.values()) / self.duration

    def save(self, path: Path | str, force: bool = False, format: str | None = None) -> Path:
        """Writes the audio to a file: wav, flac, ogg or mp3, by extension or `format`.

        Raises:
            InputError: unknown format.
            OutputError: the file exists and `force` is not set, its folder is missing, the disk is full, ...
        """
        from emotts.audio.io import save_audio

        return save_audio(path, self.audio, self.sample_rate, format, force)


def align_symbols(
    parts: Sequence[tuple[Phonemes, Sequence[int]]], seconds: float
) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    """Times of the symbols and of the words of a text.

    Args:
        parts: phonemes and durations (tokens of each) of each segment, in order.
        seconds: length of the audio; what lies beyond is cut.
    """
    symbols: list[Timed] = []
    words: list[Timed] = []
    start = 0
    for phonemes, durations in parts:
        timed = list(_walk(phonemes.symbols, durations, start, seconds))
        symbols += timed
        for number, word in enumerate(phonemes.words):
            own = [time for time, index in zip(timed, phonemes.word_index, strict=True) if index == number]
            if own:
                words.append((word, own[0][1], own[-1][2]))
        start += sum(durations)
    return tuple(symbols), tuple(words)


def _walk(symbols: Sequence[str], durations: Sequence[int], start: int, seconds: float) -> Iterator[Timed]:
    for symbol, length in zip(symbols, durations, strict=True):
        end = start + length
        yield symbol, min(tokens_to_seconds(start), seconds), min(tokens_to_seconds(end), seconds)
        start = end
