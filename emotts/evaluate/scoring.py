"""Scores of single files: everything that one recording can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from emotts.errors import AudioError, InputError
from emotts.evaluate.bursts import burst_before_speech
from emotts.evaluate.dnsmos import Quality, predict_quality
from emotts.evaluate.duration import DurationError, duration_error
from emotts.evaluate.lists import Sentence
from emotts.evaluate.prosody import Prosody, count_phonemes, measure_prosody
from emotts.evaluate.wer import GENERAL, RECOGNIZER_RATE, Recognizer, WordErrors, count_errors

METRICS = ("wer", "dnsmos", "duration", "prosody", "bursts", "similarity")
"""What can be measured, in the order of the report."""

SYNTHESISED, NATURAL = "synthesised", "natural"
DEFAULT_VOICE = "default"

Progress = Callable[[float], None]
"""Called with the share of the files that is done."""


@dataclass(frozen=True)
class FileScore:
    """Scores of one file; None for what was not asked for.

    Attributes:
        id: of the sentence.
        voice: name of its voice.
        emotion: that was asked for.
        source: `SYNTHESISED` or `NATURAL`.
        path: the file.
        seconds: its length.
        words: word errors.
        heard: words that the recogniser heard.
        quality: DNSMOS.
        duration: error against the request; None without one.
        prosody: pitch, loudness and rate.
        burst: whether a short sound stands alone before the speech.
    """

    id: str
    voice: str
    emotion: str
    source: str
    path: str
    seconds: float
    words: WordErrors | None = None
    heard: str | None = None
    quality: Quality | None = None
    duration: DurationError | None = None
    prosody: Prosody | None = None
    burst: bool | None = None

    def record(self) -> dict[str, Any]:
        """The scores as plain values for JSON; what was not measured is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Job:
    """One file to score."""

    sentence: Sentence
    source: str
    path: Path


def voice_name(sentence: Sentence) -> str:
    """Name of the voice of a sentence, for tables."""
    if sentence.voice is None:
        return DEFAULT_VOICE
    return Path(sentence.voice).stem if Path(sentence.voice).suffix else sentence.voice


def parse_metrics(text: str) -> tuple[str, ...]:
    """Metrics of a comma-separated list, in the order of `METRICS`.

    Raises:
        InputError: an unknown name; the message has the valid ones.
    """
    wanted = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in METRICS]
    if unknown or not wanted:
        shown = f"unknown metric {unknown[0]!r}" if unknown else "no metric given"
        raise InputError(f"{shown}; valid metrics: {', '.join(METRICS)}")
    return tuple(name for name in METRICS if name in wanted)


class Scorer:
    """Scores files one by one.

    Args:
        metrics: some of `METRICS`.
        language_model: of the recogniser.

    Raises:
        MissingDependencyError: a package that a metric needs is not installed.
    """

    def __init__(self, metrics: Sequence[str], language_model: str = GENERAL) -> None:
        self.metrics = tuple(metrics)
        self.recognizer = Recognizer(language_model) if "wer" in metrics else None

    def score(self, job: Job) -> FileScore:
        """All scores of one file.

        Raises:
            AudioError: the file is unreadable or silent; names it.
        """
        try:
            return self._score(job)
        except AudioError as error:
            message = str(error)
            raise AudioError(message if str(job.path) in message else f"{job.path}: {message}") from None

    def _score(self, job: Job) -> FileScore:
        from emotts.audio.io import read_audio, resample

        sentence = job.sentence
        native, rate = read_audio(job.path)
        # All tools hear 16 kHz: recogniser, DNSMOS and the pitch tracker were made for it.
        waveform = resample(native, rate, RECOGNIZER_RATE).numpy()
        heard = words = quality = prosody = error = burst = None
        if self.recognizer is not None:
            heard = self.recognizer.recognize(waveform)
            words = count_errors(sentence.text, heard)
        if "dnsmos" in self.metrics:
            quality = predict_quality(waveform)
        if "prosody" in self.metrics:
            prosody = measure_prosody(waveform, count_phonemes(sentence.text, sentence.language))
        if "bursts" in self.metrics:
            burst = burst_before_speech(waveform, RECOGNIZER_RATE) is not None
        asked = sentence.duration is not None or sentence.tokens is not None
        if "duration" in self.metrics and job.source == SYNTHESISED and asked:
            error = duration_error(len(native), rate, sentence.duration, sentence.tokens)
        return FileScore(
            id=sentence.id,
            voice=voice_name(sentence),
            emotion=sentence.emotion,
            source=job.source,
            path=str(job.path),
            seconds=len(native) / rate,
            words=words,
            heard=heard,
            quality=quality,
            duration=error,
            prosody=prosody,
            burst=burst,
        )


def score_files(
    files: Sequence[Job],
    metrics: Sequence[str],
    language_model: str = GENERAL,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[FileScore]:
    """Scores of all files, in their order.

    Args:
        files: what to score.
        metrics: some of `METRICS`.
        language_model: of the recogniser: `GENERAL` or an ARPA file.
        jobs: processes.
        progress: told the share that is done.
    """
    # Made here too, so that a missing package is one clear error before processes start.
    scorer = Scorer(metrics, language_model)
    scores: list[FileScore] = []

    def collect(results: Any) -> list[FileScore]:
        for score in results:
            scores.append(score)
            if progress is not None:
                progress(len(scores) / len(files))
        return scores

    if jobs <= 1 or len(files) < 2:
        return collect(map(scorer.score, files))
    with ProcessPoolExecutor(
        min(jobs, len(files)), get_context("spawn"), _start, (tuple(metrics), language_model)
    ) as pool:
        return collect(pool.map(_run, files, chunksize=4))


_worker: list[Scorer] = []


def _start(metrics: tuple[str, ...], language_model: str) -> None:
    import torch

    torch.set_num_threads(1)
    _worker[:] = [Scorer(metrics, language_model)]


def _run(job: Job) -> FileScore:
    return _worker[0].score(job)
