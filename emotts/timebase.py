"""The invariant of time, in one place.

1 semantic token = 40 ms = 4 mel frames = 960 samples at 24 kHz = 1 video frame at 25 fps.

Every length in the system is a whole number of tokens. Nothing else in the package writes these
numbers as literals.
"""

from __future__ import annotations

SAMPLE_RATE = 24_000
"""Samples a second of every waveform inside the package (mono)."""

HOP_LENGTH = 240
"""Samples between two mel frames (10 ms)."""

WINDOW_LENGTH = 960
"""Samples of the analysis and synthesis window, and the FFT size (40 ms, four hops)."""

MEL_BINS = 80
"""Mel bands between 0 Hz and the Nyquist frequency."""

FRAMES_PER_TOKEN = 4
"""Mel frames in one semantic token."""

SAMPLES_PER_TOKEN = HOP_LENGTH * FRAMES_PER_TOKEN
"""Samples in one semantic token (960)."""

FRAME_RATE = SAMPLE_RATE // HOP_LENGTH
"""Mel frames a second (100)."""

TOKEN_RATE = SAMPLE_RATE // SAMPLES_PER_TOKEN
"""Semantic tokens a second (25), and the video frame rate everything is resampled to."""


def seconds_to_tokens(seconds: float) -> int:
    """Nearest whole number of tokens, at least one."""
    return max(1, round(seconds * TOKEN_RATE))


def tokens_to_seconds(tokens: int) -> float:
    """Length in seconds of a whole number of tokens."""
    return tokens / TOKEN_RATE


def seconds_to_samples(seconds: float) -> int:
    """Nearest whole number of samples."""
    return round(seconds * SAMPLE_RATE)


def samples_to_frames(samples: int) -> int:
    """Mel frames of a waveform: one for each started hop."""
    return -(-samples // HOP_LENGTH)


def samples_to_tokens(samples: int) -> int:
    """Tokens of a waveform: one for each started token."""
    return -(-samples // SAMPLES_PER_TOKEN)
