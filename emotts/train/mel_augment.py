"""Augmentation of log-mels: what a recording or a decoder may change and leave the emotion as it is."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from emotts.config import StrictModel

_DECIBEL = math.log(10) / 20
"""One dB in natural logarithm of magnitude."""


class MelAugmentConfig(StrictModel):
    """How much is changed; every choice is uniform up to its limit.

    Attributes:
        level_decibels: louder or quieter by up to this much.
        tilt_decibels: the highest band against the lowest, straight in between.
        time_masks: stretches that are set to the item's mean frame.
        mask_frames: longest stretch.
        band_limit: share of items that lose their highest bands.
        lowest_limit: as many bands remain at least.
        blur: share of items that are smoothed over time and bands, as regressed mels are.
    """

    level_decibels: float = Field(6.0, ge=0)
    tilt_decibels: float = Field(6.0, ge=0)
    time_masks: int = Field(2, ge=0)
    mask_frames: int = Field(24, ge=1)
    band_limit: float = Field(0.3, ge=0, le=1)
    lowest_limit: int = Field(40, ge=1)
    blur: float = Field(0.3, ge=0, le=1)


def augment_mel(mel: Tensor, config: MelAugmentConfig, generator: torch.Generator) -> Tensor:
    """A changed copy of a log-mel (frames, mel_bins), natural logarithm."""

    def uniform(limit: float) -> float:
        return limit * (2 * float(torch.rand((), generator=generator)) - 1)

    def chance(share: float) -> bool:
        return float(torch.rand((), generator=generator)) < share

    frames, bins = mel.shape
    floor = mel.amin()
    slope = torch.linspace(-0.5, 0.5, bins) * uniform(config.tilt_decibels)
    mel = mel + (uniform(config.level_decibels) + slope) * _DECIBEL
    if chance(config.blur):
        mel = blurred(mel, passes=1 + int(torch.randint(3, (1,), generator=generator)))
    if chance(config.band_limit) and config.lowest_limit < bins:
        cut = int(torch.randint(config.lowest_limit, bins, (1,), generator=generator))
        mel = torch.cat([mel[:, :cut], floor.expand(frames, bins - cut)], dim=1)
    mean = mel.mean(0)
    for _ in range(config.time_masks):
        size = int(torch.randint(min(config.mask_frames, frames // 4) + 1, (1,), generator=generator))
        start = int(torch.randint(frames - size + 1, (1,), generator=generator))
        mel[start : start + size] = mean
    return mel


def hide_parts(mel: Tensor, frames: int, bins: int, highest: int, generator: torch.Generator) -> Tensor:
    """Sets a stretch of frames and a band to the mean, in place (SpecAugment, Park et al. 2019).

    Args:
        mel: shape (frames, mel_bins), natural log.
        frames: longest stretch; a quarter of the item at most.
        bins: widest band; a quarter of `highest` at most.
        highest: the band lies below this bin.
        generator: random source.

    Returns:
        `mel`.
    """
    length, width = mel.shape
    floor = mel.mean()
    for axis, most, size in ((0, frames, length), (1, bins, min(width, highest))):
        if most:
            count = min(int(torch.randint(most + 1, (1,), generator=generator)), size // 4)
            start = int(torch.randint(size - count + 1, (1,), generator=generator))
            mel.narrow(axis, start, count).fill_(floor)
    return mel


def blurred(mel: Tensor, passes: int = 1) -> Tensor:
    """A log-mel (frames, mel_bins), smoothed over time and bands by a binomial kernel, `passes` times."""
    kernel = torch.tensor([0.25, 0.5, 0.25])
    kernel = (kernel[:, None] * kernel[None, :])[None, None]
    image = mel[None, None]
    for _ in range(passes):
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
        image = torch.nn.functional.conv2d(padded, kernel)
    return image[0, 0]
