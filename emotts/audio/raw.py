"""Samples of 16 bit without a file: what can be written before its end is known."""

from __future__ import annotations

import struct

import numpy as np

_UNKNOWN = 0xFFFFFFFF
_BYTES = 2


def wav_header(rate: int, samples: int | None) -> bytes:
    """Header of a WAV file of 16 bit, mono (RIFF, Microsoft 1991).

    Args:
        rate: in Hz.
        samples: in the file; None is not known, and written as 0xFFFFFFFF, which players read to the end.
    """
    size = _UNKNOWN if samples is None else min(_BYTES * samples, _UNKNOWN - 36)
    riff = _UNKNOWN if samples is None else size + 36
    form = struct.pack("<HHIIHH", 1, 1, rate, _BYTES * rate, _BYTES, 8 * _BYTES)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", riff, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", size)
    )


def pcm(samples: np.ndarray) -> bytes:
    """Samples (samples,) within ±1 as 16 bit, little-endian."""
    return (np.clip(samples, -1.0, 1.0) * 32767).round().astype("<i2").tobytes()
