"""Speech while it is being made: chunks of samples from a language model that has not ended yet.

A segment is decoded in growing windows. When the language model has drawn the codes of a window and of a
look-ahead behind it, the acoustic decoder runs over all of the segment that is known by then, with the
noise that it would have offline; the frames of the window are kept, and blended with what the window
before saw of them. The vocoder goes on from part to part without a seam (`emotts.vocoder.stream`).

The codes are those of the offline run with as many takes, so the words, the timing and the length are too.
Frames differ from the offline ones by what the decoder would have read of codes beyond the look-ahead:
docs/streaming.md has the figures. Without windows (`Pacing.lookahead` None) segments are whole, and only the
rounding of sums differs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise

import numpy as np
import torch
from torch import Tensor

from emotts.audio.limit import limit_peaks
from emotts.audio.seams import FADE_SAMPLES
from emotts.emotion.derived import derive
from emotts.errors import InputError, ModelError
from emotts.line import Delivery, Line, PiecePlanner
from emotts.model import Model
from emotts.model_config import GenerationConfig
from emotts.pipeline import (
    Segment,
    lm_inputs,
    opening_of,
    pitch_bias,
    quiet_opening,
    run_acoustic,
    run_lm,
    sampling_of,
    stage_seed,
)
from emotts.script import Script
from emotts.semantic.lm_decoding import stream_codes
from emotts.text.incremental import whole_sentences
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN, seconds_to_tokens
from emotts.vocoder.stream import VocoderStream
from emotts.voice.voice import Voice

CHUNK_SECONDS = 1.0
"""Length of the first window."""

LOOKAHEAD_SECONDS = 0.16
"""What the decoder hears beyond a window. Twice as much brings a tenth less difference."""

TOLERANCE_EXACT = 0.01
"""Bound, for whole segments, of the root mean square of the difference to offline speech, as a share of that
of the speech. One segment alone is equal to 1e-5; segments that pass the models together offline are rounded
otherwise, and the vocoder adds the pitch up to a phase."""

TOLERANCE = 0.25
"""Bound, for windows, of the mean absolute difference of the log-mel spectrogram of the samples (natural
logarithm) to that of offline speech, over a text of some seconds. Most of it is the phase of the pulses."""

TOLERANCE_MEL = 0.1
"""The same of the mel that the vocoder is given. `recipes/stream_equality.py` measures both."""


@dataclass(frozen=True)
class Chunk:
    """A part of speech on its way.

    Attributes:
        audio: float32, shape (samples,), within ±1; at least one sample.
        start: samples of the speech before it.
        text: of the segment that it belongs to.
        seed: gives the same samples again.
        total: samples of the whole speech, or None where the text is not known to its end.
        sample_rate: in Hz.
    """

    audio: np.ndarray = field(repr=False)
    start: int
    text: str
    seed: int
    total: int | None
    sample_rate: int = SAMPLE_RATE


@dataclass
class Pacing:
    """Where the windows of a stream end.

    The first is short, so that speech begins soon. Each that follows is as long as all before it, for while
    those are heard there is time for it, and long windows cost less and see more.

    Attributes:
        first: tokens of the first window.
        lookahead: tokens that the decoder sees beyond a window; None makes each segment one window.
        done: tokens of all windows so far.
    """

    first: int
    lookahead: int | None
    done: int = 0

    @classmethod
    def of(cls, chunk: float, lookahead: float | None) -> Pacing:
        """The pacing for lengths in seconds.

        Raises:
            InputError: a length out of range.
        """
        if not _is_seconds(chunk, 0.04):
            raise InputError(f"chunk must be the length of the first window, 0.04 to 60 s, not {chunk}")
        if lookahead is not None and not _is_seconds(lookahead, 0.0):
            raise InputError(f"lookahead must be 0 to 60 s, or None for whole segments, not {lookahead}")
        ahead = None if lookahead is None else seconds_to_tokens(lookahead) if lookahead else 0
        return cls(seconds_to_tokens(chunk), ahead)

    def windows(self, total: int) -> Iterator[tuple[int, int]]:
        """End of each window of a segment of `total` tokens, and how far the decoder sees."""
        end = 0
        while end < total:
            begin, end = end, min(total, end + max(self.first, self.done))
            # No crumb at the end: it would be decoded for itself, and is seen almost whole already.
            if self.lookahead is None or total - end <= self.lookahead + self.first // 2:
                end = total
            self.done += end - begin
            yield end, min(total, end + (self.lookahead or 0))


@dataclass(frozen=True)
class _Part:
    """A segment and its place in the speech.

    Attributes:
        segment: what the models read.
        text: of the segment.
        energy: change of its loudness in dB.
        silence: samples of silence before it.
        fade_in: whether it is faded in.
        fade_out: whether it is faded out.
    """

    segment: Segment
    text: str
    energy: float
    silence: int
    fade_in: bool
    fade_out: bool


def stream_line(model: Model, line: Line, settings: GenerationConfig, pacing: Pacing) -> Iterator[Chunk]:
    """Speaks a text that is known to its end; exactly `Line.samples` samples in all."""
    gaps = line.script.silences
    parts = []
    pieces = zip(line.script.pieces, line.segments(), line.spoken, strict=True)
    for number, (piece, segment, spoken) in enumerate(pieces):
        first, last = number == 0, number == len(line.plans) - 1
        before, after = bool(not first or gaps[0]), bool(not last or gaps[-1])
        energy = line.delivery.energy + spoken.energy
        parts.append(_Part(segment, piece.text, energy, gaps[number], before, after))
    shaper = _Shaper(line.seed, line.samples)
    return _speak(model, parts, settings, pacing, shaper)


def stream_pieces(
    model: Model,
    pieces: Iterable[str],
    read: Callable[[str], tuple[Script, Delivery]],
    voice: Voice,
    seed: int,
    speed: float | None,
    settings: GenerationConfig,
    pacing: Pacing,
) -> Iterator[Chunk]:
    """Speaks a text that arrives in pieces, each sentence as soon as it is whole.

    Args:
        model: the networks.
        pieces: of the text; a generator is closed when the stream is.
        read: script and delivery of one or more whole sentences; InputError if there is nothing to say.
        voice: who says it.
        seed: of the whole text.
        speed: factor on the natural rate, or None.
        settings: of the networks.
        pacing: of the windows.

    Raises:
        InputError: a piece is no string, or there was nothing to say in all of them.
    """
    shaper = _Shaper(seed, None)

    def parts() -> Iterator[_Part]:
        planner = PiecePlanner(model, voice, speed)
        number, fault = 0, InputError("the text is empty; give at least one word")
        for sentences, last in whole_sentences(pieces):
            try:
                script, delivery = read(sentences)
            except InputError as error:
                # Dashes between chapters are no fault of the text, unless there is nothing else.
                fault = error if sentences.strip() else fault
                continue
            plans = planner.plan(script, delivery, last)
            spoken = derive(delivery.emotion, model.config.emotions, model.config.loudness)
            energy = delivery.energy + spoken.energy
            for index, (piece, plan) in enumerate(zip(script.pieces, plans, strict=True)):
                segment = Segment(piece.phonemes, plan, voice, spoken.emotion, seed, number)
                ends = last and index == len(plans) - 1
                yield _Part(segment, piece.text, energy, 0, number > 0, not ends)
                number += 1
        if not number:
            raise fault

    try:
        yield from _speak(model, parts(), settings, pacing, shaper)
    finally:
        if inspect.isgenerator(pieces):
            pieces.close()


def _speak(
    model: Model, parts: Iterable[_Part], settings: GenerationConfig, pacing: Pacing, shaper: _Shaper
) -> Iterator[Chunk]:
    text = ""
    for part in parts:
        text, shaper.energy = part.text, part.energy
        yield from shaper.shape(torch.zeros(part.silence), text)
        done, whole = 0, part.segment.total * SAMPLES_PER_TOKEN
        with closing(stream_segment(model, part.segment, settings, pacing)) as segment:
            for samples in segment:
                _fade(samples, done, whole, part.fade_in, part.fade_out)
                done += len(samples)
                yield from shaper.shape(samples, text)
    yield from shaper.finish(text)


def stream_segment(
    model: Model, segment: Segment, settings: GenerationConfig, pacing: Pacing
) -> Iterator[Tensor]:
    """Samples (samples,) of one segment, part by part.

    Raises:
        ModelError: the samples are not finite.
    """
    total = segment.total
    generator = torch.Generator().manual_seed(stage_seed(segment, 2))
    vocoder = VocoderStream(model.components["vocoder"], total * FRAMES_PER_TOKEN, generator)
    with closing(_codes(model, segment, settings)) as source:
        codes: list[int] = []
        latents: list[Tensor] = []
        begin, seen = 0, None
        for end, known in pacing.windows(total):
            while len(codes) < known:
                code, latent = next(source)
                codes.append(code)
                latents.append(latent)
            part = replace(segment, durations=_until(segment.durations, known))
            mel = run_acoustic(model, [part], [torch.tensor(codes)], [torch.stack(latents)], settings)[0]
            new = mel[begin * FRAMES_PER_TOKEN : end * FRAMES_PER_TOKEN]
            samples = vocoder.feed(new if seen is None else _blend(seen, new)).clone()
            begin, seen = end, mel[end * FRAMES_PER_TOKEN :]
            if not torch.isfinite(samples).all():
                raise ModelError("the vocoder gave samples that are not finite; its weights are corrupt")
            if len(samples):
                yield samples


def _codes(
    model: Model, segment: Segment, settings: GenerationConfig
) -> Generator[tuple[int, Tensor], None, None]:
    """Codes and latents (dim,) of a segment as they are known: of several takes, when all have ended."""
    if settings.takes > 1:
        codes, latents = run_lm(model, [segment], settings)
        yield from zip(codes[0].tolist(), latents[0], strict=True)
        return
    inputs, bias = lm_inputs([segment]), pitch_bias(model, [segment])
    sampling = sampling_of(settings)
    source = stream_codes(model.components["lm"], inputs, sampling, segment.seed, segment.number, bias)
    with closing(source):
        opening = list(islice(source, opening_of(segment)))
        if opening:
            drawn = torch.tensor([code for code, _ in opening])
            for code, (_, latent) in zip(quiet_opening(model, segment, drawn), opening, strict=True):
                yield int(code), latent
        yield from source


class _Shaper:
    """Loudness and length of the speech, as `Line.speech` makes them for all samples at once.

    Peaks above ±1 are turned down within a chunk: it does not know of one that the next begins with.
    """

    def __init__(self, seed: int, total: int | None) -> None:
        self.seed, self.total = seed, total
        self.energy = 0.0
        self.start = 0

    def shape(self, samples: Tensor, text: str) -> Iterator[Chunk]:
        """The chunk of the next samples, if there are any within the length."""
        audio = samples.numpy()
        if self.total is not None:
            audio = audio[: self.total - self.start]
        if len(audio):
            yield self._chunk(self._loudness(audio), text)

    def finish(self, text: str) -> Iterator[Chunk]:
        """Silence up to the length that was asked for."""
        if self.total is not None and self.total > self.start:
            yield self._chunk(np.zeros(self.total - self.start, dtype=np.float32), text)

    def _chunk(self, audio: np.ndarray, text: str) -> Chunk:
        start, self.start = self.start, self.start + len(audio)
        return Chunk(audio, start, text, self.seed, self.total)

    def _loudness(self, audio: np.ndarray) -> np.ndarray:
        return limit_peaks(audio * np.float32(10.0 ** (self.energy / 20.0)))


def _until(durations: tuple[int, ...], tokens: int) -> tuple[int, ...]:
    """The plan cut off after some tokens; phonemes behind them last none, but are still read."""
    ends = [min(sum(durations[:index]), tokens) for index in range(len(durations) + 1)]
    return tuple(after - before for before, after in pairwise(ends))


def _blend(seen: Tensor, new: Tensor) -> Tensor:
    """The new frames, growing out of what the window before saw of them (frames, mel_bins)."""
    size = min(len(seen), len(new)) // 2
    weight = torch.linspace(0, 1, size + 2, device=new.device)[1:-1, None]
    return torch.cat([seen[:size] + weight * (new[:size] - seen[:size]), new[size:]])


def _fade(samples: Tensor, done: int, whole: int, fade_in: bool, fade_out: bool) -> None:
    """Fades the part of a segment that begins at sample `done`, in place, as `join_segments` does."""
    size = min(FADE_SAMPLES, whole)
    ramp = torch.linspace(0.0, 1.0, FADE_SAMPLES)[:size]
    if fade_in and done < size:
        end = min(size, done + len(samples))
        samples[: end - done] *= ramp[done:end]
    first = max(done, whole - size)
    if fade_out and first < done + len(samples):
        falling = ramp.flip(0)[first - (whole - size) :]
        samples[first - done :] *= falling[: done + len(samples) - first]


def _is_seconds(value: object, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= 60
