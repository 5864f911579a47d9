"""What the intensity knob does, and what it costs: every emotion at rising intensities."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.errors import InputError
from emotts.evaluate.dose_report import plot_doses, render_doses
from emotts.evaluate.emotion_measures import (
    Baseline,
    Measured,
    Progress,
    check_judge,
    judged_classes,
    mean_words,
    measure_natural,
    measure_spoken,
)
from emotts.evaluate.judge.model import FIVE, EmotionJudge
from emotts.evaluate.lists import Sentence, find_all_audio, write_sentences
from emotts.evaluate.optional import optional_import
from emotts.evaluate.scoring import SYNTHESISED, Job, score_files, voice_name
from emotts.evaluate.synthesis import synthesize_list
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

INTENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
EMOTIONS = ("angry", "happy", "sad", "afraid", "disgusted")
"""Emotions that recordings taught the embedded model."""

LIST_FILE, RECORD_FILE, TABLE_FILE, PICTURE_FILE = "sentences.jsonl", "doses.json", "doses.md", "doses.png"


@dataclass(frozen=True)
class Point:
    """An emotion at one intensity, over all its sentences.

    Attributes:
        emotion: name.
        intensity: that was asked for.
        probability: the judge's for the emotion, mean.
        recall: share that the judge decides to be the emotion.
        wer: word error rate.
        similarity: cosine to the voice, mean.
        quality: DNSMOS, mean.
        files: how many.
    """

    emotion: str
    intensity: float
    probability: float
    recall: float
    wer: float
    similarity: float
    quality: float
    files: int


@dataclass(frozen=True)
class DoseResponse:
    """All curves.

    Attributes:
        points: of every emotion, intensities rising; intensity 0 is the same speech for all.
        correlations: emotion -> rank correlation of the mean probability with the intensity.
        each: emotion -> the same within each sentence and voice, averaged over them.
        recalls: a table for each choice of classes that the judge had, class -> its recall at the highest
            intensity, neutral at 0.
        natural: for each of `recalls` the judge's on natural recordings; empty where it was not measured.
        baseline: natural recordings of the sentences; None where the list names none.
        heard: emotion that was asked for at the highest intensity (and neutral) -> class -> share of the
            files in which the judge heard that, choosing from all.
    """

    points: tuple[Point, ...]
    correlations: dict[str, float]
    each: dict[str, float]
    recalls: tuple[dict[str, float], ...]
    natural: tuple[dict[str, float], ...] = ()
    baseline: Baseline | None = None
    heard: dict[str, dict[str, float]] = field(default_factory=dict)


def dose_sentences(
    sentences: Sequence[Sentence],
    emotions: Sequence[str] = EMOTIONS,
    intensities: Sequence[float] = INTENSITIES,
    seed: int = 0,
) -> list[Sentence]:
    """Every sentence neutral, and in every emotion at every intensity above 0.

    A sentence has one seed at all intensities, so that only the intensity differs.

    Args:
        sentences: texts with their voices; ids are made anew.
        emotions: names.
        intensities: from 0 to 1, 0 among them.
        seed: of the first sentence; the next has the next.

    Raises:
        InputError: intensities out of range, repeated, or without 0 or any other.
    """
    doses = sorted(set(intensities))
    if len(doses) != len(intensities) or len(doses) < 2 or doses[0] != 0.0 or doses[-1] > 1.0:
        raise InputError("intensities must be different numbers from 0 to 1, 0 among them, such as 0,0.5,1")
    made = []
    for place, sentence in enumerate(sentences):
        base = replace(sentence, seed=seed + place, duration=None, tokens=None, speed=None)
        name = f"{voice_name(sentence)}-{place:03d}"
        made.append(replace(base, id=f"{name}-neutral", emotion="neutral"))
        for emotion in emotions:
            for dose in doses[1:]:
                key = dose_id(name, emotion, dose)
                made.append(replace(base, id=key, emotion=f"{emotion}:{dose:g}"))
    return made


def dose_id(name: str, emotion: str, intensity: float) -> str:
    """Id of a sentence in an emotion; `name` is that of its voice and its number."""
    return f"{name}-{emotion}-{round(1000 * intensity):04d}" if intensity else f"{name}-neutral"


def summarize_doses(
    measured: Sequence[Measured],
    emotions: Sequence[str],
    intensities: Sequence[float],
    judge: EmotionJudge | None = None,
    baseline: Baseline | None = None,
) -> DoseResponse:
    """Curves of measured sentences, whose ids are those of `dose_sentences`.

    Args:
        measured: all of them.
        emotions: names.
        intensities: see `dose_sentences`.
        judge: knows the recall of natural recordings.
        baseline: natural recordings of the sentences.
    """
    table = {m.id: m for m in measured}
    names = [m.id.removesuffix("-neutral") for m in measured if m.id.endswith("-neutral")]
    doses = sorted(intensities)
    points, correlations, each = [], {}, {}
    for emotion in emotions:
        grid = [[table[dose_id(name, emotion, dose)] for name in names] for dose in doses]
        curve = [_point(emotion, dose, row) for dose, row in zip(doses, grid, strict=True)]
        points += curve
        correlations[emotion] = rank_correlation(doses, [point.probability for point in curve])
        single = [
            rank_correlation(doses, [m.probabilities[emotion] for m in column])
            for column in zip(*grid, strict=True)
        ]
        each[emotion] = float(np.mean(single))
    choices = [judged_classes(emotions)]
    if choices[0] != FIVE and set(FIVE) <= {"neutral", *emotions}:
        choices.insert(0, FIVE)  # the figure of five classes, whatever else was measured
    recalls = tuple(_recalls(table, names, choice, doses[-1]) for choice in choices)
    natural = () if judge is None else tuple(judge.natural_recall(choice) for choice in choices)
    heard = {}
    for emotion in ("neutral", *emotions):
        ids = [dose_id(name, emotion, 0.0 if emotion == "neutral" else doses[-1]) for name in names]
        said = [table[key].decision for key in ids]
        heard[emotion] = {name: said.count(name) / len(said) for name in judged_classes(emotions)}
    return DoseResponse(tuple(points), correlations, each, recalls, natural, baseline, heard)


def _recalls(
    table: Mapping[str, Measured], names: Sequence[str], choice: Sequence[str], dose: float
) -> dict[str, float]:
    """Recall of the classes that were spoken, where the judge chooses from `choice`."""
    found = {}
    for emotion in choice:
        ids = [dose_id(name, emotion, 0.0 if emotion == "neutral" else dose) for name in names]
        said = [table[key].choice(choice) == emotion for key in ids if key in table]
        if said:
            found[emotion] = float(np.mean(said))
    return found


def _point(emotion: str, dose: float, row: Sequence[Measured]) -> Point:
    return Point(
        emotion=emotion,
        intensity=dose,
        probability=float(np.mean([m.probabilities[emotion] for m in row])),
        recall=float(np.mean([m.decision == emotion for m in row])),
        wer=mean_words(row),
        similarity=float(np.mean([m.similarity for m in row])),
        quality=float(np.nanmean([m.quality for m in row])),
        files=len(row),
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, ties sharing their mean rank; 0 where one of the two does not change at all."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (first, second)]
    norm = float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    return float(ranks[0] @ ranks[1]) / norm if norm else 0.0


def run_dose_response(
    engine: EmoTTS,
    judge: EmotionJudge,
    sentences: Sequence[Sentence],
    output: Path | str,
    emotions: Sequence[str] = EMOTIONS,
    intensities: Sequence[float] = INTENSITIES,
    seed: int = 0,
    jobs: int = 1,
    batch: int = 8,
    progress: Progress | None = None,
    quality_every: int = 1,
    **options: Any,
) -> DoseResponse:
    """Speaks and measures all doses, and writes table, picture and record into a folder.

    Can be stopped and started again: files that are spoken and scores that are known are kept.

    Args:
        engine: the synthesiser.
        judge: of emotion.
        sentences: texts with voices: `emotts.evaluate.emotion_measures.choose_sentences`.
        output: folder for doses.md, doses.png, doses.json, and the audio.
        emotions: names that the judge knows.
        intensities: see `dose_sentences`.
        seed: see `dose_sentences`.
        jobs: processes of the measuring.
        batch: sentences spoken at once.
        progress: told what is done.
        quality_every: DNSMOS of every n-th text only.
        **options: of `EmoTTS.synthesize`.

    Raises:
        InputError: an emotion that the judge does not know, or a bad intensity.
        MissingDependencyError: a package of the extra `evaluate` is not installed.
    """
    check_judge(judge, emotions)
    optional_import("matplotlib.figure")  # before an hour of work, not after it
    doses = dose_sentences(sentences, emotions, intensities, seed)
    tell = progress or (lambda stage, share: None)
    audio = Path(output) / "audio"
    synthesize_list(engine, doses, audio, batch=batch, progress=lambda x: tell("speaking", x), **options)
    write_sentences(doses, Path(output) / LIST_FILE, force=True)
    measured = measure_spoken(doses, audio, judge, emotions, None, jobs, tell, quality_every)
    baseline = measure_natural(sentences, Path(output) / "natural", jobs, quality_every)
    result = summarize_doses(measured, emotions, intensities, judge, baseline)
    record = {**asdict(result), "options": options, "model": engine.model.config.name}
    write_atomically(Path(output) / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)
    write_atomically(Path(output) / TABLE_FILE, render_doses(result).encode(), force=True)
    write_atomically(Path(output) / PICTURE_FILE, plot_doses(result), force=True)
    return result


def estimate_minutes(
    engine: EmoTTS,
    judge: EmotionJudge,
    sentences: Sequence[Sentence],
    output: Path | str,
    emotions: Sequence[str] = EMOTIONS,
    intensities: Sequence[float] = INTENSITIES,
    seed: int = 0,
    jobs: int = 1,
    batch: int = 8,
    quality_every: int = 1,
    **options: Any,
) -> float:
    """Minutes that `run_dose_response` will take here, judged from one batch; its arguments."""
    check_judge(judge, emotions)
    doses = dose_sentences(sentences, emotions, intensities, seed)
    trial = doses[:: max(1, len(doses) // batch)][:batch]
    with TemporaryDirectory() as name:
        folder = Path(name)
        synthesize_list(engine, trial[:1], folder / "first", **options)  # loads what is loaded once
        started = time.perf_counter()
        synthesize_list(engine, trial, folder, batch=batch, **options)
        spoken = time.perf_counter()
        files = find_all_audio(folder, trial)
        work = [Job(s, SYNTHESISED, files[s.id]) for s in trial]
        score_files(work[:1], ("wer", "dnsmos"))
        begun = time.perf_counter()
        score_files(work, ("wer",))
        heard = time.perf_counter()
        score_files(work, ("dnsmos",))
        rated = time.perf_counter()
    measuring = ((heard - begun) + (rated - heard) / quality_every) / jobs
    return (spoken - started + measuring) * len(doses) / len(trial) / 60
