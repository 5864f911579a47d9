"""Voice encoder: an embedding of who speaks, from seconds of speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.nn.convnext import ConvNeXtBlock
from emotts.timebase import MEL_BINS

_STACK = 2


class VoiceEncoderConfig(StrictModel):
    """Sizes of the voice encoder.

    Attributes:
        dim: channels, and width of the embedding.
        layers: convolution blocks, at 50 Hz.
        expansion: hidden channels of each block as a multiple of `dim`.
    """

    dim: int = 192
    layers: int = 4
    expansion: int = 3


class VoiceEncoder(nn.Module):
    """Convolutions and attentive statistics pooling (Okabe et al. 2018) to a unit vector."""

    def __init__(self, config: VoiceEncoderConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.embed = nn.Linear(_STACK * MEL_BINS, dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, 7, config.expansion) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.Sequential(nn.Linear(dim, dim // 2), nn.Tanh(), nn.Linear(dim // 2, dim))
        self.project = nn.Linear(2 * dim, dim)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embeds recordings.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude; an odd last frame is dropped.
            mask: shape (batch, frames), True on content.

        Returns:
            shape (batch, dim), of length one.
        """
        batch, frames, _ = mel.shape
        frames -= frames % _STACK
        x = ((mel[:, :frames] + 5.5) / 2.5).reshape(batch, frames // _STACK, -1)
        mask = mel.new_ones(batch, frames, dtype=torch.bool) if mask is None else mask[:, :frames]
        mask = mask[:, _STACK - 1 :: _STACK]
        x = self.embed(x)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x).float()
        scores = self.attention(x).float().masked_fill(~mask[..., None], float("-inf"))
        weights = scores.softmax(dim=1)
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean[:, None]).square()).sum(1)
        pooled = torch.cat([mean, variance.clamp_min(1e-5).sqrt()], dim=-1)
        return nn.functional.normalize(self.project(pooled).float(), dim=-1)


class SpeakerClassifier(nn.Module):
    """Additive-angular-margin softmax over the training speakers (Deng et al. 2019); training only.

    Args:
        dim: width of the embedding.
        speakers: number of training speakers.
        scale: inverse temperature of the cosines.
        margin: angle in radians that is added to the right speaker's.
    """

    def __init__(self, dim: int, speakers: int, scale: float = 20.0, margin: float = 0.2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(speakers, dim) * dim**-0.5)
        self.scale, self.margin = scale, margin

    def forward(self, embedding: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and share of items whose nearest speaker is the right one.

        Args:
            embedding: shape (batch, dim), unit length.
            speaker: shape (batch,), indices.
        """
        # Half precision would round cosines near 1 to 1, where the arc cosine has no gradient.
        with torch.autocast(embedding.device.type, enabled=False):
            cosine = embedding.float() @ nn.functional.normalize(self.weight, dim=-1).T
        angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        target = nn.functional.one_hot(speaker, cosine.shape[1]).bool()
        shifted = torch.where(target, (angle + self.margin).cos(), cosine)
        accuracy = (cosine.argmax(-1) == speaker).float().mean()
        return nn.functional.cross_entropy(self.scale * shifted, speaker), accuracy
