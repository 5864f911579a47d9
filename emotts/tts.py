"""The public face of the package: text in, emotional speech of an exact length out."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from emotts.audio.seams import join_segments
from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.markup import Lexicon, check_markup
from emotts.model import EMBEDDED, GenerationConfig, Model, find_model, load_model
from emotts.pipeline import Clock, Progress, Segment, render
from emotts.request import check_option, check_request
from emotts.script import Script, make_script
from emotts.speech import Speech, align_symbols
from emotts.text.phonemize import Phonemizer
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
from emotts.voice.library import VoiceLibrary
from emotts.voice.voice import Voice

__all__ = ["EmoTTS", "Speech"]

SENTENCE_PAUSE = 8.0
"""Natural length, in tokens, of the pause at the end of a sentence that another segment follows."""


@dataclass(frozen=True)
class _Line:
    """One text on its way through the stages."""

    text: str
    voice: Voice
    emotion: Emotion
    seed: int
    script: Script
    plans: list[tuple[int, ...]]
    samples: int

    def segments(self) -> list[Segment]:
        parts = zip(self.script.pieces, self.plans, strict=True)
        return [
            Segment(piece.phonemes, plan, self.voice, piece.emotion or self.emotion, self.seed, number)
            for number, (piece, plan) in enumerate(parts)
        ]


class EmoTTS:
    """Speech synthesis whose emotion and duration are controlled exactly.

    >>> tts = EmoTTS.from_pretrained()
    >>> speech = tts.synthesize("We have to leave.", emotion="afraid:0.8", duration=1.4, seed=7)
    >>> speech.save("out.wav")

    Attributes:
        model: the networks and their configuration.
        device: where they are.
        sample_rate: of all speech, in Hz.
    """

    def __init__(self, model: Model, device: torch.device | str = "cpu") -> None:
        self.model = model
        self.device = torch.device(device)
        self.sample_rate = model.config.sample_rate
        self._library = VoiceLibrary(model, self.device)

    @classmethod
    def from_pretrained(cls, name_or_path: Path | str = EMBEDDED, device: str = "auto") -> EmoTTS:
        """Loads a model.

        Args:
            name_or_path: "embedded" for the model inside the package, a model directory, or a hub id
                "owner/name", which is downloaded.
            device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".

        Raises:
            InputError: no such device.
            ModelError: a file is missing, corrupt or of another version; the hub cannot be reached.
        """
        chosen = pick_device(device)
        return cls(load_model(find_model(name_or_path), chosen), chosen)

    @property
    def voices(self) -> dict[str, str]:
        """Names of the model's voices, with a description of each."""
        return dict(self._library.names)

    def voice(self, source: str | Path | Voice | tuple[Any, int] | None = None) -> Voice:
        """The voice of a speaker; a recording is encoded once and remembered.

        Args:
            source: a named voice, the path of a recording (3 to 15 s of speech are best, what follows
                is not used) or of a voice file, samples (samples,) with their rate in Hz, or a
                `Voice`. None gives the model's default voice.

        Raises:
            AudioError: the recording is missing, unreadable, silent, or shorter than 1 s.
            InputError: unknown name, or a corrupt voice file.
            ModelError: the voice was made with another model.
        """
        return self._library.get(source)

    @overload
    def synthesize(self, text: str, voice: Any = None, emotion: Any = None, **options: Any) -> Speech: ...
    @overload
    def synthesize(
        self, text: list[str] | tuple[str, ...], voice: Any = None, emotion: Any = None, **options: Any
    ) -> list[Speech]: ...

    def synthesize(
        self,
        text: str | Sequence[str],
        voice: Any = None,
        emotion: Any = None,
        *,
        duration: float | list[float | None] | None = None,
        tokens: int | list[int | None] | None = None,
        speed: float | list[float | None] | None = None,
        plan: TimingPlan | list[TimingPlan | None] | None = None,
        seed: int | list[int | None] | None = None,
        language: str | list[str | None] | None = None,
        markup: bool | list[bool] = False,
        lexicon: Lexicon | str | Path | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Speech | list[Speech]:
        """Speaks a text, or several texts at once.

        For a list of texts every other argument may be a list with an item for each text. At most one of
        duration, tokens, speed and plan can be given; without one the model chooses a natural length.

        Args:
            text: a text, of any length: a long one is spoken in segments; or a list of texts.
            voice: see `voice`.
            emotion: an `Emotion`, text like "angry:0.7" or "happy:0.5,sad:0.2", a mapping of names to
                intensities, or eight intensities. None is neutral.
            duration: exact length in seconds: the audio has round(duration · 24000) samples.
            tokens: exact length in tokens of 40 ms.
            speed: 0.5 to 2.0; 2 speaks twice as fast.
            plan: tokens of every phoneme of the text.
            seed: the same seed gives the same samples; without one it is drawn, and is in `Speech.seed`.
            language: of the text, as espeak names it; the model's first language when left out.
            markup: read brackets or SSML in the text (docs/markup.md); its pauses are exact, and count as
                part of the length.
            lexicon: pronunciations of words, or the file that holds them.
            progress: called with the stage and the fraction done.
            **options: steps, cfg, noise, temperature, top_p, top_k, repetition_penalty: see
                `emotts.model.GenerationConfig`; the model's configuration has their defaults.

        Returns:
            the speech, or a list of them in the order of the texts.

        Raises:
            InputError: an empty text, an argument out of range, a length that does not suit the text, ...
            MarkupError: wrong markup; DataError: a wrong lexicon.
            AudioError: see `voice`.
        """
        if not isinstance(text, str | list | tuple):
            raise InputError(f"the text must be a string or a list of strings, not {type(text).__name__}")
        single = isinstance(text, str)
        texts = [text] if single else list(text)
        wishes = {"duration": duration, "tokens": tokens, "speed": speed, "plan": plan}
        per_text = {**wishes, "voice": voice, "emotion": emotion, "seed": seed, "language": language}
        per_text["markup"] = markup
        words = Lexicon.load(lexicon) if isinstance(lexicon, str | Path) else lexicon
        spread = {name: _spread(name, value, len(texts), single) for name, value in per_text.items()}
        rows = [dict(zip(spread, values, strict=True)) for values in zip(*spread.values(), strict=True)]
        settings = self._settings(options)
        for line, row in zip(texts, rows, strict=True):
            said = check_markup(line) if row["markup"] and isinstance(line, str) else line
            check_request(said, **{name: row[name] for name in ("emotion", "seed", *wishes)})
        if not texts:
            return []
        clock = Clock()
        # One draw for the whole list, so that its texts can pass the models together.
        drawn = secrets.randbelow(2**31)
        lines = [
            self._prepare(line, {**row, "lexicon": words}, drawn, clock)
            for line, row in zip(texts, rows, strict=True)
        ]
        speeches = self._render(lines, settings, clock, progress)
        return speeches[0] if single else speeches

    def _settings(self, options: Mapping[str, Any]) -> GenerationConfig:
        for name, value in options.items():
            check_option(name, value)
        given = {name: value for name, value in options.items() if value is not None}
        return self.model.config.generation.model_copy(update=given)

    def _prepare(self, text: str, row: Mapping[str, Any], drawn: int, clock: Clock) -> _Line:
        emotion, voice = _emotion(row["emotion"]), self.voice(row["voice"])
        with clock.stage("text"):
            phonemizer = _phonemizer(row["language"] or self.model.config.languages[0])
            if row["plan"] is not None and row["markup"]:
                raise InputError("a plan times a text without markup; leave one of the two out")
            script = make_script(text, phonemizer, row["markup"], row["lexicon"], row["plan"] is not None)
        with clock.stage("duration"):
            if row["plan"] is not None:
                plans = _check_plan(row["plan"], script)
            else:
                plans = self._plan(script, voice, emotion, row)
        samples = SAMPLES_PER_TOKEN * sum(map(sum, plans)) + sum(script.silences)
        if row["duration"] is not None:
            samples = seconds_to_samples(row["duration"])
        elif row["tokens"] is not None:
            samples = SAMPLES_PER_TOKEN * int(row["tokens"])
        seed = drawn if row["seed"] is None else int(row["seed"])
        return _Line(text, voice, emotion, seed, script, plans, samples)

    def _plan(
        self, script: Script, voice: Voice, emotion: Emotion, row: Mapping[str, Any]
    ) -> list[tuple[int, ...]]:
        """Durations of each segment; a requested length is shared by all phonemes of all segments."""
        natural: list[float] = []
        pieces = script.pieces
        for number, piece in enumerate(pieces):
            feeling = (piece.emotion or emotion).tensor()
            durations = self.model.components["duration"].predict(
                piece.phonemes.ids, voice.embedding, feeling
            )
            if number < len(pieces) - 1 and piece.ends_sentence:
                durations[-1] = max(durations[-1], SENTENCE_PAUSE)
            natural += [length / rate for length, rate in zip(durations, piece.rates, strict=True)]
        symbols = [symbol for piece in pieces for symbol in piece.phonemes.symbols]
        fixed = script.fixed
        natural = [0.0 if index in fixed else length for index, length in enumerate(natural)]
        rest = sum(fixed.values()) + sum(script.silences) / SAMPLES_PER_TOKEN
        total = wanted_tokens(row, sum(natural), rest)
        # Half a token at the end at least, so that a plan of tiny predictions still lasts.
        plan = TimingPlan.rounded([*natural[:-1], max(natural[-1], 0.5)])
        if row["duration"] is not None or row["tokens"] is not None:
            require_natural(total, plan, symbols, rest)
        if total is not None:
            plan = scale_plan(natural, [kind(symbol) for symbol in symbols], total)
        durations = [length + fixed.get(index, 0) for index, length in enumerate(plan.durations)]
        marks = [0, *accumulate(len(piece.phonemes.symbols) for piece in pieces)]
        plans = [tuple(durations[start:end]) for start, end in pairwise(marks)]
        if not all(map(sum, plans)):
            raise InputError(
                f"{plan.total} tokens are too few for a text of {len(pieces)} segments; ask for more"
            )
        return plans

    def _render(
        self, lines: list[_Line], settings: GenerationConfig, clock: Clock, progress: Progress | None
    ) -> list[Speech]:
        counts = [0, *accumulate(len(line.plans) for line in lines)]
        segments = [segment for line in lines for segment in line.segments()]
        codes, audio = render(self.model, segments, settings, clock, progress)
        whole = sum(line.samples for line in lines)
        speeches = []
        for line, (start, end) in zip(lines, pairwise(counts), strict=True):
            share = {stage: seconds * line.samples / whole for stage, seconds in clock.seconds.items()}
            speeches.append(_assemble(line, codes[start:end], audio[start:end], share))
        return speeches


def wanted_tokens(row: Mapping[str, Any], natural: float, rest: float = 0.0) -> int | None:
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


def pick_device(name: str) -> torch.device:
    """Device of a name: auto, cpu, cuda, cuda:N, mps.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"unknown device {name!r}; give auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} is not there: {torch.cuda.device_count()} CUDA devices; try auto or cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device {name!r} cannot be used; give auto, cpu or cuda")
    return device


@functools.lru_cache(maxsize=16)
def _phonemizer(language: str) -> Phonemizer:
    return Phonemizer(language)


def _check_plan(plan: TimingPlan, script: Script) -> list[tuple[int, ...]]:
    symbols = script.pieces[0].phonemes.symbols
    if not isinstance(plan, TimingPlan):
        raise InputError(f"plan must be a TimingPlan, not {type(plan).__name__}")
    if len(plan.durations) != len(symbols):
        raise InputError(f"the plan has {len(plan.durations)} phonemes, but the text has {len(symbols)}")
    return [plan.durations]


def _emotion(value: Any) -> Emotion:
    if value is None:
        return Emotion.neutral()
    if isinstance(value, Emotion):
        return value
    if isinstance(value, str):
        return Emotion.parse(value)
    if isinstance(value, Mapping):
        return Emotion.from_mapping(value)
    if isinstance(value, Sequence | np.ndarray | Tensor):
        return Emotion(tuple(value))
    raise InputError(f"an emotion is a name, a mapping or eight intensities, not {type(value).__name__}")


def _spread(name: str, value: Any, count: int, single: bool) -> list[Any]:
    """The value for each text: a list has one for each, anything else is for all."""
    vector = name == "emotion" and isinstance(value, list) and all(isinstance(x, int | float) for x in value)
    if not isinstance(value, list) or vector:
        return [value] * count
    if single:
        raise InputError(f"{name} is a list, but there is one text; give one value")
    if len(value) != count:
        raise InputError(f"{name} has {len(value)} values for {count} texts; give one for each")
    return value


def _assemble(line: _Line, codes: list[Tensor], audio: list[Tensor], timings: dict[str, float]) -> Speech:
    silences = line.script.silences
    samples = join_segments(audio, silences).numpy()
    exact = np.zeros(line.samples, dtype=np.float32)
    exact[: min(len(samples), line.samples)] = samples[: line.samples]
    peak = float(np.abs(exact).max(initial=0.0))
    if peak > 1.0:
        exact /= peak
    seconds = line.samples / (SAMPLES_PER_TOKEN * TOKEN_RATE)
    parts = [(piece.phonemes, plan) for piece, plan in zip(line.script.pieces, line.plans, strict=True)]
    symbols, words = align_symbols(parts, seconds, silences)
    return Speech(
        audio=exact,
        tokens=torch.cat(codes).numpy(),
        alignment=symbols,
        word_timings=words,
        seed=line.seed,
        text=line.text,
        voice=line.voice.name,
        emotion=line.emotion,
        timings=timings,
    )
