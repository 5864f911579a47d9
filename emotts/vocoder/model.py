"""Vocoder: a source-filter model with an inverse-STFT head over ConvNeXt blocks.

The backbone and head follow Vocos (Siuzdak 2023); the excitation follows the neural source-filter
idea (Wang et al. 2019; HiFTNet, Li et al. 2023). We depart from both: the network does not make the
spectrum, it makes two filters for each frame, one for a pulse train and one for noise. Phase then
comes from the excitation, so that spectral losses alone already give clean pitch, and a CPU can train it.
"""

from __future__ import annotations

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from emotts.audio.mel import stft_frames
from emotts.config import StrictModel
from emotts.nn.convnext import ConvNeXtBlock
from emotts.timebase import HOP_LENGTH, MEL_BINS, SAMPLE_RATE, WINDOW_LENGTH
from emotts.vocoder.excitation import pulse_train, white_noise
from emotts.vocoder.pitch import PitchEstimator

_BINS = WINDOW_LENGTH // 2 + 1
_LOG_GAIN_LIMIT = 6.0
EDGE_FRAMES = 2
"""Frames that the excitation begins before the first frame, and ends after the last."""


class VocoderConfig(StrictModel):
    """Sizes of the vocoder.

    Attributes:
        dim: channels of the backbone.
        layers: ConvNeXt blocks.
        expansion: hidden channels of each block as a multiple of `dim`.
        pitch_dim: channels of the pitch estimator.
        pitch_layers: its blocks.
    """

    dim: int = 256
    layers: int = 7
    expansion: int = 3
    pitch_dim: int = 128
    pitch_layers: int = 4


class Vocoder(nn.Module):
    """Mel spectrogram to waveform, exactly HOP_LENGTH samples a frame."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        self.pitch = PitchEstimator(config.pitch_dim, config.pitch_layers)
        self.embed = nn.Conv1d(MEL_BINS + 2, config.dim, 7, padding=3)
        self.embed_norm = nn.LayerNorm(config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, expansion=config.expansion) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, 3 * _BINS)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("window", torch.hann_window(WINDOW_LENGTH), persistent=False)
        self.register_buffer("envelope", _mel_to_linear(), persistent=False)

    def forward(
        self,
        mel: Tensor,
        f0: Tensor | None = None,
        voicing: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Synthesises a waveform.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude (`LogMel`).
            f0: shape (batch, frames), Hz, positive everywhere; estimated from `mel` when left out.
            voicing: shape (batch, frames), 0 to 1; estimated when left out.
            generator: source of the noise, on the CPU.

        Returns:
            shape (batch, frames * HOP_LENGTH), about ±1.
        """
        if f0 is None or voicing is None:
            estimate = self.pitch.estimate(mel)
            f0 = estimate[0] if f0 is None else f0
            voicing = estimate[1] if voicing is None else voicing
        # The excitation begins before the first frame and ends after the last one: cut off at the edge,
        # the pulse there would click.
        filters = self.filters(mel, f0, voicing)
        harmonic, phase, noise = (_repeat_edges(x) for x in filters)
        pulses = pulse_train(_repeat_edges(f0[..., None])[..., 0])
        source = stft_frames(pulses, self.window)
        hiss = stft_frames(white_noise(pulses, generator), self.window)
        spectrum = source * torch.polar(harmonic.exp(), phase) + hiss * noise.exp()
        edge = EDGE_FRAMES * HOP_LENGTH
        return inverse_stft(spectrum, self.window)[:, edge:-edge]

    def filters(self, mel: Tensor, f0: Tensor, voicing: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Two filters for each frame.

        Args:
            mel: shape (batch, frames, MEL_BINS), natural log magnitude.
            f0: shape (batch, frames), Hz, positive everywhere.
            voicing: shape (batch, frames), 0 to 1.

        Returns:
            log gain and phase of the pulse filter and log gain of the noise filter, float32, each of
            shape (batch, frames, window_length // 2 + 1).
        """
        pitch = torch.stack([f0.log() - 5.0, voicing], dim=-1)
        x = torch.cat([(mel + 5.0) / 3.0, pitch.to(mel.dtype)], dim=-1)
        x = self.embed_norm(self.embed(x.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        harmonic, phase, noise = self.head(self.norm(x)).float().chunk(3, dim=-1)
        # The smoothed mel is the filter to begin with; the network learns what to add.
        # Half precision would blur log gains around -10 by a third of a decibel.
        with torch.autocast(mel.device.type, enabled=False):
            smooth = mel.float() @ self.envelope
        limit = _LOG_GAIN_LIMIT
        harmonic = smooth + limit * torch.tanh(harmonic / limit) - 0.5
        noise = smooth + limit * torch.tanh(noise / limit) - 2.0
        return harmonic, phase, noise


def inverse_stft(spectrum: Tensor, window: Tensor) -> Tensor:
    """Inverse of `emotts.audio.mel.stft_frames` by weighted overlap-add.

    Args:
        spectrum: complex, shape (batch, frames, window_length // 2 + 1).
        window: shape (window_length,), analysis and synthesis window.

    Returns:
        shape (batch, frames * HOP_LENGTH).
    """
    size, frames = len(window), spectrum.shape[1]
    blocks = torch.fft.irfft(spectrum, n=size, dim=-1) * window
    weights = window.square().expand(1, frames, size)
    side = (size - HOP_LENGTH) // 2
    total = _overlap_add(blocks)
    norm = _overlap_add(weights).clamp_min(1e-3)
    return (total / norm)[:, side : side + frames * HOP_LENGTH]


def _repeat_edges(x: Tensor) -> Tensor:
    """First and last frame repeated: (batch, frames, channels) to (batch, frames + 2 · edge, channels)."""
    return torch.cat([x[:, :1].expand(-1, EDGE_FRAMES, -1), x, x[:, -1:].expand(-1, EDGE_FRAMES, -1)], dim=1)


def _overlap_add(blocks: Tensor) -> Tensor:
    batch, frames, size = blocks.shape
    steps = size // HOP_LENGTH
    pieces = blocks.view(batch, frames, steps, HOP_LENGTH)
    padded = [nn.functional.pad(pieces[:, :, k], (0, 0, k, steps - 1 - k)) for k in range(steps)]
    return torch.stack(padded).sum(0).reshape(batch, -1)


def _mel_to_linear() -> Tensor:
    """Matrix that interpolates log-mel values between band centres, shape (MEL_BINS, bins).

    Band widths grow with frequency under Slaney normalisation; the network's bias learns that slope.
    """
    centers = librosa.mel_frequencies(n_mels=MEL_BINS + 2, fmax=SAMPLE_RATE / 2)[1:-1]
    bins = torch.linspace(0, SAMPLE_RATE / 2, _BINS)
    position = torch.from_numpy(np.interp(bins.numpy(), centers, range(MEL_BINS)))
    low = position.floor().long().clamp(0, MEL_BINS - 2)
    weight = (position - low).float()
    matrix = torch.zeros(MEL_BINS, _BINS)
    matrix[low, torch.arange(_BINS)] = 1 - weight
    matrix[low + 1, torch.arange(_BINS)] += weight
    return matrix
