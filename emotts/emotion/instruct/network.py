"""The small network of the mapper: hashed words and pieces, convolutions, pooling, eight intensities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotts.config import StrictModel
from emotts.emotion.emotion import EMOTIONS
from emotts.emotion.instruct.features import batch_features


class MapperConfig(StrictModel):
    """Size of the network.

    Attributes:
        words: buckets for whole words.
        pieces: buckets for pieces of words.
        dim: of the embeddings.
        hidden: width of the convolutions.
        layers: number of convolutions, each over three words.
        longest: words of a clause that are read.
        dropout: in training.
    """

    words: int = 16384
    pieces: int = 32768
    dim: int = 48
    hidden: int = 96
    layers: int = 2
    longest: int = 48
    dropout: float = 0.2


class MapperNet(nn.Module):
    """Clauses to eight intensities.

    Whole words are looked up by hash and pieces of words averaged (as Bojanowski et al., "Enriching Word
    Vectors with Subword Information", 2017, section 3.2, so that "furiously" is near "fury"); two domains,
    instructions and lines to be spoken, share everything but one vector.
    """

    def __init__(self, config: MapperConfig) -> None:
        super().__init__()
        self.config = config
        self.word = nn.Embedding(config.words, config.dim)
        self.piece = nn.EmbeddingBag(config.pieces, config.dim, mode="mean")
        nn.init.normal_(self.word.weight, std=0.3)
        nn.init.normal_(self.piece.weight, std=0.6)
        self.domain = nn.Embedding(3, config.hidden)
        nn.init.zeros_(self.domain.weight)
        self.enter = nn.Linear(config.dim, config.hidden)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.hidden, config.hidden, 3, padding=1) for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.hidden) for _ in range(config.layers))
        self.attend = nn.Linear(config.hidden, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.middle = nn.Linear(2 * config.hidden, config.hidden)
        self.output = nn.Linear(config.hidden, len(EMOTIONS))
        self.affect = nn.Linear(config.hidden, 2)

    def forward(
        self, texts: Sequence[Sequence[str]], domain: Tensor, drop_words: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Logits of a batch.

        Args:
            texts: words of each text, at least one each.
            domain: (batch,) int64: 0 instruction, 1 line, 2 not told.
            drop_words: share of the whole-word embeddings that is dropped in training, so that pieces learn
                to do without.

        Returns:
            logits of the intensities (batch, 8), and valence and arousal (batch, 2) from 0 (low) to 1.
        """
        config = self.config
        ids, grams, offsets, mask = batch_features(texts, config.words, config.pieces, config.longest)
        known = mask
        if self.training and drop_words > 0.0:
            known = mask & (torch.rand(mask.shape) >= drop_words)
        embedded = self.word(ids) * known[..., None]
        embedded = embedded + self.piece(grams, offsets).view(*ids.shape, config.dim)
        x = self.enter(self.dropout(embedded)) + self.domain(domain)[:, None]
        x = x * mask[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            update = convolution(x.transpose(1, 2)).transpose(1, 2)
            x = (x + self.dropout(functional.gelu(norm(update)))) * mask[..., None]
        weights = self.attend(x)[..., 0].masked_fill(~mask, -torch.inf).softmax(dim=1)
        mean = (weights[..., None] * x).sum(dim=1)
        peak = x.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
        summary = self.dropout(functional.gelu(self.middle(torch.cat([mean, peak], dim=-1))))
        return self.output(summary), self.affect(summary).sigmoid()
