"""Conditional flow matching on the optimal-transport path (Lipman et al. 2023, section 4.1).

Time runs from 0 (noise) to 1 (speech). Everything here is a pure function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from emotts.errors import InputError

Schedule = Literal["uniform", "cosine"]
Field = Callable[[Tensor, Tensor], Tensor]
"""A velocity field: (x_t of shape (batch, ...), t of shape (batch,)) -> velocity shaped like x_t."""


def _expand(t: Tensor, like: Tensor) -> Tensor:
    return t.view(-1, *[1] * (like.dim() - 1))


def path(x1: Tensor, noise: Tensor, t: Tensor, sigma_min: float) -> Tensor:
    """Point on the path (Lipman et al. 2023, eq. 22): x_t = (1 - (1 - σ) t) x0 + t x1.

    Args:
        x1: data, shape (batch, ...).
        noise: x0, same shape.
        t: shape (batch,), in [0, 1].
        sigma_min: σ.
    """
    t = _expand(t, x1)
    return (1 - (1 - sigma_min) * t) * noise + t * x1


def target_velocity(x1: Tensor, noise: Tensor, sigma_min: float) -> Tensor:
    """Velocity along the path (Lipman et al. 2023, eq. 23): u = x1 - (1 - σ) x0; same shapes as `path`."""
    return x1 - (1 - sigma_min) * noise


def sample_times(batch: int, generator: torch.Generator, uniform_share: float = 0.5) -> Tensor:
    """Training times: a mix of logit-normal(0, 1) and stratified uniform.

    The logit-normal half (Esser et al. 2024, section 3.1) spends the little training we can afford
    where the velocity is hard to predict, the middle of the path; its density falls to zero at both
    ends, which a solver of few steps visits every time, hence the uniform half. Stratifying (one
    draw in each of `batch` equal slices) lowers the variance of the gradient at no cost.

    Args:
        batch: how many.
        generator: source of the randomness.
        uniform_share: probability that an item draws from the uniform part.

    Returns:
        shape (batch,), in [0, 1].
    """
    slices = torch.randperm(batch, generator=generator)
    uniform = (slices + torch.rand(batch, generator=generator)) / batch
    logit_normal = torch.randn(batch, generator=generator).sigmoid()
    return torch.where(torch.rand(batch, generator=generator) < uniform_share, uniform, logit_normal)


def draw_noise(
    lengths: Sequence[int], channels: int, seeds: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """Start of the flow. Each item draws from its own generator, so that the batch cannot change it.

    Args:
        lengths: frames of each item.
        channels: mel bands.
        seeds: one for each item.
        temperature: standard deviation.

    Returns:
        shape (batch, longest, channels) on the CPU, zero on padding.
    """
    noise = torch.zeros(len(lengths), max(lengths), channels)
    for row, (length, seed) in enumerate(zip(lengths, seeds, strict=True)):
        generator = torch.Generator().manual_seed(seed)
        noise[row, :length] = torch.randn(length, channels, generator=generator) * temperature
    return noise


def time_grid(steps: int, schedule: Schedule = "cosine") -> list[float]:
    """Times of a solver, from 0 to 1.

    "cosine" is t = 1 - cos(π u / 2): finer steps near the noise, where the coarse shape of the speech
    is decided (CosyVoice, Du et al. 2024; equal to sway sampling with s = -1, Chen et al. 2024, eq. 7).

    Returns:
        steps + 1 increasing times.

    Raises:
        InputError: fewer than one step, or an unknown schedule.
    """
    if steps < 1:
        raise InputError(f"the solver needs at least 1 step, not {steps}")
    grid = [step / steps for step in range(steps + 1)]
    if schedule == "uniform":
        return grid
    if schedule == "cosine":
        return [0.0, *(1 - math.cos(math.pi / 2 * u) for u in grid[1:-1]), 1.0]
    raise InputError(f"unknown schedule {schedule!r}; valid schedules: uniform, cosine")


def solve(field: Field, x0: Tensor, grid: Sequence[float]) -> Tensor:
    """Euler's method for dx/dt = field(x, t).

    Args:
        field: velocity field.
        x0: start, shape (batch, ...).
        grid: increasing times; the first is the time of `x0`.

    Returns:
        x at the last time, same shape.
    """
    x = x0
    for now, following in pairwise(grid):
        t = x.new_full((x.shape[0],), now)
        x = x + (following - now) * field(x, t)
    return x
