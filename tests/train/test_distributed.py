from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_tasks

from emotts.train import load_module
from emotts.train.checkpoint import load_checkpoint
from emotts.train.distributed import World
from emotts.train.prefetch import prepare
from emotts.train.sampler import BucketSampler, Position


def launch(directory: Path, size: int) -> None:
    """Starts the processes of one training the way torchrun does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, toy_tasks.__file__, str(directory)],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    outputs = [process.communicate(timeout=120)[1] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained")
    toy_tasks.main(str(directory / "one"))
    launch(directory / "two", size=2)
    return directory


@pytest.mark.parametrize("kind", ["regression", "adversarial"])
def test_two_processes_give_the_weights_of_one(trained: Path, kind: str) -> None:
    one, two = (load_checkpoint(trained / name / kind / "checkpoint-6.pt") for name in ("one", "two"))
    assert len(two["random"]) == 2
    for part in ("modules", "average"):
        for key, value in one[part].items():
            # The sums of gradients run in another order: float32 rounding, grown over six steps.
            torch.testing.assert_close(two[part][key], value, rtol=1e-5, atol=1e-5)
    task = toy_tasks.Regression(toy_tasks.toy_config())
    load_module(task.modules["net"], trained / "two" / kind / "net.safetensors")


def test_a_process_without_items_repeats_one_with_weight_zero() -> None:
    task = toy_tasks.Regression(toy_tasks.toy_config(), items=3)
    sampler = BucketSampler(task.lengths(), 60, 1, seed=0)
    shares = [prepare(task, sampler, World(torch.device("cpu"), rank, 2), 0, Position()) for rank in range(2)]
    assert shares[0].mine == shares[1].mine == shares[0].everyone
    assert shares[0].weight > 0 and shares[1].weight == 0


def test_a_task_may_give_its_own_weight() -> None:
    task = toy_tasks.Regression(toy_tasks.toy_config())
    plain = task.collate
    task.collate = lambda indices, generator: {
        **plain(indices, generator),
        "weight": torch.tensor(float(len(indices))),
    }
    sampler = BucketSampler(task.lengths(), 60, 8, seed=0)
    item = prepare(task, sampler, World(torch.device("cpu")), 0, Position())
    assert item.weight == len(item.everyone) > 1
