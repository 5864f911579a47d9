"""What guidance by the emotion expert wins, and what it costs in words: four ways, several weights."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.errors import InputError, ModelError
from emotts.evaluate.emotion_measures import Measured, Progress, check_judge, mean_words, measure_spoken
from emotts.evaluate.judge.model import EmotionJudge
from emotts.evaluate.lists import Sentence, find_all_audio, write_sentences
from emotts.evaluate.optional import optional_import
from emotts.evaluate.report import markdown_table, number, percent
from emotts.evaluate.scoring import voice_name
from emotts.evaluate.synthesis import synthesize_list
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

EMOTIONS = ("angry", "happy", "sad", "afraid")
"""With neutral, the judge's five classes."""

NO_GUIDANCE = "no guidance"
CALIBRATED = "as calibrated"
RECORD_FILE, TABLE_FILE, PICTURE_FILE = "guidance.json", "guidance.md", "guidance.png"

_BETA_SHARE = 0.25  # EmoDubber's negative weight is a quarter of the positive one


@dataclass(frozen=True)
class Way:
    """One way to guide.

    Attributes:
        name: for table and picture.
        schedule: `guidance_schedule` of `EmoTTS.synthesize`.
        negative: β as a share of α.
    """

    name: str
    schedule: str
    negative: float


WAYS = (
    Way("α only, constant", "constant", 0.0),
    Way("α and β, constant", "constant", _BETA_SHARE),
    Way("α and β, derived", "derived", _BETA_SHARE),
)


@dataclass(frozen=True)
class Outcome:
    """Emotional speech of one way and weight, over all emotions.

    Attributes:
        way: its name, or `NO_GUIDANCE`.
        alpha: positive weight; 0 without guidance, None where the calibration gives each emotion its own.
        beta: negative weight, likewise.
        accuracy: mean over the emotions of the judge's recall.
        probability: the judge's for the emotion that was asked for, mean.
        wer: word error rate.
        similarity: cosine to the voice, mean.
        quality: DNSMOS, mean.
        files: how many.
    """

    way: str
    alpha: float | None
    beta: float | None
    accuracy: float
    probability: float
    wer: float
    similarity: float
    quality: float
    files: int


def require_expert(engine: EmoTTS) -> None:
    """Raises ModelError where the model has no emotion expert, without which there is no guidance."""
    if not any("expert" in name for name in engine.model.components):
        raise ModelError(
            f"the model {engine.model.config.name} has no emotion expert, so it cannot be guided; "
            "give a model that was packed with one"
        )


def is_calibrated(engine: EmoTTS) -> bool:
    """Whether the model says which weights its intensities stand for."""
    guidance = engine.model.config.guidance
    return guidance is not None and bool(guidance.table.alpha)


def conditions(alphas: Sequence[float], calibrated: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """Name and options of `EmoTTS.synthesize` of every run: no guidance, then each way with each weight.

    Last, for a calibrated model, what `synthesize` does where nothing is said of guidance.

    Raises:
        InputError: no weight, or one that is not above 0.
    """
    if not alphas or not all(np.isfinite(alpha) and alpha > 0 for alpha in alphas):
        raise InputError("give weights above 0 with --alpha, such as --alpha 1 --alpha 2")
    runs: list[tuple[str, dict[str, Any]]] = [(NO_GUIDANCE, {"guidance_schedule": "none"})]
    for way in WAYS:
        for alpha in alphas:
            options = {"guidance_schedule": way.schedule, "alpha": alpha, "beta": way.negative * alpha}
            runs.append((way.name, options))
    return [*runs, (CALIBRATED, {})] if calibrated else runs


def compare_guidance(
    engine: EmoTTS,
    judge: EmotionJudge,
    sentences: Sequence[Sentence],
    output: Path | str,
    alphas: Sequence[float] = (1.0,),
    emotions: Sequence[str] = EMOTIONS,
    intensity: float = 1.0,
    seed: int = 0,
    jobs: int = 1,
    batch: int = 8,
    progress: Progress | None = None,
    quality_every: int = 1,
    **options: Any,
) -> list[Outcome]:
    """Speaks and measures every way, and writes table, picture and record into a folder.

    Neutral speech, which the judge compares with, is spoken once. Restartable: see `run_dose_response`.

    Args:
        engine: the synthesiser; its model must have an emotion expert.
        judge: of emotion.
        sentences: texts with voices.
        output: folder for guidance.md, guidance.png, guidance.json, and the audio.
        alphas: positive weights to try.
        emotions: names that the judge knows.
        intensity: of all of them, above 0.
        seed: of the first sentence; the next has the next.
        jobs: processes of the measuring.
        batch: sentences spoken at once.
        progress: told what is done.
        quality_every: DNSMOS of every n-th text only.
        **options: further options of `EmoTTS.synthesize`.

    Raises:
        ModelError: the model has no emotion expert.
        InputError: a weight, an intensity or an emotion that cannot be.
    """
    require_expert(engine)
    check_judge(judge, emotions)
    runs = conditions(alphas, is_calibrated(engine))
    if not 0.0 < intensity <= 1.0:
        raise InputError(f"intensity must be above 0 and at most 1, not {intensity:g}")
    optional_import("matplotlib.figure")
    output, tell = Path(output), progress or (lambda stage, share: None)
    calm, moved = _lists(sentences, emotions, intensity, seed)
    unguided = {"guidance_schedule": "none", **options}
    synthesize_list(engine, calm, output / "neutral", batch=batch, **unguided)
    neutral = find_all_audio(output / "neutral", calm)
    outcomes = []
    for place, (name, given) in enumerate(runs):
        folder = output / folder_name(name, given)
        label = f"{place + 1}/{len(runs)} {name}"
        synthesize_list(
            engine, moved, folder, batch=batch, progress=_labelled(tell, label), **{**options, **given}
        )
        write_sentences(moved, folder.with_suffix(".jsonl"), force=True)
        measured = measure_spoken(moved, folder, judge, emotions, neutral, jobs, tell, quality_every)
        outcomes.append(summarize_guidance(name, given, measured, moved))
    record = [asdict(outcome) for outcome in outcomes]
    write_atomically(output / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)
    write_atomically(output / TABLE_FILE, render_guidance(outcomes).encode(), force=True)
    write_atomically(output / PICTURE_FILE, plot_guidance(outcomes), force=True)
    return outcomes


def _labelled(tell: Progress, label: str) -> Callable[[float], None]:
    return lambda share: tell(f"speaking {label}", share)


def _lists(
    sentences: Sequence[Sentence], emotions: Sequence[str], intensity: float, seed: int
) -> tuple[list[Sentence], list[Sentence]]:
    """Neutral and emotional sentences; a text has one seed in all."""
    calm, moved = [], []
    for place, sentence in enumerate(sentences):
        base = replace(sentence, seed=seed + place, duration=None, tokens=None, speed=None)
        name = f"{voice_name(sentence)}-{place:03d}"
        calm.append(replace(base, id=f"{name}-neutral", emotion="neutral"))
        moved += [replace(base, id=f"{name}-{e}", emotion=f"{e}:{intensity:g}") for e in emotions]
    return calm, moved


def folder_name(name: str, options: dict[str, Any]) -> str:
    """Folder of a run's audio."""
    if name in (NO_GUIDANCE, CALIBRATED):
        return "none" if name == NO_GUIDANCE else "calibrated"
    return f"{options['guidance_schedule']}-{options['alpha']:g}-{options['beta']:g}".replace(".", "_")


def summarize_guidance(
    name: str, options: dict[str, Any], measured: Sequence[Measured], sentences: Sequence[Sentence]
) -> Outcome:
    """One line of the comparison."""
    asked = [sentence.emotion.partition(":")[0] for sentence in sentences]
    groups: dict[str, list[Measured]] = {}
    for emotion, item in zip(asked, measured, strict=True):
        groups.setdefault(emotion, []).append(item)
    recalls = [np.mean([m.decision == emotion for m in group]) for emotion, group in groups.items()]
    return Outcome(
        way=name,
        alpha=None if name == CALIBRATED else float(options.get("alpha", 0.0)),
        beta=None if name == CALIBRATED else float(options.get("beta", 0.0)),
        accuracy=float(np.mean(recalls)),
        probability=float(np.mean([m.probabilities[e] for e, m in zip(asked, measured, strict=True)])),
        wer=mean_words(measured),
        similarity=float(np.mean([m.similarity for m in measured])),
        quality=float(np.nanmean([m.quality for m in measured])),
        files=len(measured),
    )


def render_guidance(outcomes: Sequence[Outcome]) -> str:
    """Table in Markdown; the cost in words is against no guidance."""
    base = next(outcome for outcome in outcomes if outcome.way == NO_GUIDANCE)
    header = ["guidance", "α", "β", "accuracy %", "judge's probability", "WER %", "WER cost, points"]
    rows = [
        [
            o.way,
            _weight(o.alpha),
            _weight(o.beta),
            percent(o.accuracy),
            number(o.probability, 3),
            percent(o.wer),
            f"{100 * (o.wer - base.wer):+.1f}",
            number(o.similarity, 3),
            number(o.quality),
        ]
        for o in outcomes
    ]
    note = "Accuracy: the judge's recall, mean over the emotions, neutral left out; "
    note += f"{outcomes[0].files} files in each line."
    return f"{markdown_table([*header, 'voice cosine', 'DNSMOS'], rows)}\n\n{note}\n"


def _weight(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def plot_guidance(outcomes: Sequence[Outcome]) -> bytes:
    """A PNG: accuracy over the word errors that it costs; a line joins the weights of one way."""
    figure = optional_import("matplotlib.figure").Figure(figsize=(7, 5), layout="tight")
    axes = figure.add_subplot()
    base = next(outcome for outcome in outcomes if outcome.way == NO_GUIDANCE)
    for way in dict.fromkeys(outcome.way for outcome in outcomes):
        group = sorted((o for o in outcomes if o.way == way), key=lambda o: o.alpha or 0.0)
        cost = [100 * (o.wer - base.wer) for o in group]
        axes.plot(cost, [100 * o.accuracy for o in group], marker="o", label=way)
        for x, outcome in zip(cost, group, strict=True):
            if outcome.alpha:
                place = (x, 100 * outcome.accuracy)
                axes.annotate(f"α={outcome.alpha:g}", place, textcoords="offset points", xytext=(5, 5))
    axes.set_xlabel("word error rate above no guidance, points")
    axes.set_ylabel("judge's accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
