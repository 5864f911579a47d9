"""The training loop."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotts.errors import ModelError
from emotts.train.bad_batches import dump_bad_batch
from emotts.train.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from emotts.train.config import TrainConfig
from emotts.train.distributed import World, join_world
from emotts.train.ema import Average
from emotts.train.errors import TrainError
from emotts.train.logging import Journal, Meter, add_run_record, run_record
from emotts.train.prefetch import Prefetcher, Prepared
from emotts.train.random_state import preserved_random_state, random_state, seed_everything, set_random_state
from emotts.train.sampler import BucketSampler, Position
from emotts.train.signals import StopWish, signal_name, watch_signals
from emotts.train.task import Task
from emotts.train.weights import load_module, save_modules

_DROPOUT = 3  # keeps the seeds of dropout apart from those of batches


@dataclass(frozen=True)
class TrainResult:
    """Where a training stands.

    Attributes:
        step: batches consumed.
        finished: False if it was stopped before its end and can be resumed.
        figures: dev-set figures at the end; empty if not finished.
    """

    step: int
    finished: bool
    figures: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains a task in a directory, and resumes from the newest checkpoint there.

    On a CPU, with a schedule that follows steps, an interrupted and resumed training gives bit for bit
    the weights of an uninterrupted one.

    Args:
        task: what to train.
        config: how.
        directory: receives checkpoint-<step>.pt, <module>.safetensors (averaged weights, at every
            checkpoint), train.log, train.jsonl, run.json, tensorboard/ and bad_batches/.
        world: this process among all; by default found from the environment.

    Raises:
        InputError: the configuration does not fit the machine or the data.
        ModelError: initial weights or checkpoint do not fit the task.
    """

    def __init__(
        self, task: Task, config: TrainConfig, directory: Path | str, world: World | None = None
    ) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.task = task
        self.config = config
        self.directory = Path(directory)
        self.world = world if world is not None else join_world(config.device)
        self.step = 0
        self.elapsed = 0.0
        self.place = Position()
        self._bad_steps = 0
        self._initialize()
        if config.precision == "bf16" and self.world.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32 for what autocast leaves in float32
        task.modules.to(self.world.device).train()
        self.world.broadcast(task.modules)
        task.prepare(self.world.device)
        self.optimizers = task.optimizers()
        self._rates = {n: [g["lr"] for g in o.param_groups] for n, o in self.optimizers.items()}
        self.average = Average(task.modules, config.ema)
        self.sampler = BucketSampler(
            task.lengths(), config.batch_tokens, config.max_batch_items, config.seed, config.length_noise
        )
        seed_everything(config.seed, _DROPOUT, self.world.rank)
        self.meter = Meter()
        self.journal = Journal(self.directory, config.steps, active=False)

    def run(self) -> TrainResult:
        """Trains until the end, a time limit or a signal.

        Raises:
            TrainError: too many steps in a row had a non-finite loss or gradient.
        """
        self.journal = Journal(
            self.directory, self.config.steps, self.world.main, tensorboard=self.config.tensorboard
        )
        try:
            self._resume()
            if self.world.main:
                add_run_record(self.directory, run_record(self.config, self.task.name, self.world))
            with watch_signals() as wish:
                reason = self._loop(wish)
                return self._leave(reason) if reason else self._finish()
        finally:
            self.journal.close()

    # The loop

    def _loop(self, wish: StopWish) -> str:
        """Trains; returns why it must leave before the end, or ""."""
        config, run_start, before = self.config, time.monotonic(), self.elapsed
        saved = before
        self.meter.restart()
        batches = Prefetcher(
            self.task,
            self.sampler,
            self.world,
            self.step,
            self.place,
            depth=config.prefetch,
            pin=self.world.device.type == "cuda",
            workers=config.workers,
        )
        with batches:
            while True:
                mine = before + time.monotonic() - run_start
                self.elapsed, signal = self.world.agree(mine, wish.number)
                if config.over(self.step, self.elapsed):
                    return ""
                if signal:
                    return signal_name(signal)
                if config.run_minutes is not None and self.elapsed - before >= 60 * config.run_minutes:
                    return f"the limit of {config.run_minutes:g} minutes a run"
                if self.elapsed - saved >= 60 * config.checkpoint_minutes:
                    self.save()
                    saved = self.elapsed
                self._step(next(batches))
                self._report()

    def _step(self, item: Prepared) -> None:
        self.task.step = self.step
        self.task.progress = self.config.progress(self.step, self.elapsed)
        self._set_rates()
        share = self.world.share(item.weight)
        device = self.world.device
        batch = {
            key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in item.batch.items()
        }
        good = self._updates(batch, share)
        if good:
            self.average.update(self.task.modules)
            self._bad_steps = 0
        else:
            self._skip(item)
        self.step, self.place = self.step + 1, item.after
        self.meter.count(len(item.everyone), sum(self.sampler.lengths[i] for i in item.everyone))
        if not good and self._bad_steps >= self.config.max_bad_steps:
            raise TrainError(
                f"{self._bad_steps} steps in a row up to step {self.step} had a non-finite loss or gradient; "
                f"see {self.directory / 'bad_batches'}, and lower the learning rate or use precision fp32"
            )

    def _updates(self, batch: dict[str, Tensor], share: float) -> bool:
        """Goes through the task's losses; False if one of them was not finite."""
        losses = iter(self.task.losses(batch))
        while True:
            # A context for each piece: leaving it drops autocast's copies of weights that now change.
            with self._autocast():
                piece = next(losses, None)
            if piece is None:
                return True
            name, loss, figures = piece
            if name not in self.optimizers:
                raise TrainError(
                    f"task {self.task.name} yielded a loss for optimizer {name!r}; it has "
                    f"{', '.join(self.optimizers)}"
                )
            mean, norm = self._update(self.optimizers[name], loss, share)
            if norm is None:
                del losses
                return False
            self.meter.add(name, {**figures, "loss": mean, "grad_norm": norm})

    def _update(
        self, optimizer: torch.optim.Optimizer, loss: Tensor, share: float
    ) -> tuple[Tensor, Tensor | None]:
        """One update; returns the mean loss, and the gradient norm, or None if something was not finite."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        mean = self.world.average_gradients(parameters, loss, share)
        clip = self.config.clip if self.config.clip is not None else float("inf")
        norm = nn.utils.clip_grad_norm_(parameters, clip)
        if not bool(torch.isfinite(mean) & torch.isfinite(norm)):
            optimizer.zero_grad(set_to_none=True)
            return mean, None
        optimizer.step()
        return mean, norm

    def _skip(self, item: Prepared) -> None:
        self._bad_steps += 1
        where = dump_bad_batch(self.directory / "bad_batches", self.task, item, self.world.rank)
        self.journal.line(f"step {self.step}: non-finite loss or gradient, skipped; batch in {where}")
        self.journal.record("skipped", self.step, {"items": self.task.identify(item.everyone)})

    def _set_rates(self) -> None:
        factor = self.config.rate_factor(self.step, self.elapsed)
        for name, optimizer in self.optimizers.items():
            for group, rate in zip(optimizer.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * factor

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.world.device.type, dtype=torch.bfloat16)

    # Reports

    def _report(self) -> None:
        config = self.config
        if self.step % config.log_every == 0:
            figures = self.meter.read()
            first = next(iter(self.optimizers.values()))
            figures["lr"] = first.param_groups[0]["lr"]
            self.journal.progress(self.step, figures, self.elapsed)
            state = {"epoch": self.place.epoch, "elapsed": self.elapsed}
            self.journal.record("train", self.step, {**state, **figures})
        if config.evaluate_every and self.step % config.evaluate_every == 0 and self.step < config.steps:
            self._evaluate()
            self.meter.restart()

    def _evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights; leaves no trace in the random state of the training."""
        figures: dict[str, float] = {}
        if self.world.main:
            with preserved_random_state(), torch.no_grad():
                seed_everything(self.config.seed)
                self.average.modules.eval()
                raw = self.task.evaluate(self.average.modules)
                figures = {key: float(value) for key, value in raw.items()}
                self.journal.samples(self.step, self.task.samples(self.average.modules))
            shown = " ".join(f"{key}={value:.4g}" for key, value in figures.items())
            self.journal.line(f"step {self.step} dev {shown}")
            self.journal.record("dev", self.step, figures)
        self.world.barrier()
        return figures

    # The end, and checkpoints

    def _finish(self) -> TrainResult:
        self.save()
        figures = self._evaluate()
        minutes = f"{self.elapsed / 60:.1f} min"
        self.journal.line(f"finished at step {self.step}, {minutes}; weights in {self.directory}")
        return TrainResult(self.step, True, figures)

    def _leave(self, reason: str) -> TrainResult:
        self.save()
        self.journal.line(
            f"stopped by {reason} at step {self.step}; checkpoint written, run the same command to go on"
        )
        return TrainResult(self.step, False)

    def save(self) -> None:
        """Writes a checkpoint, and the averaged weights as <module>.safetensors."""
        states = self.world.gather(random_state())
        if self.world.main:
            state = {
                "task": self.task.name,
                "step": self.step,
                "elapsed": self.elapsed,
                "place": [self.place.epoch, self.place.position],
                "bad_steps": self._bad_steps,
                "modules": self.task.modules.state_dict(),
                "average": self.average.modules.state_dict(),
                "average_updates": self.average.updates,
                "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
                "random": states,
                "config": self.config.model_dump(mode="json"),
            }
            save_checkpoint(state, self.directory, self.config.keep_checkpoints)
            save_modules(self.average.modules, self.directory)
        self.world.barrier()

    def _resume(self) -> None:
        path = latest_checkpoint(self.directory)
        if path is None:
            self.journal.line(f"training {self.task.name} on {self.world.size} × {self.world.device.type}")
            return
        state = load_checkpoint(path)
        self._restore(state, path)
        self.journal.line(f"resumed from {path} at step {self.step}, {self.elapsed / 60:.1f} min")
        self.journal.record("resumed", self.step, {"elapsed": self.elapsed})
        for key in ("seed", "batch_tokens", "max_batch_items", "length_noise"):
            if state["config"].get(key) != getattr(self.config, key):
                self.journal.line(f"warning: {key} differs from the checkpoint's; batches will differ")

    def _restore(self, state: dict[str, Any], path: Path) -> None:
        if state["task"] != self.task.name or set(state["optimizers"]) != set(self.optimizers):
            raise ModelError(f"{path} belongs to task {state['task']!r}, not to {self.task.name!r}")
        try:
            self.task.modules.load_state_dict(state["modules"])
            self.average.modules.load_state_dict(state["average"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            line = " ".join(str(error).split())[:300]
            raise ModelError(f"{path} does not fit the task as configured now: {line}") from None
        self.average.updates = state["average_updates"]
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.place = Position(*state["place"])
        self._bad_steps = state["bad_steps"]
        if self.world.rank < len(state["random"]):
            set_random_state(state["random"][self.world.rank])
        else:  # more processes than before
            seed_everything(self.config.seed, _DROPOUT, self.world.rank, self.step)

    def _initialize(self) -> None:
        source = self.config.initialize_from
        if source is None:
            return
        found = [name for name in self.task.modules if (source / f"{name}.safetensors").is_file()]
        if not found:
            names = ", ".join(f"{name}.safetensors" for name in self.task.modules)
            raise ModelError(f"initialize_from: {source} has none of {names}")
        for name in found:
            load_module(self.task.modules[name], source / f"{name}.safetensors")
