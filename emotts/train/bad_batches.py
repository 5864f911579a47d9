"""Keeps the batches that broke a step, for study."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from emotts.train.prefetch import Prepared
from emotts.train.task import Task

MOST = 50
"""Files kept in a directory; a diverging training must not fill the disk."""


def dump_bad_batch(directory: Path, task: Task, item: Prepared, rank: int) -> Path:
    """Writes step-<step>-rank-<rank>.safetensors with the batch and .json with step and items.

    Returns:
        The path of the json file; nothing is written once there are `MOST` of them.
    """
    path = directory / f"step-{item.step}-rank-{rank}.json"
    directory.mkdir(parents=True, exist_ok=True)
    if len(list(directory.glob("*.json"))) >= MOST:
        return path
    tensors = {
        key: value.detach().cpu().contiguous().clone()
        for key, value in item.batch.items()
        if isinstance(value, Tensor)
    }
    save_file(tensors, path.with_suffix(".safetensors"))
    about = {"task": task.name, "step": item.step, "indices": item.mine, "items": task.identify(item.mine)}
    path.write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path
