"""Reading and writing of audio files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from emotts.errors import AudioError
from emotts.files import AUDIO_FORMATS, audio_format, check_output, write_atomically
from emotts.timebase import SAMPLE_RATE

__all__ = [
    "AUDIO_FORMATS",
    "audio_format",
    "check_output",
    "load_audio",
    "read_audio",
    "resample",
    "save_audio",
]

_SUBTYPES = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
_BLOCK = 65_536


def read_audio(path: Path | str) -> tuple[Tensor, int]:
    """Reads a file (wav, flac, ogg, opus, mp3, ...) as it is, but mixed down to mono.

    Returns:
        float32 samples of shape (samples,), and the sample rate of the file in Hz.

    Raises:
        AudioError: the file is missing, a folder, unreadable, empty, or holds NaN or infinity.
    """
    path = Path(path)
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file")
    if not path.exists():
        raise AudioError(f"audio file {path} does not exist")
    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        raise AudioError(f"cannot read {path} as audio: {str(reason).strip().splitlines()[0]}") from None
    if not len(samples):
        raise AudioError(f"{path} holds no audio")
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise AudioError(f"{path} holds samples that are not finite numbers")
    return torch.from_numpy(np.ascontiguousarray(mono)), int(rate)


def resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Band-limited resampling; shape (samples,) in and out."""
    if from_rate == to_rate:
        return waveform
    # The settings that torchaudio documents as the equal of librosa's "kaiser_best": the default's wide
    # transition would leave images above the band of a narrow recording.
    return torchaudio.functional.resample(
        waveform,
        from_rate,
        to_rate,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )


def load_audio(path: Path | str, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Reads a file as mono float32 at `sample_rate`; shape (samples,).

    Raises:
        AudioError: see `read_audio`.
    """
    waveform, rate = read_audio(path)
    return resample(waveform, rate, sample_rate)


def encode_audio(waveform: Tensor | np.ndarray, sample_rate: int, format: str) -> bytes:
    """Content of an audio file; `waveform` has shape (samples,), and clips outside ±1."""
    values = waveform.detach().cpu() if isinstance(waveform, Tensor) else waveform
    samples = np.asarray(values, dtype=np.float32)
    if samples.ndim != 1:
        raise ValueError(f"waveform must have shape (samples,), not {samples.shape}")
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate, 1, subtype=_SUBTYPES[format], format=format.upper()
    ) as file:
        # In blocks: libsndfile's Vorbis encoder keeps a whole write on the stack and overflows it.
        for start in range(0, len(samples), _BLOCK):
            file.write(samples[start : start + _BLOCK])
    return buffer.getvalue()


def save_audio(
    path: Path | str,
    waveform: Tensor | np.ndarray,
    sample_rate: int = SAMPLE_RATE,
    format: str | None = None,
    force: bool = False,
) -> Path:
    """Writes mono audio: the file is complete or not there at all.

    Args:
        path: its extension tells the format unless `format` does.
        waveform: float, shape (samples,), within ±1.
        sample_rate: in Hz.
        format: one of `AUDIO_FORMATS`; wav and flac are 16-bit.
        force: overwrite a file that exists.

    Returns:
        the path.

    Raises:
        InputError: unknown format.
        OutputError: the file exists, its folder is missing, the disk is full, ...
    """
    name = audio_format(path, format)
    check_output(path, force, name)
    return write_atomically(path, encode_audio(waveform, sample_rate, name), force)
