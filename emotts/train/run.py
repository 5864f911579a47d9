"""One call that trains a task from start or checkpoint to end or time limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emotts.train.config import TrainConfig
from emotts.train.distributed import join_world, leave_world
from emotts.train.random_state import seed_everything
from emotts.train.task import Task
from emotts.train.trainer import Trainer, TrainResult


def run_task(task: Task | Callable[[], Task], config: TrainConfig, directory: Path | str) -> TrainResult:
    """Trains, alone or as one of the processes that `torchrun` started; resumes if it can.

    Args:
        task: the task, or a function that builds it: then the random start of its weights follows from
            the seed too.
        config: how to train.
        directory: holds checkpoints, logs and, at the end, <module>.safetensors.

    Returns:
        Where the training stands, and the dev-set figures if it is finished.
    """
    world = join_world(config.device)
    try:
        if not isinstance(task, Task):
            seed_everything(config.seed)
            task = task()
        return Trainer(task, config, directory, world).run()
    finally:
        leave_world()
