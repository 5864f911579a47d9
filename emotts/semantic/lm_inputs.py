"""What the semantic language model is conditioned on, and where the plan puts each phoneme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from pydantic import Field
from torch import Tensor

from emotts.config import StrictModel
from emotts.errors import InputError
from emotts.nn.masking import lengths_to_mask

ASSUMED_TOKENS_PER_PHONEME = 2
"""Spread of the phonemes when neither a plan nor a length is known (80 ms a phoneme)."""

PLACE_FEATURES = 4
"""Numbers that say where a token lies inside its phoneme; see `plan_geometry`."""


class SemanticLMConfig(StrictModel):
    """Size of the semantic language model.

    Attributes:
        symbols: phoneme symbols, padding included.
        codebook_size: semantic codes, the end token not counted.
        dim: channels.
        heads: attention heads.
        text_layers: ConvNeXt blocks over the phonemes.
        layers: Transformer blocks of the decoder.
        expansion: hidden channels of the feed-forward nets, as a multiple of `dim`.
        voice_dim: width of the voice embedding.
        emotion_dim: emotion intensities.
        max_tokens: most semantic tokens of one utterance (25 a second).
        dropout: on both branches of every Transformer block and on the inputs.
    """

    symbols: int = Field(ge=2)
    codebook_size: int = Field(default=1000, ge=2)
    dim: int = Field(default=256, ge=8)
    heads: int = Field(default=4, ge=1)
    text_layers: int = Field(default=3, ge=1)
    layers: int = Field(default=6, ge=1)
    expansion: int = Field(default=4, ge=1)
    voice_dim: int = Field(default=192, ge=1)
    emotion_dim: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=1024, ge=1)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)


@dataclass(frozen=True)
class LMInputs:
    """A batch of texts with their timing, voices and emotions.

    Attributes:
        phonemes: (batch, phonemes) symbol ids.
        phoneme_mask: (batch, phonemes) bool, True on content.
        durations: (batch, phonemes) tokens of each phoneme; zeros on padding, ignored without a plan.
        has_plan: (batch,) bool.
        totals: (batch,) length in tokens; ignored where `has_total` is False.
        has_total: (batch,) bool; False = free length.
        voice: (batch, voice_dim); zeros = no voice given.
        emotion: (batch, emotion_dim) intensities in [0, 1]; zeros = neutral.
    """

    phonemes: Tensor
    phoneme_mask: Tensor
    durations: Tensor
    has_plan: Tensor
    totals: Tensor
    has_total: Tensor
    voice: Tensor
    emotion: Tensor

    @classmethod
    def from_batch(cls, batch: Mapping[str, Tensor]) -> LMInputs:
        """Picks the inputs out of a collated training batch, by name."""
        return cls(**{field.name: batch[field.name] for field in fields(cls)})

    @classmethod
    def build(
        cls,
        phonemes: Sequence[Sequence[int]],
        plans: Sequence[Sequence[int] | None],
        totals: Sequence[int | None],
        voice: Tensor,
        emotion: Tensor,
    ) -> LMInputs:
        """Pads and checks a list of requests.

        Args:
            phonemes: symbol ids of each text.
            plans: tokens of each phoneme, or None for a text without a plan.
            totals: length of each text in tokens (with a plan, its sum), or None for a free length.
            voice: shape (batch, voice_dim).
            emotion: shape (batch, emotion_dim).

        Raises:
            InputError: an empty text, a negative duration, or lengths that contradict each other.
        """
        if not len(phonemes) == len(plans) == len(totals) == len(voice) == len(emotion) or not len(phonemes):
            raise InputError("give a plan, a total, a voice and an emotion for every text")
        for index, (ids, plan, total) in enumerate(zip(phonemes, plans, totals, strict=True)):
            _check_item(index, ids, plan, total)
        mask = lengths_to_mask(torch.tensor([len(ids) for ids in phonemes]))
        ids, durations = torch.zeros_like(mask, dtype=torch.long), torch.zeros_like(mask, dtype=torch.long)
        ids[mask] = torch.tensor([i for item in phonemes for i in item])
        flat = [d for item, plan in zip(phonemes, plans, strict=True) for d in (plan or [0] * len(item))]
        durations[mask] = torch.tensor(flat)
        return cls(
            phonemes=ids,
            phoneme_mask=mask,
            durations=durations,
            has_plan=torch.tensor([plan is not None for plan in plans]),
            totals=torch.tensor([total or 0 for total in totals]),
            has_total=torch.tensor([total is not None for total in totals]),
            voice=voice.float(),
            emotion=emotion.float(),
        ).to(voice.device)

    def to(self, device: torch.device | str) -> LMInputs:
        """The same inputs on another device."""
        return LMInputs(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def with_neutral_twins(self, rows: Sequence[int]) -> LMInputs:
        """The same inputs, followed by those rows once more without their emotion."""
        index = torch.cat([torch.arange(len(self.voice)), torch.tensor(rows, dtype=torch.long)])
        emotion = self.emotion.clone()[index]
        emotion[len(self.voice) :] = 0.0
        taken = {field.name: getattr(self, field.name)[index] for field in fields(self)}
        return LMInputs(**{**taken, "emotion": emotion})


def _check_item(index: int, ids: Sequence[int], plan: Sequence[int] | None, total: int | None) -> None:
    where = f"text {index + 1}"
    if not len(ids):
        raise InputError(f"{where} has no phonemes; give at least one")
    if total is not None and total < 1:
        raise InputError(f"{where} asks for {total} tokens; ask for at least 1")
    if plan is None:
        return
    if len(plan) != len(ids):
        raise InputError(f"{where} has {len(ids)} phonemes but a plan of {len(plan)}; give one duration each")
    if min(plan) < 0 or sum(plan) < 1:
        raise InputError(f"{where}: durations must be 0 or more tokens, and at least one above 0")
    if total is not None and sum(plan) != total:
        raise InputError(f"{where} asks for {total} tokens but its plan adds up to {sum(plan)}; match them")


@dataclass(frozen=True)
class PlanGeometry:
    """Where phonemes and tokens lie.

    Attributes:
        centers: (batch, phonemes) rotary position of each phoneme, in tokens.
        owner: (batch, slots) index of the phoneme that owns each token in the plan.
        following: (batch, slots) index of the phoneme after it.
        place: (batch, slots, 4) place of the token inside its phoneme: fraction passed, distance from its
            start and to its end (in units of 8 tokens, clipped), and logarithm of 1 + its duration.
    """

    centers: Tensor
    owner: Tensor
    following: Tensor
    place: Tensor


def plan_geometry(inputs: LMInputs, slots: int) -> PlanGeometry:
    """Lays phonemes and tokens out on one axis (see `emotts.timing.TimingPlan`).

    A phoneme of one token at token n has position n, exactly that of the slot that predicts code n. Phonemes
    without a plan are spread evenly over the total, or over two tokens each when the length is free.

    Args:
        inputs: the batch.
        slots: token places wanted; past a plan's end the last phoneme goes on.
    """
    counts = inputs.phoneme_mask.sum(1)
    durations = (inputs.durations * inputs.phoneme_mask).float()
    ends = durations.cumsum(1)
    starts = ends - durations
    span = torch.where(inputs.has_total, inputs.totals, ASSUMED_TOKENS_PER_PHONEME * counts).float()
    index = torch.arange(inputs.phonemes.shape[1], device=ends.device)
    even = (index[None] + 0.5) * (span / counts)[:, None] - 0.5
    centers = torch.where(inputs.has_plan[:, None], (starts + ends - 1) / 2, even)

    token = torch.arange(slots, device=ends.device, dtype=ends.dtype)[None].expand(len(ends), -1).contiguous()
    last = (counts - 1)[:, None]
    # The first phoneme whose end lies beyond the token: phonemes of no duration never own one.
    owner = torch.minimum(torch.searchsorted(ends, token, right=True), last)
    duration = durations.gather(1, owner)
    since = token + 0.5 - starts.gather(1, owner)
    until = ends.gather(1, owner) - token - 0.5
    fraction = (since / duration.clamp_min(1.0)).clamp(0.0, 1.5)
    near = [(distance / 8).clamp(-1.0, 2.0) for distance in (since, until)]
    place = torch.stack([fraction, *near, duration.log1p()], dim=-1)
    return PlanGeometry(centers, owner, torch.minimum(owner + 1, last), place)
