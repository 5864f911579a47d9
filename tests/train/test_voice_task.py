from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from fake_corpus import write_fake_shards

from emotts.data.shards import Corpus
from emotts.train.config import TrainConfig
from emotts.train.run import run_task
from emotts.train.tasks.voice import VoiceTask, VoiceTaskConfig, equal_error_rate, excerpt
from emotts.train.weights import load_module
from emotts.voice.encoder import VoiceEncoder, VoiceEncoderConfig

TINY = VoiceTaskConfig(
    model=VoiceEncoderConfig(dim=16, layers=1), excerpt_tokens=10, learning_rate=5e-3, gain_decibels=3.0
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_shards(tmp_path_factory.mktemp("voice"), speakers=3)


def task(shards: Path, dev: str = "dev") -> VoiceTask:
    return VoiceTask(TINY, Corpus(shards, splits=["train"]), Corpus(shards, splits=[dev]))


@pytest.mark.parametrize(
    ("genuine", "impostor", "rate"),
    [
        ([0.9, 0.8], [0.1, 0.2], 0.0),
        ([0.1, 0.2], [0.9, 0.8], 1.0),
        ([0.5, 0.9], [0.1, 0.6], 0.5),
        ([0.3, 0.7, 0.8, 0.9], [0.1, 0.2, 0.25, 0.75], 0.25),
    ],
)
def test_equal_error_rate(genuine: list[float], impostor: list[float], rate: float) -> None:
    assert equal_error_rate(torch.tensor(genuine), torch.tensor(impostor)) == pytest.approx(rate)


def test_equal_error_rate_of_normal_scores_is_that_of_theory() -> None:
    generator = torch.Generator().manual_seed(0)
    genuine = torch.randn(20_000, generator=generator) + 2
    impostor = torch.randn(30_000, generator=generator)
    expected = 0.5 * math.erfc(1 / math.sqrt(2))  # both tails beyond one deviation
    assert equal_error_rate(genuine, impostor) == pytest.approx(expected, abs=0.01)


def test_equal_error_rate_needs_both_kinds() -> None:
    assert math.isnan(equal_error_rate(torch.tensor([]), torch.tensor([0.1])))


def test_an_excerpt_is_a_part_and_short_recordings_are_repeated() -> None:
    mel = torch.arange(10.0)[:, None].expand(10, 3)
    for seed in range(5):
        part = excerpt(mel, 4, torch.Generator().manual_seed(seed))[:, 0]
        assert part.tolist() == [part[0] + k for k in range(4)]
        repeated = excerpt(mel, 25, torch.Generator().manual_seed(seed))
        assert repeated.shape == (25, 3) and bool(((repeated[1:] - repeated[:-1])[:, 0] % 10 == 1).all())


def test_batches_have_a_random_gain_from_the_generator(shards: Path) -> None:
    made = task(shards)
    one, two, other = (made.collate([0, 5], torch.Generator().manual_seed(n)) for n in (1, 1, 2))
    assert one["mel"].shape == (2, 40, 80) and one["speaker"].tolist() == [0, 1]
    assert torch.equal(one["mel"], two["mel"]) and not torch.equal(one["mel"], other["mel"])
    shift = (one["mel"].mean((1, 2)) - torch.stack([made.train.mel(i).mean() for i in (0, 5)])).abs()
    assert float(shift.max()) < 3 * math.log(10) / 20 + 0.1


def test_training_tells_the_speakers_apart(shards: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        steps=25, batch_tokens=90, warmup_steps=3, log_every=5, threads=1, ema=0.8, tensorboard=False
    )
    result = run_task(lambda: task(shards), config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    losses = [value for r in records for key, value in r.items() if key == "model.loss"]
    assert result.finished and losses[-1] < 0.5 * losses[0]
    assert result.figures["other_speaker"] < 0.9
    assert math.isnan(result.figures["equal_error_rate"]), "one dev item a speaker: no genuine pairs"
    load_module(VoiceEncoder(TINY.model), tmp_path / "voice_encoder.safetensors")


def test_dev_figures_of_all_pairs(shards: Path) -> None:
    made = task(shards, dev="train")
    figures = made.evaluate(made.modules)
    assert 0 <= figures["equal_error_rate"] <= 1 and -1 <= figures["same_speaker"] <= 1


def test_an_empty_dev_set_gives_no_figures(shards: Path) -> None:
    made = task(shards, dev="test")
    assert made.evaluate(made.modules) == {}
