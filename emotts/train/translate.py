"""A trained acoustic decoder for new semantic tokens, latents and voices, without starting from nothing.

What the decoder reads is made by three other networks: when these are trained anew, only its first layers
speak the wrong language. Those are fitted on recordings that both sets of networks heard: a new token gets
the mean of the old tokens that stand where it stands, and the linear layers over latents and voices are found
by ridge regression. The rest of the decoder is kept, and a short training mends what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotts.data.shards import Corpus
from emotts.errors import DataError, InputError
from emotts.model import Model
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.semantic.lm import SemanticLM
from emotts.timebase import FRAMES_PER_TOKEN, TOKEN_RATE
from emotts.train.latents import LatentTable

TOKENS = "conditioner.tokens.weight"
LATENTS = "conditioner.latents"
VOICES = "conditioner.vector.voice.1"

_LONGEST = 10 * TOKEN_RATE
_BATCH = 16
_LATENT_SHARE = 3
"""One in so many recordings is enough for the latents: each token of it counts."""

_PRIOR_TOKENS = 3.0
"""Strength of the mean of all tokens where a new token was hardly seen."""


@dataclass(frozen=True)
class Translation:
    """A decoder's weights in terms of the new networks.

    Attributes:
        state: as `nn.Module.state_dict` gives them.
        voices: share of the variance of the old voice vectors that the new embeddings explain.
        latents: the same of the latents.
    """

    state: dict[str, Tensor]
    voices: float
    latents: float


class _AsHeard:
    """A corpus with the tokens and voice embeddings of other networks; what `LatentTable` needs of one."""

    def __init__(self, corpus: Corpus, model: Model) -> None:
        self.corpus, self.model = corpus, model
        self.utterances, self.same_speaker = corpus.utterances, corpus.same_speaker
        self._codes: dict[int, Tensor] = {}
        self._voices: dict[int, Tensor] = {}

    def hear(self, items: list[int]) -> None:
        """Makes tokens and embeddings of some recordings of similar length."""
        networks = self.model.components
        mel, lengths = pad_stack([self.corpus.mel(item) for item in items], value=-11.5)
        mask = lengths_to_mask(lengths // FRAMES_PER_TOKEN)
        codes = networks["tokenizer"].encode(mel, mask)
        voices = networks["voice_encoder"](mel, mask.repeat_interleave(FRAMES_PER_TOKEN, 1))
        for row, item in enumerate(items):
            self._codes[item] = codes[row, : self.utterances[item].tokens].clone()
            self._voices[item] = voices[row].clone()

    def codes(self, item: int) -> Tensor:
        """Tokens, shape (tokens,)."""
        return self._codes[item]

    def embedding(self, item: int) -> Tensor:
        """Voice embedding, shape (voice_dim,)."""
        if item not in self._voices:
            self.hear([item])
        return self._voices[item]


@torch.no_grad()
def translate_decoder(
    model: Model, corpus: Corpus, language_model: SemanticLM, items: int = 1000
) -> Translation:
    """The decoder of a model, for the tokens and embeddings of a corpus and the latents of a language model.

    Args:
        model: with the decoder and the networks that it was trained with, on the CPU.
        corpus: with the new tokens, voice embeddings and plans.
        language_model: the new one, on the CPU.
        items: recordings that are compared, spread evenly over the corpus.

    Raises:
        DataError: no recording with a plan of at most ten seconds.
        InputError: the new networks do not have the sizes of the old ones.
    """
    usable = [i for i, u in enumerate(corpus.utterances) if u.durations is not None and u.tokens <= _LONGEST]
    if not usable:
        raise DataError(f"no recording has a plan and at most {_LONGEST // TOKEN_RATE} s")
    chosen = usable[:: max(1, len(usable) // items)][:items]
    chosen.sort(key=lambda item: corpus.utterances[item].tokens)
    old = _AsHeard(corpus, model)
    for start in range(0, len(chosen), _BATCH):
        old.hear(chosen[start : start + _BATCH])
    state = {name: value.clone() for name, value in model.components["acoustic"].state_dict().items()}
    _check_sizes(state, corpus, language_model, chosen[0])
    state[TOKENS] = _translate_tokens(state[TOKENS], corpus, old, chosen)
    pairs = [torch.stack([source.embedding(item) for item in chosen]) for source in (corpus, old)]
    voices = _translate_linear(state, VOICES, *pairs, strength=3.0)
    part, width = chosen[::_LATENT_SHARE], state[f"{LATENTS}.weight"].shape[1]
    tables = (
        LatentTable(corpus, language_model, width, cache=False),
        LatentTable(old, model.components["lm"], width, cache=False),  # type: ignore[arg-type]
    )
    pairs = [
        torch.cat([_latents(table, part, start) for start in range(0, len(part), _BATCH)]) for table in tables
    ]
    latents = _translate_linear(state, LATENTS, *pairs, strength=10.0)
    return Translation(state, voices, latents)


def _latents(table: LatentTable, items: list[int], start: int) -> Tensor:
    found = table(items[start : start + _BATCH])
    assert found is not None, "both tables have a language model"
    return torch.cat(found)


def _check_sizes(state: dict[str, Tensor], corpus: Corpus, language_model: SemanticLM, item: int) -> None:
    sizes = (
        ("tokens", len(state[TOKENS]) - 1, language_model.config.codebook_size),
        ("latent values", state[f"{LATENTS}.weight"].shape[1], language_model.config.dim),
        ("voice values", state[f"{VOICES}.weight"].shape[1], len(corpus.embedding(item))),
    )
    for name, old, new in sizes:
        if old != new:
            raise InputError(
                f"the decoder reads {old} {name}, the new networks give {new}: train a new decoder"
            )


def _translate_tokens(table: Tensor, corpus: Corpus, old: _AsHeard, items: list[int]) -> Tensor:
    """Rows of the new tokens, and the null token at the end as it was; shape (tokens + 1, dim)."""
    size = len(table) - 1
    counts = torch.zeros(size, size)
    for item in items:
        both = corpus.codes(item), old.codes(item).long()
        counts.index_put_(both, torch.ones(len(both[0])), accumulate=True)
    seen = counts.sum(1, keepdim=True)
    usual = counts.sum(0) / counts.sum() @ table[:size]
    rows = (counts @ table[:size] + _PRIOR_TOKENS * usual) / (seen + _PRIOR_TOKENS)
    return torch.cat([rows, table[size:]])


def _translate_linear(
    state: dict[str, Tensor], name: str, new: Tensor, old: Tensor, strength: float
) -> float:
    """Fits a linear layer after a plain layer normalisation to what it gave for the old inputs (rows, width).

    Returns:
        the share of the variance that the new inputs (rows, width) explain.
    """
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    wanted = nn.functional.linear(_normalized(old), weight, bias)
    inputs = _normalized(new)
    center, mean = inputs.mean(0), wanted.mean(0)
    x = inputs - center
    fitted = torch.linalg.solve(x.T @ x + strength * torch.eye(x.shape[1]), x.T @ (wanted - mean)).T
    state[f"{name}.weight"], state[f"{name}.bias"] = fitted.contiguous(), mean - fitted @ center
    left = wanted - nn.functional.linear(inputs, fitted, state[f"{name}.bias"])
    return 1.0 - float(left.square().mean() / wanted.var(0, correction=0).mean().clamp_min(1e-12))


def _normalized(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x.float(), x.shape[-1:])
