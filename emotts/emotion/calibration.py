"""The intensity knob of guidance: from `angry:0.7` to the weights (α, β) that a model was calibrated for."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from pydantic import Field, model_validator

from emotts.config import StrictModel
from emotts.emotion.emotion import NEUTRAL, Emotion, check_name
from emotts.errors import InputError

GuidanceSchedule = Literal["derived", "constant", "none"]
SCHEDULES: tuple[str, ...] = get_args(GuidanceSchedule)

MAX_ALPHA, MAX_BETA = 10.0, 5.0
"""Largest weights that are accepted. The paper shows α up to 9 and β up to 2 (arXiv 2412.08988)."""

BETA_RATIO = 0.25
"""β / α of the one knob: the paper's curves with β = α/4 begin at the baseline and rise monotonically."""


def _rises(values: Sequence[float], strictly: bool = False) -> bool:
    if not all(math.isfinite(value) for value in values):
        return False
    return all(a < b if strictly else a <= b for a, b in pairwise(values))


class DoseTable(StrictModel):
    """Intensity -> α of each emotion, as the calibration measured it.

    Attributes:
        intensities: rising, from 0 to 1.
        alpha: emotion -> α at each of `intensities`; begins with 0 and never falls.
    """

    intensities: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    alpha: dict[str, tuple[float, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _monotone(self) -> DoseTable:
        marks = self.intensities
        if len(marks) < 2 or marks[0] != 0 or marks[-1] != 1 or not _rises(marks, strictly=True):
            raise ValueError("intensities must rise from 0 to 1")
        for name, values in self.alpha.items():
            try:
                check_name(name)
            except InputError as error:
                raise ValueError(str(error)) from None
            if len(values) != len(marks):
                raise ValueError(f"alpha of {name} has {len(values)} values for {len(marks)} intensities")
            if values[0] != 0 or not _rises(values) or not values[-1] <= MAX_ALPHA:
                raise ValueError(
                    f"alpha of {name} must begin with 0, never fall, and end at {MAX_ALPHA:g} at most"
                )
        return self

    def alpha_of(self, emotion: str, intensity: float) -> float:
        """α of an emotion at an intensity in [0, 1], linear between the marks; 0 for one not in the table."""
        values = self.alpha.get(emotion)
        return 0.0 if values is None else interpolate(self.intensities, values, intensity)


class GuidanceConfig(StrictModel):
    """Section `guidance` of a model's config.yaml: how its decoder is guided, and how far.

    The derived schedule uses all of it. The constant one is the paper's formula as it stands: `gamma` and
    nothing else.

    Attributes:
        schedule: "derived", w(t) = scale · (1 − t)/t, or "constant", w(t) = gamma; "none" switches guidance
            off.
        scale: of the derived weight. 1 would be exact for a likelihood of unit strength; a small expert is so
            unsure, and a decoder with a regressed prior so sure, that the exact strength is not heard.
        gamma: the constant weight (the paper's 15).
        cap: the guidance is at most this share of the velocity, both as norms over an item.
        gate: where the expert gives the wanted emotion more than this probability, guidance fades out, to
            nothing at 1.
        interval: times between which there is guidance, both included.
        reference_tokens: a pooled classifier's gradient at one frame falls as the item gets longer; it is
            multiplied by length / reference_tokens, so that a long line moves as far as a short one.
        negatives: weights l_j of the unwanted emotions: "uniform", all 1, or "posterior", what the expert
            itself gives them at x_t.
        beta_ratio: β / α where only α is known.
        table: intensity -> α; empty until the model is calibrated.
    """

    schedule: GuidanceSchedule = "derived"
    scale: float = Field(15.0, gt=0)
    gamma: float = Field(15.0, ge=0)
    cap: float = Field(0.5, gt=0)
    gate: float = Field(0.9, ge=0, lt=1)
    interval: tuple[float, float] = (0.01, 0.85)
    reference_tokens: float = Field(60.0, gt=0)
    negatives: Literal["uniform", "posterior"] = "uniform"
    beta_ratio: float = Field(BETA_RATIO, ge=0, le=1)
    table: DoseTable = DoseTable()

    @model_validator(mode="after")
    def _interval_in_time(self) -> GuidanceConfig:
        first, last = self.interval
        if not 0 < first < last <= 1:
            raise ValueError("interval must be two rising times above 0 and at most 1")
        return self


@dataclass(frozen=True)
class Dose:
    """What one item is guided by.

    Attributes:
        positive: emotion -> its α; the blend's parts. Empty for no guidance.
        beta: weight of the unwanted emotions.
    """

    positive: tuple[tuple[str, float], ...] = ()
    beta: float = 0.0

    def __bool__(self) -> bool:
        return any(alpha > 0 for _, alpha in self.positive) or self.beta > 0


def dose_of(
    config: GuidanceConfig,
    emotion: Emotion,
    classes: Sequence[str],
    alpha: float | None = None,
    beta: float | None = None,
) -> Dose:
    """Guidance that an emotion asks for.

    A blend shares α in the proportions of its intensities, as a soft label does (EmoDiff, arXiv 2211.09496,
    eq. 10). Emotions that the expert does not know cannot be guided towards and are left out of it.

    Args:
        config: with the table.
        emotion: what is wanted; neutral gives no guidance.
        classes: what the expert knows.
        alpha: overrides the table, for all parts of the blend.
        beta: overrides α · `beta_ratio`.
    """
    known = {name: value for name, value in emotion.as_mapping().items() if name in classes}
    total = sum(known.values())
    if total <= 0 or config.schedule == "none":
        return Dose()
    parts = []
    for name, intensity in known.items():
        whole = config.table.alpha_of(name, intensity) if alpha is None else alpha
        parts.append((name, whole * (intensity / total)))
    summed = sum(value for _, value in parts)
    return Dose(tuple(parts), summed * config.beta_ratio if beta is None else beta)


def interpolate(marks: Sequence[float], values: Sequence[float], place: float) -> float:
    """Linear interpolation between rising marks; constant outside of them."""
    if place <= marks[0]:
        return float(values[0])
    if place >= marks[-1]:
        return float(values[-1])
    right = bisect_right(marks, place)
    left = right - 1
    share = (place - marks[left]) / (marks[right] - marks[left])
    return float(values[left] + share * (values[right] - values[left]))


def isotonic(values: Sequence[float]) -> list[float]:
    """Nearest sequence that never falls, in least squares (pool adjacent violators, Ayer et al. 1955)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        blocks.append((mean, size))
    return [mean for mean, size in blocks for _ in range(size)]


def check_guidance(values: Mapping[str, object], has_expert: bool, config: GuidanceConfig | None) -> None:
    """Checks what a caller asks of the guidance against what the model can do.

    Args:
        values: those of guidance_schedule, alpha and beta that are not None.
        has_expert: whether the model has an emotion expert.
        config: of the model; None where it was never calibrated.

    Raises:
        InputError: no expert to guide, or a schedule for which the table says nothing.
    """
    asked = [name for name in ("guidance_schedule", "alpha", "beta") if values.get(name) is not None]
    schedule = values.get("guidance_schedule")
    if not asked or schedule == "none":
        if schedule == "none" and len(asked) > 1:
            raise InputError(f"guidance_schedule none leaves nothing for {asked[1]} to do; give one of them")
        return
    if not has_expert:
        raise InputError(f"this model has no emotion expert, so it cannot be guided: leave {asked[0]} out")
    if values.get("alpha") is not None:
        return
    calibrated = config.schedule if config is not None and config.table.alpha else None
    if calibrated is None or schedule not in (None, calibrated):
        known = "not calibrated" if calibrated is None else f"calibrated for {calibrated} guidance only"
        raise InputError(f"this model is {known}: give alpha (0 to {MAX_ALPHA:g}) with {asked[0]}")


def check_wanted(values: Mapping[str, object], emotions: Sequence[Emotion], classes: Sequence[str]) -> None:
    """Refuses weights of guidance where no text asks for an emotion that the expert knows.

    Args:
        values: options of the request, alpha and beta among them or not.
        emotions: of each text.
        classes: what the expert tells apart.

    Raises:
        InputError: the weights would do nothing.
    """
    asked = [name for name in ("alpha", "beta") if values.get(name)]
    known = [name for name in classes if name != NEUTRAL]
    if asked and not any(name in known for emotion in emotions for name in emotion.as_mapping()):
        raise InputError(f"{asked[0]} guides towards an emotion: ask for one of {', '.join(known)}")
