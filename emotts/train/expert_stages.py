"""Stages `expert` and `calibrate`: the classifier that guides emotions, and how far each intensity goes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from emotts.data.shards import Corpus
from emotts.emotion.emotion import NEUTRAL
from emotts.errors import DataError, InputError
from emotts.files import write_atomically
from emotts.model import CONFIG_FILE, load_config
from emotts.train.calibrate import (
    Point,
    Response,
    choose_table,
    measure_doses,
    measure_loudness,
    measure_pitch,
    recognition_cost,
)
from emotts.train.recipe import Run
from emotts.train.stages import find_stage, load_part, open_corpus, train
from emotts.train.tasks.expert import accuracy_by_time, emotional_corpora, held_out

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

RECORD_FILE = "calibration.json"
"""In the recipe's folder: what the calibration measured, and on what."""


def train_expert(run: Run) -> str:
    """Stage `expert`: trains it, and writes accuracy.json.

    That holds its accuracy by t on speakers that it never saw. Does nothing where no corpus has emotions.
    """
    corpus = open_corpus(run, split="train")
    if not emotional_corpora(corpus):
        return "left out: no corpus has emotions"
    summary = train("expert", run)
    if int(os.environ.get("RANK", 0)) == 0:
        figures = expert_accuracy(run)
        path = run.part("expert") / "accuracy.json"
        write_atomically(path, (json.dumps(figures, indent=2) + "\n").encode(), force=True)
    return summary


def expert_accuracy(run: Run) -> dict[str, dict[str, float]]:
    """Accuracy by t of the trained expert on the dev and the test utterances of new speakers.

    Returns:
        for each split with such speakers, what `accuracy_by_time` gives, and "items" and "speakers".
    """
    expert = load_part("expert", run)
    train_corpus = open_corpus(run, split="train")
    corpora = run.recipe.task_config("expert").corpora or emotional_corpora(train_corpus)
    result = {}
    for split in ("dev", "test"):
        corpus = open_corpus(run, split=split)
        items, labels = held_out(corpus, expert.config.classes, corpora, set(train_corpus.speakers))
        if items:
            speakers = len({corpus.utterances[item].speaker for item in items})
            figures = accuracy_by_time(expert, corpus, items, labels)
            result[split] = {"items": len(items), "speakers": speakers, **figures}
    return result


def calibrate(run: Run) -> str:
    """Stage `calibrate`: measures what each weight does and writes the table into the model's config.yaml.

    The measurements go to calibration.json. Does nothing for a model without an expert.

    Raises:
        DataError: no packed model, no named voice, or no dev sentence.
        InputError: the response that the recipe names cannot be found.
    """
    from emotts.tts import EmoTTS

    if not (run.model / CONFIG_FILE).is_file():
        raise DataError(f"{run.model} is missing: run stage {find_stage('pack')} (pack) first")
    config, settings = load_config(run.model), run.recipe.calibrate
    if config.guidance is None or "expert" not in config.components:
        return "left out: the model has no emotion expert"
    if settings.guidance.schedule == "none":
        return "left out: the recipe switches guidance off"
    voices = list(run.recipe.pack.voices)[: settings.voices]
    if not voices:
        raise DataError("the recipe names no voices (pack.voices), so there is nobody to speak")
    engine = EmoTTS.from_pretrained(run.model)
    # What an earlier calibration added must not be measured as the networks' own.
    engine.model.config = engine.model.config.model_copy(update={"loudness": {}, "pitch": {}})
    response = load_response(settings.response, open_corpus(run, split="train", speeds=False))
    emotions = [name for name in engine.model.components["expert"].config.classes if name != NEUTRAL]
    texts = calibration_texts(open_corpus(run, split="dev"), settings.sentences)
    known = {kind: _known(getattr(response, kind, {}), emotions) for kind in ("loudness", "pitch")}
    pitch = measure_pitch(engine, texts, voices, known["pitch"], settings.seed)
    engine.model.config = engine.model.config.model_copy(update={"pitch": pitch})
    key, points = _measured(run, engine, voices, emotions, texts, response)
    table = choose_table(points, settings.worst_cost)
    guidance = settings.guidance.model_copy(update={"table": table})
    engine.model.config = engine.model.config.model_copy(update={"guidance": guidance})
    loudness = measure_loudness(engine, texts, voices, known["loudness"], settings.seed)
    record = {"key": key, "points": [vars(point) for point in points]}
    record |= {"table": table.model_dump(mode="json"), "natural": known, "loudness": loudness, "pitch": pitch}
    _write_record(run, record)
    updated = config.model_copy(update={"guidance": guidance, "loudness": loudness, "pitch": pitch})
    write_atomically(run.model / CONFIG_FILE, updated.dump().encode(), force=True)
    return ", ".join(
        f"{name} alpha {values[-1]:.2g} loudness {loudness.get(name, 0.0):+.1f} dB "
        f"pitch {pitch.get(name, 0.0):+.2f}"
        for name, values in table.alpha.items()
    )


def _known(table: Mapping[str, float], emotions: Sequence[str]) -> dict[str, float]:
    return {name: value for name, value in table.items() if name in emotions}


def _measured(
    run: Run,
    engine: EmoTTS,
    voices: list[str],
    emotions: list[str],
    texts: list[str],
    response: Response,
) -> tuple[dict[str, Any], list[Point]]:
    """What was measured, and on what; an earlier run's measurements of the same are not made again."""
    config, settings = engine.model.config, run.recipe.calibrate
    key = {
        "networks": {name: file.sha256 for name, file in sorted(config.files.items())},
        "generation": config.generation.model_dump(mode="json"),
        "pitch": config.pitch,
        "settings": settings.model_dump(mode="json", exclude={"worst_cost"}),
        "voices": voices,
        "texts": texts,
    }
    known: list[Point] = []
    try:
        record = json.loads((run.exp / RECORD_FILE).read_text(encoding="utf-8"))
        if record["key"] == key:
            known = [Point(**point) for point in record["points"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or one of another version
    total = len(emotions) * len(settings.intensities) * len(settings.alphas)

    def report(points: list[Point]) -> None:
        _write_record(run, {"key": key, "points": [vars(point) for point in points]})
        last = points[-1]
        sys.stderr.write(f"calibrate: {len(points)} of {total} weights, {last.emotion} {last.intensity:g}\n")
        sys.stderr.flush()

    points = measure_doses(
        engine,
        texts,
        voices,
        emotions,
        response,
        recognition_cost,
        settings.intensities,
        settings.alphas,
        settings.seed,
        {"guidance_schedule": settings.guidance.schedule},
        known,
        report,
    )
    return key, points


def _write_record(run: Run, record: dict[str, Any]) -> None:
    write_atomically(run.exp / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)


def calibration_texts(corpus: Corpus, count: int) -> list[str]:
    """Different texts of a corpus, spread evenly over it.

    Raises:
        DataError: the corpus holds none.
    """
    texts = list(dict.fromkeys(utterance.text for utterance in corpus.utterances))
    if not texts:
        raise DataError("there are no dev utterances to calibrate the intensities on")
    count = min(count, len(texts))
    return [texts[place * len(texts) // count] for place in range(count)]


def load_response(name: str, corpus: Corpus) -> Response:
    """The response that "module:function" makes from a corpus.

    Raises:
        InputError: there is no such function.
    """
    module_name, _, function_name = name.partition(":")
    try:
        make = getattr(import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError):
        raise InputError(f"calibrate.response: no function {name!r}; write it as module:function") from None
    return make(corpus)
