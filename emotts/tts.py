"""The public face of the package: text in, emotional speech of an exact length out."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from emotts.emotion import Emotion
from emotts.emotion.calibration import check_guidance, check_wanted
from emotts.errors import InputError
from emotts.model import EMBEDDED, GenerationConfig, Model, find_model, load_model
from emotts.pipeline import Clock, Progress, Segment, render
from emotts.request import check_option, check_request
from emotts.speech import Speech, align_symbols
from emotts.text.phonemize import Phonemes, Phonemizer
from emotts.text.segment import split_text
from emotts.text.symbols import kind
from emotts.timebase import SAMPLES_PER_TOKEN, TOKEN_RATE, seconds_to_samples, seconds_to_tokens
from emotts.timing import TimingPlan
from emotts.timing.scale import bounds, require_natural, scale_plan
from emotts.voice.library import VoiceLibrary
from emotts.voice.voice import Voice

__all__ = ["EmoTTS", "Speech"]

SENTENCE_PAUSE = 8.0
"""Natural length, in tokens, of the pause at the end of a sentence that another segment follows."""

_FADE_SAMPLES = 120
"""5 ms at both sides of a seam between segments, which lies in a pause."""


@dataclass(frozen=True)
class _Line:
    """One text on its way through the stages."""

    text: str
    voice: Voice
    emotion: Emotion
    seed: int
    phonemes: Sequence[Phonemes]
    plans: list[tuple[int, ...]]
    samples: int
    energy: float = 0.0

    def segments(self) -> list[Segment]:
        parts = zip(self.phonemes, self.plans, strict=True)
        return [
            Segment(phonemes, plan, self.voice, self.emotion, self.seed, number)
            for number, (phonemes, plan) in enumerate(parts)
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

    def emotion_of(self, recording: str | Path | tuple[Any, int]) -> Emotion:
        """The emotion that is heard in a recording, whoever speaks in it.

        Args:
            recording: path, or samples (samples,) with their rate in Hz; at least 1 s of speech, and what
                follows 15 s is not used. How loud it is does not matter.

        Raises:
            AudioError: missing, unreadable, silent, or too short.
            ModelError: the model has no emotion encoder.
        """
        from emotts.emotion.recording import emotion_of_recording

        return emotion_of_recording(self.model, recording, self.device)

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
        emotion_audio: Any = None,
        instruct: str | list[str | None] | None = None,
        emotion_from_text: bool | list[bool] = False,
        duration: float | list[float | None] | None = None,
        tokens: int | list[int | None] | None = None,
        speed: float | list[float | None] | None = None,
        plan: TimingPlan | list[TimingPlan | None] | None = None,
        seed: int | list[int | None] | None = None,
        language: str | list[str | None] | None = None,
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
            emotion_audio: a recording whose emotion is taken over, whoever speaks in it, instead of
                `emotion`; see `emotion_of`.
            instruct: the emotion in words, as to an actor ("choking back tears, barely audible"), instead of
                `emotion`. Its words of delivery change the loudness and, where the model chooses the
                length or `speed` is given, the rate. Words without an emotion are neutral.
            emotion_from_text: the emotion is read from the text that is spoken.
            duration: exact length in seconds: the audio has round(duration · 24000) samples.
            tokens: exact length in tokens of 40 ms.
            speed: 0.5 to 2.0; 2 speaks twice as fast.
            plan: tokens of every phoneme of the text.
            seed: the same seed gives the same samples; without one it is drawn, and is in `Speech.seed`.
            language: of the text, as espeak names it; the model's first language when left out.
            progress: called with the stage and the fraction done.
            **options: steps, cfg, noise, temperature, top_p, top_k, repetition_penalty, guidance_schedule,
                alpha, beta: see `emotts.model.GenerationConfig`; the model's configuration has their
                defaults.

        Returns:
            the speech, or a list of them in the order of the texts.

        Raises:
            InputError: an empty text, an argument out of range, a length that does not suit the text, ...
            AudioError: see `voice`.
        """
        if not isinstance(text, str | list | tuple):
            raise InputError(f"the text must be a string or a list of strings, not {type(text).__name__}")
        single = isinstance(text, str)
        texts = [text] if single else list(text)
        wishes = {"duration": duration, "tokens": tokens, "speed": speed, "plan": plan}
        sources = {
            "emotion": emotion,
            "emotion_audio": emotion_audio,
            "instruct": instruct,
            "emotion_from_text": emotion_from_text,
        }
        per_text = {**wishes, **sources, "voice": voice, "seed": seed, "language": language}
        spread = {name: _spread(name, value, len(texts), single) for name, value in per_text.items()}
        rows = [dict(zip(spread, values, strict=True)) for values in zip(*spread.values(), strict=True)]
        settings = self._settings(options)
        for line, row in zip(texts, rows, strict=True):
            check_request(line, **{name: row[name] for name in ("seed", *sources, *wishes)})
        if not texts:
            return []
        clock = Clock()
        # One draw for the whole list, so that its texts can pass the models together.
        drawn = secrets.randbelow(2**31)
        lines = [self._prepare(line, row, drawn, clock) for line, row in zip(texts, rows, strict=True)]
        if "expert" in self.model.components:
            classes = self.model.components["expert"].config.classes
            check_wanted(options, [line.emotion for line in lines], classes)
        speeches = self._render(lines, settings, clock, progress)
        return speeches[0] if single else speeches

    def lengths(
        self, text: str, voice: Any = None, emotion: Any = None, language: str | None = None
    ) -> tuple[int, int, int]:
        """Fewest, natural and most tokens in which a text can be spoken; nothing is synthesised."""
        sources = ("emotion_audio", "instruct", "emotion_from_text")
        row = dict.fromkeys((*sources, "duration", "tokens", "speed", "plan", "seed"))
        row |= {"voice": voice, "emotion": emotion, "language": language}
        line = self._prepare(text, row, 0, Clock())
        symbols = [symbol for part in line.phonemes for symbol in part.symbols]
        plan = TimingPlan(tuple(chain.from_iterable(line.plans)))
        fewest, most = bounds(plan, symbols)
        return fewest, plan.total, most

    def _settings(self, options: Mapping[str, Any]) -> GenerationConfig:
        for name, value in options.items():
            check_option(name, value)
        given = {name: value for name, value in options.items() if value is not None}
        check_guidance(given, "expert" in self.model.components, self.model.config.guidance)
        return self.model.config.generation.model_copy(update=given)

    def _direction(self, text: str, row: Mapping[str, Any]) -> tuple[Emotion, float, float]:
        """Emotion of a text from its source, factor on its natural rate, and change of its loudness in dB."""
        if row["emotion_audio"] is not None:
            return self.emotion_of(row["emotion_audio"]), 1.0, 0.0
        if row["instruct"] is None and not row["emotion_from_text"]:
            return _emotion(row["emotion"]), 1.0, 0.0
        from emotts.emotion.instruct import direct

        spoken = row["instruct"] is None
        found = direct(text if spoken else row["instruct"], line=spoken)
        return found.emotion, found.speed, found.energy

    def _prepare(self, text: str, row: Mapping[str, Any], drawn: int, clock: Clock) -> _Line:
        emotion, rate, energy = self._direction(text, row)
        voice = self.voice(row["voice"])
        with clock.stage("text"):
            phonemizer = _phonemizer(row["language"] or self.model.config.languages[0])
            pieces = _phonemize(phonemizer, text, whole=row["plan"] is not None)
            phonemes = [part for _, part in pieces]
        with clock.stage("duration"):
            if row["plan"] is not None:
                plans = _check_plan(row["plan"], phonemes[0])
            else:
                plans = self._plan(pieces, voice, emotion, row, rate)
        samples = SAMPLES_PER_TOKEN * sum(map(sum, plans))
        if row["duration"] is not None:
            samples = seconds_to_samples(row["duration"])
        seed = drawn if row["seed"] is None else int(row["seed"])
        return _Line(text, voice, emotion, seed, phonemes, plans, samples, energy)

    def _plan(
        self,
        pieces: Sequence[tuple[str, Phonemes]],
        voice: Voice,
        emotion: Emotion,
        row: Mapping[str, Any],
        rate: float = 1.0,
    ) -> list[tuple[int, ...]]:
        """Durations of each segment; a requested length is shared by all phonemes of all segments."""
        natural: list[float] = []
        phonemes = [part for _, part in pieces]
        for number, (text, part) in enumerate(pieces):
            durations = self.model.components["duration"].predict(part.ids, voice.embedding, emotion.tensor())
            if number < len(pieces) - 1 and _ends_sentence(text):
                durations[-1] = max(durations[-1], SENTENCE_PAUSE)
            natural += durations
        symbols = [symbol for part in phonemes for symbol in part.symbols]
        total = wanted_tokens(row, sum(natural) / rate)
        if total is None and rate != 1.0:
            total = max(1, round(sum(natural) / rate))
        # Half a token at the end at least, so that a plan of tiny predictions still lasts.
        plan = TimingPlan.rounded([*natural[:-1], max(natural[-1], 0.5)])
        if row["duration"] is not None or row["tokens"] is not None:
            require_natural(total, plan, symbols)
        if total is not None:
            plan = scale_plan(natural, [kind(symbol) for symbol in symbols], total)
        marks = [0, *accumulate(len(part.symbols) for part in phonemes)]
        plans = [plan.durations[start:end] for start, end in pairwise(marks)]
        if not all(map(sum, plans)):
            raise InputError(
                f"{plan.total} tokens are too few for a text of {len(phonemes)} segments; ask for more"
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


def wanted_tokens(row: Mapping[str, Any], natural: float) -> int | None:
    """Tokens that a request asks for, or None for the natural length (given in tokens)."""
    if row["duration"] is not None:
        return seconds_to_tokens(row["duration"])
    if row["tokens"] is not None:
        return int(row["tokens"])
    if row["speed"] is not None and row["speed"] != 1.0:
        return max(1, round(natural / row["speed"]))
    return None


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


def _ends_sentence(piece: str) -> bool:
    """Whether a piece of a text was cut at the end of a sentence, not inside of one."""
    return piece.rstrip("\"'”’»)]）」』 \n")[-1:] in tuple(".?!…。！？｡")


def _phonemize(phonemizer: Phonemizer, text: str, whole: bool) -> list[tuple[str, Phonemes]]:
    """Text and phonemes of each segment; segments with nothing to say are left out."""
    pieces = [] if whole else split_text(text)
    if len(pieces) < 2:
        return [(text, phonemizer.phonemize(text))]
    found = []
    for piece in pieces:
        try:
            found.append((piece, phonemizer.phonemize(piece)))
        except InputError:
            # A line of dashes between two chapters is no fault of the text, unless there is nothing else.
            continue
    return found or [(text, phonemizer.phonemize(text))]


def _check_plan(plan: TimingPlan, phonemes: Phonemes) -> list[tuple[int, ...]]:
    if not isinstance(plan, TimingPlan):
        raise InputError(f"plan must be a TimingPlan, not {type(plan).__name__}")
    if len(plan.durations) != len(phonemes.symbols):
        raise InputError(
            f"the plan has {len(plan.durations)} phonemes, but the text has {len(phonemes.symbols)}"
        )
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
    samples = join_segments(audio).numpy()
    exact = np.zeros(line.samples, dtype=np.float32)
    exact[: min(len(samples), line.samples)] = samples[: line.samples]
    if line.energy:
        exact *= 10.0 ** (line.energy / 20.0)
    peak = float(np.abs(exact).max(initial=0.0))
    if peak > 1.0:
        exact /= peak
    seconds = line.samples / (SAMPLES_PER_TOKEN * TOKEN_RATE)
    symbols, words = align_symbols(list(zip(line.phonemes, line.plans, strict=True)), seconds)
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


def join_segments(audio: Sequence[Tensor]) -> Tensor:
    """Segments (samples,) one after the other, faded where they meet so that no seam clicks."""
    ramp = torch.linspace(0.0, 1.0, _FADE_SAMPLES)
    parts = []
    for number, samples in enumerate(audio):
        samples = samples.clone()
        size = min(_FADE_SAMPLES, len(samples))
        if number > 0:
            samples[:size] *= ramp[:size]
        if number < len(audio) - 1:
            samples[-size:] *= ramp[:size].flip(0)
        parts.append(samples)
    return torch.cat(parts)
