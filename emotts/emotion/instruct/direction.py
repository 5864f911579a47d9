"""What an instruction comes to: an emotion, and hints for rate and loudness."""

from __future__ import annotations

from dataclasses import dataclass

from emotts.emotion.emotion import Emotion

SLOWEST_HINT, FASTEST_HINT = 0.85, 1.2
"""Range of `Direction.speed`."""

QUIETEST_HINT, LOUDEST_HINT = -10.0, 6.0
"""Range of `Direction.energy`, in dB."""


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

    The hints are those of the words; what an emotion does to rate and loudness comes with the speech.

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
