"""What the acoustic decoder reads: one padded, checked batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from emotts.acoustic.config import AcousticConfig
from emotts.errors import InputError
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.timebase import FRAME_RATE, FRAMES_PER_TOKEN, HOP_LENGTH

FULL_BANDWIDTH = FRAME_RATE * HOP_LENGTH / 2
"""Nyquist frequency in Hz: the bandwidth of a recording that lacks nothing."""


@dataclass(frozen=True)
class AcousticInputs:
    """A padded batch of conditions. An item may begin with a prompt, whose mel is known.

    Attributes:
        codes: shape (batch, tokens), semantic tokens; the prompt's come first.
        lengths: shape (batch,), tokens of each item, prompt included.
        voice: shape (batch, voice_dim), voice embedding.
        emotion: shape (batch, emotion_dim), intensities in [0, 1]; zeros are neutral.
        bandwidth: shape (batch,), Hz up to which the speech has energy.
        latents: shape (batch, tokens, latent_dim), of the language model.
        latent_mask: shape (batch, tokens), True where a latent is known.
        phonemes: shape (batch, phonemes), symbols of what is said; 0 is padding.
        phoneme_index: shape (batch, tokens), which of them the timing plan places at a token; -1 where that
            is not known.
        prompt_mel: shape (batch, 4 * tokens, mel_bins), log-mel, read only on the prompt.
        prompt_lengths: shape (batch,), tokens of the prompt, 0 where there is none.
        drop: shape (batch,), True gives the item the null condition (all but prompt and bandwidth).
        drop_emotion: shape (batch,), True hides the emotion.
    """

    codes: Tensor
    lengths: Tensor
    voice: Tensor
    emotion: Tensor
    bandwidth: Tensor
    latents: Tensor
    latent_mask: Tensor
    phonemes: Tensor
    phoneme_index: Tensor
    prompt_mel: Tensor
    prompt_lengths: Tensor
    drop: Tensor
    drop_emotion: Tensor

    @property
    def token_mask(self) -> Tensor:
        """Shape (batch, tokens), True on content."""
        return lengths_to_mask(self.lengths, self.codes.shape[1])

    @property
    def frame_mask(self) -> Tensor:
        """Shape (batch, 4 * tokens), True on content."""
        return lengths_to_mask(self.lengths * FRAMES_PER_TOKEN, self.codes.shape[1] * FRAMES_PER_TOKEN)

    @property
    def prompt_mask(self) -> Tensor:
        """Shape (batch, 4 * tokens), True on the prompt."""
        frames = self.codes.shape[1] * FRAMES_PER_TOKEN
        return lengths_to_mask(self.prompt_lengths * FRAMES_PER_TOKEN, frames)

    def to(self, device: torch.device | str) -> AcousticInputs:
        """The same batch on another device."""
        return AcousticInputs(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def with_null(self) -> AcousticInputs:
        """Twice the batch: as it is, then under the null condition."""
        twice = {f.name: torch.cat([getattr(self, f.name)] * 2) for f in fields(self)}
        drop = torch.cat([self.drop, torch.ones_like(self.drop)])
        return replace(AcousticInputs(**twice), drop=drop)


def _rows(value: Any, count: int, name: str) -> list[Any]:
    if value is None:
        return [None] * count
    rows = list(value)
    if len(rows) != count:
        raise InputError(f"{name} holds {len(rows)} items, but codes hold {count}")
    return rows


def _vectors(value: Tensor, count: int, width: int, name: str) -> Tensor:
    value = value.float()
    if value.dim() == 1:
        value = value.expand(count, -1)
    if value.shape != (count, width):
        raise InputError(f"{name} must have shape ({count}, {width}), not {tuple(value.shape)}")
    return value


def _check_codes(codes: Tensor, config: AcousticConfig, name: str) -> Tensor:
    if codes.dim() != 1 or not len(codes):
        raise InputError(f"{name} of an item must be one row of at least 1 token, not {tuple(codes.shape)}")
    if codes.is_floating_point() or int(codes.min()) < 0 or int(codes.max()) >= config.codebook_size:
        raise InputError(f"{name} must be whole numbers from 0 to {config.codebook_size - 1}")
    return codes.long()


def _check_latents(latents: Tensor | None, tokens: int, config: AcousticConfig) -> tuple[Tensor, Tensor]:
    if latents is None:
        return torch.zeros(tokens, config.latent_dim), torch.zeros(tokens, dtype=torch.bool)
    if latents.dim() != 2 or len(latents) < tokens or latents.shape[1] != config.latent_dim:
        wanted = (tokens, config.latent_dim)
        raise InputError(f"latents of an item must have shape {wanted}, not {tuple(latents.shape)}")
    return latents[:tokens].float().cpu(), torch.ones(tokens, dtype=torch.bool)


def _check_plan(
    phonemes: Sequence[int] | None, durations: Sequence[int] | None, tokens: int, config: AcousticConfig
) -> tuple[Tensor, Tensor]:
    """Phonemes, and the one at each token."""
    if phonemes is None or durations is None or not config.symbols:
        return torch.zeros(1, dtype=torch.long), torch.full((tokens,), -1)
    symbols = torch.as_tensor(phonemes, dtype=torch.long)
    index = torch.arange(len(symbols)).repeat_interleave(torch.as_tensor(durations, dtype=torch.long))
    if len(durations) != len(symbols) or len(index) != tokens:
        raise InputError(
            f"durations must give {tokens} tokens to {len(symbols)} phonemes, "
            f"not {len(index)} to {len(durations)}"
        )
    if int(symbols.min()) < 0 or int(symbols.max()) >= config.symbols:
        raise InputError(f"phonemes must be whole numbers from 0 to {config.symbols - 1}")
    return symbols, index


def _check_prompt(mel: Tensor | None, codes: Tensor | None, config: AcousticConfig) -> tuple[Tensor, Tensor]:
    if mel is None and codes is None:
        return torch.zeros(0, config.mel_bins), torch.zeros(0, dtype=torch.long)
    if mel is None or codes is None:
        raise InputError("a prompt needs both prompt_mel and prompt_codes")
    codes = _check_codes(codes, config, "prompt_codes").cpu()
    wanted = (FRAMES_PER_TOKEN * len(codes), config.mel_bins)
    if tuple(mel.shape) != wanted:
        raise InputError(f"prompt_mel must have shape {wanted} for its codes, not {tuple(mel.shape)}")
    return mel.float().cpu(), codes


def assemble(
    config: AcousticConfig,
    codes: Tensor | Sequence[Tensor],
    voice: Tensor,
    emotion: Tensor,
    *,
    lengths: Sequence[int] | Tensor | None = None,
    latents: Tensor | Sequence[Tensor | None] | None = None,
    phonemes: Sequence[Sequence[int] | None] | None = None,
    durations: Sequence[Sequence[int] | None] | None = None,
    bandwidth: float | Tensor = FULL_BANDWIDTH,
    prompt_mel: Tensor | Sequence[Tensor | None] | None = None,
    prompt_codes: Tensor | Sequence[Tensor | None] | None = None,
) -> AcousticInputs:
    """Checks the parts of a request and joins prompts and targets into one padded batch.

    Args:
        config: sizes to check against.
        codes: padded (batch, tokens), or a row (tokens,) for each item.
        voice: shape (batch, voice_dim), or (voice_dim,) for all items.
        emotion: shape (batch, emotion_dim), or (emotion_dim,) for all items.
        lengths: tokens of each item where `codes` are padded; all of them when left out.
        latents: (tokens, latent_dim) for each item; an item without latents is None.
        phonemes: symbol ids of each item; an item whose text is not known is None.
        durations: the timing plan of each item: tokens of each of its phonemes.
        bandwidth: Hz, one number or shape (batch,).
        prompt_mel: log-mel (4 * prompt tokens, mel_bins) for each item; an item without is None.
        prompt_codes: (prompt tokens,) for each item.

    Raises:
        InputError: shapes, lengths or ranges that do not fit together.
    """
    rows = list(codes)
    if not rows:
        raise InputError("codes must hold at least one item")
    sizes = [len(row) for row in rows] if lengths is None else [int(length) for length in lengths]
    if len(sizes) != len(rows) or any(size > len(row) for size, row in zip(sizes, rows, strict=False)):
        raise InputError(f"lengths must give at most the tokens of each of {len(rows)} items, not {sizes}")
    rows = [_check_codes(row[:size], config, "codes").cpu() for row, size in zip(rows, sizes, strict=True)]
    mels = _rows(prompt_mel, len(rows), "prompt_mel")
    heads = _rows(prompt_codes, len(rows), "prompt_codes")
    prompts = [_check_prompt(mel, head, config) for mel, head in zip(mels, heads, strict=True)]
    known = _rows(latents, len(rows), "latents")
    hidden = [_check_latents(item, size, config) for item, size in zip(known, sizes, strict=True)]
    spoken, plans = _rows(phonemes, len(rows), "phonemes"), _rows(durations, len(rows), "durations")
    timed = [_check_plan(*pair, size, config) for *pair, size in zip(spoken, plans, sizes, strict=True)]
    return _join(config, rows, prompts, hidden, timed, voice.cpu(), emotion.cpu(), bandwidth)


def _join(
    config: AcousticConfig,
    rows: list[Tensor],
    prompts: list[tuple[Tensor, Tensor]],
    hidden: list[tuple[Tensor, Tensor]],
    timed: list[tuple[Tensor, Tensor]],
    voice: Tensor,
    emotion: Tensor,
    bandwidth: float | Tensor,
) -> AcousticInputs:
    count = len(rows)
    hertz = torch.as_tensor(bandwidth, dtype=torch.float32).cpu().expand(count)
    if not bool(((hertz > 0) & (hertz <= FULL_BANDWIDTH)).all()):
        raise InputError(f"bandwidth must be above 0 and at most {FULL_BANDWIDTH:.0f} Hz")
    pairs = list(zip(prompts, hidden, strict=True))
    codes, lengths = pad_stack([torch.cat([p[1], row]) for p, row in zip(prompts, rows, strict=True)])
    latents, _ = pad_stack([torch.cat([h[0].new_zeros(len(p[1]), h[0].shape[1]), h[0]]) for p, h in pairs])
    latent_mask, _ = pad_stack([torch.cat([h[1].new_zeros(len(p[1])), h[1]]) for p, h in pairs])
    index = torch.full(codes.shape, -1)
    for row, ((_, prompt), (_, places)) in enumerate(zip(prompts, timed, strict=True)):
        index[row, len(prompt) : len(prompt) + len(places)] = places
    prompt_mel = torch.zeros(count, codes.shape[1] * FRAMES_PER_TOKEN, config.mel_bins)
    for row, (mel, _) in enumerate(prompts):
        prompt_mel[row, : len(mel)] = mel
    return AcousticInputs(
        codes=codes,
        lengths=lengths,
        voice=_vectors(voice, count, config.voice_dim, "voice"),
        emotion=_vectors(emotion, count, config.emotion_dim, "emotion"),
        bandwidth=hertz,
        latents=latents,
        latent_mask=latent_mask,
        phonemes=pad_stack([symbols for symbols, _ in timed])[0],
        phoneme_index=index,
        prompt_mel=prompt_mel,
        prompt_lengths=torch.tensor([len(p[1]) for p in prompts]),
        drop=torch.zeros(count, dtype=torch.bool),
        drop_emotion=torch.zeros(count, dtype=torch.bool),
    )
