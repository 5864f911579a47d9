"""The mix: lines at their absolute samples, over a bed that makes room for them, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from emotts.dubbing.options import DubOptions
from emotts.timebase import SAMPLE_RATE

MIX_RATE = 48_000
"""Samples a second of the mix, as video wants it: two for each sample of speech."""

CHANNELS = 2
BLOCK = MIX_RATE
"""Samples of a block."""

_FACTOR = MIX_RATE // SAMPLE_RATE
_LOOKAHEAD = 240


class Sound(Protocol):
    """Something that can be mixed under the lines."""

    def read(self, samples: int) -> np.ndarray:
        """The next samples, float32, shape (channels, samples) at `MIX_RATE`; silence past the end."""
        ...


class Voices:
    """All lines on one track.

    Args:
        lines: first sample and audio (float32, shape (samples,)) of each, at 24 kHz.
    """

    def __init__(self, lines: Iterable[tuple[int, np.ndarray]]) -> None:
        self._lines = sorted(lines, key=lambda line: line[0])
        self._open: list[tuple[int, np.ndarray]] = []
        self._next = 0
        self._position = 0

    def read(self, samples: int) -> np.ndarray:
        """The next samples at `MIX_RATE`, shape (samples,)."""
        begin, end = self._position, self._position + samples
        while self._next < len(self._lines) and self._lines[self._next][0] * _FACTOR < end:
            start, audio = self._lines[self._next]
            self._open.append((start * _FACTOR, upsample(audio)))
            self._next += 1
        block = np.zeros(samples, dtype=np.float32)
        for start, audio in self._open:
            first, last = max(start, begin), min(start + len(audio), end)
            if first < last:
                block[first - begin : last - begin] += audio[first - start : last - start]
        self._open = [(start, audio) for start, audio in self._open if start + len(audio) > end]
        self._position = end
        return block


def upsample(audio: np.ndarray) -> np.ndarray:
    """Speech at `MIX_RATE`: sample n of the input lies at sample 2n."""
    import soxr

    if not len(audio):
        return audio.astype(np.float32)
    result = soxr.resample(np.asarray(audio, dtype=np.float32), SAMPLE_RATE, MIX_RATE)
    size = len(audio) * _FACTOR
    return np.pad(result, (0, max(0, size - len(result))))[:size]


class Ducking:
    """Gain of the bed: down before a line begins, up again after it ends.

    Args:
        windows: first and last sample (exclusive) of each line at 24 kHz.
        options: depth and times.
    """

    def __init__(self, windows: Iterable[tuple[int, int]], options: DubOptions) -> None:
        attack, release = options.duck_attack, options.duck_release
        times, levels = [-1e9], [0.0]
        for start, end in _merge(windows, (attack + release) * SAMPLE_RATE):
            low, high = start / SAMPLE_RATE, end / SAMPLE_RATE
            times += [low - max(attack, 1e-4), low, high, high + max(release, 1e-4)]
            levels += [0.0, options.duck, options.duck, 0.0]
        self._times, self._levels = [*times, 1e9], [*levels, 0.0]

    def gain(self, position: int, samples: int) -> np.ndarray:
        """Factors of a block that begins at a sample of the mix; float32, shape (samples,)."""
        time = (position + np.arange(samples)) / MIX_RATE
        return (10.0 ** (np.interp(time, self._times, self._levels) / 20.0)).astype(np.float32)


def _merge(windows: Iterable[tuple[int, int]], closer: float) -> list[tuple[int, int]]:
    """Windows in order; those that leave no time to come up between them are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if merged and start - merged[-1][1] <= closer:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


class Limiter:
    """Keeps peaks under a ceiling by turning the gain down smoothly ahead of them (5 ms).

    Args:
        ceiling: in dBFS.
    """

    def __init__(self, ceiling: float) -> None:
        self._ceiling = 10.0 ** (ceiling / 20.0)
        self._held = np.zeros((CHANNELS, 0), dtype=np.float32)
        self._gains = np.ones(2 * _LOOKAHEAD, dtype=np.float64)

    def push(self, block: np.ndarray, last: bool = False) -> np.ndarray:
        """Takes a block (channels, samples) and gives what is ready; the last push gives all that is held.

        The gain of a sample is the mean, over the 5 ms before it, of the smallest gain wanted within the
        next 5 ms: it has come down in full when the peak arrives.
        """
        if last:
            block = np.concatenate([block, np.zeros((CHANNELS, _LOOKAHEAD), np.float32)], axis=1)
        peak = np.abs(block).max(axis=0, initial=0.0)
        wanted = np.minimum(1.0, self._ceiling / np.maximum(peak, 1e-9))
        gains = np.concatenate([self._gains, wanted])
        mean = _smoothed_minimum(gains) if gains.min() < 1.0 else np.ones(len(gains) - 2 * _LOOKAHEAD + 1)
        held = np.concatenate([self._held, block], axis=1)
        ready = held.shape[1] - _LOOKAHEAD if held.shape[1] > _LOOKAHEAD else 0
        result = held[:, :ready] * mean[len(mean) - 1 - ready : len(mean) - 1].astype(np.float32)
        self._held = held[:, ready:]
        self._gains = gains[-2 * _LOOKAHEAD :]
        return np.clip(result, -self._ceiling, self._ceiling)


def _smoothed_minimum(gains: np.ndarray) -> np.ndarray:
    """Means of `_LOOKAHEAD` minima, each over the next `_LOOKAHEAD` gains."""
    smallest = np.lib.stride_tricks.sliding_window_view(gains, _LOOKAHEAD + 1).min(axis=1)
    total = np.cumsum(np.concatenate(([0.0], smallest)))
    return (total[_LOOKAHEAD:] - total[:-_LOOKAHEAD]) / _LOOKAHEAD


def mix(
    lines: Sequence[tuple[int, np.ndarray]],
    samples: int,
    options: DubOptions,
    bed: Sound | None = None,
    original: Sound | None = None,
) -> Iterator[np.ndarray]:
    """Mixes a dub.

    Args:
        lines: first sample (24 kHz) and audio of each line.
        samples: length of the mix, at `MIX_RATE`.
        options: levels.
        bed: music and effects, ducked under the lines.
        original: the original sound, at the level `keep_original`.

    Yields:
        blocks of float32, shape (2, n), `samples` in all, never over the ceiling.
    """
    voices = Voices(lines)
    ducking = Ducking([(start, start + len(audio)) for start, audio in lines], options)
    limiter = Limiter(options.ceiling)
    for position in range(0, samples, BLOCK):
        size = min(BLOCK, samples - position)
        block = np.repeat(voices.read(size)[None], CHANNELS, axis=0)
        if bed is not None:
            gain = ducking.gain(position, size) * np.float32(10.0 ** (options.bed_gain / 20.0))
            block += bed.read(size) * gain
        if original is not None and options.keep_original is not None:
            block += original.read(size) * np.float32(10.0 ** (options.keep_original / 20.0))
        yield limiter.push(block, last=position + size >= samples)
