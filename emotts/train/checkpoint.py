"""Checkpoints: everything that an interrupted training needs to go on exactly."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from emotts.errors import ModelError

FORMAT = 1
"""Version of the contents; a checkpoint of another version is refused."""

_NAME = re.compile(r"checkpoint-\d+\.pt")


def checkpoint_path(directory: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return directory / f"checkpoint-{step}.pt"


def list_checkpoints(directory: Path) -> list[Path]:
    """All checkpoints of a directory, oldest step first."""
    found = [path for path in directory.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.split("-")[1]))


def latest_checkpoint(directory: Path) -> Path | None:
    """The checkpoint of the highest step, or None."""
    found = list_checkpoints(directory)
    return found[-1] if found else None


def save_checkpoint(state: dict[str, Any], directory: Path, keep: int) -> Path:
    """Writes checkpoint-<state["step"]>.pt in one move, and removes all but the newest `keep`.

    Args:
        state: tensors and plain containers only, so that it loads without running code.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = checkpoint_path(directory, state["step"])
    scratch = directory / f".{path.name}.{os.getpid()}"
    try:
        with scratch.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    for old in list_checkpoints(directory)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU, without running any code that it may hold.

    Raises:
        ModelError: the file is corrupt, or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError):
        raise ModelError(
            f"checkpoint {path} is corrupt or unreadable; delete it to resume from the one before it"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ModelError(f"{path} is no checkpoint of format {FORMAT}; use the version that wrote it")
    return state
