"""What synthesis returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotts.emotion import Emotion
from emotts.text.phonemize import Phonemes
from emotts.text.symbols import WORD_BOUNDARY
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
    parts: Sequence[tuple[Phonemes, Sequence[int]]], seconds: float, silences: Sequence[int] | None = None
) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    """Times of the symbols and of the words of a text.

    Args:
        parts: phonemes and durations (tokens of each) of each segment, in order.
        seconds: length of the audio; what lies beyond is cut.
        silences: samples of silence before each segment and after the last; each becomes a pause symbol.
    """
    symbols: list[Timed] = []
    words: list[Timed] = []
    start = 0.0
    for silence, (phonemes, durations) in zip(silences or [0] * len(parts), parts, strict=False):
        begin, start = start, start + silence / SAMPLE_RATE
        symbols += _pause(begin, start, seconds)
        timed = list(_walk(phonemes.symbols, durations, start, seconds))
        symbols += timed
        for number, word in enumerate(phonemes.words):
            own = [time for time, index in zip(timed, phonemes.word_index, strict=True) if index == number]
            if own:
                words.append((word, own[0][1], own[-1][2]))
        start += tokens_to_seconds(sum(durations))
    if silences:
        symbols += _pause(start, start + silences[-1] / SAMPLE_RATE, seconds)
    return tuple(symbols), tuple(words)


def _pause(start: float, end: float, seconds: float) -> list[Timed]:
    return [(WORD_BOUNDARY, min(start, seconds), min(end, seconds))] if end > start else []


def _walk(symbols: Sequence[str], durations: Sequence[int], start: float, seconds: float) -> Iterator[Timed]:
    done = 0
    for symbol, length in zip(symbols, durations, strict=True):
        first, done = done, done + length
        times = (min(start + tokens_to_seconds(tokens), seconds) for tokens in (first, done))
        yield (symbol, *times)
