"""The formats of an answer."""

from __future__ import annotations

import io

import numpy as np

FORMATS: dict[str, str] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}
"""Media type by the name of the format; pcm is 16 bit, little-endian, mono, of the model's rate."""


def encode(samples: np.ndarray, rate: int, name: str) -> bytes:
    """Content of an answer.

    Args:
        samples: float, shape (samples,), within ±1.
        rate: in Hz.
        name: one of `FORMATS`.
    """
    import soundfile

    from emotts.audio.io import encode_audio

    if name == "pcm":
        return (np.clip(samples, -1.0, 1.0) * 32767).round().astype("<i2").tobytes()
    if name != "opus":
        return encode_audio(samples, rate, name)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="OGG", subtype="OPUS")
    return buffer.getvalue()
