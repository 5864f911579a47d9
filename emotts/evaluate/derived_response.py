"""What the derived emotions are heard as: surprised and calm, which the judge knows, and melancholic."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.emotion.derived import RULES
from emotts.errors import ModelError
from emotts.evaluate.dose_response import dose_id, dose_sentences, rank_correlation
from emotts.evaluate.emotion_measures import Measured, Progress, check_judge, mean_words, measure_spoken
from emotts.evaluate.judge.model import CLASSES, EmotionJudge
from emotts.evaluate.lists import Sentence, write_sentences
from emotts.evaluate.report import markdown_table, number, percent
from emotts.evaluate.synthesis import synthesize_list
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

INTENSITIES = (0.0, 0.5, 1.0)
LIST_FILE, RECORD_FILE, TABLE_FILE = "sentences.jsonl", "derived.json", "derived.md"

_HEARD_AS = {"melancholic": "sad"}
"""RAVDESS has no melancholy; the judge's nearest class stands for it."""


@dataclass(frozen=True)
class DerivedPoint:
    """A derived emotion at one intensity, or neutral speech.

    Attributes:
        emotion: that was asked for.
        intensity: that was asked for.
        probabilities: class -> the judge's probability, mean; it chooses from all classes of RAVDESS.
        recall: share heard as the class that stands for the emotion.
        wer: word error rate.
        similarity: cosine to the voice, mean.
        files: how many.
    """

    emotion: str
    intensity: float
    probabilities: dict[str, float]
    recall: float
    wer: float
    similarity: float
    files: int


def heard_as(emotion: str) -> str:
    """The judge's class that stands for an emotion."""
    return _HEARD_AS.get(emotion, emotion)


def run_derived(
    engine: EmoTTS,
    judge: EmotionJudge,
    sentences: Sequence[Sentence],
    output: Path | str,
    intensities: Sequence[float] = INTENSITIES,
    seed: int = 0,
    jobs: int = 1,
    batch: int = 8,
    progress: Progress | None = None,
    **options: Any,
) -> list[DerivedPoint]:
    """Speaks and measures the derived emotions; writes table and record. Restartable as `run_dose_response`.

    Raises:
        ModelError: the model was taught one of them, so that nothing is derived.
        InputError: the judge does not know all classes of RAVDESS.
    """
    taught = [name for name in RULES if name in engine.model.config.emotions]
    if taught:
        raise ModelError(
            f"the model {engine.model.config.name} was taught {taught[0]}: it does not derive that"
        )
    known = tuple(name for name in CLASSES if name != "neutral")
    check_judge(judge, known)
    names, tell = tuple(RULES), progress or (lambda stage, share: None)
    doses, audio = dose_sentences(sentences, names, intensities, seed), Path(output) / "audio"
    synthesize_list(engine, doses, audio, batch=batch, progress=lambda x: tell("speaking", x), **options)
    write_sentences(doses, Path(output) / LIST_FILE, force=True)
    measured = measure_spoken(doses, audio, judge, known, None, jobs, tell)
    points = summarize_derived(measured, names, intensities)
    record = [asdict(point) for point in points]
    write_atomically(Path(output) / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)
    table = render_derived(points, judge.natural_recall(CLASSES))
    write_atomically(Path(output) / TABLE_FILE, table.encode(), force=True)
    return points


def summarize_derived(
    measured: Sequence[Measured], emotions: Sequence[str], intensities: Sequence[float]
) -> list[DerivedPoint]:
    """A point for neutral speech of every emotion, and for each dose; ids are those of `dose_sentences`."""
    table = {m.id: m for m in measured}
    names = [m.id.removesuffix("-neutral") for m in measured if m.id.endswith("-neutral")]
    points = []
    for emotion in emotions:
        for dose in sorted(intensities):
            row = [table[dose_id(name, emotion, dose)] for name in names]
            means = {c: float(np.mean([m.probabilities[c] for m in row])) for c in row[0].probabilities}
            points.append(
                DerivedPoint(
                    emotion=emotion,
                    intensity=dose,
                    probabilities=means,
                    recall=float(np.mean([m.decision == heard_as(emotion) for m in row])),
                    wer=mean_words(row),
                    similarity=float(np.mean([m.similarity for m in row])),
                    files=len(row),
                )
            )
    return points


def render_derived(points: Sequence[DerivedPoint], natural: Mapping[str, float]) -> str:
    """Tables in Markdown.

    Args:
        points: of `summarize_derived`.
        natural: class -> the judge's recall of natural recordings of actors that it never heard.
    """
    classes = list(points[0].probabilities)
    rows = [
        [
            p.emotion,
            f"{p.intensity:g}",
            *(number(p.probabilities[c]) for c in classes),
            percent(p.recall),
            percent(p.wer),
            number(p.similarity, 3),
        ]
        for p in points
    ]
    header = ["asked for", "intensity", *classes, "recall %", "WER %", "voice cosine"]
    curves = []
    for name in dict.fromkeys(p.emotion for p in points):
        own = [p for p in points if p.emotion == name]
        rank = rank_correlation([p.intensity for p in own], [p.probabilities[heard_as(name)] for p in own])
        best = percent(natural.get(heard_as(name)))
        curves.append([name, heard_as(name), number(rank), percent(own[-1].recall), best])
    summary = ["asked for", "judged as", "rank correlation", "recall at the highest %", "natural RAVDESS %"]
    notes = (
        f"Judge's mean probability of each class of RAVDESS, chance {1 / len(classes):.3f}; "
        f"{points[0].files} files in each line; intensity 0 is the same neutral speech for all. Natural "
        "RAVDESS: recordings of actors that the judge never heard, choosing from the same classes. RAVDESS "
        "has no melancholy; sad stands for it."
    )
    return f"{markdown_table(header, rows)}\n\n{markdown_table(summary, curves)}\n\n{notes}\n"
