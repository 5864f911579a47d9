"""Pitch, loudness and speaking rate of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from emotts.errors import AudioError
from emotts.evaluate.optional import optional_import

PROSODY_RATE = 16_000
"""Samples a second of what is measured."""

F0_FLOOR, F0_CEILING = 60.0, 600.0
"""Hz between which pitch is looked for."""

ACTIVE_DECIBELS = 30.0
"""Frames within this distance of the loud ones (95th percentile) are speech, fewer in a noisy recording."""

_PERIOD = 0.005
_HOP = 160
_WINDOW = 400
_LONGEST_CLOSURE = 0.15
_MIN_VOICED = 5
_D4C_THRESHOLD = 0.85
_LOWEST, _HIGHEST = 0.65, 2.0
_NOISE_SHARE = 0.65
_LEAST_REACH = 15.0


@dataclass(frozen=True)
class Prosody:
    """Measures of one recording.

    Attributes:
        f0_mean: Hz, geometric mean of the voiced frames; NaN where nothing is voiced.
        f0_range: semitones from the 5th to the 95th percentile of the voiced frames; NaN likewise.
        energy: root mean square of the frames with speech, dB of full scale.
        active: seconds of speech, pauses longer than 0.15 s left out.
        rate: phonemes for each second of `active`; NaN where the text is not known.
    """

    f0_mean: float
    f0_range: float
    energy: float
    active: float
    rate: float


def measure_prosody(waveform: np.ndarray, phonemes: int | None = None) -> Prosody:
    """Measures one recording.

    Args:
        waveform: shape (samples,), float in [-1, 1] at `PROSODY_RATE`.
        phonemes: how many are said, pauses left out; see `count_phonemes`.

    Raises:
        AudioError: silent or shorter than 40 ms.
        MissingDependencyError: pyworld is not installed.
    """
    samples = np.asarray(waveform, np.float64)
    level = _frame_levels(samples)
    noise, loud = np.percentile(level, [5, 95])
    # The background of a quiet recording is less than 30 dB away; one without pauses has no background.
    reach = min(max(_NOISE_SHARE * (loud - noise), _LEAST_REACH), ACTIVE_DECIBELS)
    active = level > loud - reach
    active |= level >= loud
    power = np.mean(10 ** (level[active] / 10))
    seconds = float(_close_gaps(active).sum()) * _HOP / PROSODY_RATE
    f0 = track_f0(samples)
    # Pitch found in the background of a recording is not the speaker's.
    place = np.minimum((np.arange(len(f0)) * _PERIOD * PROSODY_RATE / _HOP).astype(int), len(active) - 1)
    semitones = 12 * np.log2(f0[(f0 > 0) & active[place]])
    known = len(semitones) >= _MIN_VOICED
    low, high = np.percentile(semitones, [5, 95]) if known else (np.nan, np.nan)
    return Prosody(
        f0_mean=float(2 ** (semitones.mean() / 12)) if known else float("nan"),
        f0_range=float(high - low),
        energy=float(10 * np.log10(power)),
        active=seconds,
        rate=phonemes / seconds if phonemes else float("nan"),
    )


def track_f0(samples: np.ndarray) -> np.ndarray:
    """Fundamental frequency every 5 ms, Hz, zero where unvoiced; shape (1 + duration / 5 ms,).

    Harvest (Morise, Interspeech 2017), which is not the tracker that the models learnt from. It calls
    nearly everything voiced, so D4C (Morise 2016) has to agree; what lies far from the speaker's own
    range is an octave error (limits after De Looze and Hirst, Speech Prosody 2008, wider for acted speech).

    Args:
        samples: shape (samples,), at `PROSODY_RATE`.
    """
    pyworld = optional_import("pyworld")
    samples = np.ascontiguousarray(samples, np.float64)
    f0, times = pyworld.harvest(
        samples, PROSODY_RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEILING, frame_period=1000 * _PERIOD
    )
    aperiodicity = pyworld.d4c(samples, f0, times, PROSODY_RATE, threshold=_D4C_THRESHOLD)
    f0 = np.where(aperiodicity[:, 0] < 0.5, f0, 0.0)
    voiced = f0[f0 > 0]
    if len(voiced) < _MIN_VOICED:
        return f0
    quarter, three_quarters = np.percentile(voiced, [25, 75])
    return np.where((f0 > _LOWEST * quarter) & (f0 < _HIGHEST * three_quarters), f0, 0.0)


def count_phonemes(text: str, language: str = "en-us") -> int:
    """Phonemes of a text as it is said, pauses left out."""
    from emotts.text.phonemize import Phonemizer
    from emotts.text.symbols import kind

    return sum(kind(symbol) != "pause" for symbol in Phonemizer(language).phonemize(text).symbols)


def measure_prosody_of_file(path: Path | str, text: str | None = None, language: str = "en-us") -> Prosody:
    """Measures an audio file; with its text, its rate too. See `measure_prosody`."""
    from emotts.audio.io import load_audio

    phonemes = None if text is None else count_phonemes(text, language)
    try:
        return measure_prosody(load_audio(path, PROSODY_RATE).numpy(), phonemes)
    except AudioError as error:
        raise AudioError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def _frame_levels(samples: np.ndarray) -> np.ndarray:
    """Root mean square of windows of 25 ms every 10 ms, dB of full scale."""
    if len(samples) < 0.04 * PROSODY_RATE or float(np.abs(samples).max()) < 1e-4:
        raise AudioError("the recording is silent or shorter than 40 ms")
    padded = np.pad(samples, (_WINDOW - _HOP) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), 1e-12))


def _close_gaps(active: np.ndarray) -> np.ndarray:
    """Fills gaps that are closures of stops, not pauses."""
    closed = active.copy()
    places = np.flatnonzero(active)
    for before, after in pairwise(places):
        if 1 < after - before <= _LONGEST_CLOSURE * PROSODY_RATE / _HOP:
            closed[before:after] = True
    return closed
