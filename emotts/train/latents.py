"""Latents of recordings: what the frozen language model says of them to the acoustic decoder in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from emotts.data.shards import Corpus
from emotts.errors import InputError
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.semantic.lm_inputs import LMInputs

LATENT_BATCH_TOKENS = 8000
"""Padded tokens that the language model reads at once when latents are made."""

_OTHER_VOICE = 0.5
"""Share of swapped latents that are another voice's."""


class LatentSource(Protocol):
    """What the table needs of the language model (`emotts.semantic.lm.SemanticLM` has it)."""

    def latents(self, inputs: LMInputs, codes: Tensor, code_mask: Tensor) -> Tensor:
        """Latents (batch, tokens, dim) for codes (batch, tokens)."""
        ...


class LatentTable:
    """Latents of whole utterances.

    Args:
        corpus: with codes, plans and voice embeddings.
        source: the frozen language model, or None: there are no latents then.
        dim: width that the decoder expects.
        cache: compute each once, and keep it in memory in half precision.
        swapped: tell the language model the emotion of any recording, and half of the time the voice of
            another; otherwise emotion and speaker are the recording's own.
    """

    def __init__(
        self, corpus: Corpus, source: LatentSource | None, dim: int, cache: bool, swapped: bool = False
    ) -> None:
        self.corpus, self.source, self.dim, self.cache, self.swapped = corpus, source, dim, cache, swapped
        self.known: dict[int, Tensor] = {}

    def __call__(self, items: Sequence[int]) -> list[Tensor] | None:
        """A tensor (tokens, dim) for each item, or None without a language model.

        Raises:
            InputError: the language model gives latents of another width.
        """
        if self.source is None:
            return None
        missing = sorted({item for item in items if item not in self.known})
        fresh = dict(zip(missing, self._compute(missing), strict=True)) if missing else {}
        if self.cache:
            self.known.update(fresh)
        return [(fresh.get(item, self.known.get(item))).float() for item in items]

    def fill(self) -> None:
        """Computes all that are not known yet, in batches of similar length."""
        utterances = self.corpus.utterances
        order = sorted(set(range(len(utterances))) - set(self.known), key=lambda i: utterances[i].tokens)
        while self.source is not None and order:
            size = max(1, LATENT_BATCH_TOKENS // utterances[order[-1]].tokens)
            part, order = order[-size:], order[:-size]
            self.known.update(zip(part, self._compute(part), strict=True))

    @torch.no_grad()
    def _compute(self, items: list[int]) -> list[Tensor]:
        rows = [self.corpus.utterances[item] for item in items]
        voices, moods = zip(*[self._told(item) for item in items], strict=True)
        inputs = LMInputs.build(
            [row.phonemes for row in rows],
            [row.durations for row in rows],
            [row.tokens for row in rows],
            torch.stack([self.corpus.embedding(voice) for voice in voices]),
            torch.tensor([self.corpus.utterances[mood].emotion for mood in moods]),
        )
        codes, lengths = pad_stack([self.corpus.codes(item) for item in items])
        mask, device = lengths_to_mask(lengths), _device_of(self.source)
        latents = self.source.latents(inputs.to(device), codes.to(device), mask.to(device)).cpu()
        if latents.shape[-1] != self.dim:
            raise InputError(
                f"the language model gives latents of {latents.shape[-1]}; set latent_dim to that"
            )
        # Copies, or each row would keep the padded batch alive.
        return [latents[row, :size].half().clone() for row, size in enumerate(lengths.tolist())]

    def _told(self, item: int) -> tuple[int, int]:
        """Recordings whose voice and whose emotion are told; drawn by the item, so that it can be cached."""
        generator = torch.Generator().manual_seed(item)
        # Another recording of the speaker, as at synthesis.
        mate = self.corpus.same_speaker(item, generator)
        if not self.swapped:
            return mate, item
        other, mood = torch.randint(len(self.corpus), (2,), generator=generator).tolist()
        borrowed = float(torch.rand((), generator=generator)) < _OTHER_VOICE
        return (other if borrowed else mate), mood


def _device_of(source: LatentSource | None) -> torch.device:
    first = next(iter(source.parameters()), None) if isinstance(source, nn.Module) else None
    return torch.device("cpu") if first is None else first.device
