"""The numbered stages of a recipe, from raw corpora to scores: each is one call, and restartable.

A finished stage leaves a marker in `done/`; running it removes the markers of the stages that depend on
it. Trainings resume from their own checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor, nn

from emotts.data.shards import Corpus
from emotts.errors import DataError, EmottsError, InputError
from emotts.train.data_stages import features, prepare, shards
from emotts.train.recipe import LM_PARTS, MODULES, TASKS, RecipeConfig, Run
from emotts.train.weights import load_module


class UnfinishedError(EmottsError):
    """A training that left before its end (a signal, or the limit of one run) and waits to be resumed."""

    exit_code = 3


AS_RECORDED = ("duration", "emotion_encoder")
"""Parts that learn from the recordings at their own speed only: how fast people speak is what the first
learns, and the second keeps speakers apart who would come back as others."""


class AlignedCorpus(Corpus):
    """A corpus without the utterances that have no aligned plan."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        kept = [i for i, utterance in enumerate(self.utterances) if utterance.durations is not None]
        self.utterances = [self.utterances[i] for i in kept]
        self._offsets = [self._offsets[i] for i in kept]
        self._by_speaker = {}
        for i, utterance in enumerate(self.utterances):
            self._by_speaker.setdefault(utterance.speaker, []).append(i)


@dataclass(frozen=True)
class Stage:
    """One step of a recipe.

    Attributes:
        name: for the command line, and of the marker.
        call: does it; returns one line that says what came out.
        needs: names of the stages whose output it reads.
        sections: keys of the recipe that it depends on; when they change, it counts as not done.
        training: may run in several processes.
    """

    name: str
    call: Callable[[Run], str]
    needs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    training: bool = False


# Trainings


def train(part: str, run: Run) -> str:
    """Trains one part of `TASKS`; resumes if it was interrupted.

    Raises:
        DataError: what an earlier stage makes is missing.
        UnfinishedError: it left before its end.
        TrainError: it diverged.
    """
    from emotts.train.run import run_task

    result = run_task(lambda: build_task(part, run), run.recipe.part(part).train, run.part(part))
    if not result.finished:
        raise UnfinishedError(f"training {part} stopped at step {result.step}; run the same command to go on")
    figures = " ".join(f"{key}={value:.4g}" for key, value in result.figures.items())
    return f"{result.step} steps; dev {figures}"


def train_lm(part: str, run: Run) -> str:
    """A later training of the language model; starts from what the one before it gave."""
    from emotts.train.tasks.emotion_encoder import emotional_items

    config = run.recipe.part(part)
    if config is None:
        return "left out: the recipe does not have it"
    if config.task.get("emotional") and not emotional_items(open_corpus(run, split="train")):
        return "left out: no corpus has emotions"
    if config.train.initialize_from is None:
        before = newest_lm(run, LM_PARTS[: LM_PARTS.index(part)])
        settings = config.train.model_copy(update={"initialize_from": run.part(before)})
        recipe = run.recipe.model_copy(update={part: config.model_copy(update={"train": settings})})
        run = Run(recipe, run.exp)
    return train(part, run)


def newest_lm(run: Run, parts: Sequence[str] = LM_PARTS) -> str:
    """The last of some trainings of the language model that the recipe has and that gave weights."""
    for part in reversed(parts):
        weights = run.part(part) / f"{MODULES[part]}.safetensors"
        if run.recipe.part(part) is not None and weights.is_file():
            return part
    return parts[0]


def train_emotion_encoder(run: Run) -> str:
    """Trains the emotion encoder and calibrates its intensities; does nothing without emotional corpora."""
    from emotts.train.tasks.emotion_encoder import emotional_items
    from emotts.train.weights import save_modules

    part = "emotion_encoder"
    if not emotional_items(open_corpus(run, split="train")):
        return "left out: no corpus has emotions"
    summary = train(part, run)
    if int(os.environ.get("RANK", 0)) == 0:
        encoder = load_part(part, run)
        encoder.low, encoder.high = build_task(part, run).calibration(encoder)
        save_modules(nn.ModuleDict({MODULES[part]: encoder}), run.part(part))
    return summary


def build_task(part: str, run: Run) -> Any:
    """The task of a part over the packed data, as the recipe configures it."""
    module_name, task_name, _ = TASKS[part]
    task_class = getattr(import_module(module_name), task_name)
    needed = {
        "tokenizer": ("embeddings",),
        "duration": ("embeddings", "alignments"),
        **dict.fromkeys(LM_PARTS, ("codes", "embeddings", "alignments")),
        "acoustic": ("codes", "embeddings", "alignments"),
    }.get(part, ())
    kind = AlignedCorpus if part == "acoustic" else Corpus
    corpora = [open_corpus(run, needed, split, kind, part not in AS_RECORDED) for split in ("train", "dev")]
    models = [load_part("lm", run)] if part == "acoustic" else []
    if part == "expert":
        models = [_decoder_statistics(run)]
    return task_class(run.recipe.task_config(part), *corpora, *models)


def _decoder_statistics(run: Run) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the mel bands that the decoder normalises with, or will once it is trained."""
    from emotts.train.tasks.acoustic import mel_statistics

    path = run.part("acoustic") / "acoustic.safetensors"
    if not path.is_file():
        return mel_statistics(open_corpus(run, ("alignments",), "train", AlignedCorpus))
    with safe_open(path, "pt") as file:
        return file.get_tensor("mel_mean"), file.get_tensor("mel_std")


def open_corpus(
    run: Run,
    needed: Sequence[str] = (),
    split: str | None = None,
    kind: type[Corpus] = Corpus,
    speeds: bool = True,
) -> Corpus:
    """The packed data with what stages have added to it.

    Args:
        run: the recipe and its folder.
        needed: which of "embeddings", "codes" and "alignments" to read.
        split: keep this one only.
        kind: class of the result.
        speeds: with the recordings that are played at other speeds.

    Raises:
        DataError: something is missing; names the stage that makes it.
    """
    if not any(run.shards.glob("*.safetensors")):
        raise DataError(f"{run.shards} holds no shards: run stage {_number('shards')} (shards) first")
    makers = {"embeddings": "embeddings", "codes": "tokens", "alignments": "align"}
    sources = {name: getattr(run, name) for name in needed}
    for name, path in sources.items():
        if not path.is_file():
            maker = makers[name]
            raise DataError(f"{path} is missing: run stage {_number(maker)} ({maker}) first")
    return kind(run.shards, splits=None if split is None else [split], speeds=speeds, **sources)


def load_part(part: str, run: Run) -> nn.Module:
    """The trained network of a part, with averaged weights, in evaluation mode.

    The language model is that of its last training.

    Raises:
        DataError: it has not been trained.
        ModelError: its weights do not fit the recipe.
    """
    from emotts.model import component_class

    part = newest_lm(run) if part == "lm" else part
    path = run.part(part) / f"{MODULES[part]}.safetensors"
    if not path.is_file():
        raise DataError(f"{path} is missing: run stage {_number(part)} ({part}) first")
    network, _ = component_class(MODULES[part])
    module = network(run.recipe.task_config(part).model)
    load_module(module, path)
    return module.eval().requires_grad_(False)


def _later(module: str, name: str) -> Callable[[Run], str]:
    """A stage of another module of this package, imported when it runs: they import this one."""

    def call(run: Run) -> str:
        return getattr(import_module(f"emotts.train.{module}"), name)(run)

    return call


# The order of the stages, and running them

STAGES: tuple[Stage, ...] = (
    Stage("prepare", prepare, (), ("corpora",)),
    Stage("features", features, ("prepare",)),
    Stage("shards", shards, ("features",), ("speeds",)),
    Stage("voice", partial(train, "voice"), ("shards",), ("voice",), training=True),
    Stage("embeddings", _later("derive_stages", "embeddings"), ("voice",)),
    Stage("tokenizer", partial(train, "tokenizer"), ("embeddings",), ("tokenizer",), training=True),
    Stage("tokens", _later("derive_stages", "tokens"), ("tokenizer",)),
    Stage("align", _later("derive_stages", "align"), ("tokenizer",), ("align",)),
    Stage("duration", partial(train, "duration"), ("align",), ("duration",), training=True),
    Stage("lm", partial(train, "lm"), ("tokens", "align"), ("lm",), training=True),
    Stage("lm_emotion", partial(train_lm, "lm_emotion"), ("lm",), ("lm_emotion",), training=True),
    Stage("lm_robust", partial(train_lm, "lm_robust"), ("lm_emotion",), ("lm_robust",), training=True),
    Stage("acoustic", partial(train, "acoustic"), ("lm_robust",), ("acoustic",), training=True),
    Stage("vocoder", partial(train, "vocoder"), ("shards",), ("vocoder",), training=True),
    Stage("emotion_encoder", train_emotion_encoder, ("shards",), ("emotion_encoder",), training=True),
    Stage("expert", _later("expert_stages", "train_expert"), ("align",), ("expert",), training=True),
    Stage(
        "pack",
        _later("pack_model", "pack_model"),
        ("duration", "acoustic", "vocoder", "emotion_encoder", "expert"),
        ("pack",),
    ),
    Stage("calibrate", _later("expert_stages", "calibrate"), ("pack",), ("calibrate",)),
    Stage("decode", _later("decode", "decode"), ("calibrate",), ("decode",)),
    Stage("score", _later("decode", "score"), ("decode",), ("decode",)),
)


def find_stage(name: str) -> int:
    """Number, from 1, of a stage given by number or name.

    Raises:
        InputError: no such stage.
    """
    if name.isdigit() and 1 <= int(name) <= len(STAGES):
        return int(name)
    for number, stage in enumerate(STAGES, start=1):
        if stage.name == name:
            return number
    known = ", ".join(f"{number} {stage.name}" for number, stage in enumerate(STAGES, start=1))
    raise InputError(f"no stage {name!r}; there are: {known}")


def _number(name: str) -> int:
    return find_stage(name)


def run_stages(
    run: Run,
    first: int = 1,
    last: int = len(STAGES),
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Runs stages in their order; those that are done are skipped.

    Args:
        run: the recipe and its folder.
        first: number of the first stage, from 1.
        last: number of the last.
        force: run stages that are done as well. A training goes on from its checkpoint even so; delete its
            folder to start afresh.
        tell: called with a line before and after each stage.

    Raises:
        EmottsError: what a stage raises; the stages before it stay done.
    """
    if not 1 <= first <= last <= len(STAGES):
        raise InputError(f"stages {first} to {last}: give 1 <= first <= last <= {len(STAGES)}")
    for number in range(first, last + 1):
        stage = STAGES[number - 1]
        if not force and is_done(run, stage):
            tell(f"stage {number} {stage.name}: done before")
            continue
        tell(f"stage {number} {stage.name}")
        started = time.monotonic()
        summary = run_stage(run, stage)
        tell(f"stage {number} {stage.name}: {summary} ({time.monotonic() - started:.1f} s)")


def run_stage(run: Run, stage: Stage) -> str:
    """Runs one stage, done before or not; returns its line.

    Raises:
        InputError: several processes were started for a stage that is no training.
    """
    if not stage.training and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError(
            f"stage {stage.name} runs in one process; use torchrun for trainings only, as recipes/run.sh does"
        )
    writes = int(os.environ.get("RANK", 0)) == 0
    if writes:
        for name in [stage.name, *dependants(stage.name)]:
            _marker(run, name).unlink(missing_ok=True)
    summary = stage.call(run)
    if writes:
        record = {"stage": stage.name, "settings": _settings(run.recipe, stage), "summary": summary}
        write_json(_marker(run, stage.name), {**record, "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
    return summary


def dependants(name: str) -> list[str]:
    """Stages that read, directly or not, what a stage makes."""
    found = {name}
    for stage in STAGES:
        if found.intersection(stage.needs):
            found.add(stage.name)
    return [stage.name for stage in STAGES if stage.name in found - {name}]


def is_done(run: Run, stage: Stage) -> bool:
    """Whether a stage has finished with the settings that the recipe has now."""
    try:
        record = json.loads(_marker(run, stage.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return record.get("settings") == _settings(run.recipe, stage)


def _settings(recipe: RecipeConfig, stage: Stage) -> str:
    """Digest of what a stage depends on in the recipe; where a corpus lies is no setting."""
    values = recipe.model_dump(mode="json", include=set(stage.sections))
    for corpus in values.get("corpora", {}).values():
        del corpus["path"], corpus["data"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _marker(run: Run, name: str) -> Path:
    return run.exp / "done" / f"{_number(name):02d}-{name}.json"


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a mapping under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, path)
