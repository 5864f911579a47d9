"""Configuration of the acoustic decoder."""

from __future__ import annotations

from pydantic import Field, model_validator

from emotts.config import StrictModel
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS


class AcousticConfig(StrictModel):
    """Sizes of `AcousticDecoder`.

    Attributes:
        codebook_size: semantic tokens are 0 .. codebook_size - 1.
        latent_dim: width of the language model's latents.
        symbols: phoneme symbols that a timing plan may place, ids 0 .. symbols - 1 with 0 for padding; none
            makes a decoder that reads no phonemes.
        phoneme_layers: ConvNeXt blocks over the phonemes.
        dim: channels of the conditioner and of the transformer.
        heads: attention heads.
        layers: transformer blocks of the estimator.
        conditioner_layers: ConvNeXt blocks at the token rate.
        upsampled_layers: ConvNeXt blocks at the patch rate.
        expansion: hidden channels of every feed-forward net, as a multiple of `dim`.
        condition_dim: width of the utterance vector (voice, emotion, bandwidth) and of the time
            embedding that steer every normalisation.
        voice_dim: width of a voice embedding.
        emotion_dim: emotions in an emotion vector.
        mel_bins: mel bands.
        patch: mel frames in one transformer position.
        residual_std: expected standard deviation of (normalised mel - prior), which sets the
            preconditioning of the velocity (estimator.py).
        sigma_min: noise left at the end of the flow's path.
        dropout: in the transformer blocks.
    """

    codebook_size: int = Field(1000, ge=1)
    latent_dim: int = Field(256, ge=1)
    symbols: int = Field(0, ge=0)
    phoneme_layers: int = Field(2, ge=0)
    dim: int = Field(288, ge=2)
    heads: int = Field(4, ge=1)
    layers: int = Field(6, ge=1)
    conditioner_layers: int = Field(3, ge=1)
    upsampled_layers: int = Field(2, ge=1)
    expansion: int = Field(3, ge=1)
    condition_dim: int = Field(192, ge=2)
    voice_dim: int = Field(192, ge=1)
    emotion_dim: int = Field(8, ge=1)
    mel_bins: int = Field(MEL_BINS, ge=1)
    patch: int = Field(2, ge=1)
    residual_std: float = Field(0.5, gt=0)
    sigma_min: float = Field(1e-4, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> AcousticConfig:
        if FRAMES_PER_TOKEN % self.patch:
            raise ValueError(f"patch {self.patch} must divide the {FRAMES_PER_TOKEN} mel frames of a token")
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise ValueError(f"dim {self.dim} must give an even width for each of {self.heads} heads")
        if self.condition_dim % 2:
            raise ValueError(f"condition_dim {self.condition_dim} must be even")
        return self

    @property
    def patches_per_token(self) -> int:
        """Transformer positions in one semantic token."""
        return FRAMES_PER_TOKEN // self.patch
