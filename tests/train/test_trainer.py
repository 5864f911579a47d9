from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_tasks import Adversarial, Regression, toy_config

from emotts.errors import ModelError
from emotts.train import Trainer, TrainError, load_module, run_task
from emotts.train.checkpoint import list_checkpoints, load_checkpoint


def train(
    directory: Path, kind: type[Regression] = Regression, options: dict | None = None, **changes
) -> Trainer:
    config = toy_config(**changes)
    trainer = Trainer(kind(config, **(options or {})), config, directory)
    trainer.run()
    return trainer


def records(directory: Path, kind: str) -> list[dict]:
    lines = (directory / "train.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["kind"] == kind]


@pytest.mark.parametrize("kind", [Regression, Adversarial])
def test_resumed_training_equals_uninterrupted_one_bitwise(tmp_path: Path, kind: type[Regression]) -> None:
    options = {"dropout": 0.3, "noise": 0.1}
    whole = train(tmp_path / "whole", kind, options, steps=20, schedule="constant")
    train(tmp_path / "parts", kind, options, steps=10, schedule="constant")
    parts = train(tmp_path / "parts", kind, options, steps=20, schedule="constant", evaluate_every=4)
    assert parts.step == whole.step == 20
    for mine, theirs in (
        (parts.task.modules, whole.task.modules),
        (parts.average.modules, whole.average.modules),
    ):
        for key, value in mine.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key]), key
    assert parts.place == whole.place


def test_prefetching_does_not_change_the_result(tmp_path: Path) -> None:
    ahead = train(tmp_path / "ahead", options={"noise": 0.1}, prefetch=3)
    inline = train(tmp_path / "inline", options={"noise": 0.1}, prefetch=0)
    for key, value in ahead.task.modules.state_dict().items():
        assert torch.equal(value, inline.task.modules.state_dict()[key])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_lowers_the_loss_and_exports_averaged_weights(tmp_path: Path, precision: str) -> None:
    config = toy_config(steps=150, precision=precision, evaluate_every=50)
    task = Regression(config)
    before = task.evaluate(task.modules)["error"]
    result = run_task(task, config, tmp_path)
    assert result.finished and result.figures["error"] < 0.3 * before
    assert [one["step"] for one in records(tmp_path, "dev")] == [50, 100, 150]
    fresh = Regression(config)
    load_module(fresh.modules["net"], tmp_path / "net.safetensors")
    assert fresh.evaluate(fresh.modules)["error"] == pytest.approx(result.figures["error"])
    assert all(value.dtype == torch.float32 for value in load_file(tmp_path / "net.safetensors").values())


def test_discriminator_is_updated_before_the_generator_loss_and_not_by_it(tmp_path: Path) -> None:
    trainer = train(tmp_path, Adversarial, steps=3)
    values = dict(trainer.task.trace)
    assert values["judge before"] != values["judge after"] == values["judge end"]
    train_record = train(tmp_path / "log", Adversarial, steps=5).directory
    (record,) = records(train_record, "train")
    assert {"judge.loss", "net.loss", "net.fooled", "judge.grad_norm", "lr", "elapsed"} <= set(record)


def test_rates_of_all_groups_follow_the_schedule(tmp_path: Path) -> None:
    trainer = train(tmp_path, Adversarial, steps=20, warmup_steps=0, min_ratio=0.1)
    factor = trainer.config.rate_factor(19, 0.0)
    assert trainer.optimizers["net"].param_groups[0]["lr"] == pytest.approx(1e-2 * factor)
    assert trainer.optimizers["judge"].param_groups[0]["lr"] == pytest.approx(2e-2 * factor)


def test_clipping_bounds_the_update(tmp_path: Path) -> None:
    config = toy_config(steps=1, clip=1e-3, warmup_steps=0, schedule="constant")
    task = Adversarial(config)
    start = {key: value.clone() for key, value in task.modules["net"].state_dict().items()}
    Trainer(task, config, tmp_path).run()
    end = task.modules["net"].state_dict()
    moved = sum((value - start[key]).square().sum() for key, value in end.items())
    assert float(moved.sqrt()) == pytest.approx(1e-2 * 1e-3, rel=1e-3)


def test_bad_batch_is_kept_and_skipped(tmp_path: Path) -> None:
    config = toy_config(steps=12)
    task = Regression(config)
    task.poison = {5}
    Trainer(task, config, tmp_path).run()
    assert all(value.isfinite().all() for value in task.modules.state_dict().values())
    skipped = records(tmp_path, "skipped")
    assert skipped and all("5" in one["items"] for one in skipped)
    about = json.loads(next((tmp_path / "bad_batches").glob("*.json")).read_text())
    stored = load_file(next((tmp_path / "bad_batches").glob("*.safetensors")))
    assert stored["inputs"].shape[0] == len(about["indices"])


def test_only_bad_batches_end_the_training(tmp_path: Path) -> None:
    config = toy_config(steps=100, max_bad_steps=3)
    task = Regression(config)
    task.poison = set(range(40))
    with pytest.raises(TrainError, match="3 steps in a row"):
        Trainer(task, config, tmp_path).run()


def test_time_limit_ends_annealed_and_with_weights(tmp_path: Path) -> None:
    config = toy_config(steps=10**9, minutes=0.3 / 60, schedule="cosine_time", warmup_steps=0, min_ratio=0.01)
    trainer = Trainer(Regression(config), config, tmp_path)
    result = trainer.run()
    assert result.finished and 0 < result.step < 10**6
    assert trainer.optimizers["model"].param_groups[0]["lr"] < 0.1 * config.learning_rate
    assert (tmp_path / "net.safetensors").exists()


def test_run_limit_leaves_to_be_resumed_and_time_adds_up(tmp_path: Path) -> None:
    changes = {"steps": 10**9, "run_minutes": 0.15 / 60}
    first = train(tmp_path, **changes)
    second = train(tmp_path, **changes)
    assert second.step > first.step and second.elapsed >= 0.3
    assert len(json.loads((tmp_path / "run.json").read_text())["runs"]) == 2


def test_signal_checkpoints_and_leaves(tmp_path: Path) -> None:
    config = toy_config(steps=10**9)
    task = Regression(config)
    plain, calls = task.losses, iter(range(10**9))

    def losses(batch):
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(batch)

    task.losses = losses
    handler = signal.getsignal(signal.SIGTERM)
    result = Trainer(task, config, tmp_path).run()
    assert not result.finished and result.step == 5
    assert load_checkpoint(tmp_path / "checkpoint-5.pt")["step"] == 5
    assert "SIGTERM at step 5" in (tmp_path / "train.log").read_text()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_old_checkpoints_are_removed(tmp_path: Path) -> None:
    for steps in (2, 4, 6):
        train(tmp_path, steps=steps, keep_checkpoints=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-4.pt", "checkpoint-6.pt"]


def test_corrupt_checkpoint_is_named(tmp_path: Path) -> None:
    train(tmp_path, steps=2)
    path = tmp_path / "checkpoint-2.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"checkpoint-2\.pt is corrupt"):
        train(tmp_path, steps=4)


def test_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    train(tmp_path, steps=2)
    with pytest.raises(ModelError, match="'regression', not to 'adversarial'"):
        train(tmp_path, Adversarial, steps=4)


def test_initial_weights_are_loaded(tmp_path: Path) -> None:
    train(tmp_path / "first", steps=30)
    config = toy_config(initialize_from=tmp_path / "first")
    task = Adversarial(config)
    Trainer(task, config, tmp_path / "second")
    stored = load_file(tmp_path / "first" / "net.safetensors")
    assert all(torch.equal(value, stored[key]) for key, value in task.modules["net"].state_dict().items())
    config = toy_config(initialize_from=tmp_path)
    with pytest.raises(ModelError, match=r"has none of net\.safetensors"):
        Trainer(Regression(config), config, tmp_path / "third")


def test_run_record_names_versions_and_config(tmp_path: Path) -> None:
    train(tmp_path, steps=1, seed=7)
    (run,) = json.loads((tmp_path / "run.json").read_text())["runs"]
    assert run["config"]["seed"] == 7 and run["packages"]["torch"] and run["device"] == "cpu"


def test_tensorboard_gets_scalars_audio_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, steps=5, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()
    assert "train/model.loss" in events["scalars"] and "dev/error" in events["scalars"]
    assert events["audio"] == ["toy.audio"]
    pytest.importorskip("PIL")
    assert events["images"] == ["toy.mel"]


def test_processes_that_collate_give_the_batches_of_a_thread(tmp_path: Path) -> None:
    shared = train(tmp_path / "shared", options={"noise": 0.1}, workers=2)
    alone = train(tmp_path / "alone", options={"noise": 0.1})
    assert shared.place == alone.place
    for key, value in shared.task.modules.state_dict().items():
        assert torch.equal(value, alone.task.modules.state_dict()[key])


def test_error_in_a_process_that_collates_reaches_the_caller(tmp_path: Path) -> None:
    config = toy_config(workers=2)
    task = Regression(config)
    task.collate = lambda *_: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        Trainer(task, config, tmp_path).run()


def test_error_in_the_prefetch_thread_reaches_the_caller(tmp_path: Path) -> None:
    config = toy_config()
    task = Regression(config)

    def collate(indices, generator):
        raise RuntimeError("lost file")

    task.collate = collate
    with pytest.raises(RuntimeError, match="lost file"):
        Trainer(task, config, tmp_path).run()
