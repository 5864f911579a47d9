"""Semantic tokens: 25 codes a second that carry the words and the prosody, not the voice.

Trained from scratch: CTC on phonemes before the last stride, where quick speech cannot
starve it; after the quantiser, heads for phones, speaker-normalised F0, voicing and energy, and
a mel reconstruction that is given the voice, so that the codes need not carry it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.nn.convnext import ConvNeXtBlock
from emotts.semantic.fsq import FiniteScalarQuantizer
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS

HEAD_FRAMES_PER_TOKEN = 2
"""Frames of the CTC head in one token: the head runs at 50 Hz."""

F0_SCALE = 0.25
"""Log F0 over the speaker's mean is divided by this; one constant, so that excitement stays visible."""

_SEMITONES = 12 / math.log(2) * F0_SCALE
"""Semitones in one unit of the F0 head."""

_STACK = FRAMES_PER_TOKEN // HEAD_FRAMES_PER_TOKEN


class TokenizerConfig(StrictModel):
    """Sizes of the tokenizer.

    Attributes:
        phones: CTC classes without the blank.
        levels: levels of the finite-scalar quantiser; their product is the codebook size.
        dim: channels.
        layers: blocks before the CTC head, at 50 Hz.
        token_layers: blocks on each side of the quantiser, at 25 Hz.
        kernel_size: width of the convolutions.
        expansion: hidden channels of each block as a multiple of `dim`.
        voice_dim: width of the voice embedding given to the mel reconstruction.
    """

    phones: int
    levels: tuple[int, ...] = (8, 5, 5, 5)
    dim: int = 256
    layers: int = 6
    token_layers: int = 2
    kernel_size: int = 9
    expansion: int = 3
    voice_dim: int = 192


@dataclass
class TokenizerOutput:
    """What the tokenizer predicts; T tokens.

    Attributes:
        codes: (batch, T).
        ctc: logits before the quantiser, (batch, 2T, 1 + phones); class 0 is the blank.
        phones: the same from the codes alone.
        f0: normalised log F0, (batch, 4T).
        voicing: logits, (batch, 4T).
        energy: (batch, 4T).
        mel: normalised log-mel, (batch, 4T, MEL_BINS).
    """

    codes: Tensor
    ctc: Tensor
    phones: Tensor
    f0: Tensor
    voicing: Tensor
    energy: Tensor
    mel: Tensor


class SemanticTokenizer(nn.Module):
    """Mel spectrogram to semantic codes, with the heads that train it."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        dim, classes = config.dim, config.phones + 1

        def blocks(count: int, condition_dim: int | None = None) -> nn.ModuleList:
            return nn.ModuleList(
                ConvNeXtBlock(dim, config.kernel_size, config.expansion, condition_dim) for _ in range(count)
            )

        self.embed = nn.Linear(_STACK * MEL_BINS, dim)
        self.encoder = blocks(config.layers)
        self.ctc_norm = nn.LayerNorm(dim)
        self.ctc_head = nn.Linear(dim, classes)
        self.stride = nn.Linear(HEAD_FRAMES_PER_TOKEN * dim, dim)
        self.token_encoder = blocks(config.token_layers)
        self.quantizer = FiniteScalarQuantizer(config.levels)
        self.to_levels = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, len(config.levels)))
        self.from_levels = nn.Linear(len(config.levels), dim)
        self.token_decoder = blocks(config.token_layers)
        self.phone_head = nn.Linear(dim, HEAD_FRAMES_PER_TOKEN * classes)
        self.prosody_head = nn.Linear(dim, FRAMES_PER_TOKEN * 3)
        self.mel_decoder = blocks(1, config.voice_dim)
        self.mel_head = nn.Linear(dim, FRAMES_PER_TOKEN * MEL_BINS)

    @property
    def codebook_size(self) -> int:
        """Number of codes."""
        return self.quantizer.codebook_size

    def forward(self, mel: Tensor, mask: Tensor, voice: Tensor) -> TokenizerOutput:
        """Encodes, quantises, and predicts from the codes.

        Args:
            mel: shape (batch, 4T, MEL_BINS), natural log magnitude.
            mask: shape (batch, T), True on content.
            voice: shape (batch, voice_dim).
        """
        hidden, ctc = self._encode(mel, mask)
        values, codes = self.quantizer(self._to_token_levels(hidden, mask))
        x = self._read(values, mask)
        batch, tokens, _ = x.shape
        f0, voicing, energy = self.prosody_head(x).view(batch, -1, 3).unbind(-1)
        spoken = x
        for block in self.mel_decoder:
            spoken = block(spoken, mask, voice)
        return TokenizerOutput(
            codes=codes,
            ctc=ctc,
            phones=self._phones(x),
            f0=f0,
            voicing=voicing,
            energy=energy,
            mel=self.mel_head(spoken).view(batch, FRAMES_PER_TOKEN * tokens, MEL_BINS),
        )

    def encode(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Codes of recordings: (batch, 4T, MEL_BINS) and mask (batch, T) to (batch, T)."""
        mask = self._full_mask(mel) if mask is None else mask
        hidden, _ = self._encode(mel, mask)
        return self.quantizer(self._to_token_levels(hidden, mask))[1]

    def ctc_log_probs(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log posteriors of the phones at 50 Hz for forced alignment, (batch, 2T, 1 + phones)."""
        mask = self._full_mask(mel) if mask is None else mask
        return self._encode(mel, mask)[1].float().log_softmax(dim=-1)

    def phone_log_probs(self, codes: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log posteriors of the phones at 50 Hz as the codes alone tell them, (batch, 2T, 1 + phones).

        Args:
            codes: shape (batch, T).
            mask: shape (batch, T), True on content; all of it when left out.
        """
        mask = torch.ones_like(codes, dtype=torch.bool) if mask is None else mask
        return self._phones(self._read(self.quantizer.decode(codes), mask)).float().log_softmax(dim=-1)

    def mean_pitch(self, codes: Tensor) -> Tensor:
        """Mean pitch that codes say together, weighted by how voiced they are.

        Args:
            codes: shape (batch, T), without padding.

        Returns:
            shape (batch,), semitones above the mean of the speaker.
        """
        f0, voicing, _ = self._prosody(codes)
        voiced = voicing.sigmoid()
        return _SEMITONES * (f0 * voiced).sum(1) / voiced.sum(1)

    @torch.no_grad()
    def code_pitch(self) -> Tensor:
        """Pitch that each code says by itself, without its neighbours.

        Returns:
            shape (codebook_size,), semitones above the mean of the speaker; 0 where it is not voiced.
        """
        f0, voicing, _ = self._prosody(self._each_code())
        return torch.where(voicing.mean(1) > 0, _SEMITONES * f0.mean(1), 0.0)

    @torch.no_grad()
    def code_energy(self) -> Tensor:
        """Energy that each code says by itself, as in `TokenizerOutput.energy`; shape (codebook_size,)."""
        return self._prosody(self._each_code())[2].mean(1)

    def _each_code(self) -> Tensor:
        """Every code by itself, (codebook_size, 1)."""
        return torch.arange(self.codebook_size, device=self.from_levels.weight.device)[:, None]

    def _prosody(self, codes: Tensor) -> tuple[Tensor, ...]:
        """F0, voicing and energy as codes (batch, T) without padding tell them, (batch, 4T) each."""
        x = self._read(self.quantizer.decode(codes), torch.ones_like(codes, dtype=torch.bool))
        return self.prosody_head(x).view(len(codes), -1, 3).float().unbind(-1)

    def _read(self, values: Tensor, mask: Tensor) -> Tensor:
        """What the heads see of quantised values, (batch, T, levels) to (batch, T, dim)."""
        x = self.from_levels(values.to(self.from_levels.weight.dtype))
        for block in self.token_decoder:
            x = block(x, mask)
        return x

    def _phones(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        return self.phone_head(x).view(batch, HEAD_FRAMES_PER_TOKEN * tokens, -1)

    def _full_mask(self, mel: Tensor) -> Tensor:
        return torch.ones(mel.shape[0], mel.shape[1] // FRAMES_PER_TOKEN, dtype=torch.bool, device=mel.device)

    def _encode(self, mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, _ = mel.shape
        if frames % FRAMES_PER_TOKEN:
            raise ValueError(f"{frames} mel frames are not a whole number of tokens of {FRAMES_PER_TOKEN}")
        fine_mask = mask.repeat_interleave(HEAD_FRAMES_PER_TOKEN, dim=1)
        x = self.embed(normalize_mel(mel).reshape(batch, frames // _STACK, -1))
        for block in self.encoder:
            x = block(x, fine_mask)
        x = self.ctc_norm(x)
        return x * fine_mask[..., None], self.ctc_head(x)

    def _to_token_levels(self, hidden: Tensor, mask: Tensor) -> Tensor:
        batch, length, dim = hidden.shape
        x = self.stride(hidden.reshape(batch, length // HEAD_FRAMES_PER_TOKEN, HEAD_FRAMES_PER_TOKEN * dim))
        for block in self.token_encoder:
            x = block(x, mask)
        return self.to_levels(x)


def normalize_mel(mel: Tensor) -> Tensor:
    """Log-mel brought to about zero mean and unit variance by fixed constants."""
    return (mel + 5.5) / 2.5
