"""Masks and masked reductions: padding must never change a result."""

from __future__ import annotations

import torch
from torch import Tensor


def lengths_to_mask(lengths: Tensor, max_length: int | None = None) -> Tensor:
    """Boolean mask, True on content.

    Args:
        lengths: shape (batch,), integers.
        max_length: length of the mask; the longest item when left out.

    Returns:
        shape (batch, max_length).
    """
    size = int(lengths.max()) if max_length is None else max_length
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the content of all items; trailing channel dimensions are averaged too.

    Args:
        values: shape (batch, time) or (batch, time, channels).
        mask: shape (batch, time).
    """
    weights = mask.to(values.dtype)
    if values.dim() == 3:
        weights = weights[..., None].expand_as(values)
    return (values * weights).sum() / weights.sum().clamp_min(1.0)


def pad_stack(items: list[Tensor], value: float = 0.0) -> tuple[Tensor, Tensor]:
    """Stacks tensors of different lengths on a new first dimension.

    Args:
        items: tensors of shape (time, ...), equal but for time.
        value: fill of the padding.

    Returns:
        the stack (batch, time, ...) and the lengths (batch,).
    """
    lengths = torch.tensor([len(item) for item in items])
    stacked = torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=value)
    return stacked, lengths
