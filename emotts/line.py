"""One text on its way to speech: how long each phoneme lasts, and the samples put together at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotts.audio.limit import limit_peaks
from emotts.audio.seams import join_segments
from emotts.emotion import Emotion
from emotts.emotion.derived import Spoken, derive
from emotts.errors import InputError
from emotts.model import Model
from emotts.pipeline import Segment
from emotts.script import Script
from emotts.speech import Speech, align_symbols
from emotts.text.symbols import kind
from emotts.timebase import (
    SAMPLES_PER_TOKEN,
    TOKEN_RATE,
    seconds_to_samples,
    seconds_to_tokens,
    tokens_to_seconds,
)
from emotts.timing import TimingPlan
from emotts.timing.scale import require_natural, scale_plan
from emotts.voice.voice import Voice

SENTENCE_PAUSE = 8.0
"""Natural length, in tokens, of the pause at the end of a sentence that another segment follows."""

Row = Mapping[str, Any]
"""What a caller asks for one text, by the names of the arguments of `EmoTTS.synthesize`."""


@dataclass(frozen=True)
class Delivery:
    """How a text is to be said.

    Attributes:
        emotion: of all pieces whose markup does not say another.
        rate: factor on the natural rate; 2 is twice as fast.
        energy: change of the loudness in dB.
    """

    emotion: Emotion
    rate: float = 1.0
    energy: float = 0.0


@dataclass(frozen=True)
class Line:
    """One text with all that the models need to say it.

    Attributes:
        text: as it was given.
        voice: who says it.
        delivery: how.
        seed: of its samples.
        script: its pieces.
        plans: tokens of each phoneme of each piece.
        samples: exact length of the speech.
        taught: emotions that the model learned; others are derived on their way into it.
        loudness: see `emotts.model_config.ModelConfig.loudness`.
    """

    text: str
    voice: Voice
    delivery: Delivery
    seed: int
    script: Script
    plans: list[tuple[int, ...]]
    samples: int
    taught: tuple[str, ...]
    loudness: Mapping[str, float]

    def segments(self) -> list[Segment]:
        """Its pieces as the models read them."""
        parts = zip(self.script.pieces, self.plans, self.emotions, strict=True)
        return [
            Segment(piece.phonemes, plan, self.voice, emotion, self.seed, number)
            for number, (piece, plan, emotion) in enumerate(parts)
        ]

    @property
    def emotions(self) -> list[Emotion]:
        """Emotion of each piece, as the models read it."""
        return [spoken.emotion for spoken in self.spoken]

    @property
    def spoken(self) -> list[Spoken]:
        """What the models get for the emotion of each piece."""
        moods = [piece.emotion or self.delivery.emotion for piece in self.script.pieces]
        return [derive(mood, self.taught, self.loudness) for mood in moods]

    def speech(self, codes: Sequence[Tensor], audio: Sequence[Tensor], timings: dict[str, float]) -> Speech:
        """The speech of exactly `samples` samples.

        Args:
            codes: of each segment (tokens,).
            audio: of each segment (samples,).
            timings: seconds that each stage took.
        """
        silences = self.script.silences
        audio = [
            samples * 10.0 ** (spoken.energy / 20.0) if spoken.energy else samples
            for samples, spoken in zip(audio, self.spoken, strict=True)
        ]
        samples = join_segments(audio, silences).numpy()
        exact = np.zeros(self.samples, dtype=np.float32)
        exact[: min(len(samples), self.samples)] = samples[: self.samples]
        exact = limit_peaks(exact * np.float32(10.0 ** (self.delivery.energy / 20.0)))
        seconds = self.samples / (SAMPLES_PER_TOKEN * TOKEN_RATE)
        parts = [(piece.phonemes, plan) for piece, plan in zip(self.script.pieces, self.plans, strict=True)]
        symbols, words = align_symbols(parts, seconds, silences)
        return Speech(
            audio=exact,
            tokens=torch.cat(list(codes)).numpy(),
            alignment=symbols,
            word_timings=words,
            seed=self.seed,
            text=self.text,
            voice=self.voice.name,
            emotion=self.delivery.emotion,
            timings=timings,
        )


def plan_script(
    model: Model, script: Script, voice: Voice, delivery: Delivery, row: Row
) -> list[tuple[int, ...]]:
    """Tokens of each phoneme of each piece; a requested length is shared by all phonemes of all pieces.

    Raises:
        InputError: the length does not suit the text, or the plan of the request does not fit it.
    """
    if row["plan"] is not None:
        return _check_plan(row["plan"], script)
    natural = natural_lengths(model, script, voice, delivery)
    symbols = [symbol for piece in script.pieces for symbol in piece.phonemes.symbols]
    fixed = script.fixed
    natural = [0.0 if index in fixed else length for index, length in enumerate(natural)]
    rest = sum(fixed.values()) + sum(script.silences) / SAMPLES_PER_TOKEN
    directed = sum(natural) / delivery.rate
    total = wanted_tokens(row, directed, rest)
    if total is None and delivery.rate != 1.0:
        total = max(1, round(directed))
    # Half a token at the end at least, so that a plan of tiny predictions still lasts.
    plan = TimingPlan.rounded([*natural[:-1], max(natural[-1], 0.5)])
    if row["duration"] is not None or row["tokens"] is not None:
        require_natural(total, plan, symbols, rest, row["duration"])
    if total is not None:
        plan = scale_plan(natural, [kind(symbol) for symbol in symbols], total)
    durations = [length + fixed.get(index, 0) for index, length in enumerate(plan.durations)]
    marks = [0, *accumulate(len(piece.phonemes.symbols) for piece in script.pieces)]
    plans = [tuple(durations[start:end]) for start, end in pairwise(marks)]
    if not all(map(sum, plans)):
        raise InputError(f"{plan.total} tokens are too few for a text of {len(plans)} segments; ask for more")
    return plans


def natural_lengths(model: Model, script: Script, voice: Voice, delivery: Delivery) -> list[float]:
    """Predicted tokens of every phoneme of all pieces, at the rates that markup and emotions ask for."""
    natural: list[float] = []
    predictor = model.components["duration"]
    for number, piece in enumerate(script.pieces):
        spoken = derive(piece.emotion or delivery.emotion, model.config.emotions)
        durations = predictor.predict(piece.phonemes.ids, voice.embedding, spoken.emotion.tensor())
        if number < len(script.pieces) - 1 and piece.ends_sentence:
            durations[-1] = max(durations[-1], SENTENCE_PAUSE)
        rates = [rate * spoken.rate for rate in piece.rates]
        natural += [length / rate for length, rate in zip(durations, rates, strict=True)]
    return natural


class PiecePlanner:
    """Plans a text whose end is not known yet; at the natural rate just as `plan_script` plans all of it.

    Args:
        model: the networks.
        voice: who says it.
        speed: factor on the natural rate, or None; each part is then scaled for itself.
    """

    def __init__(self, model: Model, voice: Voice, speed: float | None = None) -> None:
        self.model, self.voice, self.speed = model, voice, speed or 1.0
        self._passed = 0.0

    def plan(self, script: Script, delivery: Delivery, last: bool) -> list[tuple[int, ...]]:
        """Tokens of each phoneme of each piece of the next part.

        Args:
            script: the part, without markup.
            delivery: how it is said.
            last: whether the text ends with it.
        """
        natural = natural_lengths(self.model, script, self.voice, delivery)
        if last:
            natural[-1] = max(natural[-1], 0.5)
        elif script.pieces[-1].ends_sentence:
            natural[-1] = max(natural[-1], SENTENCE_PAUSE)
        symbols = [symbol for piece in script.pieces for symbol in piece.phonemes.symbols]
        rate = self.speed * delivery.rate
        if rate != 1.0:
            kinds = [kind(symbol) for symbol in symbols]
            total = max(len(script.pieces), round(sum(natural) / rate))
            durations = scale_plan(natural, kinds, total).durations
        else:
            # The sum goes on from part to part, so that boundaries are rounded where the whole plan's are.
            marks = list(accumulate(natural, initial=self._passed))
            self._passed = marks[-1]
            durations = tuple(int(after + 0.5) - int(before + 0.5) for before, after in pairwise(marks))
        ends = [0, *accumulate(len(piece.phonemes.symbols) for piece in script.pieces)]
        plans = [durations[start:end] for start, end in pairwise(ends)]
        return [plan if sum(plan) else (*plan[:-1], 1) for plan in plans]


def exact_samples(script: Script, plans: Sequence[tuple[int, ...]], row: Row) -> int:
    """Length of the speech in samples: what was asked for, or what the plan and the pauses add up to."""
    if row["duration"] is not None:
        return seconds_to_samples(row["duration"])
    if row["tokens"] is not None:
        return SAMPLES_PER_TOKEN * int(row["tokens"])
    return SAMPLES_PER_TOKEN * sum(map(sum, plans)) + sum(script.silences)


def wanted_tokens(row: Row, natural: float, rest: float = 0.0) -> int | None:
    """Tokens of speech that a request asks for, or None for the natural length.

    Args:
        row: the request.
        natural: length of the speech in tokens.
        rest: tokens of pauses beside it that no length or speed changes.

    Raises:
        InputError: the pauses alone are longer than what is asked for.
    """
    if row["duration"] is None and row["tokens"] is None:
        changed = row["speed"] is not None and row["speed"] != 1.0
        return max(1, round(natural / row["speed"])) if changed else None
    pauses = tokens_to_seconds(rest)
    seconds = tokens_to_seconds(row["tokens"]) if row["duration"] is None else row["duration"]
    if rest and seconds <= pauses:
        raise InputError(
            f"duration {seconds:.2f} s is too short for this text: its pauses alone last {pauses:.2f} s"
        )
    return int(row["tokens"]) if row["duration"] is None and not rest else seconds_to_tokens(seconds - pauses)


def _check_plan(plan: TimingPlan, script: Script) -> list[tuple[int, ...]]:
    symbols = script.pieces[0].phonemes.symbols
    if not isinstance(plan, TimingPlan):
        raise InputError(f"plan must be a TimingPlan, not {type(plan).__name__}")
    if len(plan.durations) != len(symbols):
        raise InputError(f"the plan has {len(plan.durations)} phonemes, but the text has {len(symbols)}")
    return [plan.durations]
