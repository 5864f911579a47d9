"""One-dimensional ConvNeXt blocks (Liu et al. 2022; used for speech in Vocos, Siuzdak 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, normalisation, and a pointwise feed-forward net with a residual.

    Args:
        dim: channels.
        kernel_size: odd width of the depthwise convolution in positions.
        expansion: hidden channels of the feed-forward net, as a multiple of `dim`.
        condition_dim: width of a condition that shifts and scales the normalised input
            (adaptive normalisation), or None.
        causal: look only at the past.
        layer_scale: initial gain of the residual branch.

    Raises:
        ValueError: an even kernel that is not causal, which would change the length.
    """

    def __init__(
        self,
        dim: int,
        kernel_size: int = 7,
        expansion: int = 3,
        condition_dim: int | None = None,
        causal: bool = False,
        layer_scale: float = 0.3,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0 and not causal:
            raise ValueError(f"kernel_size {kernel_size} must be odd")
        self.left = kernel_size - 1 if causal else kernel_size // 2
        self.right = 0 if causal else kernel_size // 2
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, groups=dim)
        self.norm = nn.LayerNorm(dim, elementwise_affine=condition_dim is None)
        self.expand = nn.Linear(dim, expansion * dim)
        self.contract = nn.Linear(expansion * dim, dim)
        self.gain = nn.Parameter(torch.full((dim,), layer_scale))
        self.modulation = nn.Linear(condition_dim, 2 * dim) if condition_dim is not None else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Applies the block.

        Args:
            x: shape (batch, time, dim).
            mask: shape (batch, time), True on content; padding is read as zeros.
            condition: shape (batch, condition_dim) or (batch, time, condition_dim).

        Returns:
            shape (batch, time, dim); padding is zero when a mask is given.
        """
        if mask is not None:
            x = x * mask[..., None].to(x.dtype)
        h = nn.functional.pad(x.transpose(1, 2), (self.left, self.right))
        h = self.norm(self.depthwise(h).transpose(1, 2))
        if self.modulation is not None:
            if condition is None:
                raise ValueError("this block was built with a condition; pass one")
            if condition.dim() == 2:
                condition = condition[:, None]
            scale, shift = self.modulation(condition).chunk(2, dim=-1)
            h = h * (1 + scale) + shift
        h = self.contract(nn.functional.gelu(self.expand(h)))
        x = x + self.gain * h
        return x if mask is None else x * mask[..., None].to(x.dtype)
