"""The emotion expert: a small classifier of noisy mels that knows how noisy they are.

Its gradient bends the flow of the acoustic decoder (`emotts.acoustic.emotion_guidance`). It reads x_t
itself, as the classifier of EmoDiff (Guo et al. 2023, arXiv 2211.09496, section 3.2) does: one that was
trained on clean mels gives gradients that mean nothing at the noisy beginning of the flow, where they
matter most.
"""

from __future__ import annotations

import torch
from einops import rearrange
from pydantic import Field, field_validator
from torch import Tensor, nn

from emotts.acoustic.estimator import time_features
from emotts.config import StrictModel
from emotts.emotion.emotion import EMOTIONS, NEUTRAL
from emotts.errors import InputError
from emotts.nn.convnext import ConvNeXtBlock
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS


class EmotionExpertConfig(StrictModel):
    """Sizes of `EmotionExpert`.

    Attributes:
        classes: what it tells apart: `neutral` and names of `EMOTIONS`.
        mel_bins: mel bands of the decoder.
        bands: how many of them, from the lowest, it reads. The emotional corpora end at 8 kHz, so what a
            voice of full bandwidth has above them would be news to it.
        stack: mel frames in one position.
        dim: channels.
        layers: ConvNeXt blocks.
        kernel_size: of their convolutions, in positions; odd.
        expansion: hidden channels of the blocks, as a multiple of `dim`.
        time_dim: width of the embedding of t.
        dropout: before the classifier.
    """

    classes: tuple[str, ...] = (NEUTRAL, "happy", "angry", "sad", "afraid", "disgusted")
    mel_bins: int = Field(MEL_BINS, ge=1)
    bands: int = Field(66, ge=1)
    stack: int = Field(FRAMES_PER_TOKEN, ge=1)
    dim: int = Field(128, ge=2)
    layers: int = Field(4, ge=1)
    kernel_size: int = Field(7, ge=1)
    expansion: int = Field(2, ge=1)
    time_dim: int = Field(96, ge=2, multiple_of=2)
    dropout: float = Field(0.1, ge=0, lt=1)

    @field_validator("classes")
    @classmethod
    def _known_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        valid = (NEUTRAL, *EMOTIONS)
        wrong = [name for name in classes if name not in valid]
        if wrong:
            raise ValueError(f"unknown class {wrong[0]!r}; valid classes: {', '.join(valid)}")
        if len(classes) < 2 or len(set(classes)) < len(classes):
            raise ValueError("give at least two classes, each once")
        return classes

    @field_validator("stack")
    @classmethod
    def _stack_divides(cls, stack: int) -> int:
        if FRAMES_PER_TOKEN % stack:
            raise ValueError(f"{stack} must divide the {FRAMES_PER_TOKEN} mel frames of a token")
        return stack


class EmotionExpert(nn.Module):
    """Classifier of (x_t, t), with attentive statistics pooling (Okabe et al. 2018, eq. 5 and 6).

    No position is told, so an item gives the same result wherever it lies among zeros: after a prompt that is
    masked, or before padding.

    Attributes:
        mel_mean: shape (mel_bins,), statistics that x_t is normalised with: those of the acoustic decoder.
        mel_std: shape (mel_bins,).
    """

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: EmotionExpertConfig) -> None:
        super().__init__()
        if config.bands > config.mel_bins:
            raise InputError(f"bands {config.bands} must be at most mel_bins {config.mel_bins}")
        self.config = config
        dim = config.dim
        self.input = nn.Linear(config.stack * config.bands, dim)
        self.time = nn.Sequential(nn.Linear(config.time_dim, config.time_dim), nn.SiLU())
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, config.kernel_size, config.expansion, condition_dim=config.time_dim)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.Linear(dim, dim)
        self.classifier = nn.Sequential(
            nn.Linear(2 * dim, dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(dim, len(config.classes)),
        )
        self.register_buffer("mel_mean", torch.zeros(config.mel_bins))
        self.register_buffer("mel_std", torch.ones(config.mel_bins))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Sets the normalisation of the mel; shapes (mel_bins,)."""
        self.mel_mean.copy_(mean)
        self.mel_std.copy_(std)

    def normalize(self, mel: Tensor) -> Tensor:
        """Log-mel (..., mel_bins) to the units of the flow."""
        return (mel - self.mel_mean) / self.mel_std

    def forward(self, x_t: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities of the classes.

        Args:
            x_t: shape (batch, frames, mel_bins), the noisy mel in normalised units; read where `mask` is
                True.
            t: shape (batch,), 0 is noise and 1 is speech.
            mask: shape (batch, frames), True on what is judged. A position of `stack` frames counts if its
                first frame does.

        Returns:
            shape (batch, classes), float32, in the order of `config.classes`.
        """
        config, t = self.config, t.float()
        x = torch.where(mask[..., None], x_t, 0.0)[..., : config.bands]
        # Unit variance at every t, for data and noise of unit variance.
        x = x * ((1 - t) ** 2 + t**2).rsqrt()[:, None, None]
        x, mask = self._stacked(x, mask)
        condition = self.time(time_features(t, config.time_dim))
        x = self.input(x) * mask[..., None]
        for block in self.blocks:
            x = block(x, mask, condition)
        return self.classifier(self._pool(self.norm(x), mask)).float().log_softmax(-1)

    def _stacked(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        missing = -x.shape[1] % self.config.stack
        x = nn.functional.pad(x, (0, 0, 0, missing))
        mask = nn.functional.pad(mask, (0, missing))
        x = rearrange(x, "b (t s) m -> b t (s m)", s=self.config.stack)
        return x, mask[:, :: self.config.stack]

    def _pool(self, x: Tensor, mask: Tensor) -> Tensor:
        """Weighted mean and deviation over time, shape (batch, 2 * dim); each channel has its own weights."""
        scores = self.attention(x).float().masked_fill(~mask[..., None], -1e9)
        weights = scores.softmax(dim=1)
        mean = (weights * x).sum(1)
        variance = (weights * (x - mean[:, None]).square()).sum(1)
        return torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1)
