"""What an instruction comes to: an emotion, and hints for rate and loudness."""

from __future__ import annotations

from dataclasses import dataclass

from emotts.emotion.emotion import Emotion

SLOWEST_HINT, FASTEST_HINT = 0.85, 1.2
"""Range of `Direction.speed`."""

QUIETEST_HINT, LOUDEST_HINT = -10.0, 6.0
"""Range of `Direction.energy`, in dB."""

DERIVED_DELIVERY = {"surprised": (1.06, 2.0), "melancholic": (0.9, -3.0), "calm": (0.93, -2.0)}
"""Factor on the speed and dB that an emotion brings at intensity 1, where no recording taught it.

No corpus that may train the shipped model holds these three emotions, so their delivery has to be said.
Surprise is quicker and louder than neutral speech, melancholy (as sadness) slower and softer, calm somewhat
slower and softer. The sizes are our choice, small enough to leave the words alone.
"""


@dataclass(frozen=True)
class Reading:
    """How one clause of an instruction was read.

    Attributes:
        text: the words that reached the network, cues taken out.
        emotion: of this clause, after its own intensity words.
        weight: its share in the whole, 0 to 1.25; cues of contrast and of pretence change it.
        negated: what the clause names is not to be there.
    """

    text: str
    emotion: Emotion
    weight: float = 1.0
    negated: bool = False


@dataclass(frozen=True)
class Direction:
    """An instruction, understood.

    Attributes:
        emotion: the eight intensities; neutral when the words name no emotion.
        speed: factor on the speaking rate, `SLOWEST_HINT` to `FASTEST_HINT`; 1 says nothing.
        energy: change of the loudness in dB, `QUIETEST_HINT` to `LOUDEST_HINT`; 0 says nothing.
        readings: of every clause, to show why.
    """

    emotion: Emotion
    speed: float = 1.0
    energy: float = 0.0
    readings: tuple[Reading, ...] = ()

    def as_record(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "emotion": self.emotion.name,
            "vector": list(self.emotion.vector),
            "intensities": self.emotion.as_mapping(),
            "speed": self.speed,
            "energy_db": self.energy,
            "clauses": [
                {
                    "text": reading.text,
                    "intensities": reading.emotion.as_mapping(),
                    "weight": round(reading.weight, 3),
                    "negated": reading.negated,
                }
                for reading in self.readings
            ],
        }


def clamp_hints(speed: float, energy: float) -> tuple[float, float]:
    """Speed factor and dB inside of their ranges, rounded to what can be heard."""
    speed = min(FASTEST_HINT, max(SLOWEST_HINT, speed))
    energy = min(LOUDEST_HINT, max(QUIETEST_HINT, energy))
    return round(speed, 3), round(energy, 1) + 0.0


def derived_delivery(emotion: Emotion) -> tuple[float, float]:
    """Speed factor and dB of the emotions that no recording taught, by their share of the whole emotion.

    Each counts with its intensity squared over the sum of all intensities, so that a blend with an emotion
    that the model has learned is left to the model.
    """
    total = sum(emotion.vector) or 1.0
    speed, energy = 1.0, 0.0
    for name, value in emotion.as_mapping().items():
        factor, decibels = DERIVED_DELIVERY.get(name, (1.0, 0.0))
        share = value * value / total
        speed *= 1.0 + (factor - 1.0) * share
        energy += decibels * share
    return speed, energy
