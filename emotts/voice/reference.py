"""From a recording to the stretch of speech that a voice is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from emotts.data.features import TARGET_LEVEL, active_level
from emotts.errors import AudioError
from emotts.timebase import HOP_LENGTH, SAMPLE_RATE, SAMPLES_PER_TOKEN

MINIMUM_SECONDS = 1.0
"""Shortest speech that says what a speaker sounds like."""

MAXIMUM_SECONDS = 15.0
"""Longest stretch that is used; more adds nothing."""

SILENCE_LEVEL = 1e-3
"""Root mean square (-60 dBFS) below which a recording counts as silent."""

_TRIM_DECIBELS = 40.0
_MARGIN_SECONDS = 0.05
_FULL_BANDWIDTH = SAMPLE_RATE // 2
_HALF_BANDWIDTH = 8_000


def frame_levels(waveform: Tensor) -> Tensor:
    """Root mean square of each whole 10 ms; shape (samples,) in, (frames,) out."""
    frames = len(waveform) // HOP_LENGTH
    return waveform[: frames * HOP_LENGTH].view(frames, HOP_LENGTH).square().mean(dim=1).sqrt()


def trim_silence(waveform: Tensor) -> Tensor:
    """Cuts what lies more than 40 dB under the loudest 10 ms off both ends, but for 50 ms."""
    levels = frame_levels(waveform)
    loud = (levels > levels.max() * 10 ** (-_TRIM_DECIBELS / 20)).nonzero().flatten()
    margin = int(_MARGIN_SECONDS * SAMPLE_RATE)
    start = max(0, int(loud[0]) * HOP_LENGTH - margin)
    return waveform[start : (int(loud[-1]) + 1) * HOP_LENGTH + margin]


def speech_of_recording(waveform: Tensor, source: str = "the reference recording") -> Tensor:
    """Checks and cuts a recording for use as a reference.

    Args:
        waveform: shape (samples,), at `SAMPLE_RATE`.
        source: what to call the recording in a message.

    Returns:
        shape (samples,), a whole number of tokens long: without the silence at both ends, at most the
        first `MAXIMUM_SECONDS`, and at the level of the training recordings (but within ±1).

    Raises:
        AudioError: too short, silent, too short without its silence, or not finite.
    """
    seconds = len(waveform) / SAMPLE_RATE
    need = f"a reference needs at least {MINIMUM_SECONDS:g} s of speech, 3 to 15 s is best"
    if seconds < MINIMUM_SECONDS:
        raise AudioError(f"{source} is only {seconds:.2f} s long; {need}")
    if not torch.isfinite(waveform).all():
        raise AudioError(f"{source} holds samples that are not finite numbers")
    level = float(frame_levels(waveform).max())
    if level < SILENCE_LEVEL:
        decibels = f"{20 * torch.tensor(level).log10().item():.0f} dBFS" if level else "zero"
        raise AudioError(f"{source} is silent (its loudest 10 ms are at {decibels}); {need}")
    speech = trim_silence(waveform)
    if len(speech) < MINIMUM_SECONDS * SAMPLE_RATE:
        held = len(speech) / SAMPLE_RATE
        raise AudioError(f"{source} holds only {held:.2f} s of sound in {seconds:.2f} s; {need}")
    longest = int(MAXIMUM_SECONDS * SAMPLE_RATE)
    speech = speech[: min(longest, len(speech)) // SAMPLES_PER_TOKEN * SAMPLES_PER_TOKEN]
    gain = 10 ** ((TARGET_LEVEL - active_level(speech.numpy())) / 20)
    return speech * min(gain, 1.0 / float(speech.abs().max()))


def estimate_bandwidth(waveform: Tensor, source_rate: int = SAMPLE_RATE) -> int:
    """Bandwidth in Hz: 12 000, or 8000 where the recording holds nothing above.

    A file of 16 kHz cannot; one of a higher rate may have been made from one that could not, or by a lossy
    coder that drops it, so the spectrum is looked at as well: speech of full bandwidth has more than a
    ten-thousandth (-40 dB) of its power of 4 to 7 kHz between 8.5 and 11.5 kHz.

    Args:
        waveform: shape (samples,), at `SAMPLE_RATE`.
        source_rate: sample rate of the file it came from, in Hz.
    """
    if source_rate < 2 * _HALF_BANDWIDTH + 1000:
        return _HALF_BANDWIDTH
    size = 1024
    frames = waveform[: len(waveform) // size * size].view(-1, size) * torch.hann_window(size)
    power = torch.fft.rfft(frames).abs().square().mean(dim=0)
    hertz = torch.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    middle = power[(hertz > 4000) & (hertz < 7000)].mean()
    high = power[(hertz > 8500) & (hertz < 11_500)].mean()
    return _FULL_BANDWIDTH if high > 1e-4 * middle else _HALF_BANDWIDTH
