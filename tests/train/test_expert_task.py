from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from emotts.emotion.expert import EmotionExpert, EmotionExpertConfig
from emotts.errors import DataError
from emotts.train.config import TrainConfig
from emotts.train.mel_augment import MelAugmentConfig, augment_mel
from emotts.train.run import run_task
from emotts.train.tasks.expert import (
    ExpertTask,
    ExpertTaskConfig,
    accuracy_by_time,
    held_out,
    soft_label,
)
from emotts.train.weights import load_module

MODEL = EmotionExpertConfig(
    classes=("neutral", "happy", "angry"), dim=16, layers=1, time_dim=8, kernel_size=3
)
TINY = ExpertTaskConfig(model=MODEL, excerpt_tokens=(6, 8), epoch_draws=8, learning_rate=1e-2)
STILL = MelAugmentConfig(level_decibels=0, tilt_decibels=0, time_masks=0, band_limit=0, blur=0)


class FakeCorpus:
    """Happy speech is bright and angry speech dark, in every speaker; `read` has no emotions."""

    def __init__(self, speakers: str, split: str = "train", each: int = 6) -> None:
        self.utterances = []
        for speaker in speakers:
            for number in range(each if speaker != "a" else 4 * each):
                emotion = [0.0] * 8
                if number % 3:
                    emotion[number % 3 - 1] = 0.8
                corpus = "read" if speaker == "r" else "acted"
                emotion = [0.0] * 8 if speaker == "r" else emotion
                self.utterances.append(
                    SimpleNamespace(
                        id=f"{speaker}{number}", speaker=speaker, corpus=corpus, split=split,
                        emotion=emotion, tokens=8,
                    )
                )  # fmt: skip

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def speakers(self) -> list[str]:
        return sorted({u.speaker for u in self.utterances})

    def mel(self, i: int) -> torch.Tensor:
        happy, angry = self.utterances[i].emotion[:2]
        noise = torch.randn(32, 80, generator=torch.Generator().manual_seed(i))
        return noise - 5 + 3 * (happy - angry) * torch.linspace(-1, 1, 80)


def task(config: ExpertTaskConfig = TINY) -> ExpertTask:
    torch.manual_seed(0)
    return ExpertTask(config, FakeCorpus("abcr"), FakeCorpus("cd", "dev"))


def test_a_label_is_the_votes_with_neutral_as_the_rest() -> None:
    classes = ("neutral", "happy", "sad")
    label = soft_label([0.25, 0, 0.25, 0, 0, 0, 0, 0], classes)
    assert label.tolist() == [0.5, 0.25, 0.25]
    assert soft_label([0.0] * 8, classes).tolist() == [1, 0, 0]
    assert soft_label([0, 1.0, 0, 0, 0, 0, 0, 0], classes) is None, "anger is no class here"
    assert soft_label([1.0, 0, 1.0, 0, 0, 0, 0, 0], classes).tolist() == [0, 0.5, 0.5]


def test_read_speech_is_left_out_and_every_speaker_counts_alike() -> None:
    made = task()
    assert made.speakers == ["a", "b", "c"]
    assert len(made.lengths()) == 8 * 3 and set(made.lengths()) == {8}
    names = made.identify(list(range(len(made.lengths()))))
    assert {names.count(name) for name in "abc"} == {8}, "although a has four times as many utterances"


def test_a_corpus_without_emotions_teaches_nothing() -> None:
    with pytest.raises(DataError, match="names an emotion"):
        ExpertTask(TINY, FakeCorpus("r"), FakeCorpus("r"))


def test_batches_come_from_the_generator_and_lie_on_the_path() -> None:
    made = task(TINY.model_copy(update={"augment": STILL, "full_noise": 0.0}))
    first, second = (made.collate([0, 1, 2, 3], torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first["t"].sort().values.mul(4).long().tolist() == [0, 1, 2, 3], "stratified times"
    assert first["label"].sum(-1).allclose(torch.ones(4)) and first["weight"].item() == 4
    assert bool(((first["lengths"] >= 24) & (first["lengths"] <= 32)).all())


def test_held_out_speakers_are_new() -> None:
    items, labels = held_out(FakeCorpus("cd"), MODEL.classes, ("acted",), {"c"}, limit=4)
    assert items == [6, 7, 9, 10] and labels.shape == (4, 3)


def test_training_learns_the_emotions_at_little_noise(tmp_path: Path) -> None:
    config = TrainConfig(
        steps=25, batch_tokens=8 * 16, max_batch_items=16, warmup_steps=3, log_every=10, threads=1, ema=0.8,
        evaluate_every=0, tensorboard=False,
    )  # fmt: skip
    result = run_task(task, config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    losses = [r["expert.kl"] for r in records if "expert.kl" in r]
    assert result.finished and losses[-1] < 0.7 * losses[0]
    figures = result.figures
    assert figures["accuracy_1"] > 0.9 and figures["balanced_0.9"] > 0.9
    assert figures["accuracy_0.1"] <= figures["accuracy_1"]
    assert set(figures) == {
        "kl",
        *(f"{k}_{n / 10:g}" for k in ("accuracy", "balanced") for n in range(1, 11)),
    }
    expert = EmotionExpert(MODEL)
    load_module(expert, tmp_path / "expert.safetensors")
    assert float(expert.mel_mean.mean()) == pytest.approx(-5, abs=0.5)


def test_accuracy_does_not_depend_on_the_company() -> None:
    made, corpus = task(), FakeCorpus("d")
    expert = made.modules["expert"].eval()
    items, labels = held_out(corpus, MODEL.classes, ("acted",), set())
    whole = accuracy_by_time(expert, corpus, items, labels, times=(1.0,))
    parts = [
        accuracy_by_time(expert, corpus, [item], labels[k : k + 1], times=(1.0,))
        for k, item in enumerate(items)
    ]
    assert whole["accuracy_1"] == pytest.approx(sum(p["accuracy_1"] for p in parts) / len(parts))
    assert whole["kl"] == pytest.approx(sum(p["kl"] for p in parts) / len(parts), rel=1e-4)


def test_augmentation_keeps_the_shape_and_comes_from_the_generator() -> None:
    mel = torch.randn(30, 80) - 5
    before = mel.clone()
    one, two, other = (
        augment_mel(mel, MelAugmentConfig(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert one.shape == mel.shape and torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(mel, before), "the recording itself is not touched"
    torch.testing.assert_close(augment_mel(mel, STILL, torch.Generator()), mel)


def test_levels_and_tilts_stay_within_their_limits() -> None:
    mel = torch.zeros(8, 80)
    config = STILL.model_copy(update={"level_decibels": 6.0, "tilt_decibels": 4.0})
    for seed in range(20):
        changed = augment_mel(mel, config, torch.Generator().manual_seed(seed))[0] / 0.1151293
        assert abs(float(changed.mean())) <= 6.0001 and abs(float(changed[-1] - changed[0])) <= 4.0001
