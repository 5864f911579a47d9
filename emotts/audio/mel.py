"""Log-mel spectrograms on the frame grid of `emotts.timebase`."""

from __future__ import annotations

import librosa
import torch
from torch import Tensor, nn

from emotts.timebase import HOP_LENGTH, MEL_BINS, SAMPLE_RATE, WINDOW_LENGTH

LOG_FLOOR = 1e-5
"""Smallest magnitude before the logarithm."""


def stft_frames(waveform: Tensor, window: Tensor, hop_length: int = HOP_LENGTH) -> Tensor:
    """Short-time Fourier transform with exactly one frame a hop.

    The padding is half of (window - hop) on both sides, so that a waveform of n·hop samples gives n
    frames and frame k is centred on the middle of hop k.

    Args:
        waveform: shape (batch, samples).
        window: shape (window_length,).
        hop_length: samples between frames.

    Returns:
        complex, shape (batch, ceil(samples / hop), window_length // 2 + 1).
    """
    size = len(window)
    samples = waveform.shape[-1]
    frames = -(-samples // hop_length)
    side = (size - hop_length) // 2
    padded = nn.functional.pad(waveform, (side, frames * hop_length - samples + size - hop_length - side))
    return torch.fft.rfft(padded.unfold(-1, size, hop_length) * window, dim=-1)


class LogMel(nn.Module):
    """Natural logarithm of the mel-weighted magnitude spectrum (Slaney filters, 0 Hz to Nyquist)."""

    def __init__(self) -> None:
        super().__init__()
        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW_LENGTH, n_mels=MEL_BINS)
        self.register_buffer("filters", torch.from_numpy(filters).T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_LENGTH), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Analyses a waveform.

        Args:
            waveform: shape (batch, samples), within ±1, at `SAMPLE_RATE`.

        Returns:
            shape (batch, ceil(samples / HOP_LENGTH), MEL_BINS).
        """
        magnitude = stft_frames(waveform.float(), self.window).abs()
        with torch.autocast(waveform.device.type, enabled=False):
            return (magnitude @ self.filters).clamp_min(LOG_FLOOR).log()
