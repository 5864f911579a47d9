"""Speech quality as listeners would rate it, predicted by DNSMOS (models inside the `speechmos` wheel)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotts.errors import AudioError
from emotts.evaluate.optional import optional_import

DNSMOS_RATE = 16_000
"""Samples a second of what DNSMOS hears; nothing above 8 kHz counts."""

_SHORTEST_SECONDS = 0.1
_WINDOW = int(9.01 * DNSMOS_RATE)


@dataclass(frozen=True)
class Quality:
    """Predicted mean opinion scores, 1 (bad) to 5 (excellent).

    Attributes:
        p808: overall, of the P.808 model (Reddy, Gopal and Cutler, ICASSP 2021).
        signal: of the speech itself (P.835 model; Reddy, Gopal and Cutler, ICASSP 2022).
        background: of the background noise.
        overall: of both.
    """

    p808: float
    signal: float
    background: float
    overall: float


def predict_quality(waveform: np.ndarray) -> Quality:
    """DNSMOS of one recording.

    A recording shorter than the model's 9.01 s is repeated to fill them once. The published script fills
    more and averages over windows that start each second; on read speech the mean differs by less than 0.02,
    and takes four times as long.

    Args:
        waveform: shape (samples,), float in [-1, 1] at `DNSMOS_RATE`; what lies outside is clipped.

    Raises:
        AudioError: shorter than 0.1 s or silent.
        MissingDependencyError: speechmos is not installed.
    """
    if len(waveform) < _SHORTEST_SECONDS * DNSMOS_RATE:
        raise AudioError(f"a recording of {len(waveform) / DNSMOS_RATE:.3f} s is too short for DNSMOS")
    samples = np.clip(np.asarray(waveform, np.float32), -1.0, 1.0)
    if not samples.any():
        raise AudioError("a silent recording has no DNSMOS")
    dnsmos = optional_import("speechmos.dnsmos")
    if len(samples) < _WINDOW:
        samples = np.resize(samples, _WINDOW)
    scores = dnsmos.run(samples, DNSMOS_RATE)
    return Quality(
        float(scores["p808_mos"]),
        float(scores["sig_mos"]),
        float(scores["bak_mos"]),
        float(scores["ovrl_mos"]),
    )


def predict_quality_of_file(path: Path | str) -> Quality:
    """DNSMOS of an audio file; see `predict_quality`."""
    from emotts.audio.io import load_audio

    return predict_quality(load_audio(path, DNSMOS_RATE).numpy())
