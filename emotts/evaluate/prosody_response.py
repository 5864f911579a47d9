"""How far speech has moved from neutral towards an emotion, by pitch, loudness and colour of the voice alone.

A linear measure of a dozen numbers, fitted to natural recordings: it shares neither features nor weights
with the expert that guides the decoder, and serves to calibrate it. The product's results are graded by
another judge again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emotts.audio.mel import LogMel
from emotts.audio.pitch import extract_f0
from emotts.emotion.corpora import CLEAR_SHARE
from emotts.emotion.emotion import EMOTIONS
from emotts.errors import DataError

if TYPE_CHECKING:
    from emotts.data.shards import Corpus
    from emotts.speech import Speech

FEATURES = (
    "log F0 mean",
    "log F0 deviation",
    "log F0 range",
    "voiced share",
    "level",
    "level deviation",
    "tilt",
    "low bands",
    "middle bands",
    "high bands",
    "flux",
)
"""What is measured on a recording; rate is left out, for guidance cannot change timing."""

DECIBELS = 20.0 / math.log(10.0)
"""Of a neper: the level is the logarithm of an amplitude."""

SEMITONES = 12.0 / math.log(2.0)
"""Of a unit of log F0."""

_PITCH, _LEVEL = FEATURES.index("log F0 mean"), FEATURES.index("level")
_SHARE = 0.5
"""Of the listeners who must agree for a recording to stand for its emotion."""

_SHRINKAGE = 0.1
_REACH = 4.0  # nats under the loudest frames: about 35 dB
_LOWS, _MIDDLES, _HIGHS = slice(0, 16), slice(16, 40), slice(40, 64)  # up to about 0.7, 2.5 and 6.5 kHz


def prosody_features(mel: Tensor, f0: Tensor) -> Tensor:
    """Measures of a recording, shape (features,), as `FEATURES` names them.

    Args:
        mel: shape (frames, mel_bins), natural log.
        f0: shape (frames,), Hz, zero where unvoiced.
    """
    frames = min(len(mel), len(f0))
    mel, f0 = mel[:frames], f0[:frames]
    level = mel[:, : _HIGHS.stop].exp().mean(1).clamp_min(1e-5).log()
    active = level >= level.quantile(0.95) - _REACH
    voiced = (f0 > 0) & active
    pitch = f0[voiced].log() if bool(voiced.any()) else torch.full((1,), 5.0)
    heard, loud = mel[active], level[active]
    bands = [heard[:, part].mean() - loud.mean() for part in (_LOWS, _MIDDLES, _HIGHS)]
    change = (heard[1:] - heard[:-1]).abs().mean() if len(heard) > 1 else heard.new_zeros(())
    values = [
        pitch.mean(),
        pitch.std(unbiased=False),
        pitch.quantile(0.9) - pitch.quantile(0.1),
        voiced.float().sum() / active.sum(),
        loud.mean(),
        loud.std(unbiased=False),
        bands[2] - bands[0],
        *bands,
        change,
    ]
    return torch.stack([value.float() for value in values])


@dataclass(frozen=True)
class ProsodyResponse:
    """Projects a movement from neutral onto the natural movement of an emotion.

    Attributes:
        directions: emotion -> weights (features,); the mean natural movement has the response 1.
        loudness: emotion -> mean natural movement of the level, dB.
        pitch: emotion -> mean natural movement of F0 where the emotion is clear, semitones.
    """

    directions: Mapping[str, Tensor]
    loudness: Mapping[str, float] = field(default_factory=dict)
    pitch: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, emotion: str, speech: Speech, neutral: Speech) -> float:
        """Response of speech against its neutral twin: 0 unmoved, 1 as far as natural speech.

        Raises:
            DataError: the natural recordings did not hold the emotion.
        """
        if emotion not in self.directions:
            raise DataError(f"the training recordings hold no {emotion} speech to calibrate it on")
        return self.of_features(emotion, features_of_speech(speech) - features_of_speech(neutral))

    def of_features(self, emotion: str, movement: Tensor) -> float:
        """Response of a difference of features (features,)."""
        return float(self.directions[emotion] @ movement)


def features_of_speech(speech: Speech) -> Tensor:
    """Measures of synthesised speech."""
    samples = torch.from_numpy(speech.audio)
    mel = LogMel()(samples[None])[0]
    return prosody_features(mel, extract_f0(samples, frames=len(mel)))


def fit_prosody_response(corpus: Corpus) -> ProsodyResponse:
    """Learns the natural movements from a corpus with emotions.

    A movement is a recording's measures less the mean of its speaker's neutral ones. The direction of an
    emotion is Fisher's linear discriminant of its movements against neutral ones, Σ⁻¹ μ, with a shrunk
    covariance, so that measures which vary without any emotion count little.

    Args:
        corpus: with mel and F0; recordings count whose listeners agreed.

    Raises:
        DataError: no speaker is both neutral and emotional in it.
    """
    groups: dict[str, dict[str, list[tuple[Tensor, float]]]] = {}
    emotional = {u.corpus for u in corpus.utterances if any(u.emotion)}
    for item, utterance in enumerate(corpus.utterances):
        name = _agreed(utterance.emotion) if utterance.corpus in emotional else None
        if name is not None:
            measured = prosody_features(corpus.mel(item), corpus.f0(item))
            rows = groups.setdefault(utterance.speaker, {}).setdefault(name, [])
            rows.append((measured, max(utterance.emotion)))
    moved: dict[str, list[Tensor]] = {}
    clear: dict[str, list[float]] = {}
    for group in groups.values():
        if "neutral" in group:
            base = torch.stack([row for row, _ in group["neutral"]]).mean(0)
            for name, rows in group.items():
                moved.setdefault(name, []).extend(row - base for row, _ in rows)
                # Mild sadness is low and open sadness is high: their mean would say that it changes nothing.
                pitches = [float(row[_PITCH] - base[_PITCH]) for row, share in rows if share >= CLEAR_SHARE]
                clear.setdefault(name, []).extend(pitches)
    if not set(moved) - {"neutral"}:
        raise DataError("no speaker of the training recordings is both neutral and emotional")
    tables = {name: torch.stack(rows).double() for name, rows in moved.items()}
    loudness = {n: DECIBELS * float(t[:, _LEVEL].mean()) for n, t in tables.items() if n in EMOTIONS}
    pitch = {
        n: SEMITONES * sum(values) / len(values) for n, values in clear.items() if values and n in EMOTIONS
    }
    return ProsodyResponse(_directions(tables), loudness, pitch)


def pitch_of_speech(speech: Speech) -> float:
    """Mean F0 of synthesised speech, semitones above 1 Hz, as `ProsodyResponse.pitch` has it."""
    return SEMITONES * float(features_of_speech(speech)[_PITCH])


def loudness_of_speech(speech: Speech) -> float:
    """Level of synthesised speech, dB, as `ProsodyResponse.loudness` has it."""
    return DECIBELS * float(features_of_speech(speech)[_LEVEL])


def _directions(moved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    centred = torch.cat([rows - rows.mean(0) for rows in moved.values()])
    covariance = centred.T @ centred / max(1, len(centred) - len(moved))
    spread = covariance.diagonal().clamp_min(1e-6)
    covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * spread.diag() + 1e-6 * torch.eye(len(spread))
    found = {}
    for name in EMOTIONS:
        if name in moved:
            mean = moved[name].mean(0)
            weights = torch.linalg.solve(covariance, mean)
            found[name] = (weights / (weights @ mean).clamp_min(1e-6)).float()
    return found


def _agreed(emotion: list[float]) -> str | None:
    values = {"neutral": max(0.0, 1.0 - sum(emotion)), **dict(zip(EMOTIONS, emotion, strict=True))}
    name = max(values, key=values.__getitem__)
    return name if values[name] >= _SHARE else None
