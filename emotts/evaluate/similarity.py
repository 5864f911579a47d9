"""How alike two voices sound, by an encoder that the synthesis does not know.

Two independent encoders:

* `GE2EEncoder`: an LSTM trained to verify speakers on LibriSpeech and VoxCeleb (Wan et al., "Generalized
  end-to-end loss for speaker verification", ICASSP 2018), whose weights are inside the Resemblyzer wheel.
  Only that file is read: `pip install --no-deps resemblyzer` is enough, without its compiled dependencies.
* `ClassicalEncoder`: mean and deviation of cepstra and of log F0. It needs nothing, and is weak: it hears the
  microphone and the mood as much as the speaker. Trust it only for gross failures.

A cosine means nothing by itself, so every comparison comes with the same-speaker and the other-speaker
cosine of natural recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from emotts.errors import MissingDependencyError
from emotts.timebase import SAMPLE_RATE

SIMILARITY_RATE = 16_000
"""Samples a second of what the encoders hear."""

_INSTALL = "pip install --no-deps resemblyzer"
_LEVEL = -30.0
_MELS, _WINDOW, _HOP = 40, 400, 160
_HIDDEN, _LAYERS = 256, 3
_PARTIAL_FRAMES = 160
_PARTIAL_HOP = 80
_CEPSTRA = 20


class SpeakerEncoder(Protocol):
    """Anything that makes a vector of a recording."""

    name: str

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Vector (dim,) of a recording (samples,) at `SIMILARITY_RATE`."""
        ...


class GE2EEncoder:
    """Speaker encoder with the weights of Resemblyzer 0.1.

    Raises:
        MissingDependencyError: Resemblyzer is not installed.
    """

    name = "ge2e"

    def __init__(self) -> None:
        import torch

        spec = find_spec("resemblyzer")
        path = Path(spec.origin).with_name("pretrained.pt") if spec and spec.origin else None
        if path is None or not path.is_file():
            raise MissingDependencyError(f"the speaker encoder ge2e needs Resemblyzer's weights: {_INSTALL}")
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        self._lstm = torch.nn.LSTM(_MELS, _HIDDEN, _LAYERS, batch_first=True)
        self._linear = torch.nn.Linear(_HIDDEN, _HIDDEN)
        for module, prefix in ((self._lstm, "lstm."), (self._linear, "linear.")):
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )
            module.eval()

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Mean of the embeddings of windows of 1.6 s; shape (256,), of length one."""
        import torch

        mel = torch.from_numpy(_power_mel(active_speech(waveform)))
        short = _PARTIAL_FRAMES - len(mel)
        if short > 0:
            mel = torch.nn.functional.pad(mel, (0, 0, 0, short))
        windows = mel.unfold(0, _PARTIAL_FRAMES, _PARTIAL_HOP).transpose(1, 2)
        with torch.inference_mode():
            hidden = self._lstm(windows)[1][0][-1]
            partial = torch.nn.functional.normalize(torch.relu(self._linear(hidden)), dim=1)
        return _unit(partial.mean(0).numpy())


class ClassicalEncoder:
    """Statistics of cepstra and pitch, whitened by recordings of known speakers."""

    name = "classical"

    def __init__(self) -> None:
        size = 2 * (_CEPSTRA + 1)
        self._mean, self._scale = np.zeros(size), np.ones(size)

    def fit(self, recordings: Mapping[str, Sequence[np.ndarray]]) -> ClassicalEncoder:
        """Centres on all speakers and divides by the deviation within a speaker (diagonal).

        Hatch, Kajarekar and Stolcke, "Within-class covariance normalization", Interspeech 2006.

        Args:
            recordings: speaker -> recordings (samples,).
        """
        groups = [
            np.stack([self._statistics(x) for x in group]) for group in recordings.values() if len(group)
        ]
        if groups:
            self._mean = np.mean([group.mean(axis=0) for group in groups], axis=0)
            within = np.concatenate([group - group.mean(axis=0) for group in groups])
            self._scale = np.maximum(np.sqrt(np.mean(within**2, axis=0)), 1e-2)
        return self

    def embed(self, waveform: np.ndarray) -> np.ndarray:
        """Whitened statistics, shape (42,), of length one."""
        return _unit((self._statistics(waveform) - self._mean) / self._scale)

    def _statistics(self, waveform: np.ndarray) -> np.ndarray:
        import librosa
        import torch

        from emotts.audio.io import resample
        from emotts.audio.pitch import extract_f0

        speech = active_speech(waveform)
        # The first coefficient is loudness, which is no property of a speaker.
        cepstra = librosa.feature.mfcc(y=speech, sr=SIMILARITY_RATE, n_mfcc=_CEPSTRA + 1)[1:]
        f0 = extract_f0(resample(torch.from_numpy(speech), SIMILARITY_RATE, SAMPLE_RATE)).numpy()
        pitch = np.log(f0[f0 > 0]) if (f0 > 0).any() else np.log([150.0])
        return np.concatenate([cepstra.mean(1), [pitch.mean()], cepstra.std(1), [pitch.std()]])


@dataclass(frozen=True)
class Similarity:
    """Mean cosines to a voice's natural recordings, -1 to 1.

    Attributes:
        encoder: which encoder was asked.
        synthesised: of the synthesised files.
        same: of the voice's other natural recordings, the most to hope for; NaN where it has only one.
        other: of other speakers' natural recordings, what a wrong voice gets; NaN where there are none.
    """

    encoder: str
    synthesised: float
    same: float
    other: float


def compare_voices(
    synthesised: Mapping[str, np.ndarray],
    natural: Mapping[str, np.ndarray],
    others: Sequence[np.ndarray],
    encoder: str,
) -> Similarity:
    """Similarity of one voice's files to its natural recordings.

    Each file is compared with the centroid of the natural recordings of other sentences (of the same one
    where there is no other), so that natural and synthesised files meet the same test.

    Args:
        synthesised: sentence id -> embedding (dim,).
        natural: sentence id -> embedding of the natural recording.
        others: embeddings of other speakers' recordings.
        encoder: name of the encoder.
    """

    def mean_cosine(items: Mapping[str, np.ndarray], alone: bool) -> float:
        cosines = []
        for key, value in items.items():
            rest = [x for other, x in natural.items() if other != key]
            if rest or alone:
                cosines.append(cosine(value, np.mean(rest or list(natural.values()), axis=0)))
        return float(np.mean(cosines)) if cosines else float("nan")

    strangers = {f"other {number}": value for number, value in enumerate(others)}
    return Similarity(
        encoder, mean_cosine(synthesised, True), mean_cosine(natural, False), mean_cosine(strangers, True)
    )


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of the angle between two vectors (dim,)."""
    return float(np.dot(_unit(first), _unit(second)))


def independent_encoder() -> GE2EEncoder | ClassicalEncoder:
    """`GE2EEncoder` where its weights are installed, else `ClassicalEncoder`, not fitted yet."""
    try:
        return GE2EEncoder()
    except MissingDependencyError:
        return ClassicalEncoder()


def active_speech(waveform: np.ndarray) -> np.ndarray:
    """Speech without its pauses, at a set level; shape (samples,), float32."""
    import librosa

    waveform = np.asarray(waveform, np.float32)
    spans = librosa.effects.split(waveform, top_db=35, frame_length=1024, hop_length=256)
    speech = np.concatenate([waveform[a:b] for a, b in spans]) if len(spans) else waveform
    level = float(np.sqrt(np.mean(speech**2)))
    return speech * np.float32(10 ** (_LEVEL / 20) / max(level, 1e-6))


def _power_mel(waveform: np.ndarray) -> np.ndarray:
    """What the GE2E network was trained on: power mel spectrum, not its logarithm; (frames, 40)."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=waveform, sr=SIMILARITY_RATE, n_fft=_WINDOW, hop_length=_HOP, n_mels=_MELS
    )
    return np.ascontiguousarray(mel.T, np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
