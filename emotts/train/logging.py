"""What a training leaves for people: progress lines, records, TensorBoard files, and its own history."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotts.timebase import SAMPLE_RATE
from emotts.train.config import TrainConfig
from emotts.train.distributed import World

_PACKAGES = ("emotts", "torch", "torchaudio", "numpy", "einops", "safetensors", "pydantic")


class Meter:
    """Means of figures, and throughput, since it was last read."""

    def __init__(self) -> None:
        self._values: dict[str, list[float | Tensor]] = defaultdict(list)
        self.restart()

    def restart(self) -> None:
        """Forgets everything and starts the clock."""
        self._values.clear()
        self._items = self._tokens = 0
        self._since = time.monotonic()

    def add(self, prefix: str, figures: Mapping[str, float | Tensor]) -> None:
        """Takes figures in as "<prefix>.<key>"; tensors are read only when the means are."""
        for key, value in figures.items():
            self._values[f"{prefix}.{key}"].append(value.detach() if isinstance(value, Tensor) else value)

    def count(self, items: int, tokens: int) -> None:
        """Counts what a step has processed."""
        self._items += items
        self._tokens += tokens

    def read(self) -> dict[str, float]:
        """Means and rates since the last reading."""
        seconds = max(1e-9, time.monotonic() - self._since)
        means = {key: sum(map(float, values)) / len(values) for key, values in self._values.items()}
        rates = {"items_per_second": self._items / seconds, "tokens_per_second": self._tokens / seconds}
        self.restart()
        return {**means, **rates}


class Journal:
    """Writes train.log, train.jsonl and TensorBoard files of the main process; the others stay silent.

    Args:
        directory: where the files go; they are appended to.
        total: steps of the whole training, for the progress bar.
        active: False makes every method do nothing.
        tensorboard: write TensorBoard files if the package is installed.
    """

    def __init__(self, directory: Path, total: int, active: bool = True, tensorboard: bool = True) -> None:
        self.directory = directory
        self.active = active
        if active:
            directory.mkdir(parents=True, exist_ok=True)
        self._board = _open_board(directory / "tensorboard") if active and tensorboard else None
        self._bar = _open_bar(total) if active else None

    def line(self, text: str) -> None:
        """One line for people: standard error and train.log."""
        if not self.active:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        with (self.directory / "train.log").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def record(self, kind: str, step: int, figures: dict[str, Any]) -> None:
        """One record for programs, in train.jsonl, and its numbers on TensorBoard."""
        if not self.active:
            return
        plain = {key: _jsonable(value) for key, value in figures.items()}
        with (self.directory / "train.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "step": step, **plain}) + "\n")
        if self._board is not None:
            for key, value in figures.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{kind}/{key}", value, step)

    def progress(self, step: int, figures: dict[str, float], elapsed: float) -> None:
        """Moves the bar on a terminal; writes a plain line elsewhere, and always to train.log."""
        shown = " ".join(f"{key}={value:.4g}" for key, value in figures.items())
        self.line(f"step {step} {elapsed / 60:.1f} min {shown}")
        if self._bar is not None:
            self._bar.n = step
            self._bar.refresh()

    def samples(self, step: int, samples: dict[str, Tensor]) -> None:
        """Audio and mel images to TensorBoard, by the ending of the name."""
        if self._board is None:
            return
        for name, value in samples.items():
            value = value.detach().float().cpu()
            if name.endswith(".audio"):
                peak = value.abs().max().clamp_min(1.0)
                self._board.add_audio(name, (value / peak).reshape(1, -1), step, sample_rate=SAMPLE_RATE)
            elif name.endswith(".mel") and _can_draw():
                self._board.add_image(name, mel_image(value), step)
        self._board.flush()

    def close(self) -> None:
        """Closes the files."""
        if self._board is not None:
            self._board.close()
        if self._bar is not None:
            self._bar.close()


def mel_image(mel: Tensor) -> Tensor:
    """A mel (frames, bands) as a grey picture (1, bands, frames) in [0, 1], low bands at the bottom."""
    low, high = mel.min(), mel.max()
    return ((mel - low) / (high - low).clamp_min(1e-6)).T.flip(0)[None]


def run_record(config: TrainConfig, name: str, world: World) -> dict[str, Any]:
    """What one needs to know to repeat a run: versions, revision, configuration, machine."""
    cuda = world.device.type == "cuda"
    return {
        "task": name,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "revision": _revision(),
        "config": config.model_dump(mode="json"),
        "processes": world.size,
        "device": torch.cuda.get_device_name(world.device) if cuda else "cpu",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def add_run_record(directory: Path, record: dict[str, Any]) -> None:
    """Appends a run to the list in run.json: a resumed training has several."""
    path = directory / "run.json"
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError, TypeError):
        runs = []
    scratch = path.with_name(f".run.json.{os.getpid()}")
    scratch.write_text(json.dumps({"runs": [*runs, record]}, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, path)


def _jsonable(value: Any) -> Any:
    # JSON has no NaN; null keeps the record readable for every program.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    here = Path(__file__).parent
    try:
        # An installed copy may lie inside a stranger's repository, whose revision says nothing.
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        dirty = "+changes" if _git(here, "status", "--porcelain", "--untracked-files=no") else ""
        return _git(here, "rev-parse", "HEAD") + dirty
    except (OSError, subprocess.SubprocessError):
        return None


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _open_board(directory: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(directory))


def _open_bar(total: int) -> Any:
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit="step", dynamic_ncols=True, leave=False)


def _can_draw() -> bool:
    # TensorBoard encodes pictures with Pillow, which a bare node may lack.
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        return False
    return True
