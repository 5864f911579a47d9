"""The public face of the package: text in, emotional speech of an exact length out."""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, overload

import torch

from emotts.device import pick_device
from emotts.emotion import Emotion
from emotts.emotion.calibration import check_guidance, check_wanted
from emotts.emotion.derived import derive
from emotts.errors import InputError
from emotts.line import Delivery, Line, Row, exact_samples, plan_script
from emotts.markup import Lexicon, check_markup
from emotts.model import EMBEDDED, Model, find_model, load_model
from emotts.model_config import GenerationConfig
from emotts.pipeline import Clock, Progress, render
from emotts.request import check_option, check_request, check_stream, spread
from emotts.script import Script, make_script
from emotts.speech import Speech
from emotts.stream import CHUNK_SECONDS, LOOKAHEAD_SECONDS, Chunk, Pacing, stream_line, stream_pieces
from emotts.text.phonemize import Phonemes, Phonemizer
from emotts.timebase import SAMPLES_PER_TOKEN
from emotts.timing import TimingPlan
from emotts.timing.scale import bounds
from emotts.voice.library import VoiceLibrary
from emotts.voice.voice import Voice

__all__ = ["EmoTTS", "Speech"]

_SOURCES = ("emotion", "emotion_audio", "instruct", "emotion_from_text")
_LENGTHS = ("duration", "tokens", "speed", "plan")
_CHECKED = ("seed", *_SOURCES, *_LENGTHS)


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
    def from_pretrained(
        cls, name_or_path: Path | str = EMBEDDED, device: str = "auto", **options: Any
    ) -> EmoTTS:
        """Loads a model.

        Args:
            name_or_path: "embedded" for the model inside the package, a model directory, or a hub id
                "owner/name", which is downloaded.
            device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
            **options: other defaults than the model's for the options of `synthesize`, such as takes=1.

        Raises:
            InputError: no such device, or no such option.
            ModelError: a file is missing, corrupt or of another version; the hub cannot be reached.
        """
        for name, value in options.items():
            check_option(name, value)
        chosen = pick_device(device)
        model = load_model(find_model(name_or_path), chosen)
        tts = cls(model, chosen)
        if options:
            model.config = model.config.model_copy(update={"generation": tts._settings(options)})
        return tts

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
            markup: read brackets or SSML in the text (docs/markup.md); its pauses are exact, and count as
                part of the length.
            lexicon: pronunciations of words, or the file that holds them.
            progress: called with the stage and the fraction done.
            **options: steps, cfg, noise, temperature, top_p, top_k, repetition_penalty, takes,
                emotion_cfg, guidance_schedule, alpha, beta: see `emotts.model_config.GenerationConfig`; the
                model's configuration has their defaults.

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
        asked = {
            "voice": voice,
            "emotion": emotion,
            "emotion_audio": emotion_audio,
            "instruct": instruct,
            "emotion_from_text": emotion_from_text,
            "duration": duration,
            "tokens": tokens,
            "speed": speed,
            "plan": plan,
            "seed": seed,
            "language": language,
            "markup": markup,
        }
        rows = _rows(asked, len(texts), single)
        settings = self._settings(options)
        for line, row in zip(texts, rows, strict=True):
            said = check_markup(line) if row["markup"] and isinstance(line, str) else line
            check_request(said, **{name: row[name] for name in _CHECKED})
        if not texts:
            return []
        clock = Clock()
        words = Lexicon.load(lexicon) if isinstance(lexicon, str | Path) else lexicon
        # One draw for the whole list, so that its texts can pass the models together.
        drawn = secrets.randbelow(2**31)
        lines = [self._prepare(line, row, words, drawn, clock) for line, row in zip(texts, rows, strict=True)]
        self._check_wanted(options, [emotion for line in lines for emotion in line.emotions])
        speeches = self._render(lines, settings, clock, progress)
        return speeches[0] if single else speeches

    def stream(
        self,
        text: str | Iterable[str],
        voice: Any = None,
        emotion: Any = None,
        *,
        emotion_audio: Any = None,
        instruct: str | None = None,
        emotion_from_text: bool = False,
        duration: float | None = None,
        tokens: int | None = None,
        speed: float | None = None,
        plan: TimingPlan | None = None,
        seed: int | None = None,
        language: str | None = None,
        markup: bool = False,
        lexicon: Lexicon | str | Path | None = None,
        chunk: float = CHUNK_SECONDS,
        lookahead: float | None = LOOKAHEAD_SECONDS,
        **options: Any,
    ) -> Iterator[Chunk]:
        """Speaks a text in chunks, the first of them while the language model still runs.

        The joined `Chunk.audio` is `synthesize` with the same seed and takes: the same codes, timing and
        number of samples. With `lookahead=None` a chunk is a whole segment, and samples differ by the
        rounding of sums alone, by 1 % of the level at most. Otherwise the log-mel spectrograms of the samples
        differ by less than 0.25 on average (natural logarithm; docs/streaming.md has what was measured).
        Within 5 ms of a peak above ±1 at the edge of a chunk they may differ by more.

        Args:
            text: a text, or the pieces of one as they come (from a language model, say), cut anywhere;
                a sentence is spoken as soon as the first word after it shows that it is whole. What needs
                the whole text (duration, tokens, plan, markup) is refused for pieces, and speed and
                emotion_from_text are applied to each sentence by itself.
            chunk: seconds of the first window of the decoder, at least 0.04, of which the vocoder keeps 0.4 s
                back; each that follows is as long as all before it. Short ones cost more and hardly begin
                sooner.
            lookahead: seconds of speech that the decoder sees beyond a window; None waits for whole segments.

        All other arguments are those of `synthesize`, but that `takes` is 1 when left out: more are drawn to
        their end before the first chunk. Close the iterator to stop early.

        Raises:
            InputError, MarkupError, DataError, AudioError: as `synthesize`, at the call and before the first
                chunk is asked for; what is wrong with a text in pieces is raised only on the way.
        """
        if options.get("takes") is None:
            options["takes"] = 1
        pacing, settings = Pacing.of(chunk, lookahead), self._settings(options)
        row = {"voice": voice, "emotion": emotion, "emotion_audio": emotion_audio, "instruct": instruct}
        row |= {"emotion_from_text": emotion_from_text, "duration": duration, "tokens": tokens}
        row |= {"speed": speed, "plan": plan, "seed": seed, "language": language, "markup": markup}
        said = check_markup(text) if markup and isinstance(text, str) else text
        check_stream(said, markup, **{name: row[name] for name in _CHECKED})
        words = Lexicon.load(lexicon) if isinstance(lexicon, str | Path) else lexicon
        drawn = secrets.randbelow(2**31)
        if isinstance(text, str):
            line = self._prepare(text, row, words, drawn, Clock())
            self._check_wanted(options, line.emotions)
            return stream_line(self.model, line, settings, pacing)
        phonemizer = _phonemizer(language or self.model.config.languages[0])
        fixed = None if emotion_from_text else self._delivery("", row)
        if fixed is not None:
            self._check_wanted(options, [derive(fixed.emotion, self.model.config.emotions).emotion])

        def read(sentences: str) -> tuple[Script, Delivery]:
            script = make_script(sentences, phonemizer, False, words)
            return script, fixed or self._delivery(sentences, row)

        own = drawn if seed is None else int(seed)
        return stream_pieces(self.model, text, read, self.voice(voice), own, speed, settings, pacing)

    def lengths(
        self,
        text: str,
        voice: Any = None,
        emotion: Any = None,
        language: str | None = None,
        *,
        instruct: str | None = None,
        emotion_from_text: bool = False,
        markup: bool = False,
    ) -> tuple[int, int, int]:
        """Fewest, natural and most tokens in which a text can be spoken; nothing is synthesised.

        The arguments are those of `synthesize`. Pauses of markup are part of all three.
        """
        row = dict.fromkeys((*_SOURCES, *_LENGTHS, "seed"))
        row |= {"voice": voice, "emotion": emotion, "language": language, "instruct": instruct}
        row |= {"emotion_from_text": emotion_from_text, "markup": markup}
        check_request(check_markup(text) if markup else text, **{name: row[name] for name in _CHECKED})
        line = self._prepare(text, row, None, 0, Clock())
        script, steady = line.script, replace(line.delivery, rate=1.0)
        plans = plan_script(self.model, script, line.voice, steady, row)
        symbols = [symbol for piece in script.pieces for symbol in piece.phonemes.symbols]
        spoken = [length - script.fixed.get(i, 0) for i, length in enumerate(chain.from_iterable(plans))]
        fewest, most = bounds(TimingPlan(tuple(spoken)), symbols)
        rest = sum(script.fixed.values()) + sum(script.silences) / SAMPLES_PER_TOKEN
        natural = round(line.samples / SAMPLES_PER_TOKEN)
        return math.ceil(fewest + rest), natural, math.floor(most + rest)

    def natural(
        self, text: str, voice: Any = None, emotion: Any = None, language: str | None = None
    ) -> tuple[Phonemes, list[float]]:
        """Phonemes of a text as a timing plan has to time them, and their predicted tokens (real numbers)."""
        phonemizer = _phonemizer(language or self.model.config.languages[0])
        script = make_script(text, phonemizer, False, None, whole=True)
        phonemes = script.pieces[0].phonemes
        found, mood = self.voice(voice), Emotion.of(emotion).tensor()
        return phonemes, self.model.components["duration"].predict(phonemes.ids, found.embedding, mood)

    def _settings(self, options: Mapping[str, Any]) -> GenerationConfig:
        for name, value in options.items():
            check_option(name, value)
        given = {name: value for name, value in options.items() if value is not None}
        check_guidance(given, "expert" in self.model.components, self.model.config.guidance)
        return self.model.config.generation.model_copy(update=given)

    def _check_wanted(self, options: Mapping[str, Any], emotions: Sequence[Emotion]) -> None:
        if "expert" in self.model.components:
            check_wanted(options, emotions, self.model.components["expert"].config.classes)

    def _delivery(self, text: str, row: Row) -> Delivery:
        """How a text is to be said, from whichever source of emotion the request names."""
        if row["emotion_audio"] is not None:
            return Delivery(self.emotion_of(row["emotion_audio"]))
        if row["instruct"] is None and not row["emotion_from_text"]:
            return Delivery(Emotion.of(row["emotion"]))
        from emotts.emotion.instruct import direct

        spoken = row["instruct"] is None
        found = direct(text if spoken else row["instruct"], line=spoken)
        return Delivery(found.emotion, found.speed, found.energy)

    def _prepare(self, text: str, row: Row, lexicon: Lexicon | None, drawn: int, clock: Clock) -> Line:
        if row["plan"] is not None and row["markup"]:
            raise InputError("a plan times a text without markup; leave one of the two out")
        voice, delivery = self.voice(row["voice"]), self._delivery(text, row)
        with clock.stage("text"):
            phonemizer = _phonemizer(row["language"] or self.model.config.languages[0])
            script = make_script(text, phonemizer, row["markup"], lexicon, whole=row["plan"] is not None)
        with clock.stage("duration"):
            plans = plan_script(self.model, script, voice, delivery, row)
        seed = drawn if row["seed"] is None else int(row["seed"])
        samples, config = exact_samples(script, plans, row), self.model.config
        taught, loudness = config.emotions, config.loudness
        return Line(text, voice, delivery, seed, script, plans, samples, taught, loudness)

    def _render(
        self, lines: list[Line], settings: GenerationConfig, clock: Clock, progress: Progress | None
    ) -> list[Speech]:
        counts = [0, *accumulate(len(line.plans) for line in lines)]
        segments = [segment for line in lines for segment in line.segments()]
        codes, audio = render(self.model, segments, settings, clock, progress)
        whole = sum(line.samples for line in lines)
        speeches = []
        for line, (start, end) in zip(lines, pairwise(counts), strict=True):
            share = {stage: seconds * line.samples / whole for stage, seconds in clock.seconds.items()}
            speeches.append(line.speech(codes[start:end], audio[start:end], share))
        return speeches


def _rows(asked: Mapping[str, Any], count: int, single: bool) -> list[dict[str, Any]]:
    """What is asked for each text."""
    columns = [spread(name, value, count, single) for name, value in asked.items()]
    return [dict(zip(asked, values, strict=True)) for values in zip(*columns, strict=True)]


@functools.lru_cache(maxsize=16)
def _phonemizer(language: str) -> Phonemizer:
    return Phonemizer(language)
