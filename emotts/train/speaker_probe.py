"""A classifier of speakers that a network is trained to defeat (see `emotts.nn.gradient_reversal`)."""

from __future__ import annotations

from torch import Tensor, nn


class SpeakerProbe(nn.Module):
    """Tells the training speakers apart by an embedding; thrown away after the training."""

    def __init__(self, dim: int, speakers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, 128), nn.ReLU(), nn.Linear(128, speakers))

    def forward(self, embedding: Tensor) -> Tensor:
        """Logits (batch, speakers) of embeddings (batch, dim)."""
        return self.layers(embedding)
