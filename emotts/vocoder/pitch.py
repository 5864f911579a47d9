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
        """F0 of every frame, voiced or not, along the likeliest smooth path, and the chance of voicing.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude.
            mask: shape (batch, frames), True on content.

        Returns:
            F0 in Hz, positive everywhere, and the probability of voicing; both (batch, frames).
        """
        scores, probability = self.scores(mel, mask)
        # Where nothing is voiced the scores say nothing, and the path runs straight on.
        path = smooth_path(scores * probability[..., None])
        return self.f0_along(path, scores), probability

    def scores(self, mel: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the bins (batch, frames, PITCH_BINS) and chance of voicing (batch, frames)."""
        logits, voicing = self(mel, mask)
        return logits.float().log_softmax(dim=-1), voicing.float().sigmoid()

    def f0_along(self, path: Tensor, scores: Tensor) -> Tensor:
        """F0 in Hz, (batch, frames): the local average of the log-probabilities around a path of bins."""
        index = torch.arange(PITCH_BINS, device=path.device)
        local = scores.exp() * ((index - path[..., None]).abs() <= 4)
        weight = local.sum(-1)
        average = (local * self.centers).sum(-1) / weight.clamp_min(1e-6)
        return torch.where(weight > 1e-3, average, self.centers[path]).exp()

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


def smooth_path(scores: Tensor, spread: float = 3.0, jump: float = 6.0) -> Tensor:
    """Likeliest path through frequency bins (Viterbi) when steps are small, or rare jumps.

    Args:
        scores: shape (batch, frames, bins), log likelihoods.
        spread: standard deviation of a step between frames, in bins.
        jump: cost of a step of any size, in nats, where the normal distribution would ask for more.

    Returns:
        bins, shape (batch, frames).
    """
    steps = step_scores(scores, spread, jump)
    total, back = scores[:, 0], []
    for frame in range(1, scores.shape[1]):
        best = (total[:, None, :] + steps).max(dim=-1)
        back.append(best.indices)
        total = best.values + scores[:, frame]
    path = [total.argmax(dim=-1)]
    for choice in reversed(back):
        path.append(choice.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], dim=1)


def step_scores(scores: Tensor, spread: float = 3.0, jump: float = 6.0) -> Tensor:
    """Log likelihood of the step between any two bins, (bins, bins); see `smooth_path`."""
    bins = torch.arange(scores.shape[-1], device=scores.device, dtype=scores.dtype)
    return (-0.5 * ((bins[:, None] - bins[None, :]) / spread).square()).clamp_min(-jump)
