"""Transformer blocks with rotary positions that are given, not counted.

Positions are real numbers, so that a phoneme can sit at the centre of its place in a timing plan
and a token at its own index.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn


def rotate(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    """Rotary position embedding (Su et al. 2021) at arbitrary real positions.

    Args:
        x: shape (batch, heads, time, head_dim), head_dim even.
        positions: shape (batch, time), any real numbers, in tokens.
        base: longest wavelength over 2π, in tokens.
    """
    half = x.shape[-1] // 2
    steps = torch.arange(half, device=x.device, dtype=torch.float32) / half
    angles = positions.float()[:, None, :, None] * base**-steps
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


@dataclass
class KeyValueCache:
    """Keys and values of one attention layer, grown as a sequence is decoded.

    Attributes:
        keys: shape (batch, heads, time, head_dim), already rotated; None before the first call.
        values: same shape.
    """

    keys: Tensor | None = None
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Appends along time and returns everything seen so far."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=2)
            values = torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions and an optional key-value cache."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads or (dim // heads) % 2:
            raise ValueError(f"dim {dim} must give an even width for each of {heads} heads")
        self.heads = heads
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim, bias=False)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Attends.

        Args:
            x: shape (batch, time, dim).
            positions: shape (batch, time), rotary positions of `x`.
            mask: True where a query may look: shape (batch, keys) for every query alike, or
                (batch, time, keys). `keys` counts the cache and `x`.
            cache: extended in place with the keys and values of `x`.

        Returns:
            shape (batch, time, dim).
        """
        projected = self.query_key_value(x)
        query, key, value = rearrange(projected, "b t (three h d) -> three b h t d", three=3, h=self.heads)
        query, key = rotate(query, positions), rotate(key, positions)
        if cache is not None:
            key, value = cache.extend(key, value)
        if mask is not None:
            mask = mask[:, None, None, :] if mask.dim() == 2 else mask[:, None]
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output(rearrange(mixed, "b h t d -> b t (h d)"))


class TransformerBlock(nn.Module):
    """Pre-norm attention and feed-forward, with optional adaptive normalisation (adaLN-Zero).

    Args:
        dim: channels.
        heads: attention heads.
        expansion: hidden channels of the feed-forward net, as a multiple of `dim`.
        condition_dim: width of the condition that shifts, scales and gates both branches (DiT,
            Peebles and Xie 2023), or None for plain layer normalisation.
        dropout: on both branches.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        expansion: int = 4,
        condition_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        affine = condition_dim is None
        self.attention_norm = nn.LayerNorm(dim, elementwise_affine=affine)
        self.attention = Attention(dim, heads)
        self.feed_forward_norm = nn.LayerNorm(dim, elementwise_affine=affine)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)
        self.modulation = nn.Linear(condition_dim, 6 * dim) if condition_dim is not None else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            # Gates start at one half rather than zero: small models trained briefly learn sooner.
            nn.init.zeros_(self.modulation.bias)
            with torch.no_grad():
                self.modulation.bias[2 * dim : 3 * dim] = 0.5
                self.modulation.bias[5 * dim :] = 0.5

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Applies the block; see `Attention.forward` for `positions`, `mask` and `cache`.

        Args:
            x: shape (batch, time, dim).
            condition: shape (batch, condition_dim) or (batch, time, condition_dim).
        """
        if self.modulation is None:
            x = x + self.dropout(self.attention(self.attention_norm(x), positions, mask, cache))
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        if condition is None:
            raise ValueError("this block was built with a condition; pass one")
        if condition.dim() == 2:
            condition = condition[:, None]
        scale_a, shift_a, gate_a, scale_f, shift_f, gate_f = self.modulation(condition).chunk(6, dim=-1)
        h = self.attention_norm(x) * (1 + scale_a) + shift_a
        x = x + gate_a * self.dropout(self.attention(h, positions, mask, cache))
        h = self.feed_forward_norm(x) * (1 + scale_f) + shift_f
        return x + gate_f * self.dropout(self.feed_forward(h))
