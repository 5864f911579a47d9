"""Multi-resolution spectrogram discriminators, small enough for a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class SpectrogramDiscriminator(nn.Module):
    """Strided 2-D convolutions over one magnitude spectrogram (UnivNet, Jang et al. 2021).

    Args:
        size: FFT size in samples; the hop is a quarter.
        channels: width of the hidden layers.
    """

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        widths = [1, channels, 2 * channels, 2 * channels, 2 * channels]
        strides = [(2, 1), (2, 2), (2, 2), (2, 1)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 3), stride=s, padding=(2, 1)))
            for a, b, s in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores patches of a waveform (batch, samples); returns scores and hidden features."""
        spectrum = torch.stft(
            waveform.float(), self.size, self.size // 4, window=self.window, return_complex=True
        )
        # A compressed magnitude shows the quiet structure between harmonics as well as the peaks.
        x = (spectrum.real.square() + spectrum.imag.square() + 1e-8).pow(0.15)[:, None]
        features = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            features.append(x)
        return self.score(x), features


class MultiResolutionDiscriminator(nn.Module):
    """Several spectrogram discriminators.

    Args:
        sizes: FFT sizes in samples.
        channels: width of each.
    """

    def __init__(self, sizes: tuple[int, ...] = (512, 1024, 2048), channels: int = 16) -> None:
        super().__init__()
        self.members = nn.ModuleList(SpectrogramDiscriminator(size, channels) for size in sizes)

    def forward(self, waveform: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        """Scores and features of every member for waveforms of shape (batch, samples)."""
        return [member(waveform) for member in self.members]


def discriminator_loss(
    real: list[tuple[Tensor, list[Tensor]]], fake: list[tuple[Tensor, list[Tensor]]]
) -> Tensor:
    """Hinge loss (Lim and Ye 2017), mean over members."""
    terms = [
        (1 - r.float()).relu().mean() + (1 + f.float()).relu().mean()
        for (r, _), (f, _) in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_loss(
    real: list[tuple[Tensor, list[Tensor]]], fake: list[tuple[Tensor, list[Tensor]]]
) -> tuple[Tensor, Tensor]:
    """Adversarial (hinge) and feature-matching losses of the generator (Kumar et al. 2019)."""
    adversarial = torch.stack([-f.float().mean() for f, _ in fake]).mean()
    matching = []
    for (_, r), (_, f) in zip(real, fake, strict=True):
        for a, b in zip(r, f, strict=True):
            a = a.detach().float()
            matching.append((a - b.float()).abs().mean() / a.abs().mean().clamp_min(1e-6))
    return adversarial, torch.stack(matching).mean()
