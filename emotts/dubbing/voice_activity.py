"""The original dialogue by silero-vad: speech alone counts, not music or noise."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from emotts.dubbing.mouth import DialogueActivity, MouthTrack
from emotts.errors import MissingDependencyError
from emotts.timebase import SAMPLE_RATE, TOKEN_RATE

INSTALL = 'pip install "emotts[vad]"'

_RATE, _CHUNK = 16_000, 512


class VoiceActivity:
    """Level of the original sound where silero-vad hears speech, and a closed mouth elsewhere.

    Args:
        audio: float, shape (samples,), at 24 kHz, from the start of the video.

    Raises:
        MissingDependencyError: silero-vad is not installed.
    """

    name = "original dialogue (silero-vad)"

    def __init__(self, audio: np.ndarray) -> None:
        probability = speech_probability(audio)
        self._level = DialogueActivity(audio)
        times = (np.arange(round(len(audio) / SAMPLE_RATE * TOKEN_RATE)) + 0.5) / TOKEN_RATE
        chunks = (np.arange(len(probability)) + 0.5) * _CHUNK / _RATE
        self._speech = np.interp(times, chunks, probability) if len(chunks) else np.zeros(len(times))

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        heard = self._level.track(start, end)
        if heard is None:
            return None
        first = max(0, round(start * TOKEN_RATE))
        speech = self._speech[first : first + len(heard.aperture)]
        speech = np.pad(speech, (0, len(heard.aperture) - len(speech)))
        return MouthTrack((heard.aperture * speech).astype(np.float32), heard.visible, self.name)


def speech_probability(audio: np.ndarray) -> np.ndarray:
    """Probability of speech in each 32 ms.

    Args:
        audio: float, shape (samples,), at 24 kHz.

    Returns:
        shape (chunks,).
    """
    try:
        silero = import_module("silero_vad")
    except ImportError:
        raise MissingDependencyError(f"--vad needs silero-vad; install it with: {INSTALL}") from None
    import soxr
    import torch

    samples = torch.from_numpy(soxr.resample(audio.astype(np.float32), SAMPLE_RATE, _RATE))
    if not len(samples):
        return np.zeros(0)
    samples = torch.nn.functional.pad(samples, (0, -len(samples) % _CHUNK))
    model = silero.load_silero_vad()
    model.reset_states()
    with torch.inference_mode():
        return np.array([model(chunk, _RATE).item() for chunk in samples.split(_CHUNK)])
