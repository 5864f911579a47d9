"""Finite-scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FiniteScalarQuantizer(nn.Module):
    """Rounds each of a few bounded dimensions to a fixed number of levels.

    There is no codebook to learn or to collapse: the code is the mixed-radix number of the levels.

    Args:
        levels: number of levels of each dimension; their product is the codebook size.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if any(level < 2 for level in levels):
            raise ValueError(f"every dimension needs at least two levels, not {list(levels)}")
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        basis = torch.tensor([math.prod(levels[:k]) for k in range(len(levels))])
        self.register_buffer("basis", basis, persistent=False)

    @property
    def codebook_size(self) -> int:
        """Number of codes."""
        return int(self.levels.prod())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Quantises with straight-through gradients.

        Args:
            x: shape (..., dimensions), unbounded.

        Returns:
            values in [-1, 1] of the same shape, and codes of shape (...).
        """
        steps = self._bound(x)
        rounded = steps + (steps.round() - steps).detach()
        half = (self.levels // 2).to(x.dtype)
        codes = ((rounded.detach() + half).round().long() * self.basis).sum(-1)
        return rounded / half, codes

    def decode(self, codes: Tensor) -> Tensor:
        """Values of codes: shape (...) to (..., dimensions)."""
        digits = (codes[..., None] // self.basis) % self.levels
        half = self.levels // 2
        return (digits - half) / half

    def _bound(self, x: Tensor) -> Tensor:
        """Squashes so that rounding gives exactly `levels` values; even counts are shifted by a half."""
        x = x.float()
        half = (self.levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        shift = (offset / half).atanh()
        return (x + shift).tanh() * half - offset
