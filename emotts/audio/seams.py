"""Where stretches of samples meet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FADE_SAMPLES = 120
"""5 ms at both sides of a seam between segments, which lies in a pause."""


def join_segments(audio: Sequence[Tensor], silences: Sequence[int] | None = None) -> Tensor:
    """Segments (samples,) one after the other, faded where they meet so that no seam clicks.

    Args:
        audio: the segments.
        silences: samples of silence before each and after the last.
    """
    ramp = torch.linspace(0.0, 1.0, FADE_SAMPLES)
    gaps = silences or [0] * (len(audio) + 1)
    parts = [torch.zeros(gaps[0])]
    for number, samples in enumerate(audio):
        samples = samples.clone()
        size = min(FADE_SAMPLES, len(samples))
        if number > 0 or gaps[0]:
            samples[:size] *= ramp[:size]
        if number < len(audio) - 1 or gaps[-1]:
            samples[-size:] *= ramp[:size].flip(0)
        parts += [samples, torch.zeros(gaps[number + 1])]
    return torch.cat(parts)
