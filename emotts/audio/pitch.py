"""Fundamental frequency by autocorrelation and dynamic programming (Boersma 1993).

P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound", IFA Proceedings 17, 1993. The constants are the paper's but for a higher
silence threshold, since acted corpora were recorded in audible rooms. We also depart
in the number of candidates and in analysing at 12 kHz, which no pitch needs more than.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import resample

from emotts.timebase import FRAME_RATE, SAMPLE_RATE

F0_FLOOR = 60.0
"""Lowest fundamental frequency that is looked for, Hz."""

F0_CEILING = 650.0
"""Highest fundamental frequency that is looked for, Hz."""

_RATE = 12_000
_CANDIDATES = 6
_UPSAMPLING = 2  # of lags: a bright voice's sharp peaks lie between samples and would lose to subharmonics
_SILENCE_THRESHOLD = 0.08
_VOICING_THRESHOLD = 0.45
_OCTAVE_COST = 0.01
_OCTAVE_JUMP_COST = 0.35
_VOICED_UNVOICED_COST = 0.14
_NEAR = 0.5  # octaves from the median in which a pitch costs nothing
_FAR_COST = 0.3  # for each octave beyond


def extract_f0(waveform: Tensor, frames: int | None = None) -> Tensor:
    """Fundamental frequency of each mel frame.

    Args:
        waveform: shape (samples,), at `SAMPLE_RATE`.
        frames: length of the result; one frame for each started hop when left out.

    Returns:
        shape (frames,), Hz; zero where the frame is unvoiced.
    """
    hop = _RATE // FRAME_RATE
    signal = resample(waveform.float(), SAMPLE_RATE, _RATE)
    frames = -(-len(signal) // hop) if frames is None else frames
    windows = _frame(signal, frames, hop)
    frequency, strength = _candidates(windows, float(signal.abs().max()))
    first = _best_path(frequency, strength)
    return _best_path(frequency, strength - _far_cost(frequency, first))


def _far_cost(frequency: Tensor, first: Tensor) -> Tensor:
    """Cost of candidates far from the usual pitch of the first pass, shaped like `frequency`.

    A second pass within the speaker's own range mends octave errors (De Looze and Hirst 2008). Here the
    range is soft, since excited speech leaves it.
    """
    voiced = first[first > 0]
    if not len(voiced):
        return torch.zeros_like(frequency)
    distance = torch.log2(frequency.clamp_min(1.0) / voiced.median()).abs()
    return _FAR_COST * (distance - _NEAR).clamp_min(0.0) * (frequency > 0)


def _frame(signal: Tensor, frames: int, hop: int) -> Tensor:
    size = 2 * round(1.5 * _RATE / F0_FLOOR)
    side = (size - hop) // 2
    needed = side + frames * hop + size
    padded = torch.nn.functional.pad(signal, (side, max(0, needed - side - len(signal))))
    return padded.unfold(0, size, hop)[:frames]


def _candidates(windows: Tensor, global_peak: float) -> tuple[Tensor, Tensor]:
    """Frequencies and strengths of the local maxima of the autocorrelation; column 0 is unvoiced."""
    size = windows.shape[1]
    local_peak = (windows - windows.mean(dim=1, keepdim=True)).abs().amax(dim=1)
    hann = torch.hann_window(size)
    r = _autocorrelation((windows - windows.mean(dim=1, keepdim=True)) * hann)
    r = r / _autocorrelation(hann[None]).clamp_min(1e-6)
    rate = _UPSAMPLING * _RATE
    low, high = int(rate / F0_CEILING), int(rate / F0_FLOOR) + 1
    left, middle, right = r[:, low - 1 : high - 1], r[:, low:high], r[:, low + 1 : high + 1]
    curvature = (2 * middle - left - right).clamp_min(1e-6)
    offset = (0.5 * (right - left) / curvature).clamp(-0.5, 0.5)
    height = (middle + 0.25 * (right - left) * offset).clamp(max=1.0)
    lags = torch.arange(low, high) + offset
    peak = (middle > left) & (middle >= right) & (middle > 0.5 * _VOICING_THRESHOLD)
    strength = height - _OCTAVE_COST * torch.log2(F0_FLOOR * lags / rate)
    strength = torch.where(peak, strength, torch.full_like(strength, -10.0))
    best, index = strength.topk(_CANDIDATES, dim=1)
    frequency = (rate / lags).gather(1, index)
    relative = local_peak / max(global_peak, 1e-6)
    unvoiced = _VOICING_THRESHOLD + (
        2.0 - relative / (_SILENCE_THRESHOLD / (1 + _VOICING_THRESHOLD))
    ).clamp_min(0.0)
    frequency = torch.cat([torch.zeros(len(best), 1), frequency], dim=1)
    return frequency, torch.cat([unvoiced[:, None], best], dim=1)


def _autocorrelation(windows: Tensor) -> Tensor:
    """Normalised autocorrelation at lags of 1 / (_UPSAMPLING * _RATE) seconds."""
    size = windows.shape[1]
    spectrum = torch.fft.rfft(windows, n=2 * size)
    r = torch.fft.irfft(spectrum.abs().square(), n=2 * size * _UPSAMPLING)[:, : size * _UPSAMPLING]
    return r / r[:, :1].clamp_min(1e-9)


def _best_path(frequency: Tensor, strength: Tensor) -> Tensor:
    """Viterbi over the candidates; frequency 0 means unvoiced."""
    voiced = frequency > 0
    octave = torch.log2(frequency.clamp_min(1.0))
    jump = _OCTAVE_JUMP_COST * (octave[1:, :, None] - octave[:-1, None, :]).abs()
    change = (voiced[1:, :, None] != voiced[:-1, None, :]).float() * _VOICED_UNVOICED_COST
    both = (voiced[1:, :, None] & voiced[:-1, None, :]).float()
    cost = (jump * both + change).numpy()
    scores, gains = strength.numpy()[0], strength.numpy()[1:]
    back = []
    for step in range(len(gains)):
        reach = scores[None, :] - cost[step]
        choice = reach.argmax(axis=1)
        back.append(choice)
        scores = gains[step] + reach[range(len(choice)), choice]
    state = int(scores.argmax())
    path = [state]
    for choice in reversed(back):
        state = int(choice[state])
        path.append(state)
    rows = torch.arange(len(frequency))
    return frequency[rows, torch.tensor(path[::-1])]
