"""Excitation of the source-filter vocoder: a train of band-limited pulses and white noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from emotts.timebase import HOP_LENGTH, SAMPLE_RATE


def interpolate_unvoiced(f0: Tensor, fallback: float = 150.0) -> Tensor:
    """Fills unvoiced frames along straight lines in log frequency between voiced ones.

    Args:
        f0: shape (batch, frames), Hz, zero where unvoiced.
        fallback: frequency of an item without a voiced frame.

    Returns:
        shape (batch, frames), Hz, positive everywhere.
    """
    frames = f0.shape[1]
    index = torch.arange(frames, device=f0.device).expand_as(f0)
    voiced = f0 > 0
    before = torch.where(voiced, index, torch.full_like(index, -1)).cummax(dim=1).values
    after = torch.where(voiced, index, torch.full_like(index, frames)).flip(1).cummin(dim=1).values.flip(1)
    any_voiced = voiced.any(dim=1, keepdim=True)
    # A side without a voiced frame repeats the value of the other side.
    left = torch.where(before >= 0, before, after).clamp(0, frames - 1)
    right = torch.where(after < frames, after, before).clamp(0, frames - 1)
    log_f0 = f0.clamp_min(1.0).log()
    start, end = log_f0.gather(1, left), log_f0.gather(1, right)
    weight = (index - left) / (right - left).clamp_min(1)
    filled = (start + (end - start) * weight.clamp(0.0, 1.0)).exp()
    return torch.where(any_voiced, filled, torch.full_like(filled, fallback))


def pulse_train(f0: Tensor) -> Tensor:
    """Sum of all cosine harmonics below the Nyquist frequency, at unit power.

    The sum has a closed form (Dirichlet kernel), so its cost does not grow with the number of
    harmonics: sum_{k=1..K} cos(kφ) = sin((K + ½)φ) / (2 sin(φ/2)) - ½.

    Args:
        f0: shape (batch, frames), Hz, positive everywhere.

    Returns:
        shape (batch, frames * HOP_LENGTH).
    """
    hertz = sample_rate_f0(f0)
    return pulses(hertz, (hertz / SAMPLE_RATE).cumsum(dim=1))


def sample_rate_f0(f0: Tensor) -> Tensor:
    """F0 of every sample on straight lines between the middles of frames.

    Args:
        f0: shape (batch, frames), Hz.

    Returns:
        shape (batch, frames * HOP_LENGTH), float64.
    """
    samples = f0.shape[1] * HOP_LENGTH
    return torch.nn.functional.interpolate(f0[:, None].double(), samples, mode="linear")[:, 0]


def pulses(hertz: Tensor, cycles: Tensor) -> Tensor:
    """The closed form of `pulse_train`.

    Args:
        hertz: shape (batch, samples), F0 of every sample, float64.
        cycles: same shape, periods passed at every sample.

    Returns:
        same shape, float32.
    """
    phase = cycles.remainder(1.0) * (2 * math.pi)
    harmonics = (0.5 * SAMPLE_RATE / hertz).floor().clamp_min(1.0)
    half_sine = (phase / 2).sin()
    # At the pulse itself the quotient is 0/0; its limit is K + ½.
    near_pulse = half_sine.abs() < 1e-6
    safe = torch.where(near_pulse, torch.ones_like(half_sine), half_sine)
    quotient = torch.where(near_pulse, 2 * harmonics + 1, ((harmonics + 0.5) * phase).sin() / safe)
    return ((quotient / 2 - 0.5) * (2 / harmonics).sqrt()).float()


def white_noise(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian noise of unit power with the shape of `like`, drawn on the CPU so that seeds carry over."""
    return torch.randn(like.shape, generator=generator).to(like.device)
