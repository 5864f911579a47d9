"""Configuration of a training, and its learning-rate schedule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from emotts.config import StrictModel


class TrainConfig(StrictModel):
    """How long, how fast and on what to train.

    Attributes:
        steps: batches until the training ends.
        minutes: time limit of the whole training, summed over resumed runs; it ends at `steps` or here,
            whichever comes first. The last evaluation comes on top.
        run_minutes: time limit of one run (one job of a queue): checkpoint and leave, to be resumed.
        batch_tokens: padded tokens in a batch, over all processes.
        max_batch_items: items in a batch, over all processes.
        length_noise: items are sorted by length times exp(noise · normal) before they are cut into
            batches; 0 gives the least padding, more gives more varied batches.
        learning_rate: base rate, for the task to build its optimisers with.
        warmup_steps: steps of linear warm-up.
        schedule: "cosine" falls over `steps`; "cosine_time" falls over the elapsed share of `minutes` (or
            of `steps`, if that is further), so that a time-limited training always ends annealed, but
            is then not reproducible bit for bit; "constant" stays.
        min_ratio: where the cosine ends, as a share of the base rate.
        clip: largest gradient norm of each optimiser's parameters; None for no clipping.
        ema: decay of the averaged weights, warmed up as min(ema, (1 + n) / (10 + n)) after n updates.
        precision: "bf16" runs the losses under autocast.
        seed: of batches, random choices and dropout.
        checkpoint_minutes: time between checkpoints.
        keep_checkpoints: how many of the newest stay.
        log_every: steps between log records.
        evaluate_every: steps between evaluations; 0 evaluates at the end only.
        device: "auto" takes CUDA if there is one.
        threads: CPU threads of tensor operations; None leaves torch's choice.
        prefetch: batches collated ahead in the background; 0 collates between the steps.
        workers: processes that collate; 0 is one thread, which is enough for a CPU.
        max_bad_steps: consecutive steps with a non-finite loss or gradient that end the training.
        initialize_from: directory with <module>.safetensors to start from.
        tensorboard: write TensorBoard files, if it is installed.
    """

    steps: int = Field(100_000, ge=1)
    minutes: float | None = Field(None, gt=0)
    run_minutes: float | None = Field(None, gt=0)
    batch_tokens: int = Field(4000, ge=1)
    max_batch_items: int = Field(64, ge=1)
    length_noise: float = Field(0.1, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(500, ge=0)
    schedule: Literal["cosine", "cosine_time", "constant"] = "cosine"
    min_ratio: float = Field(0.05, ge=0, le=1)
    clip: float | None = Field(1.0, gt=0)
    ema: float = Field(0.999, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = Field(0, ge=0)
    checkpoint_minutes: float = Field(5.0, gt=0)
    keep_checkpoints: int = Field(2, ge=1)
    log_every: int = Field(50, ge=1)
    evaluate_every: int = Field(1000, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(None, ge=1)
    prefetch: int = Field(2, ge=0)
    workers: int = Field(0, ge=0)
    max_bad_steps: int = Field(10, ge=1)
    initialize_from: Path | None = None
    tensorboard: bool = True

    @model_validator(mode="after")
    def _time_schedule_has_limit(self) -> TrainConfig:
        if self.schedule == "cosine_time" and self.minutes is None:
            raise ValueError("schedule cosine_time needs a time limit: set minutes")
        return self

    def progress(self, step: int, elapsed: float) -> float:
        """Share of the training that is done, in [0, 1].

        Args:
            step: batches consumed.
            elapsed: seconds of training; counts for the schedule "cosine_time" only.
        """
        done = step / self.steps
        if self.schedule == "cosine_time" and self.minutes is not None:
            done = max(done, elapsed / (60 * self.minutes))
        return min(1.0, done)

    def rate_factor(self, step: int, elapsed: float) -> float:
        """What the base learning rate is multiplied with, in (0, 1]: warm-up times decay."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "constant":
            return warm
        fall = 0.5 * (1 + math.cos(math.pi * self.progress(step, elapsed)))
        return warm * (self.min_ratio + (1 - self.min_ratio) * fall)

    def over(self, step: int, elapsed: float) -> bool:
        """True once the steps or the minutes of the whole training are used up."""
        return step >= self.steps or (self.minutes is not None and elapsed >= 60 * self.minutes)
