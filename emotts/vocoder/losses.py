"""Spectral losses of the vocoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emotts.audio.mel import LogMel

_FLOOR = 1e-4


class SpectralLoss(nn.Module):
    """Multi-resolution STFT loss (Yamamoto et al. 2020, eq. 3-5) plus log-mel distance.

    Args:
        sizes: FFT sizes in samples; the hop is a quarter.
    """

    def __init__(self, sizes: tuple[int, ...] = (320, 960, 2048)) -> None:
        super().__init__()
        self.sizes = sizes
        self.log_mel = LogMel()

    def forward(self, predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Distances of two waveforms of shape (batch, samples).

        Returns:
            the STFT loss (log-magnitude L1 plus spectral convergence, mean over sizes) and the mean
            absolute log-mel distance.
        """
        total = predicted.new_zeros(())
        for size in self.sizes:
            p, t = _magnitude(predicted, size), _magnitude(target, size)
            total = total + (p.log() - t.log()).abs().mean()
            total = total + (t - p).norm(dim=(1, 2)).div(t.norm(dim=(1, 2)).clamp_min(1e-3)).mean()
        return total / len(self.sizes), (self.log_mel(predicted) - self.log_mel(target)).abs().mean()


def _magnitude(x: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=x.device)
    spectrum = torch.stft(x, size, size // 4, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + _FLOOR**2).sqrt()
