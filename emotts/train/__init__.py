"""Training: the trainer, the protocol of what it trains, and checkpoints.

Public names, loaded on first use so that importing the package stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotts.train.config import TrainConfig
    from emotts.train.errors import TrainError
    from emotts.train.random_state import seed_everything
    from emotts.train.run import run_task
    from emotts.train.task import Task
    from emotts.train.trainer import Trainer, TrainResult
    from emotts.train.weights import load_module, save_modules

__all__ = [
    "Task",
    "TrainConfig",
    "TrainError",
    "TrainResult",
    "Trainer",
    "load_module",
    "run_task",
    "save_modules",
    "seed_everything",
]

_HOMES = {
    "Task": "emotts.train.task",
    "TrainConfig": "emotts.train.config",
    "TrainError": "emotts.train.errors",
    "TrainResult": "emotts.train.trainer",
    "Trainer": "emotts.train.trainer",
    "load_module": "emotts.train.weights",
    "run_task": "emotts.train.run",
    "save_modules": "emotts.train.weights",
    "seed_everything": "emotts.train.random_state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emotts.train' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
