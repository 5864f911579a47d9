"""Calibration of the intensity knob: what each weight of the guidance does to speech, and what it costs.

The expert that guides must not say how far it got: guidance raises its own score whatever is heard. So the
response comes from outside, as any callable, by default from prosody (`emotts.evaluate.prosody_response`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from emotts.audio.mel import LogMel
from emotts.emotion.calibration import DoseTable, interpolate, isotonic
from emotts.emotion.emotion import Emotion
from emotts.errors import DataError
from emotts.evaluate.prosody_response import loudness_of_speech, pitch_of_speech
from emotts.model_config import MOST_LOUDNESS, MOST_PITCH
from emotts.semantic.takes import phone_cost
from emotts.text.symbols import encode_base
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN

if TYPE_CHECKING:
    from emotts.speech import Speech
    from emotts.tts import EmoTTS

Response = Callable[[str, "Speech", "Speech"], float]
"""(emotion, speech, the same text, voice and seed spoken neutrally) -> how far it moved towards the
emotion: 0 not at all, larger is farther. May have an attribute `loudness`: emotion -> natural change, dB."""

Cost = Callable[["EmoTTS", "Speech"], float]
"""What speech costs in words; larger is worse."""

_BATCH = 8
_TRIAL = 0.15
"""Nats a semitone at which the effect of a weight is measured."""


@dataclass(frozen=True)
class Point:
    """A measurement, mean over texts and voices.

    Attributes:
        emotion: its name.
        intensity: asked for.
        alpha: weight of the guidance.
        response: see `Response`.
        cost: more than without guidance, see `Cost`.
    """

    emotion: str
    intensity: float
    alpha: float
    response: float
    cost: float


def measure_doses(
    engine: EmoTTS,
    texts: Sequence[str],
    voices: Sequence[str],
    emotions: Sequence[str],
    response: Response,
    cost: Cost,
    intensities: Sequence[float],
    alphas: Sequence[float],
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    known: Sequence[Point] = (),
    report: Callable[[list[Point]], None] | None = None,
) -> list[Point]:
    """Speaks every text in every voice, emotion, intensity and weight, and measures it.

    Args:
        engine: with a model that has an emotion expert.
        texts: what is said.
        voices: who says it.
        emotions: that the expert knows.
        response: measures the emotion; must not be the expert.
        cost: measures the words.
        intensities: above 0.
        alphas: rising from 0; β is the model's share of it.
        seed: of all synthesis.
        options: more of `EmoTTS.synthesize`.
        known: points of a run that was stopped; an emotion and intensity with all its weights is not spoken
            again.
        report: called with all points so far whenever an emotion and intensity is done.
    """
    lines = [(text, voice) for text in texts for voice in voices]
    given = dict(options or {})
    points: list[Point] = []
    neutral: list[Speech] = []
    for emotion, intensity in itertools.product(emotions, intensities):
        done = [p for p in known if (p.emotion, p.intensity) == (emotion, float(intensity))]
        if [p.alpha for p in done] == [float(alpha) for alpha in alphas]:
            points += done
            continue
        neutral = neutral or _speak(engine, lines, None, seed, {})
        mood = Emotion.from_mapping({emotion: intensity})
        base = 0.0  # the first weight is 0: what the words cost without guidance
        for alpha in alphas:
            weight = {**given, "alpha": alpha} if alpha else {"guidance_schedule": "none"}
            spoken = _speak(engine, lines, mood, seed, weight)
            pairs = zip(spoken, neutral, strict=True)
            moved = sum(response(emotion, made, plain) for made, plain in pairs) / len(lines)
            words = sum(cost(engine, made) for made in spoken) / len(lines)
            base = words if not alpha else base
            points.append(Point(emotion, float(intensity), float(alpha), moved, words - base))
        if report is not None:
            report(points)
    return points


def measure_loudness(
    engine: EmoTTS,
    texts: Sequence[str],
    voices: Sequence[str],
    natural: Mapping[str, float],
    seed: int = 0,
) -> dict[str, float]:
    """What emotional speech lacks of the natural change in loudness.

    Networks that fit the mean of few emotional recordings stay near the loudness of the many neutral ones.

    Args:
        engine: as users will hear it, calibrated, but without a correction of the loudness.
        texts: what is said.
        voices: who says it.
        natural: emotion -> dB against neutral, in natural recordings.
        seed: of all synthesis.

    Returns:
        emotion -> dB at intensity 1, to a tenth, at most ±`MOST_LOUDNESS`.
    """
    lines = [(text, voice) for text in texts for voice in voices]
    neutral = [loudness_of_speech(s) for s in _speak(engine, lines, None, seed, {})]
    found = {}
    for emotion, wanted in natural.items():
        spoken = _speak(engine, lines, Emotion.from_mapping({emotion: 1.0}), seed, {})
        moved = [loudness_of_speech(s) - plain for s, plain in zip(spoken, neutral, strict=True)]
        lack = wanted - sum(moved) / len(moved)
        found[emotion] = round(min(max(lack, -MOST_LOUDNESS), MOST_LOUDNESS), 1)
    return found


def measure_pitch(
    engine: EmoTTS,
    texts: Sequence[str],
    voices: Sequence[str],
    natural: Mapping[str, float],
    seed: int = 0,
) -> dict[str, float]:
    """Weights of `ModelConfig.pitch` that bring the pitch of emotional speech to that of natural speech.

    A language model that read most texts and voices in neutral speech only falls short with them. Two
    speakings of each emotion, without a weight and with one, give a line, on which the weight is found.

    Args:
        engine: its configuration is changed while this runs, and set back.
        texts: what is said.
        voices: who says it.
        natural: emotion -> semitones against neutral, in natural recordings.
        seed: of all synthesis.

    Returns:
        emotion -> nats a semitone at intensity 1, to a hundredth, at most ±`MOST_PITCH`.
    """
    lines = [(text, voice) for text in texts for voice in voices]
    given, unguided = engine.model.config, {"guidance_schedule": "none"}

    def rise(name: str, weight: float) -> float:
        engine.model.config = given.model_copy(update={"pitch": {name: weight}})
        spoken = _speak(engine, lines, Emotion.from_mapping({name: 1.0}), seed, unguided)
        return sum(map(pitch_of_speech, spoken)) / len(lines) - neutral

    neutral = sum(map(pitch_of_speech, _speak(engine, lines, None, seed, {}))) / len(lines)
    found = {}
    try:
        for name, wanted in natural.items():
            start = rise(name, 0.0)
            trial = math.copysign(_TRIAL, wanted - start)
            slope = (rise(name, trial) - start) / trial
            weight = (wanted - start) / slope if slope > 0 else 0.0
            found[name] = round(min(max(weight, -MOST_PITCH), MOST_PITCH), 2)
    finally:
        engine.model.config = given
    return found


def _speak(
    engine: EmoTTS, lines: Sequence[tuple[str, str]], mood: Emotion | None, seed: int, options: dict[str, Any]
) -> list[Speech]:
    spoken: list[Speech] = []
    for start in range(0, len(lines), _BATCH):
        part = lines[start : start + _BATCH]
        spoken += engine.synthesize(
            [text for text, _ in part], voice=[voice for _, voice in part], emotion=mood, seed=seed, **options
        )
    return spoken


def choose_table(points: Sequence[Point], worst_cost: float, slack: float = 0.05) -> DoseTable:
    """The weights that let an emotion speak as strongly as it can at a price that words can pay.

    One point is noisy: a few sentences, each with other draws of the language model. So all intensities are
    pooled: the response is taken to be s · h(α), and h is found by least squares and made to rise with α
    (isotonic regression). Intensity 1 gets the smallest α that reaches the largest h within the cost, but
    for a little slack, so that nothing is paid for what is hardly heard; the others get their share s of it.

    Args:
        points: of `measure_doses`; every emotion with the same intensities and weights.
        worst_cost: weights from the first one that costs more, at intensity 1, are not used.
        slack: share of the largest response that may be left.

    Raises:
        DataError: no points, or some that are not finite.
    """
    if not points or not all(map(_finite, points)):
        raise DataError("the calibration gave no finite responses: is the synthesised speech silent?")
    intensities = sorted({point.intensity for point in points})
    table = {}
    for emotion in dict.fromkeys(point.emotion for point in points):
        alphas, heights = _pooled(points, emotion)
        allowed = _allowed(points, emotion, intensities[-1], worst_cost)
        plain, alphas, heights = heights[0], alphas[:allowed], isotonic(heights[:allowed])
        goal = (1 - slack) * heights[-1]
        # Where guidance makes the response fall, the regression would blame its absence too.
        strongest = _smallest(alphas, heights, goal) if goal > max(0.0, plain) else 0.0
        table[emotion] = tuple(round(s * strongest, 4) for s in (0.0, *intensities))
    return DoseTable(intensities=(0.0, *intensities), alpha=table)


def _finite(point: Point) -> bool:
    return bool(torch.isfinite(torch.tensor([point.response, point.cost])).all())


def _pooled(points: Sequence[Point], emotion: str) -> tuple[list[float], list[float]]:
    """Rising weights, and h(α) of each: the slope of the response over the intensity, through zero."""
    own = [point for point in points if point.emotion == emotion]
    alphas = sorted({point.alpha for point in own})
    heights = []
    for alpha in alphas:
        line = [point for point in own if point.alpha == alpha]
        heights.append(sum(p.intensity * p.response for p in line) / sum(p.intensity**2 for p in line))
    return alphas, heights


def _allowed(points: Sequence[Point], emotion: str, intensity: float, worst_cost: float) -> int:
    """How many of the rising weights cost no more than allowed; the first, none, always does."""
    found = sorted((p.alpha, p.cost) for p in points if p.emotion == emotion and p.intensity == intensity)
    for count, (_, cost) in enumerate(found):
        if count and cost > worst_cost:
            return count
    return len(found)


def _smallest(alphas: Sequence[float], responses: Sequence[float], goal: float) -> float:
    """Smallest α, between the measured ones too, with the response `goal`, or the best one if none has it."""
    goal = min(goal, responses[-1])
    if goal <= responses[0]:
        return alphas[0]
    for right in range(1, len(alphas)):
        if responses[right] >= goal:
            low, high = responses[right - 1], responses[right]
            return interpolate([low, high], [alphas[right - 1], alphas[right]], goal)
    return alphas[-1]


@torch.no_grad()
def recognition_cost(engine: EmoTTS, speech: Speech) -> float:
    """CTC loss of the phones that were asked for, nats a phone, by the model's own tokenizer.

    It hears whether the phones are still there; it has never seen the expert.
    """
    tokenizer = engine.model.components["tokenizer"]
    device = next(tokenizer.parameters()).device
    tokens = max(1, len(speech.audio) // SAMPLES_PER_TOKEN)
    samples = torch.from_numpy(speech.audio[: tokens * SAMPLES_PER_TOKEN])
    samples = torch.nn.functional.pad(samples, (0, tokens * SAMPLES_PER_TOKEN - len(samples)))
    mel = LogMel()(samples[None])[:, : tokens * FRAMES_PER_TOKEN].to(device)
    mask = torch.ones(1, tokens, dtype=torch.bool, device=device)
    posteriors = tokenizer.ctc_log_probs(mel, mask)[0].float().cpu()
    return phone_cost(posteriors, encode_base([symbol for symbol, _, _ in speech.alignment]))
