"""What is measured once on each recording: where speech lies, how loud it is, its pitch."""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from emotts.audio.pitch import extract_f0
from emotts.errors import AudioError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN

TRIM_DECIBELS = 34.0
"""Leading and trailing sound this far below the loudest frame is not speech."""

TRIM_MARGIN = 0.14
"""Seconds kept before and after speech: weak onsets and releases lie under the threshold."""

ACTIVE_DECIBELS = 25.0
"""Frames within this distance of the loudest count as speech when the level is measured."""

TARGET_LEVEL = -26.0
"""Level in dB of full scale that a speaker's neutral speech is brought to."""


@dataclass(frozen=True)
class RecordingFeatures:
    """Measurements of one recording.

    Attributes:
        start: first sample that is kept, at `SAMPLE_RATE`.
        tokens: whole tokens that are kept from there.
        level: root mean square of the active frames, dB of full scale.
        f0: shape (tokens * FRAMES_PER_TOKEN,), Hz, zero where unvoiced.
    """

    start: int
    tokens: int
    level: float
    f0: Tensor


def decode(source: object, start: float | None = None, end: float | None = None) -> np.ndarray:
    """Reads a recording as mono float32 at `SAMPLE_RATE`.

    Args:
        source: a path, or a binary file object.
        start: seconds into the recording where a segment begins.
        end: seconds where it ends.

    Raises:
        AudioError: the file cannot be read.
    """
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"cannot read audio {source}: {error}") from None
    mono = samples.mean(axis=1)
    if start is not None or end is not None:
        mono = mono[round((start or 0.0) * rate) : None if end is None else round(end * rate)]
    return soxr.resample(mono, rate, SAMPLE_RATE) if rate != SAMPLE_RATE else mono


def measure(samples: np.ndarray) -> RecordingFeatures:
    """Finds the speech in a recording and measures it.

    Args:
        samples: shape (samples,), float32 at `SAMPLE_RATE`.

    Raises:
        AudioError: silent, shorter than one token, or with samples that are not finite.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if len(samples) < SAMPLES_PER_TOKEN or peak < 1e-4:
        raise AudioError("the recording is silent or shorter than 40 ms")
    if not np.isfinite(peak):
        raise AudioError("the recording holds samples that are not finite numbers")
    _, (first, last) = librosa.effects.trim(samples, top_db=TRIM_DECIBELS, frame_length=960, hop_length=240)
    margin = round(TRIM_MARGIN * SAMPLE_RATE)
    start, end = max(0, int(first) - margin), min(len(samples), int(last) + margin)
    tokens = max(1, (end - start) // SAMPLES_PER_TOKEN)
    kept = samples[start : start + tokens * SAMPLES_PER_TOKEN]
    f0 = extract_f0(torch.from_numpy(kept), frames=tokens * FRAMES_PER_TOKEN)
    return RecordingFeatures(start, tokens, active_level(kept), f0)


def active_level(samples: np.ndarray) -> float:
    """Root mean square of the frames within `ACTIVE_DECIBELS` of the loudest, dB of full scale."""
    rms = librosa.feature.rms(y=samples, frame_length=960, hop_length=240)[0]
    decibels = 20 * np.log10(np.maximum(rms, 1e-6))
    active = rms[decibels > decibels.max() - ACTIVE_DECIBELS]
    return float(20 * np.log10(np.sqrt(np.mean(active**2))))
