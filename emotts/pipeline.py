"""The stages from phonemes and plans to samples, over a batch of segments of many texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from emotts.acoustic.emotion_guidance import make_guidance, target_mask
from emotts.acoustic.guidance import Guidance
from emotts.emotion import Emotion
from emotts.emotion.calibration import GuidanceConfig, dose_of
from emotts.emotion.derived import lacking
from emotts.errors import ModelError
from emotts.model import Model
from emotts.model_config import GenerationConfig
from emotts.semantic.lm_inputs import LMInputs
from emotts.semantic.sampling import SamplingConfig
from emotts.semantic.takes import PITCH_WEIGHT, best_take, take_seed
from emotts.text.phonemize import Phonemes
from emotts.text.symbols import kind
from emotts.timebase import SAMPLES_PER_TOKEN
from emotts.voice.voice import Voice

Progress = Callable[[str, float], None]
"""Called with the name of the stage that runs and the fraction of all work that is done, 0 to 1."""

STAGES = ("text", "duration", "lm", "acoustic", "vocoder")

_BATCH_SEGMENTS = 16
_BATCH_TOKENS = 4096
# Where the stages begin in the work on a CPU, for the progress bar only.
_ACOUSTIC_BEGINS, _VOCODER_BEGINS = 0.5, 0.9


@dataclass(frozen=True)
class Segment:
    """A stretch of text that passes the models in one piece.

    Attributes:
        phonemes: what is said.
        durations: tokens of each phoneme.
        voice: who says it, on the models' device.
        emotion: how.
        seed: of the text it belongs to.
        number: of the segment in that text, from 0.
    """

    phonemes: Phonemes
    durations: tuple[int, ...]
    voice: Voice
    emotion: Emotion
    seed: int
    number: int

    @property
    def total(self) -> int:
        """Length in tokens."""
        return sum(self.durations)


@dataclass
class Clock:
    """Adds up the seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started


def render(
    model: Model,
    segments: Sequence[Segment],
    settings: GenerationConfig,
    clock: Clock,
    progress: Progress | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """Runs language model, acoustic decoder and vocoder.

    Segments of like length pass the models together; a segment's result does not depend on its company
    but for the rounding of sums.

    Returns:
        for each segment its codes (tokens,) and its samples (tokens · 960,), on the CPU.

    Raises:
        ModelError: the samples are not finite.
    """
    count = len(segments)
    codes: list[Tensor | None] = [None] * count
    audio: list[Tensor | None] = [None] * count
    tell = progress or (lambda stage, fraction: None)
    done = 0
    for batch in make_batches(segments):
        chosen = [segments[index] for index in batch]
        with clock.stage("lm"):
            tell("language model", done / count)
            drawn, latents = run_lm(model, chosen, settings)
        with clock.stage("acoustic"):
            tell("acoustics", (done + _ACOUSTIC_BEGINS * len(batch)) / count)
            mels = run_acoustic(model, chosen, drawn, latents, settings)
        with clock.stage("vocoder"):
            tell("vocoder", (done + _VOCODER_BEGINS * len(batch)) / count)
            for index, row, mel in zip(batch, drawn, mels, strict=True):
                codes[index], audio[index] = row, run_vocoder(model, segments[index], mel)
        done += len(batch)
    tell("done", 1.0)
    return [x for x in codes if x is not None], [x for x in audio if x is not None]


def make_batches(segments: Sequence[Segment]) -> list[list[int]]:
    """Indices of segments that pass the models together: of like length, not too many."""
    order = sorted(range(len(segments)), key=lambda index: segments[index].total)
    batches: list[list[int]] = []
    for index in order:
        segment = segments[index]
        current = batches[-1] if batches else []
        fits = (
            bool(current)
            and len(current) < _BATCH_SEGMENTS
            and (len(current) + 1) * segment.total <= _BATCH_TOKENS
        )
        if fits:
            current.append(index)
        else:
            batches.append([index])
    return batches


def run_lm(
    model: Model, segments: Sequence[Segment], settings: GenerationConfig
) -> tuple[list[Tensor], list[Tensor]]:
    """Codes (tokens,) and latents (tokens, dim) of each segment."""
    rows, each = [], max(1, _BATCH_SEGMENTS // settings.takes)
    for first in range(0, len(segments), each):
        rows += _draw(model, segments[first : first + each], settings)
    return [codes for codes, _ in rows], [latents for _, latents in rows]


def _draw(
    model: Model, segments: Sequence[Segment], settings: GenerationConfig
) -> list[tuple[Tensor, Tensor]]:
    """Codes and latents of each segment: of all takes, the one that says it best."""
    takes = settings.takes
    rows = [segment for segment in segments for _ in range(takes)]
    seeds = [take_seed(segment.seed, take) for segment in segments for take in range(takes)]
    numbers = [segment.number for segment in rows]
    drawn = model.components["lm"].generate(
        lm_inputs(rows), sampling_of(settings), seeds, numbers, bias=pitch_bias(model, rows)
    )
    found = []
    for index, segment in enumerate(segments):
        own = slice(index * takes, (index + 1) * takes)
        codes, latents = drawn.codes[own], drawn.latents[own]
        best = _best(model, segment, codes) if takes > 1 else 0
        found.append((quiet_opening(model, segment, codes[best].cpu()), latents[best]))
    return found


def _best(model: Model, segment: Segment, codes: Sequence[Tensor]) -> int:
    """Index of the draw to decode; one of neutral speech has no emotion in its pitch to lose."""
    pitch_weight = PITCH_WEIGHT if any(segment.emotion.vector) else 0.0
    tokenizer = model.components["tokenizer"]
    return best_take(tokenizer, codes, segment.phonemes.ids, segment.durations, pitch_weight)


def opening_of(segment: Segment) -> int:
    """Tokens of silence that a segment begins with."""
    return segment.durations[0] if kind(segment.phonemes.symbols[0]) == "pause" else 0


def quiet_opening(model: Model, segment: Segment, codes: Tensor) -> Tensor:
    """Codes (at least those of the opening) whose opening silence holds the quietest of its codes throughout.

    In recordings the first phone begins somewhere inside a token, in the plan of a text at the edge of one.
    The language model still draws a token with the start of a phone before that edge, which sounded as a
    burst before the first word: in four of ten sentences of a clean voice.
    """
    size = opening_of(segment)
    if size < 2:
        return codes
    codes = codes.clone()
    codes[:size] = codes[model.code_energy[codes[:size]].argmin()]
    return codes


def lm_inputs(segments: Sequence[Segment]) -> LMInputs:
    """What the language model reads."""
    return LMInputs.build(
        [segment.phonemes.ids for segment in segments],
        [segment.durations for segment in segments],
        [segment.total for segment in segments],
        torch.stack([segment.voice.embedding for segment in segments]),
        _emotions(segments),
    )


def pitch_bias(model: Model, segments: Sequence[Segment]) -> Tensor | None:
    """What `ModelConfig.pitch` adds to the logits of the codes, (batch, codebook_size); None if nothing."""
    weights = [lacking(segment.emotion, model.config.pitch) for segment in segments]
    return torch.tensor(weights)[:, None] * model.code_pitch if any(weights) else None


def sampling_of(settings: GenerationConfig) -> SamplingConfig:
    """How the language model draws."""
    return SamplingConfig(
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        repetition_penalty=settings.repetition_penalty,
        emotion_cfg=settings.emotion_cfg,
    )


def run_acoustic(
    model: Model,
    segments: Sequence[Segment],
    codes: Sequence[Tensor],
    latents: Sequence[Tensor],
    settings: GenerationConfig,
) -> list[Tensor]:
    """Log-mel (4 · tokens, 80) of each segment."""
    mel, frames = model.components["acoustic"].decode(
        codes,
        torch.stack([segment.voice.embedding for segment in segments]),
        _emotions(segments),
        latents=latents,
        phonemes=[segment.phonemes.ids for segment in segments],
        durations=[segment.durations for segment in segments],
        bandwidth=torch.tensor([float(segment.voice.bandwidth) for segment in segments]),
        prompt_mel=[_or_none(segment.voice.prompt_mel) for segment in segments],
        prompt_codes=[_or_none(segment.voice.prompt_codes) for segment in segments],
        steps=settings.steps,
        cfg=settings.cfg,
        guidance=emotion_guidance(model, segments, settings),
        temperature=settings.noise,
        seeds=[stage_seed(segment, 1) for segment in segments],
    )
    return [row[:size] for row, size in zip(mel, frames.tolist(), strict=True)]


def emotion_guidance(
    model: Model, segments: Sequence[Segment], settings: GenerationConfig
) -> Guidance | None:
    """Guidance of a batch by the model's emotion expert; None without one, and where all are neutral."""
    expert = model.components.get("expert")
    if expert is None:
        return None
    config = model.config.guidance or GuidanceConfig()
    if settings.guidance_schedule is not None:
        config = config.model_copy(update={"schedule": settings.guidance_schedule})
    classes = expert.config.classes
    doses = [dose_of(config, s.emotion, classes, settings.alpha, settings.beta) for s in segments]
    prompts = [len(segment.voice.prompt_codes) for segment in segments]
    mask = target_mask(prompts, [segment.total for segment in segments])
    return make_guidance(expert, classes, doses, mask, config)


@torch.inference_mode()
def run_vocoder(model: Model, segment: Segment, mel: Tensor) -> Tensor:
    """Samples (tokens · 960,) of one segment, on the CPU.

    One at a time: the vocoder sees no mask, so padding would sound, and it is the cheapest stage.
    """
    generator = torch.Generator().manual_seed(stage_seed(segment, 2))
    samples = model.components["vocoder"](mel[None], generator=generator)[0].float().cpu()
    if len(samples) != segment.total * SAMPLES_PER_TOKEN or not torch.isfinite(samples).all():
        raise ModelError("the vocoder gave samples that are not finite; its weights are corrupt")
    return samples


def stage_seed(segment: Segment, stage: int) -> int:
    """Seed of a stage's random source for a segment."""
    state = np.random.SeedSequence([segment.seed, segment.number, stage]).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def _emotions(segments: Sequence[Segment]) -> Tensor:
    device = segments[0].voice.embedding.device
    return torch.stack([segment.emotion.tensor() for segment in segments]).to(device)


def _or_none(prompt: Tensor) -> Tensor | None:
    return prompt if len(prompt) else None
