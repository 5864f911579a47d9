"""Timing plans of dubbed lines by the lips that are seen to say them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotts.dubbing.cast import Role
from emotts.dubbing.mouth import MouthSource
from emotts.lips.aligner import FRAMES_AROUND, LipTimer, embedded_timer
from emotts.text.symbols import kind
from emotts.timebase import TOKEN_RATE
from emotts.timing import TimingPlan

if TYPE_CHECKING:
    from emotts.text.phonemize import Phonemes

NAME = "lips"

LEAD = 2
"""Tokens of silence that a voice gets before its first phone; they lie before the window."""

TAIL = 2
"""Tokens of silence after its last phone, where the plan has fewer."""

LEAST_SEEN = 0.9
"""Share of a line's frames in which its mouth has to be seen."""

SLOWEST = 0.65
"""Speaking rate below which lips are not followed: they say something longer."""


@dataclass(frozen=True)
class Timed:
    """A line that was looked at.

    Attributes:
        plan: tokens of each phoneme, or None where the lips do not tell.
        lead: of its tokens, those that lie before the window.
        closure: seconds of its first phone, where that is a consonant.
        note: why there is no plan, or what became of it; for a warning, or empty.
    """

    plan: TimingPlan | None
    lead: int = 0
    closure: float = 0.0
    note: str = ""


class LipPlanner:
    """Times lines by lips, within the rates that people can follow.

    Args:
        engine: a synthesiser; one without `natural` gets no plans.
        language: of the text, or None.
        timer: the lip aligner; the one inside the package when left out.
    """

    def __init__(self, engine: Any, language: str | None, timer: LipTimer | None = None) -> None:
        self._engine, self._language, self._timer = engine, language, timer

    def plan(self, role: Role, source: MouthSource, tokens: int, fastest: float, room_before: float) -> Timed:
        """Times a line.

        Args:
            role: the line.
            source: the mouth that is seen in it.
            tokens: whole tokens of its window.
            fastest: highest speaking rate, of the natural one.
            room_before: seconds of silence before the window.
        """
        natural_of = getattr(self._engine, "natural", None)
        if natural_of is None:
            return Timed(None)
        around = FRAMES_AROUND / TOKEN_RATE
        left = max(0, round(role.line.start * TOKEN_RATE) - FRAMES_AROUND)
        track = source.track(left / TOKEN_RATE, role.line.end + around)
        if track is None or track.pictures is None or track.visible.mean() < LEAST_SEEN:
            return Timed(None)
        phonemes, natural = natural_of(role.text, role.voice, role.emotion, self._language)
        first = round(role.line.start * TOKEN_RATE) - left
        timer = self._timer or embedded_timer()
        found = timer.plan(track.pictures, phonemes, natural, first, min(tokens, len(track.pictures) - first))
        if found is None:
            return Timed(None)
        if found.likelihood < timer.settings.least_likelihood:
            return Timed(None, note="the lips do not suit the text, so its window times it")
        lead = LEAD if room_before >= LEAD / TOKEN_RATE else 0
        return bounded(found.plan, phonemes, natural, fastest, lead)


def bounded(
    plan: TimingPlan, phonemes: Phonemes, natural: list[float], fastest: float, lead: int = 0
) -> Timed:
    """A plan of the lips, no faster than people can follow, with a little silence at its edges.

    Args:
        plan: of the window.
        phonemes: of the text.
        natural: predicted length of each in tokens.
        fastest: highest rate, of the natural one; a plan that is faster is slowed as a whole.
        lead: tokens to add before.
    """
    before, *inner, after = plan.durations
    spoken, usual = sum(inner), sum(natural[1:-1])
    if spoken < 1 or usual / spoken < SLOWEST:
        return Timed(None, note="the lips move longer than this text can be spoken")
    fewest = math.ceil(usual / fastest - 1e-9)
    note = ""
    if spoken < fewest:
        note = f"the lips are {usual / spoken:.2f} times as fast as the voice: followed at {fastest:g}"
        inner = list(TimingPlan(tuple(inner)).scaled_to(fewest, phonemes.symbols[1:-1]).durations)
    first = next(index for index, value in enumerate(inner) if value)
    silent = kind(phonemes.symbols[1 + first]) == "consonant"
    closure = inner[first] / TOKEN_RATE if silent else 0.0
    return Timed(TimingPlan((before + lead, *inner, max(after, TAIL))), lead, closure, note)
