"""Conditioner: all that is known of the speech to frame-level states and a first guess of the mel."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from emotts.acoustic.config import AcousticConfig
from emotts.acoustic.inputs import FULL_BANDWIDTH, AcousticInputs
from emotts.nn.convnext import ConvNeXtBlock


class UtteranceVector(nn.Module):
    """Voice, emotion and bandwidth as one vector, with a learned null for each that may be missing."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        dim = config.condition_dim
        self.voice = nn.Sequential(
            nn.LayerNorm(config.voice_dim, elementwise_affine=False), nn.Linear(config.voice_dim, dim)
        )
        self.emotion = nn.Linear(config.emotion_dim, dim)
        self.bandwidth = nn.Linear(1, dim)
        self.no_voice = nn.Parameter(torch.zeros(dim))
        self.no_emotion = nn.Parameter(torch.zeros(dim))
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, inputs: AcousticInputs) -> Tensor:
        """Shape (batch, condition_dim)."""
        drop, silent = inputs.drop[:, None], (inputs.drop | inputs.drop_emotion)[:, None]
        voice = torch.where(drop, self.no_voice, self.voice(inputs.voice))
        emotion = torch.where(silent, self.no_emotion, self.emotion(inputs.emotion))
        bandwidth = self.bandwidth(2 * inputs.bandwidth[:, None] / FULL_BANDWIDTH - 1)
        return self.mix(voice + emotion + bandwidth)


class PhonemeReader(nn.Module):
    """Phonemes in their context, laid out in time by the timing plan.

    A language model trained on hours of speech blurs the words in its tokens; what is said and when is
    known, so the decoder reads it as well (EmoDubber's pronunciation enhancing, arXiv 2412.08988, section
    3.3, with the plan in the place of the lips).
    """

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        dim = config.dim
        self.symbols = nn.Embedding(config.symbols, dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, 5, config.expansion) for _ in range(config.phoneme_layers)
        )
        self.output = nn.Linear(dim, dim)
        # Zero at first: a decoder that learned to speak without goes on from where it is.
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, phonemes: Tensor, index: Tensor) -> Tensor:
        """States at the tokens.

        Args:
            phonemes: shape (batch, phonemes), 0 is padding.
            index: shape (batch, tokens), position in `phonemes`, -1 where it is not known.

        Returns:
            shape (batch, tokens, dim); zero where the phoneme is not known.
        """
        mask = phonemes > 0
        x = self.symbols(phonemes) * mask[..., None]
        for block in self.blocks:
            x = block(x, mask)
        x = self.output(x)
        places = index.clamp_min(0)[..., None].expand(-1, -1, x.shape[-1])
        return x.gather(1, places) * (index >= 0)[..., None]


class Conditioner(nn.Module):
    """ConvNeXt over tokens, upsampled to the patch rate.

    The prior is a regression of the mel (Grad-TTS, Popov et al. 2021, section 3.2). The flow then has only
    what regression cannot give, the detail, left to learn.
    """

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.tokens = nn.Embedding(config.codebook_size + 1, dim)  # the last one is the null token
        self.latent_norm = nn.LayerNorm(config.latent_dim, elementwise_affine=False)
        self.latents = nn.Linear(config.latent_dim, dim)
        self.no_latent = nn.Parameter(torch.zeros(dim))
        self.phonemes = PhonemeReader(config) if config.symbols else None
        self.vector = UtteranceVector(config)
        self.token_blocks = self._blocks(config.conditioner_layers)
        self.upsample = nn.Linear(dim, dim * config.patches_per_token)
        self.patch_blocks = self._blocks(config.upsampled_layers)
        self.norm = nn.LayerNorm(dim)
        self.prior = nn.Linear(dim, config.patch * config.mel_bins)

    def _blocks(self, count: int) -> nn.ModuleList:
        c = self.config
        return nn.ModuleList(
            ConvNeXtBlock(c.dim, 7, c.expansion, condition_dim=c.condition_dim) for _ in range(count)
        )

    def forward(self, inputs: AcousticInputs) -> tuple[Tensor, Tensor, Tensor]:
        """Encodes the conditions.

        Returns:
            states: shape (batch, 4 * tokens / patch, dim).
            prior: shape (batch, 4 * tokens, mel_bins), normalised mel.
            vector: shape (batch, condition_dim).
        """
        vector, mask = self.vector(inputs), inputs.token_mask
        codes = inputs.codes.masked_fill(inputs.drop[:, None], self.config.codebook_size)
        known = (inputs.latent_mask & ~inputs.drop[:, None])[..., None]
        latents = torch.where(known, self.latents(self.latent_norm(inputs.latents)), self.no_latent)
        x = self.tokens(codes) + latents
        if self.phonemes is not None:
            x = x + self.phonemes(inputs.phonemes, inputs.phoneme_index.masked_fill(inputs.drop[:, None], -1))
        for block in self.token_blocks:
            x = block(x, mask, vector)
        per_token = self.config.patches_per_token
        x = rearrange(self.upsample(x), "b n (k d) -> b (n k) d", k=per_token)
        mask = mask.repeat_interleave(per_token, dim=1)
        for block in self.patch_blocks:
            x = block(x, mask, vector)
        x = self.norm(x)
        prior = rearrange(self.prior(x), "b t (p m) -> b (t p) m", p=self.config.patch)
        return x, prior.float() * inputs.frame_mask[..., None], vector
