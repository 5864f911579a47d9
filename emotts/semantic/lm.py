"""Semantic language model: phonemes, timing, voice and emotion to semantic codes.

A prefix language model over `[voice, emotion, duration, phonemes ..., START, codes ...]`. The duration
token and its sharing with the position table follow IndexTTS2 (arXiv 2506.21619); the aligned rotary
positions are described in README.md. Our addition: every code slot is also given the state of the phoneme
that owns it in the plan, of the next phoneme, and its place inside the phoneme, so that little data suffices
to learn to read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotts.errors import InputError
from emotts.nn.convnext import ConvNeXtBlock
from emotts.nn.transformer import TransformerBlock
from emotts.semantic.lm_decoding import Generation, decode
from emotts.semantic.lm_inputs import PLACE_FEATURES, LMInputs, SemanticLMConfig, plan_geometry
from emotts.semantic.sampling import SamplingConfig

SPECIAL_TOKENS = 3
"""Voice, emotion and duration stand before the phonemes."""


@dataclass(frozen=True)
class LMOutput:
    """Result of a teacher-forced pass.

    Attributes:
        logits: (batch, tokens + 1, codebook_size + 1); row n predicts code n, the last class is the end.
        latents: (batch, tokens, dim); row n is the state that predicts code n.
    """

    logits: Tensor
    latents: Tensor


@dataclass(frozen=True)
class LMContext:
    """All that does not depend on the codes.

    Attributes:
        prefix: (batch, 3 + phonemes, dim).
        prefix_mask: (batch, 3 + phonemes) bool.
        prefix_positions: (batch, 3 + phonemes) rotary positions.
        slots: (batch, slots, dim), added to the code embedding of each slot.
    """

    prefix: Tensor
    prefix_mask: Tensor
    prefix_positions: Tensor
    slots: Tensor


class SemanticLM(nn.Module):
    """The semantic language model; see the module's description."""

    def __init__(self, config: SemanticLMConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.phoneme_embedding = nn.Embedding(config.symbols, dim)
        # Two rows past the codes: MASK, fed for a dropped code in training, and START.
        self.code_embedding = nn.Embedding(config.codebook_size + 2, dim)
        self.position_table = nn.Embedding(config.max_tokens + 1, dim)
        self.free_total = nn.Parameter(torch.empty(dim))
        self.free_duration = nn.Parameter(torch.empty(dim))
        self.no_plan = nn.Parameter(torch.empty(dim))
        self.token_kind = nn.Parameter(torch.empty(SPECIAL_TOKENS, dim))
        self.voice_projection = nn.Linear(config.voice_dim, dim)
        self.emotion_projection = nn.Linear(config.emotion_dim, dim)
        self.duration_projection = nn.Linear(1, dim)
        self.text_encoder = nn.ModuleList(
            ConvNeXtBlock(dim, kernel_size=5, expansion=3, condition_dim=dim)
            for _ in range(config.text_layers)
        )
        self.text_norm = nn.LayerNorm(dim)
        self.owner_projection = nn.Linear(dim, dim)
        self.following_projection = nn.Linear(dim, dim, bias=False)
        self.place_projection = nn.Linear(PLACE_FEATURES, dim, bias=False)
        self.layers = nn.ModuleList(
            TransformerBlock(dim, config.heads, config.expansion, dropout=config.dropout)
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.final_norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, config.codebook_size + 1)
        self._initialise()

    @property
    def mask_code(self) -> int:
        """Input id that stands for a code withheld in training."""
        return self.config.codebook_size

    @property
    def start_code(self) -> int:
        """Input id of the first slot."""
        return self.config.codebook_size + 1

    @property
    def end_code(self) -> int:
        """Output class that ends the sequence."""
        return self.config.codebook_size

    def _initialise(self) -> None:
        for table, spread in ((self.phoneme_embedding, 0.5), (self.code_embedding, 0.5)):
            nn.init.normal_(table.weight, std=spread)
        for vector in (self.free_total, self.free_duration, self.no_plan, self.token_kind):
            nn.init.normal_(vector, std=0.1)
        with torch.no_grad():
            # Sinusoids, so that neighbouring lengths start alike and few examples of each suffice.
            self.position_table.weight.copy_(0.1 * _sinusoids(*self.position_table.weight.shape))
            for layer in self.layers:
                depth = math.sqrt(2 * len(self.layers))
                layer.attention.output.weight.div_(depth)
                layer.feed_forward[2].weight.div_(depth)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def context(self, inputs: LMInputs, slots: int) -> LMContext:
        """Encodes the prefix and what each code slot is told about the plan.

        Args:
            inputs: the batch.
            slots: code slots wanted, the one that predicts the end included.

        Raises:
            InputError: more tokens than the model has positions, or a symbol or a width it does not know.
        """
        self._check(inputs, slots)
        geometry = plan_geometry(inputs, slots)
        voice, emotion = self.voice_projection(inputs.voice), self.emotion_projection(inputs.emotion)
        states = self._encode_text(inputs, voice + emotion)
        known = inputs.has_total[:, None]
        totals = torch.where(inputs.has_total, inputs.totals, 0)
        duration = torch.where(known, self.position_table(totals), self.free_total.to(states.dtype))
        special = torch.stack([voice, emotion, duration], dim=1) + self.token_kind
        positions = torch.cat([geometry.centers.new_zeros(len(voice), SPECIAL_TOKENS), geometry.centers], 1)
        mask = nn.functional.pad(inputs.phoneme_mask, (SPECIAL_TOKENS, 0), value=True)
        # Projected before they are gathered: there are fewer phonemes than tokens.
        plan = _gather(self.owner_projection(states), geometry.owner)
        plan = plan + _gather(self.following_projection(states), geometry.following)
        plan = plan + self.place_projection(geometry.place)
        plan = torch.where(inputs.has_plan[:, None, None], plan, self.no_plan.to(plan.dtype))
        return LMContext(
            prefix=torch.cat([special.to(states.dtype), states], dim=1),
            prefix_mask=mask,
            prefix_positions=positions,
            slots=plan + self.position_table.weight[:slots],
        )

    def _encode_text(self, inputs: LMInputs, condition: Tensor) -> Tensor:
        duration = self.duration_projection(inputs.durations.float().log1p()[..., None])
        duration = torch.where(
            inputs.has_plan[:, None, None], duration, self.free_duration.to(duration.dtype)
        )
        states = self.phoneme_embedding(inputs.phonemes) + duration
        for block in self.text_encoder:
            states = block(states, inputs.phoneme_mask, condition)
        return self.text_norm(states)

    def _check(self, inputs: LMInputs, slots: int) -> None:
        most = self.config.max_tokens
        longest = max(slots - 1, int(torch.where(inputs.has_total, inputs.totals, 0).max()))
        if longest > most:
            raise InputError(f"{longest} tokens asked for, but the model reaches {most}; split the text")
        highest = int(inputs.phonemes.max())
        if highest >= self.config.symbols:
            raise InputError(f"phoneme id {highest} is unknown: the model has 0 to {self.config.symbols - 1}")
        for name, width in (("voice", self.config.voice_dim), ("emotion", self.config.emotion_dim)):
            given = getattr(inputs, name).shape[-1]
            if given != width:
                raise InputError(f"{name} has {given} values, but the model expects {width}")

    def hidden(self, inputs: LMInputs, input_codes: Tensor, code_mask: Tensor) -> Tensor:
        """States of all code slots, after the last norm.

        Args:
            inputs: the batch.
            input_codes: shape (batch, tokens), fed to slots 1 to tokens; `mask_code` withholds one.
            code_mask: shape (batch, tokens), True on content.

        Returns:
            shape (batch, tokens + 1, dim); row n predicts code n.
        """
        codes = nn.functional.pad(input_codes, (1, 0), value=self.start_code)
        slot_mask = nn.functional.pad(code_mask, (1, 0), value=True)
        slots = codes.shape[1]
        context = self.context(inputs, slots)
        prefix = context.prefix.shape[1]
        x = self.dropout(torch.cat([context.prefix, self.code_embedding(codes) + context.slots], dim=1))
        steps = torch.arange(slots, device=x.device, dtype=context.prefix_positions.dtype)
        positions = torch.cat([context.prefix_positions, steps.expand(len(x), -1)], dim=1)
        seen = x.new_ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        seen[:prefix, :prefix] = True
        mask = seen[None] & torch.cat([context.prefix_mask, slot_mask], dim=1)[:, None]
        for layer in self.layers:
            x = layer(x, positions, mask)
        return self.final_norm(x[:, prefix:])

    def forward(self, inputs: LMInputs, codes: Tensor, code_mask: Tensor) -> LMOutput:
        """Teacher-forced pass; `codes` and `code_mask` have shape (batch, tokens)."""
        hidden = self.hidden(inputs, codes, code_mask)
        return LMOutput(self.head(hidden), hidden[:, :-1])

    def loss(
        self,
        inputs: LMInputs,
        codes: Tensor,
        code_mask: Tensor,
        input_codes: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cross entropy over the codes and the end token, on content only.

        Args:
            inputs: the batch.
            codes: shape (batch, tokens), the targets.
            code_mask: shape (batch, tokens).
            input_codes: what is fed instead of `codes`, for instance with some withheld.
            label_smoothing: share of the target spread over all classes.

        Returns:
            the mean loss in nats, and for each counted slot in order its logits (slots, codebook_size + 1)
            and its target (slots,).
        """
        hidden = self.hidden(inputs, codes if input_codes is None else input_codes, code_mask)
        return self.hidden_loss(hidden, codes, code_mask, label_smoothing)

    def hidden_loss(
        self, hidden: Tensor, codes: Tensor, code_mask: Tensor, label_smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`loss` of states (batch, tokens + 1, dim) that `hidden` gave."""
        targets = torch.where(code_mask, codes, self.end_code)
        targets = nn.functional.pad(targets, (0, 1), value=self.end_code)
        counted = nn.functional.pad(code_mask, (1, 0), value=True)
        # The head runs only where a target is: padding costs nothing.
        logits, wanted = self.head(hidden[counted]), targets[counted]
        loss = nn.functional.cross_entropy(logits.float(), wanted, label_smoothing=label_smoothing)
        return loss, logits, wanted

    @torch.no_grad()
    def latents(self, inputs: LMInputs, codes: Tensor, code_mask: Tensor) -> Tensor:
        """Latents that the acoustic decoder is trained on, without dropout or gradient.

        Returns:
            shape (batch, tokens, dim); the same as `generate` gives for the codes it draws, zero on padding.
        """
        training = self.training
        self.eval()
        try:
            hidden = self.hidden(inputs, codes, code_mask)[:, :-1]
        finally:
            self.train(training)
        return hidden * code_mask[..., None].to(hidden.dtype)

    def generate(
        self,
        inputs: LMInputs,
        sampling: SamplingConfig | None = None,
        seed: int | Sequence[int] = 0,
        indices: Sequence[int] | None = None,
        fewest: int = 1,
        most: int | None = None,
        bias: Tensor | None = None,
    ) -> Generation:
        """Draws the codes of a batch of texts.

        With a total N an item gets exactly N codes: the end is masked before N and forced there. Without one
        the model ends the item itself.

        Args:
            inputs: the batch; see `LMInputs.build`.
            sampling: the sampling rule; its defaults when left out.
            seed: 0 or more; the same seed gives the same codes. One for all items, or one for each.
            indices: number of each item in the whole request, for its random source, so that an item is the
                same in whatever batch it is drawn; 0, 1, 2, ... when left out.
            fewest: least codes of an item of free length.
            most: most codes of an item of free length; the model's limit when left out.
            bias: shape (batch, codebook_size), added to the logits of the codes.

        Raises:
            InputError: a total or a bound that the model cannot reach.
        """
        training = self.training
        self.eval()
        try:
            return decode(self, inputs, sampling or SamplingConfig(), seed, indices, (fewest, most), bias)
        finally:
            self.train(training)


def _gather(states: Tensor, index: Tensor) -> Tensor:
    return states.gather(1, index[..., None].expand(-1, -1, states.shape[-1]))


def _sinusoids(length: int, dim: int) -> Tensor:
    half = (dim + 1) // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half) / half)
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]
