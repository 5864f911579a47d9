"""What guidance by the emotion expert costs in time: the acoustic decoder with it and without."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotts.errors import InputError
from emotts.evaluate.guidance_comparison import require_expert
from emotts.evaluate.report import markdown_table, number
from emotts.evaluate.speed import SENTENCE

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

MOST = 1.6
"""What guided decoding may cost, as a multiple of the decoder's time."""

EMOTION = "angry:1"
_WEIGHTS = {"alpha": 2.0, "beta": 0.5}  # above 0: what the weights are changes nothing in the time
_WITHOUT: dict[str, Any] = {"guidance_schedule": "none"}
_WAYS: dict[str, dict[str, Any]] = {
    "derived": {"guidance_schedule": "derived", **_WEIGHTS},
    "constant": {"guidance_schedule": "constant", **_WEIGHTS},
}


@dataclass(frozen=True)
class GuidanceCost:
    """Time of the acoustic decoder in one case, medians.

    Attributes:
        batch: sentences of five seconds at once.
        schedule: of the guidance.
        without: seconds without guidance.
        guided: seconds with it.
        neutral: seconds of neutral speech, for which the expert is not asked.
        ratio: median over the repeats of guided / without, runs next to each other.
    """

    batch: int
    schedule: str
    without: float
    guided: float
    neutral: float
    ratio: float


def guidance_cost(
    engine: EmoTTS, batches: Sequence[int] = (1, 4), repeats: int = 5, emotion: str = EMOTION
) -> list[GuidanceCost]:
    """Times the decoder with and without guidance, by turns, so that a busy machine slows both alike.

    Args:
        engine: its model must have an emotion expert.
        batches: sentences at once.
        repeats: runs that count; one before them does not.
        emotion: that is guided towards.

    Raises:
        ModelError: no expert.
        InputError: no repeats.
    """
    require_expert(engine)
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, not {repeats}")
    found = []
    for count in batches:
        texts = [SENTENCE] * count
        for schedule, given in _WAYS.items():
            runs = []
            for turn in range(repeats + 1):
                cases = ((emotion, _WITHOUT), (emotion, given), (None, _WITHOUT))
                runs.append([_seconds(engine, texts, mood, turn, options) for mood, options in cases])
            columns = list(zip(*runs[1:], strict=True))
            without, guided, neutral = (statistics.median(column) for column in columns)
            ratio = statistics.median(b / a for a, b, _ in runs[1:])
            found.append(GuidanceCost(count, schedule, without, guided, neutral, ratio))
    return found


def _seconds(
    engine: EmoTTS, texts: list[str], emotion: str | None, seed: int, options: dict[str, Any]
) -> float:
    spoken = engine.synthesize(texts, emotion=emotion, seed=seed, **options)
    return sum(speech.timings["acoustic"] for speech in spoken)


def render_guidance_cost(costs: Sequence[GuidanceCost]) -> str:
    """The result in Markdown."""
    header = ["batch", "schedule", "decoder, s", "guided, s", "neutral, s", "guided / decoder"]
    rows = [
        [
            str(cost.batch),
            cost.schedule,
            number(cost.without, 3),
            number(cost.guided, 3),
            number(cost.neutral, 3),
            number(cost.ratio),
        ]
        for cost in costs
    ]
    worst = max(cost.ratio for cost in costs)
    verdict = "kept" if worst <= MOST else "**missed**"
    note = f"Medians, sentences of about five seconds; the most allowed is {MOST:g} times: {verdict}."
    return f"{markdown_table(header, rows)}\n\n{note}\n"
