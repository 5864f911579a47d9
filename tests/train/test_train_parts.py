from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emotts.errors import DataError, InputError, ModelError
from emotts.train.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from emotts.train.config import TrainConfig
from emotts.train.distributed import join_world
from emotts.train.ema import Average
from emotts.train.logging import mel_image
from emotts.train.random_state import (
    mix_seed,
    preserved_random_state,
    random_state,
    seed_everything,
    set_random_state,
)
from emotts.train.sampler import BucketSampler, Position
from emotts.train.weights import load_module, save_modules


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    tokens=st.integers(50, 300),
    items=st.integers(1, 9),
    epoch=st.integers(0, 5),
)
def test_an_epoch_has_every_item_once_within_the_bounds(
    lengths: list[int], tokens: int, items: int, epoch: int
) -> None:
    batches = BucketSampler(lengths, tokens, items, seed=3).batches(epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= items and max(lengths[i] for i in batch) * len(batch) <= tokens


def test_batches_depend_on_seed_and_epoch_only() -> None:
    lengths = [3 + i % 17 for i in range(100)]
    one, two = (BucketSampler(lengths, 60, 8, seed=1) for _ in range(2))
    one.batches(0)
    assert one.batches(1) == two.batches(1)
    assert one.batches(1) != one.batches(2)
    assert one.batches(0) != BucketSampler(lengths, 60, 8, seed=2).batches(0)


def test_batches_hold_similar_lengths() -> None:
    lengths = torch.randint(10, 400, (500,), generator=torch.Generator().manual_seed(0)).tolist()
    batches = BucketSampler(lengths, 4000, 100, seed=0, noise=0.05).batches(0)
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    assert sum(lengths) / padded > 0.85


def test_walking_from_any_place_gives_the_same_batches() -> None:
    lengths = list(range(1, 20))
    walker, place, seen = BucketSampler(lengths, 40, 4, seed=0), Position(), []
    for _ in range(30):
        batch, after = walker.next(place)
        seen.append((place, batch))
        place = after
    assert place.epoch >= 2
    for where, batch in seen:
        assert BucketSampler(lengths, 40, 4, seed=0).next(where)[0] == batch


def test_impossible_items_are_refused_by_number() -> None:
    with pytest.raises(InputError, match="item 1 is 90 tokens long, more than batch_tokens=60"):
        BucketSampler([5, 90], 60, 8, seed=0)
    with pytest.raises(DataError, match="no training items"):
        BucketSampler([], 60, 8, seed=0)
    with pytest.raises(DataError, match="item 2 is empty"):
        BucketSampler([5, 9, 0], 60, 8, seed=0)


def test_cosine_falls_from_base_rate_to_the_floor_after_warm_up() -> None:
    config = TrainConfig(steps=1000, warmup_steps=10, min_ratio=0.1)
    factors = [config.rate_factor(step, 0.0) for step in range(1001)]
    assert factors[0] == pytest.approx(0.1, rel=1e-3) and max(factors) == pytest.approx(1.0, abs=1e-2)
    assert factors[500] == pytest.approx(0.55, abs=1e-6) and factors[1000] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(factors[10:]))


def test_time_cosine_follows_the_clock_or_the_steps_whichever_is_further() -> None:
    config = TrainConfig(steps=1000, minutes=10, schedule="cosine_time", warmup_steps=0, min_ratio=0)
    assert config.rate_factor(0, 300) == pytest.approx(0.5)
    assert config.rate_factor(0, 600) == pytest.approx(0.0)
    assert config.rate_factor(500, 0) == pytest.approx(0.5)
    assert config.over(1, 600) and not config.over(999, 599) and config.over(1000, 0)


def test_time_cosine_without_limit_is_refused() -> None:
    with pytest.raises(InputError, match="needs a time limit"):
        TrainConfig.parse({"schedule": "cosine_time"})


def test_average_is_warmed_up_and_copies_buffers() -> None:
    modules = nn.ModuleDict({"norm": nn.BatchNorm1d(2)})
    average = Average(modules, decay=0.99)
    with torch.no_grad():
        modules["norm"].weight.fill_(2.0)
    modules["norm"].running_mean.fill_(7.0)
    average.update(modules)
    assert torch.allclose(average.modules["norm"].weight, torch.full((2,), 1.9))  # decay 1/10
    assert torch.equal(average.modules["norm"].running_mean, torch.full((2,), 7.0))
    for _ in range(2000):
        average.update(modules)
    assert torch.allclose(average.modules["norm"].weight, torch.full((2,), 2.0))


def test_random_state_comes_back_whole_through_a_checkpoint(tmp_path: Path) -> None:
    import random

    import numpy as np

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    seed_everything(4)
    np.random.randn()  # leaves a cached normal in the state
    path = save_checkpoint({"step": 1, "random": random_state()}, tmp_path, keep=1)
    first = draw()
    set_random_state(load_checkpoint(path)["random"])
    with preserved_random_state():
        assert draw() == first
    assert draw() == first


def test_mixed_seeds_differ_for_neighbours() -> None:
    seeds = {mix_seed(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400 and all(0 <= seed < 2**63 for seed in seeds)


def test_latest_checkpoint_goes_by_number(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "absent") is None
    for step in (9, 100, 20):
        save_checkpoint({"step": step}, tmp_path, keep=5)
    (tmp_path / "checkpoint-best.pt").write_text("not ours")
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-100.pt"


def test_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-1.pt"
    torch.save({"format": 1, "step": nn.Linear(1, 1)}, path)
    with pytest.raises(ModelError, match="corrupt or unreadable"):
        load_checkpoint(path)
    torch.save({"step": 1}, path)
    with pytest.raises(ModelError, match="format 1"):
        load_checkpoint(path)


def test_weights_survive_the_file_with_tied_and_half_precision_parts(tmp_path: Path) -> None:
    def build() -> nn.Module:
        one = nn.Linear(3, 3)
        return nn.Sequential(one, nn.Linear(3, 3).bfloat16(), one)

    first, second = build(), build()
    (path,) = save_modules(nn.ModuleDict({"part": first}), tmp_path)
    assert path == tmp_path / "part.safetensors"
    load_module(second, path)
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())
    assert [one.name for one in tmp_path.iterdir()] == ["part.safetensors"]


def test_weights_that_do_not_fit_are_explained(tmp_path: Path) -> None:
    (path,) = save_modules(nn.ModuleDict({"part": nn.Linear(3, 4, bias=False)}), tmp_path)
    with pytest.raises(ModelError, match=r"missing bias.*weight is \(4, 3\), should be \(2, 3\)"):
        load_module(nn.Linear(3, 2), path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_module(nn.Linear(3, 2), path)
    with pytest.raises(ModelError, match="does not exist"):
        load_module(nn.Linear(3, 2), tmp_path / "absent.safetensors")


def test_mel_picture_has_low_bands_at_the_bottom() -> None:
    mel = torch.zeros(5, 80)
    mel[:, 0] = 3.0
    picture = mel_image(mel)
    assert picture.shape == (1, 80, 5)
    assert torch.equal(picture[0, -1], torch.ones(5)) and float(picture[0, :-1].abs().max()) == 0


def test_incomplete_launch_variables_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(InputError, match="torchrun"):
        join_world("cpu")
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(InputError, match="must be numbers"):
        join_world("cpu")
