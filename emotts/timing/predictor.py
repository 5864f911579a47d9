"""Duration predictor: phonemes, voice and emotion to a timing plan."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.errors import InputError
from emotts.nn.convnext import ConvNeXtBlock
from emotts.nn.masking import masked_mean
from emotts.text.symbols import SYMBOLS, WORD_BOUNDARY, decode, kind
from emotts.timing.plan import TimingPlan
from emotts.timing.scale import scale_plan

LEADING_PAUSE = 2.0
"""Tokens of silence before the first word: how a corpus was cut is no fact about the speaker."""

FINAL_PAUSE = 3.0
"""Tokens of silence after the last word."""

SHORTEST_PAUSE = 1.0
"""A plain word boundary that is predicted shorter than this is no pause."""

LONGEST = 50.0
"""Most tokens of one phoneme (2 s): a bound on a wrong prediction."""

TOTAL_WEIGHT = 0.1
"""Weight of the loss on the utterance's length."""

ACTED_EDGE = 3
"""Symbols next to the pauses at both ends of acted speech whose durations are not trusted."""

_KINDS = ("vowel", "consonant", "pause")

SPEEDS = (0.25, 4.0)
"""Speeds that can be asked for."""


class DurationPredictorConfig(StrictModel):
    """Sizes of the duration predictor.

    Attributes:
        symbols: size of the phoneme table.
        dim: channels.
        layers: ConvNeXt blocks.
        kernel_size: odd width of their convolutions, in phonemes.
        voice_dim: width of the voice embedding.
        emotion_dim: width of the emotion vector.
        dropout: on the embeddings and before the output.
    """

    symbols: int = len(SYMBOLS)
    dim: int = 192
    layers: int = 4
    kernel_size: int = 5
    voice_dim: int = 192
    emotion_dim: int = 8
    dropout: float = 0.1


class DurationPredictor(nn.Module):
    """Predicts log(1 + tokens) of each phoneme with convolutions that the voice modulates.

    Emotion changes the tempo alone: one rate for vowels, one for consonants and one for pauses. Emotional
    recordings have few texts and none of the named voices, and what is learned from them must hold for all.
    """

    def __init__(self, config: DurationPredictorConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.symbols, config.dim, padding_idx=0)
        self.voice = nn.Linear(config.voice_dim, config.dim)
        self.tempo = nn.Linear(config.emotion_dim, len(_KINDS), bias=False)
        nn.init.zeros_(self.tempo.weight)
        kinds = torch.tensor([_KINDS.index(kind(symbol)) for symbol in SYMBOLS[: config.symbols]])
        self.register_buffer("kinds", kinds, persistent=False)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.kernel_size, condition_dim=config.dim)
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dim)
        self.output = nn.Linear(config.dim, 1)

    def forward(self, ids: Tensor, mask: Tensor, voice: Tensor, emotion: Tensor) -> Tensor:
        """Predicts durations.

        Args:
            ids: shape (batch, phonemes), symbol ids; 0 is padding.
            mask: shape (batch, phonemes), True on content.
            voice: shape (batch, voice_dim), any scale; zeros for an unknown voice.
            emotion: shape (batch, emotion_dim), in [0, 1]; zeros for neutral.

        Returns:
            shape (batch, phonemes), log(1 + tokens); zero on padding.
        """
        voice = nn.functional.normalize(voice, dim=-1) * self.config.voice_dim**0.5
        condition = nn.functional.silu(self.voice(voice))
        h = self.dropout(self.embedding(ids))
        for block in self.blocks:
            h = block(h, mask, condition)
        predicted = self.output(self.dropout(self.norm(h)))[..., 0]
        tempo = self.tempo(emotion).gather(1, self.kinds[ids])
        # log(1 + r d) = log(1 + d) + d / (1 + d) log r + ...
        predicted = predicted + tempo * (1 - torch.exp(-predicted.clamp_min(0.0)))
        return predicted * mask.to(predicted.dtype)

    def loss(
        self,
        predicted: Tensor,
        durations: Tensor,
        ids: Tensor,
        mask: Tensor,
        acted: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Huber loss on log(1 + tokens), and a little on the log of each utterance's length.

        Args:
            predicted: shape (batch, phonemes), from `forward`.
            durations: shape (batch, phonemes), tokens.
            ids: shape (batch, phonemes).
            mask: shape (batch, phonemes).
            acted: shape (batch,), True where the emotion is acted; see `inner_mask`.

        Returns:
            scalars "loss", "phoneme" and "total".
        """
        inner = inner_mask(ids, mask, acted)
        target = durations.to(predicted.dtype)
        error = nn.functional.huber_loss(predicted, target.log1p(), reduction="none", delta=0.5)
        phoneme = masked_mean(error, inner)
        # A mean of logarithms is below the logarithm of the mean; without this term speech runs fast.
        lengths = ((to_tokens(predicted) * inner).sum(1), (target * inner).sum(1))
        logs = [length.clamp_min(1.0).log() for length in lengths]
        total = nn.functional.huber_loss(*logs, delta=0.5)
        return {"loss": phoneme + TOTAL_WEIGHT * total, "phoneme": phoneme, "total": total}

    @torch.no_grad()
    def predict(self, ids: Sequence[int], voice: Tensor, emotion: Tensor, speed: float = 1.0) -> list[float]:
        """Natural durations of one text.

        Args:
            ids: symbol ids of the whole sequence.
            voice: shape (voice_dim,).
            emotion: shape (emotion_dim,).
            speed: of speaking; 2 halves every duration.

        Returns:
            tokens of each symbol, real numbers.

        Raises:
            InputError: no symbols, or a speed outside `SPEEDS`.
        """
        if not ids:
            raise InputError("there are no phonemes to time")
        _check_speed(speed)
        device = self.output.weight.device
        batch = torch.tensor([list(ids)], device=device)
        mask = torch.ones_like(batch, dtype=torch.bool)
        training = self.training
        self.eval()
        predicted = self(batch, mask, voice[None].to(device), emotion[None].to(device))
        self.train(training)
        symbols = decode(ids)
        durations = to_tokens(predicted[0]).tolist()
        for index, symbol in enumerate(symbols):
            if symbol == WORD_BOUNDARY and durations[index] < SHORTEST_PAUSE:
                durations[index] = 0.0
        if kind(symbols[-1]) == "pause":
            durations[-1] = FINAL_PAUSE
        if kind(symbols[0]) == "pause":
            durations[0] = LEADING_PAUSE
        return [value / speed for value in durations]

    def plan(
        self,
        ids: Sequence[int],
        voice: Tensor,
        emotion: Tensor,
        speed: float = 1.0,
        total: int | None = None,
    ) -> TimingPlan:
        """The timing plan of one text; see `predict` for the arguments.

        Args:
            total: tokens of the plan; the predicted length, at `speed`, when left out.
        """
        natural = self.predict(ids, voice, emotion)
        if total is None and speed == 1.0:
            # Half a token at the end at least, so that a plan of tiny predictions still lasts.
            return TimingPlan.rounded([*natural[:-1], max(natural[-1], 0.5)])
        if total is None:
            _check_speed(speed)
            total = max(1, round(sum(natural) / speed))
        return scale_plan(natural, [kind(symbol) for symbol in decode(ids)], total)


def inner_mask(ids: Tensor, mask: Tensor, acted: Tensor | None = None) -> Tensor:
    """Content without the pauses at both ends, whose length in a recording is arbitrary.

    Where loud speech ends, its echo goes on, and where quiet speech ends, the ear gives up early: next to
    those pauses the alignment of acted speech tells how loud it is and not how fast, so that the phonemes
    there are left out too.

    Args:
        ids: shape (batch, phonemes).
        mask: shape (batch, phonemes).
        acted: shape (batch,), True leaves out `ACTED_EDGE` symbols more at both ends.

    Returns:
        shape (batch, phonemes), bool.
    """
    pauses = torch.tensor([kind(symbol) == "pause" for symbol in SYMBOLS], device=ids.device)
    first = mask & ~nn.functional.pad(mask, (1, 0))[:, :-1]
    last = mask & ~nn.functional.pad(mask, (0, 1))[:, 1:]
    inner = mask & ~((first | last) & pauses[ids])
    if acted is None:
        return inner
    place = mask.long().cumsum(1)
    edge = (place <= 1 + ACTED_EDGE) | (place > mask.sum(1, keepdim=True) - 1 - ACTED_EDGE)
    return inner & ~(edge & acted[:, None])


def to_tokens(predicted: Tensor) -> Tensor:
    """Tokens from log(1 + tokens), between 0 and `LONGEST`; any shape."""
    longest = torch.tensor(LONGEST).log1p().item()
    return predicted.clamp(0.0, longest).expm1()


def _check_speed(speed: float) -> None:
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise InputError(f"speed {speed:g} must lie between {SPEEDS[0]:g} and {SPEEDS[1]:g}")
