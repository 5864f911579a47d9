"""Fundamental frequency from a mel spectrogram, so that synthesised mels can drive the excitation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from emotts.audio.pitch import F0_CEILING, F0_FLOOR
from emotts.nn.convnext import ConvNeXtBlock
from emotts.timebase import MEL_BINS

PITCH_BINS = 160
"""Log-spaced frequency classes, about a quarter of a semitone apart."""


class PitchEstimator(nn.Module):
    """Classifies each frame into frequency bins, and voiced or not.

    Bins with a local average around the peak, as in CREPE (Kim et al. 2018), are more precise than
    their spacing and cannot be dragged by a second candidate an octave away, as regression is.
    """

    def __init__(self, dim: int = 128, layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(MEL_BINS, dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, PITCH_BINS + 1)
        centers = torch.linspace(math.log(F0_FLOOR), math.log(F0_CEILING), PITCH_BINS)
        self.register_buffer("centers", centers, persistent=False)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scores each frame.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude.
            mask: shape (batch, frames), True on content.

        Returns:
            pitch logits (batch, frames, PITCH_BINS) and voicing logits (batch, frames).
        """
        x = self.embed((mel + 5.0) / 3.0)
        for block in self.blocks:
            x = block(x, mask)
        scores = self.head(self.norm(x))
        return scores[..., :PITCH_BINS], scores[..., PITCH_BINS]

    def estimate(self, mel: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """F0 in Hz for every frame, voiced or not, and the probability of voicing; both (batch, frames)."""
        logits, voicing = self(mel, mask)
        probabilities = logits.float().softmax(dim=-1)
        peak = probabilities.argmax(dim=-1, keepdim=True)
        index = torch.arange(PITCH_BINS, device=mel.device)
        local = probabilities * ((index - peak).abs() <= 4)
        log_f0 = (local * self.centers).sum(-1) / local.sum(-1)
        return log_f0.exp(), voicing.float().sigmoid()

    def loss(self, mel: Tensor, f0: Tensor) -> tuple[Tensor, Tensor]:
        """Cross entropies of the pitch of voiced frames and of voicing.

        Args:
            mel: shape (batch, frames, MEL_BINS).
            f0: shape (batch, frames), Hz, zero where unvoiced.
        """
        logits, voicing = self(mel)
        voiced = f0 > 0
        distance = f0.clamp_min(1.0).log()[..., None] - self.centers
        width = 1.5 * (self.centers[1] - self.centers[0])
        target = (-0.5 * (distance / width) ** 2).softmax(dim=-1)
        entropy = -(target * logits.float().log_softmax(dim=-1)).sum(-1)
        pitch = (entropy * voiced).sum() / voiced.sum().clamp_min(1)
        return pitch, nn.functional.binary_cross_entropy_with_logits(voicing.float(), voiced.float())
