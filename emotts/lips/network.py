"""The lip aligner: pictures of a mouth and phonemes in, how well each frame suits each phoneme out.

After the lip-related prosody aligning of EmoDubber (arXiv 2412.08988): frames and prosody-aware phoneme
states meet in one space, and their similarity is what the alignment is searched on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.lips.features import CHANNELS, HEIGHT, WIDTH
from emotts.nn.convnext import ConvNeXtBlock
from emotts.text.symbols import SYMBOLS


class LipAlignerConfig(StrictModel):
    """Sizes of the lip aligner.

    Attributes:
        symbols: size of the phoneme table.
        channels: of the two convolutions over a picture.
        dim: channels over time and over phonemes.
        layers: ConvNeXt blocks of each side.
        kernel_size: odd width of their convolutions, in frames or phonemes.
        space: width of the space where both meet.
        temperature: of the similarities at the start of training (0.1 in the paper).
        dropout: on both sides.
    """

    symbols: int = len(SYMBOLS)
    channels: tuple[int, int] = (24, 48)
    dim: int = 96
    layers: int = 2
    kernel_size: int = 5
    space: int = 64
    temperature: float = 0.1
    dropout: float = 0.2


class LipAligner(nn.Module):
    """Similarity of mouth frames and phonemes."""

    def __init__(self, config: LipAlignerConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.channels
        self.picture = nn.Sequential(
            nn.Conv2d(CHANNELS, first, 6, stride=4, padding=1),
            nn.GELU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(second * (HEIGHT // 8) * (WIDTH // 8), config.dim),
        )
        self.frames = _Stack(config)
        self.embedding = nn.Embedding(config.symbols, config.dim, padding_idx=0)
        self.prosody = nn.Linear(2, config.dim)
        self.phonemes = _Stack(config)
        self.dropout = nn.Dropout(config.dropout)
        self.log_temperature = nn.Parameter(torch.tensor(config.temperature).log())

    def forward(
        self, pictures: Tensor, frame_mask: Tensor, ids: Tensor, natural: Tensor, phoneme_mask: Tensor
    ) -> Tensor:
        """Cosine of every frame and every phoneme, over the temperature.

        Args:
            pictures: shape (batch, frames, 3, 16, 32), of `emotts.lips.features.standardize`.
            frame_mask: shape (batch, frames).
            ids: shape (batch, phonemes), symbol ids.
            natural: shape (batch, phonemes), predicted durations in tokens: the prosody of a phoneme is its
                stress, which its symbol tells, and how long voice and emotion would make it.
            phoneme_mask: shape (batch, phonemes).

        Returns:
            shape (batch, frames, phonemes); what padding holds has no meaning, and changes nothing else.
        """
        seen = self.picture(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
        seen = self.frames(self.dropout(seen), frame_mask)
        weight = phoneme_mask.to(natural.dtype)
        mean = (natural * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp_min(1.0)
        relative = natural / mean.clamp_min(1e-3)
        prosody = self.prosody(torch.stack([natural.clamp_min(0.0).log1p(), relative], dim=-1))
        said = self.phonemes(self.dropout(self.embedding(ids) + prosody), phoneme_mask)
        return torch.einsum("bfd,bpd->bfp", seen, said) / self.log_temperature.exp()


class _Stack(nn.Module):
    """ConvNeXt blocks over time, ending on the unit sphere."""

    def __init__(self, config: LipAlignerConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.kernel_size, expansion=2) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(config.dim, config.space)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return nn.functional.normalize(self.output(self.norm(x)), dim=-1)
