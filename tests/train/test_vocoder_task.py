from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from fake_corpus import write_fake_shards

from emotts.data.shards import Corpus
from emotts.errors import DataError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN
from emotts.train.config import TrainConfig
from emotts.train.run import run_task
from emotts.train.tasks.vocoder import VocoderTask, VocoderTaskConfig
from emotts.train.weights import load_module
from emotts.vocoder import Vocoder, VocoderConfig

TINY = VocoderTaskConfig(
    model=VocoderConfig(dim=16, layers=1, expansion=1, pitch_dim=16, pitch_layers=1),
    segment_tokens=6,
    adversarial_tokens=4,
    adversarial_channels=4,
    learning_rate=3e-3,
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_shards(tmp_path_factory.mktemp("vocoder"))


def task(shards: Path, dev: str = "dev", **options: object) -> VocoderTask:
    config = TINY.model_copy(update=options)
    return VocoderTask(config, Corpus(shards, splits=["train"]), Corpus(shards, splits=[dev]))


def test_excerpts_of_sound_mel_and_pitch_belong_together(shards: Path) -> None:
    made = task(shards)
    batch = made.collate([0, 4], torch.Generator().manual_seed(3))
    assert batch["audio"].shape == (2, 6 * SAMPLES_PER_TOKEN)
    assert batch["mel"].shape == (2, 6 * FRAMES_PER_TOKEN, 80)
    assert batch["f0"][:, 0].tolist() == [110, 165]
    whole, mel = made.train.audio(0), made.train.mel(0)
    starts = [
        s
        for s in range(made.train.utterances[0].tokens - 5)
        if torch.equal(mel[4 * s : 4 * s + 24], batch["mel"][0])
    ]
    assert len(starts) == 1
    begin = starts[0] * SAMPLES_PER_TOKEN
    assert torch.equal(whole[begin : begin + 6 * SAMPLES_PER_TOKEN], batch["audio"][0])


def test_mels_can_be_read_as_a_decoder_makes_them(shards: Path) -> None:
    plain = task(shards).collate([0, 4], torch.Generator().manual_seed(3))
    rough = task(shards, mel_noise=0.2, blur=1.0).collate([0, 4], torch.Generator().manual_seed(3))
    assert torch.equal(plain["audio"][0], rough["audio"][0]), "what is to be made of them stays"
    assert 0.01 < float((plain["mel"][0] - rough["mel"][0]).abs().mean()) < 1.0


def test_discriminators_join_when_their_time_has_come(shards: Path) -> None:
    made = task(shards, adversarial_from=0.5)
    batch = made.collate([0, 4], torch.Generator().manual_seed(0))
    for progress, names in ((0.49, ["vocoder"]), (0.5, ["discriminator", "vocoder"])):
        made.progress = progress
        pieces = list(made.losses(batch))
        assert [name for name, _, _ in pieces] == names
        assert ("adversarial" in pieces[-1][2]) == (len(names) == 2)
        assert all(loss.dim() == 0 and bool(loss.isfinite()) for _, loss, _ in pieces)


def test_the_discriminator_loss_does_not_reach_the_vocoder(shards: Path) -> None:
    made = task(shards, adversarial_from=0.0)
    pieces = made.losses(made.collate([0, 4], torch.Generator().manual_seed(0)))
    next(pieces)[1].backward()
    assert all(p.grad is None for p in made.modules["vocoder"].parameters())
    assert all(p.grad is not None for p in made.modules["discriminator"].parameters())


def config(**options: object) -> TrainConfig:
    plain = {"batch_tokens": 24, "warmup_steps": 2, "threads": 1, "tensorboard": False, "clip": 10.0}
    return TrainConfig(**{**plain, **options})


def test_training_brings_the_sound_nearer(shards: Path, tmp_path: Path) -> None:
    result = run_task(
        lambda: task(shards), config(steps=20, log_every=5, ema=0.5, evaluate_every=10), tmp_path
    )
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    mel = [value for r in records for key, value in r.items() if key == "vocoder.mel"]
    assert result.finished and len(mel) == 4 and mel[-1] < 0.8 * mel[0]
    assert any("discriminator.loss" in r for r in records)
    assert set(result.figures) == {"stft", "mel", "gross_pitch_errors", "voicing_errors"}
    load_module(Vocoder(TINY.model), tmp_path / "vocoder.safetensors")
    assert (tmp_path / "discriminator.safetensors").exists()


def test_half_precision_training_skips_no_batch(shards: Path, tmp_path: Path) -> None:
    options = {"steps": 2, "log_every": 1, "precision": "bf16", "batch_tokens": 12}
    result = run_task(lambda: task(shards, adversarial_from=0.0), config(**options), tmp_path)
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert result.finished and all(value == value for value in result.figures.values())
    assert sum("vocoder.mel" in r and "discriminator.loss" in r for r in records) == 2
    assert not (tmp_path / "bad_batches").exists()


def test_samples_are_as_long_as_their_recordings(shards: Path) -> None:
    made = task(shards)
    with torch.no_grad():
        samples = made.samples(made.modules)
        again = made.samples(made.modules)
    assert set(samples) == {f"s{s}-3/{kind}.audio" for s in (0, 1) for kind in ("copy", "natural")}
    for speaker in (0, 1):
        copy, natural = samples[f"s{speaker}-3/copy.audio"], samples[f"s{speaker}-3/natural.audio"]
        assert copy.shape == natural.shape
        assert torch.equal(copy, again[f"s{speaker}-3/copy.audio"])


def test_items_shorter_than_an_excerpt_are_left_out(shards: Path, tmp_path: Path) -> None:
    made = task(shards, segment_tokens=18)
    assert made.identify(list(range(len(made.lengths())))) == ["s0-1", "s0-2", "s1-1", "s1-2"]
    with pytest.raises(DataError, match="no training items"):
        run_task(task(shards, segment_tokens=99), TrainConfig(steps=1, tensorboard=False), tmp_path)


def test_an_empty_dev_set_gives_no_figures(shards: Path) -> None:
    made = task(shards, dev="test")
    assert made.evaluate(made.modules) == {} and made.samples(made.modules) == {}
