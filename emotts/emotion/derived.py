"""Emotions that no recording taught a model: a blend of those that it learned, and a delivery.

Free corpora of acted speech hold anger, joy, sadness, fear and disgust. What else `Emotion` names is derived
from these by a rule, for all sources of emotion alike and only on the way into the models: what a user asked
for stays what is shown and recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from emotts.emotion.emotion import EMOTIONS, Emotion

ACTED: tuple[str, ...] = ("happy", "angry", "sad", "afraid", "disgusted")
"""What CREMA-D teaches; `ModelConfig.emotions` of models that do not say otherwise."""


@dataclass(frozen=True)
class Rule:
    """How an emotion is derived, at intensity 1; everything falls linearly to nothing at intensity 0.

    Attributes:
        blend: learned emotion -> intensity.
        rate: factor on the speaking rate; 2 is twice as fast.
        energy: change of the loudness in dB.
    """

    blend: Mapping[str, float]
    rate: float
    energy: float


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # Aroused like joy and fear, and between them on the circle of affect: the raised voice of both.
        "surprised": Rule(MappingProxyType({"happy": 0.45, "afraid": 0.35}), 1.06, 2.0),
        # Beside sadness, and weaker: no tears. The sadness brings its own pace, so the delivery adds little.
        "melancholic": Rule(MappingProxyType({"sad": 0.6}), 0.94, -2.0),
        # Opposite to arousal, where no learned emotion lies: mostly delivery, and some sadness's slackness.
        "calm": Rule(MappingProxyType({"sad": 0.2}), 0.93, -2.0),
    }
)
"""Where they lie follows Russell, "A Circumplex Model of Affect" (1980): arousal 90°, displeasure 180°,
depression 225°, relaxation 315°. The sizes are our choice: small enough to leave the words alone."""


NO_LOUDNESS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Spoken:
    """What the models get for an emotion.

    Attributes:
        emotion: of learned emotions only.
        rate: factor on the speaking rate.
        energy: change of the loudness in dB.
    """

    emotion: Emotion
    rate: float = 1.0
    energy: float = 0.0


def derive(
    emotion: Emotion, taught: Collection[str] = ACTED, loudness: Mapping[str, float] = NO_LOUDNESS
) -> Spoken:
    """What the models get for an emotion.

    Blends of a rule join what is asked for besides by the stronger of both, as one voice does not hold two
    sadnesses. A delivery counts by its emotion's share of the whole, v² / Σ v, so that a blend with a
    learned emotion is left to the model; alone that is v.

    Args:
        emotion: what is asked for.
        taught: names that recordings taught; they pass unchanged.
        loudness: dB that a learned emotion lacks at intensity 1 (`emotts.model_config.ModelConfig.loudness`).
    """
    found = _derive(emotion, taught)
    return replace(found, energy=found.energy + lacking(found.emotion, loudness)) if loudness else found


def lacking(emotion: Emotion, table: Mapping[str, float]) -> float:
    """What a blend of learned emotions lacks of a calibrated measure: no more than its parts do.

    Args:
        emotion: of learned emotions.
        table: emotion -> what it lacks at intensity 1, such as dB of loudness.
    """
    felt = emotion.as_mapping()
    return sum(value * table.get(name, 0.0) for name, value in felt.items()) / max(1.0, sum(felt.values()))


def _derive(emotion: Emotion, taught: Collection[str]) -> Spoken:
    asked = emotion.as_mapping()
    underived = {name: value for name, value in asked.items() if name in taught or name not in RULES}
    if len(underived) == len(asked):
        return Spoken(emotion)
    felt = dict.fromkeys(EMOTIONS, 0.0) | underived
    rate, energy, total = 1.0, 0.0, sum(asked.values())
    for name in asked.keys() - underived.keys():
        rule, value = RULES[name], asked[name]
        for other, share in rule.blend.items():
            felt[other] = max(felt[other], share * value)
        weight = value * value / total
        rate *= 1.0 + (rule.rate - 1.0) * weight
        energy += rule.energy * weight
    return Spoken(Emotion(tuple(felt[name] for name in EMOTIONS)), rate, energy)
