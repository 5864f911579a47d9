"""Every limit of a dub in one place; each is an option of `emotts.dub` and of `emotts dub`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emotts.config import StrictModel

Seconds = Annotated[float, Field(ge=0.0, le=60.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0.5, le=2.0, allow_inf_nan=False)]
Decibels = Annotated[float, Field(ge=-90.0, le=24.0, allow_inf_nan=False)]

CHECKS = ("wer", "similarity")
"""Checks of each line that cost time, and are made only when asked for."""


class DubOptions(StrictModel):
    """Limits and levels of a dub.

    Attributes:
        seed: of every line; None keeps the take that the cache remembers, or else is 0.
        language: of the text, as espeak names it; the model's first when left out.
        min_rate: slowest speaking rate; under 1, a short line may be spoken slower to reach its end.
        max_rate: fastest speaking rate that the model is asked for; 1 is natural.
        max_stretch: most that recorded samples are sped up, with their pitch kept.
        borrow_after: seconds that a line may go on into the silence after its window.
        borrow_before: seconds that it may start early.
        gap: seconds of silence that borrowing leaves before the next line.
        rate_jump: largest ratio of the rates of neighbouring lines of a speaker.
        neighbour: lines of a speaker with more seconds than this between them are no neighbours.
        retries: other seeds that are tried when a line fails its checks or is too long.
        fade_ms: of both edges of every line.
        loudness: of the dub in LUFS; None takes that of the original dialogue (-23 without one).
        loudness_range: LU by which a line follows the original's louder and softer lines.
        ceiling: highest sample of the mix, dBFS.
        bed_gain: of the music and effects, in dB.
        duck: of the bed under speech, in dB.
        duck_attack: seconds in which it goes down.
        duck_release: seconds in which it comes back.
        keep_original: level of the original sound under the dub, in dB; None leaves it out.
        max_onset: seconds that a line may start off its time before the dub fails.
        max_overflow: seconds that a line may last beyond its room before the dub fails.
        max_wer: word error rate above which another seed is tried.
        min_similarity: cosine of a line's voice with the speaker's other lines, below which one is tried.
        checks: some of `CHECKS`.
    """

    seed: Annotated[int, Field(ge=0, lt=2**62)] | None = None
    language: str | None = None
    min_rate: Rate = 1.0
    max_rate: Rate = 1.2
    max_stretch: Annotated[float, Field(ge=1.0, le=1.5)] = 1.15
    borrow_after: Seconds = 0.75
    borrow_before: Seconds = 0.25
    gap: Seconds = 0.08
    rate_jump: Annotated[float, Field(ge=1.0, le=4.0)] = 1.1
    neighbour: Seconds = 3.0
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    fade_ms: Annotated[float, Field(ge=5.0, le=20.0)] = 10.0
    loudness: Annotated[float, Field(ge=-60.0, le=-5.0)] | None = None
    loudness_range: Annotated[float, Field(ge=0.0, le=20.0)] = 4.0
    ceiling: Annotated[float, Field(ge=-20.0, le=0.0)] = -1.0
    bed_gain: Decibels = 0.0
    duck: Annotated[float, Field(ge=-90.0, le=0.0)] = -9.0
    duck_attack: Seconds = 0.15
    duck_release: Seconds = 0.4
    keep_original: Decibels | None = None
    max_onset: Seconds = 0.04
    max_overflow: Seconds = 0.04
    max_wer: Annotated[float, Field(ge=0.0)] = 0.5
    min_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.7
    checks: tuple[str, ...] = ()
