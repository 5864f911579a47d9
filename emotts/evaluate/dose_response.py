"""What the intensity knob does, and what it costs: every emotion at rising intensities."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.errors import InputError
from emotts.evaluate.emotion_measures import (
    Measured,
    Progress,
    check_judge,
    judged_classes,
    mean_words,
    measure_spoken,
)
from emotts.evaluate.judge.model import FIVE, EmotionJudge
from emotts.evaluate.lists import Sentence, write_sentences
from emotts.evaluate.optional import optional_import
from emotts.evaluate.report import markdown_table, number, percent
from emotts.evaluate.scoring import voice_name
from emotts.evaluate.synthesis import synthesize_list
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

INTENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
EMOTIONS = ("angry", "happy", "sad", "afraid")
"""Emotions of the judge's five classes."""

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
        recalls: class -> judge's recall at the highest intensity, neutral at 0.
        natural: class -> the judge's recall on natural recordings; empty where it was not measured.
    """

    points: tuple[Point, ...]
    correlations: dict[str, float]
    each: dict[str, float]
    recalls: dict[str, float]
    natural: dict[str, float]


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
    natural: dict[str, float] | None = None,
) -> DoseResponse:
    """Curves of measured sentences, whose ids are those of `dose_sentences`."""
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
    neutral = [table[f"{name}-neutral"].decision == "neutral" for name in names]
    recalls = {"neutral": float(np.mean(neutral))}
    recalls |= {p.emotion: p.recall for p in points if p.intensity == doses[-1]}
    return DoseResponse(tuple(points), correlations, each, recalls, dict(natural or {}))


def _point(emotion: str, dose: float, row: Sequence[Measured]) -> Point:
    return Point(
        emotion=emotion,
        intensity=dose,
        probability=float(np.mean([m.probabilities[emotion] for m in row])),
        recall=float(np.mean([m.decision == emotion for m in row])),
        wer=mean_words(row),
        similarity=float(np.mean([m.similarity for m in row])),
        quality=float(np.mean([m.quality for m in row])),
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
    measured = measure_spoken(doses, audio, judge, emotions, jobs=jobs, progress=tell)
    result = summarize_doses(measured, emotions, intensities, dict(judge.natural))
    record = {**asdict(result), "options": options, "model": engine.model.config.name}
    write_atomically(Path(output) / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)
    write_atomically(Path(output) / TABLE_FILE, render_doses(result).encode(), force=True)
    write_atomically(Path(output) / PICTURE_FILE, plot_doses(result), force=True)
    return result


def render_doses(result: DoseResponse) -> str:
    """Tables in Markdown: the doses, their rank correlations, and the recall beside natural recordings."""
    header = ["emotion", "intensity", "judge's probability", "recall %", "WER %", "voice cosine", "DNSMOS"]
    rows = [
        [
            p.emotion,
            f"{p.intensity:g}",
            number(p.probability, 3),
            percent(p.recall),
            percent(p.wer),
            number(p.similarity, 3),
            number(p.quality),
        ]
        for p in result.points
    ]
    correlations = [
        [name, number(result.correlations[name]), number(result.each[name])] for name in result.correlations
    ]
    means = [float(np.mean(list(table.values()))) for table in (result.correlations, result.each)]
    correlations.append(["mean", *(number(value) for value in means)])
    files = sum(p.files for p in result.points) // max(1, len(result.points))
    parts = [
        markdown_table(header, rows),
        "Spearman's rank correlation of the judge's probability with the intensity:",
        markdown_table(["emotion", "of the means", "within a sentence and voice"], correlations),
        "Judge's recall at the highest intensity (neutral at 0), beside natural recordings:",
        recall_rows(result),
        f"{files} files in each line. Intensity 0 is the same neutral speech for every emotion.",
    ]
    return "\n\n".join(parts) + "\n"


def recall_rows(result: DoseResponse) -> str:
    """Recalls of synthesised and natural speech; the mean over the classes that both have."""
    both = [name for name in result.recalls if not result.natural or name in result.natural]
    rows = []
    for source, table in (("synthesised", result.recalls), ("natural CREMA-D", result.natural)):
        if table:
            mean = float(np.mean([table[name] for name in both])) if both else float("nan")
            rows.append([source, percent(mean), *(percent(table.get(name)) for name in result.recalls)])
    return markdown_table(["speech", "mean %", *(f"{name} %" for name in result.recalls)], rows)


def plot_doses(result: DoseResponse) -> bytes:
    """A PNG of four panels: probability, word error rate, voice and quality over the intensity."""
    figure = optional_import("matplotlib.figure").Figure(figsize=(10, 7), layout="tight")
    panels = (
        ("probability", "judge's probability of the emotion", 1.0),
        ("wer", "word error rate, %", 100.0),
        ("similarity", "cosine to the voice", 1.0),
        ("quality", "DNSMOS, overall", 1.0),
    )
    for place, (name, label, factor) in enumerate(panels):
        axes = figure.add_subplot(2, 2, place + 1)
        for emotion in result.correlations:
            curve = [p for p in result.points if p.emotion == emotion]
            values = [factor * getattr(p, name) for p in curve]
            axes.plot([p.intensity for p in curve], values, marker="o", label=emotion)
        axes.set_xlabel("intensity asked for")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if place == 0:
            classes = len(judged_classes(list(result.correlations)))
            axes.axhline(1 / classes, color="grey", linestyle=":", label="chance")
            axes.legend(loc="upper left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


__all__ = [
    "EMOTIONS",
    "FIVE",
    "INTENSITIES",
    "DoseResponse",
    "Point",
    "dose_sentences",
    "plot_doses",
    "rank_correlation",
    "render_doses",
    "run_dose_response",
    "summarize_doses",
]
