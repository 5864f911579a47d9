"""Configuration of a recipe: from published corpora to a model directory with its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from emotts.config import StrictModel
from emotts.emotion.calibration import MAX_ALPHA, GuidanceConfig
from emotts.errors import InputError
from emotts.model_config import GenerationConfig
from emotts.train.config import TrainConfig

TASKS: dict[str, tuple[str, str, str]] = {
    "voice": ("emotts.train.tasks.voice", "VoiceTask", "VoiceTaskConfig"),
    "tokenizer": ("emotts.train.tasks.tokenizer", "TokenizerTask", "TokenizerTaskConfig"),
    "duration": ("emotts.train.tasks.duration", "DurationTask", "DurationTaskConfig"),
    "lm": ("emotts.train.tasks.lm", "SemanticLMTask", "SemanticLMTaskConfig"),
    "lm_emotion": ("emotts.train.tasks.lm", "SemanticLMTask", "SemanticLMTaskConfig"),
    "lm_robust": ("emotts.train.tasks.lm", "SemanticLMTask", "SemanticLMTaskConfig"),
    "acoustic": ("emotts.train.tasks.acoustic", "AcousticTask", "AcousticTaskConfig"),
    "vocoder": ("emotts.train.tasks.vocoder", "VocoderTask", "VocoderTaskConfig"),
    "emotion_encoder": (
        "emotts.train.tasks.emotion_encoder",
        "EmotionEncoderTask",
        "EmotionEncoderTaskConfig",
    ),
    "expert": ("emotts.train.tasks.expert", "ExpertTask", "ExpertTaskConfig"),
}
"""Part -> module, task and configuration of the task."""

MODULES = {
    "voice": "voice_encoder",
    "tokenizer": "tokenizer",
    "duration": "duration",
    "lm": "lm",
    "lm_emotion": "lm",
    "lm_robust": "lm",
    "acoustic": "acoustic",
    "vocoder": "vocoder",
    "emotion_encoder": "emotion_encoder",
    "expert": "expert",
}
"""Part -> component of the model directory that its training gives."""


LM_PARTS = ("lm", "lm_emotion", "lm_robust")
"""The three trainings of the language model, in their order; the last two may be left out of a recipe."""


class CorpusConfig(StrictModel):
    """Where a corpus is, and what its licence asks for.

    Attributes:
        reader: key of `emotts.data.corpora.CORPORA`; the corpus's name when left out.
        path: folder of the corpus as its owners publish it.
        data: an existing data directory, instead of `path`.
        limit: use this many utterances only, of a few speakers in each split.
        optional: leave the corpus out where nobody says where it is.
        licence: of the recordings.
        notice: what the licence asks to be said of them.
    """

    reader: str | None = None
    path: Path | None = None
    data: Path | None = None
    limit: int | None = Field(None, ge=4)
    optional: bool = False
    licence: str = ""
    notice: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> CorpusConfig:
        if self.path is not None and self.data is not None:
            raise ValueError("give either path or data, not both")
        return self


class PartConfig(StrictModel):
    """One trained part.

    Attributes:
        task: options of the part's task; sizes that follow from another part or from the tables of
            the package (`voice_dim`, `codebook_size`, `phones`, ...) are filled in and must be left out.
        train: how long, how fast and on what to train. The base learning rate is the task's.
    """

    task: dict[str, Any] = Field(default_factory=dict)
    train: TrainConfig = TrainConfig()


class AlignConfig(StrictModel):
    """Forced alignment.

    Attributes:
        worst_score: mean log posterior under which an alignment is not believed.
    """

    worst_score: float = Field(-3.0, le=0)


class NamedVoice(StrictModel):
    """A voice that comes with the model.

    Attributes:
        speaker: speaker of the corpora.
        description: one line for people.
    """

    speaker: str
    description: str = ""


class PackConfig(StrictModel):
    """The model directory.

    Attributes:
        name: of the model.
        description: one line.
        licence: of the weights.
        languages: espeak codes, the default first.
        default_voice: one of `voices`; the first when left out.
        voices: named voices.
        generation: defaults of the synthesis.
        max_megabytes: a larger directory is an error.
        card: Markdown that ends the model card: limits, results, terms.
    """

    name: str = "unnamed"
    description: str = ""
    licence: str = "Apache-2.0"
    languages: tuple[str, ...] = ("en-us",)
    default_voice: str = ""
    voices: dict[str, NamedVoice] = Field(default_factory=dict)
    generation: GenerationConfig = GenerationConfig()
    max_megabytes: float = Field(64.0, gt=0)
    card: str = ""

    @model_validator(mode="after")
    def _default_exists(self) -> PackConfig:
        if self.default_voice and self.default_voice not in self.voices:
            raise ValueError(f"default_voice {self.default_voice!r} is not among voices")
        return self


class CalibrateConfig(StrictModel):
    """What the intensities of guided emotions are calibrated on.

    Attributes:
        sentences: dev sentences that are spoken for each point.
        voices: named voices that speak them; the first ones of `pack.voices`.
        intensities: that are measured; the table holds these and 0.
        alphas: weights that are measured at each intensity, 0 among them.
        worst_cost: nats a phone that the tokenizer's recogniser may lose against no guidance; larger
            weights are not used.
        response: "module:function" that is called with the training `Corpus` and gives a
            `emotts.train.calibrate.Response`. It must not know the expert that guides.
        seed: of the synthesis.
        guidance: schedule and limits of the guidance, without its table.
    """

    sentences: int = Field(4, ge=1)
    voices: int = Field(2, ge=1)
    intensities: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    alphas: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0)
    worst_cost: float = Field(0.2, ge=0)
    response: str = "emotts.evaluate.prosody_response:fit_prosody_response"
    seed: int = Field(0, ge=0)
    guidance: GuidanceConfig = GuidanceConfig()

    @model_validator(mode="after")
    def _rising(self) -> CalibrateConfig:
        marks = self.intensities
        if not marks or marks[-1] != 1 or marks[0] <= 0 or any(a >= b for a, b in pairwise(marks)):
            raise ValueError("intensities must rise from above 0 to 1")
        weights = self.alphas
        if len(weights) < 2 or weights[0] != 0 or any(a >= b for a, b in pairwise(weights)):
            raise ValueError("alphas must rise from 0")
        if weights[-1] > MAX_ALPHA:
            raise ValueError(f"alphas must be at most {MAX_ALPHA:g}")
        return self


class DecodeConfig(StrictModel):
    """What is synthesised and scored.

    Attributes:
        sentences: test sentences of each voice in free mode.
        emotional: test sentences that are spoken in each emotion.
        emotions: which, at full intensity.
        scaled: test sentences that are spoken at each of `factors`.
        factors: lengths as multiples of the natural recording's.
        seed: of the synthesis.
        quality: score DNSMOS too.
    """

    sentences: int = Field(60, ge=1)
    emotional: int = Field(12, ge=0)
    emotions: tuple[str, ...] = ("angry", "happy", "sad", "afraid", "disgusted")
    scaled: int = Field(20, ge=0)
    factors: tuple[float, ...] = (0.75, 0.9, 1.0, 1.1, 1.25)
    seed: int = 0
    quality: bool = True


class RecipeConfig(StrictModel):
    """A whole recipe.

    Attributes:
        corpora: name -> corpus.
        jobs: processes of the stages that are not trainings.
        speeds: the training recordings are also used this many times as fast, as those of other speakers.
        lm: the language model on all data.
        lm_emotion: on emotional data, or None. Options of its task that are not given are those of `lm`.
        lm_robust: on all data once more, or None; likewise.
    """

    corpora: dict[str, CorpusConfig]
    jobs: int = Field(1, ge=1)
    speeds: tuple[float, ...] = ()
    voice: PartConfig = PartConfig()
    tokenizer: PartConfig = PartConfig()
    align: AlignConfig = AlignConfig()
    duration: PartConfig = PartConfig()
    lm: PartConfig = PartConfig()
    lm_emotion: PartConfig | None = None
    lm_robust: PartConfig | None = None
    acoustic: PartConfig = PartConfig()
    vocoder: PartConfig = PartConfig()
    emotion_encoder: PartConfig = PartConfig()
    expert: PartConfig = PartConfig()
    pack: PackConfig = PackConfig()
    calibrate: CalibrateConfig = CalibrateConfig()
    decode: DecodeConfig = DecodeConfig()

    @model_validator(mode="after")
    def _parts_are_valid(self) -> RecipeConfig:
        for part in TASKS:
            if self.part(part) is not None:
                self.task_config(part)
        return self

    def part(self, name: str) -> PartConfig | None:
        """Configuration of a part of `TASKS`; None where the recipe leaves it out."""
        return getattr(self, name)

    def task_config(self, part: str) -> Any:
        """Complete configuration of a part's task.

        Raises:
            InputError: an unknown key, a wrong value, or a size that follows from another part.
        """
        module_name, _, config_name = TASKS[part]
        values = dict(self.part(part).task)
        if part in LM_PARTS[1:]:
            if "model" in values:
                raise InputError(f"{part}.task: model is that of lm; leave it out")
            values = {**self.lm.task, **values}
        model = values.get("model") or {}
        if not isinstance(model, Mapping):
            raise InputError(f"{part}.task: model must hold a mapping of keys to values")
        derived = self._derived(part)
        for key, value in derived.items():
            if key in model:
                raise InputError(f"{part}.task: model.{key} follows from other parts ({value}); leave it out")
        values["model"] = {**model, **derived}
        return getattr(import_module(module_name), config_name).parse(values, source=f"{part}.task")

    def _derived(self, part: str) -> dict[str, int]:
        """Sizes that a part must share with others."""
        from emotts.text.symbols import BASE_PHONES, SYMBOLS

        if part in ("voice", "vocoder", "emotion_encoder", "expert"):
            return {}
        voice_dim = self.task_config("voice").model.dim
        if part == "tokenizer":
            return {"phones": len(BASE_PHONES), "voice_dim": voice_dim}
        if part == "duration":
            return {"symbols": len(SYMBOLS), "voice_dim": voice_dim}
        codebook_size = math.prod(self.task_config("tokenizer").model.levels)
        if part in LM_PARTS:
            return {"symbols": len(SYMBOLS), "codebook_size": codebook_size, "voice_dim": voice_dim}
        latent_dim = self.task_config("lm").model.dim
        return {
            "symbols": len(SYMBOLS),
            "codebook_size": codebook_size,
            "latent_dim": latent_dim,
            "voice_dim": voice_dim,
        }

    def with_sources(
        self, paths: Mapping[str, Path] | None = None, data: Mapping[str, Path] | None = None
    ) -> RecipeConfig:
        """The same recipe with corpora found elsewhere.

        Args:
            paths: name -> folder of the corpus as published.
            data: name -> existing data directory.

        Raises:
            InputError: a name that the recipe lacks.
        """
        corpora = dict(self.corpora)
        for field, given in (("path", paths or {}), ("data", data or {})):
            for name, place in given.items():
                if name not in corpora:
                    raise InputError(f"the recipe has no corpus {name!r}; it has: {', '.join(corpora)}")
                sources = {"path": None, "data": None, field: Path(place)}
                corpora[name] = corpora[name].model_copy(update=sources)
        return self.model_copy(update={"corpora": corpora})

    def without_absent(self, exp: Path) -> RecipeConfig:
        """The same recipe without the optional corpora that nobody gave and that `exp` does not hold."""
        corpora = {
            name: config
            for name, config in self.corpora.items()
            if not config.optional or config.path or config.data or (exp / "data" / name).is_dir()
        }
        return self.model_copy(update={"corpora": corpora})


@dataclass(frozen=True)
class Run:
    """A recipe and the directory that it fills: what every stage is called with.

    Attributes:
        recipe: what to do.
        exp: folder of everything that is made.
    """

    recipe: RecipeConfig
    exp: Path

    def data(self, corpus: str) -> Path:
        """Data directory of a corpus; an existing one is used where it lies, unless it is limited."""
        config = self.recipe.corpora[corpus]
        if config.data is not None and config.limit is None:
            return config.data
        return self.exp / "data" / corpus

    def features(self, corpus: str) -> Path:
        """Measurements of a corpus's recordings."""
        return self.exp / "features" / f"{corpus}.safetensors"

    @property
    def shards(self) -> Path:
        """Folder of the packed training data of all corpora."""
        return self.exp / "shards"

    @property
    def embeddings(self) -> Path:
        """Voice embeddings of all utterances."""
        return self.exp / "embeddings.safetensors"

    @property
    def codes(self) -> Path:
        """Semantic tokens of all utterances."""
        return self.exp / "codes.safetensors"

    @property
    def alignments(self) -> Path:
        """Aligned plans."""
        return self.exp / "alignments.safetensors"

    @property
    def model(self) -> Path:
        """Model directory."""
        return self.exp / "model"

    @property
    def decode(self) -> Path:
        """Folder of sentence lists and synthesised speech."""
        return self.exp / "decode"

    def part(self, name: str) -> Path:
        """Folder of a training."""
        return self.exp / name
