"""Duration-level contrastive loss between mouth frames and phonemes (EmoDubber, arXiv 2412.08988)."""

from __future__ import annotations

import torch
from torch import Tensor


def duration_contrastive_loss(
    similarity: Tensor, target: Tensor, frame_mask: Tensor, phoneme_mask: Tensor
) -> dict[str, Tensor]:
    """InfoNCE in both directions, where all frames of a phoneme's duration are its positives.

    For each phoneme, -log of the share that its own frames have in the softmax over all frames, and for each
    frame the same over all phonemes. Unlike in the authors' code, padding is outside of every softmax.

    Args:
        similarity: shape (batch, frames, phonemes), divided by the temperature.
        target: the same shape, True where the phoneme lasts in that frame; frames or phonemes without a
            positive are left out.
        frame_mask: shape (batch, frames).
        phoneme_mask: shape (batch, phonemes).

    Returns:
        scalars "loss", "frames" (phoneme given frame) and "phonemes" (frame given phoneme).
    """
    inside = frame_mask[:, :, None] & phoneme_mask[:, None, :]
    target = target & inside
    losses = {
        "frames": _one_way(similarity, target, inside, 2),
        "phonemes": _one_way(similarity, target, inside, 1),
    }
    return {"loss": losses["frames"] + losses["phonemes"], **losses}


def _one_way(similarity: Tensor, target: Tensor, inside: Tensor, dim: int) -> Tensor:
    lowest = torch.finfo(similarity.dtype).min
    whole = similarity.masked_fill(~inside, lowest).logsumexp(dim)
    right = similarity.masked_fill(~target, lowest).logsumexp(dim)
    has = target.any(dim)
    return torch.where(has, whole - right, 0.0).sum() / has.sum().clamp_min(1)
