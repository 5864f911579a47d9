from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_corpus import flac, harmonic_tone, utterance, write_fake_shards

from emotts.data.shards import Corpus, ShardWriter
from emotts.emotion.encoder import EmotionEncoder, EmotionEncoderConfig
from emotts.errors import DataError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN
from emotts.train.config import TrainConfig
from emotts.train.run import run_task
from emotts.train.tasks.emotion_encoder import (
    EmotionEncoderTask,
    EmotionEncoderTaskConfig,
    agreement,
    augment,
    vote_shares,
    warp_bins,
)
from emotts.train.weights import load_module

TINY = EmotionEncoderTaskConfig(
    model=EmotionEncoderConfig(dim=16, layers=1, expansion=1, embedding_dim=8),
    learning_rate=1e-2,
    held_speakers=2,
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight speakers of different pitch: happy is bright and rises, neutral is dull."""
    folder = tmp_path_factory.mktemp("emotional")
    writer = ShardWriter(folder, "acted")
    for speaker in range(8):
        for number in range(8):
            happy = number % 2
            tokens = 12 + number
            f0 = (100.0 + 12 * speaker) * (1.3 if happy else 1.0)
            samples = harmonic_tone(tokens * SAMPLES_PER_TOKEN, f0, tilt=0.5 if happy else 2.0)
            record = utterance(
                f"s{speaker}-{number}",
                tokens,
                corpus="acted",
                emotion=[0.8 * happy, *[0.0] * 7],
                split="dev" if number > 5 else "train",
            )
            writer.add(record, flac(samples), torch.full((tokens * FRAMES_PER_TOKEN,), f0))
    writer.close()
    return folder


def task(shards: Path, config: EmotionEncoderTaskConfig = TINY) -> EmotionEncoderTask:
    return EmotionEncoderTask(config, Corpus(shards, splits=["train"]), Corpus(shards, splits=["dev"]))


def test_votes_and_the_rest_for_neutral_sum_to_one() -> None:
    shares = vote_shares(utterance("a-1", 4, emotion=[0.25, 0.0, 0.5, 0, 0, 0, 0, 0]))
    assert shares.tolist() == pytest.approx([0.25, 0.25, 0.0, 0.5, 0, 0, 0, 0, 0])


def test_held_speakers_are_not_trained_on(shards: Path) -> None:
    made = task(shards)
    trained = {made.train.utterances[i].speaker for i in made.items}
    held = {made.train.utterances[i].speaker for i in made.held}
    assert len(held) == 2 and not trained & held and set(made.speakers) == trained


def test_corpora_without_emotions_are_left_out(tmp_path: Path) -> None:
    shards = write_fake_shards(tmp_path / "neutral")
    with pytest.raises(DataError, match="no training recording has an emotion"):
        task(shards)


def test_batches_follow_from_the_generator_and_leave_the_corpus_alone(shards: Path) -> None:
    made = task(shards)
    before = made.train.mel(made.items[0]).clone()
    one, two, other = (made.collate([0, 3], torch.Generator().manual_seed(n)) for n in (1, 1, 2))
    assert torch.equal(one["mel"], two["mel"]) and not torch.equal(one["mel"], other["mel"])
    assert one["mel"].shape[:2] == one["f0"].shape
    assert torch.equal(made.train.mel(made.items[0]), before)


def test_warping_moves_bands(shards: Path) -> None:
    mel = torch.zeros(3, 80)
    mel[:, 40] = 1.0
    assert int(warp_bins(mel, 1.25)[0].argmax()) == 32
    assert torch.allclose(warp_bins(mel, 1.0), mel)
    plain = replace_config(warp=0.0, mask_frames=0, mask_bins=0)
    assert torch.equal(augment(mel, plain, torch.Generator().manual_seed(0)), mel)


def replace_config(**changes: object) -> EmotionEncoderTaskConfig:
    return TINY.model_copy(update=changes)


def test_only_the_encoder_is_driven_away_from_the_speakers(shards: Path) -> None:
    """With reversal, the speaker loss pushes the encoder the other way and the probe the same way."""
    gradients = []
    for reversal in (1.0, 0.0):
        torch.manual_seed(0)
        made = task(shards, replace_config(reversal=reversal, model=replace_model(dropout=0.0)))
        made.progress = 1.0
        batch = made.collate([0, 1, 6, 7, 12, 13], torch.Generator().manual_seed(0))
        (_, loss, _) = next(made.losses(batch))
        loss.backward()
        probe = made.modules["speaker_probe"].layers[0].weight.grad
        gradients.append((made.modules["emotion_encoder"].embed.weight.grad.clone(), probe.clone()))
    assert torch.allclose(gradients[0][1], gradients[1][1], atol=1e-6)
    assert not torch.allclose(gradients[0][0], gradients[1][0], atol=1e-5)


def replace_model(**changes: object) -> EmotionEncoderConfig:
    return TINY.model.model_copy(update=changes)


def test_training_hears_the_emotion_of_unseen_speakers(shards: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        steps=110, batch_tokens=300, max_batch_items=16, warmup_steps=3, log_every=20, evaluate_every=0,
        schedule="constant", threads=1, ema=0.8, tensorboard=False,
    )  # fmt: skip
    result = run_task(lambda: task(shards), config, tmp_path)
    assert result.finished and result.figures["mean_recall"] > 0.9
    encoder = EmotionEncoder(TINY.model)
    load_module(encoder, tmp_path / "emotion_encoder.safetensors")
    made = task(shards)
    low, high = made.calibration(encoder.eval())
    assert low.shape == high.shape == (8,) and bool((high > low).all())


def test_agreement_counts_clear_recordings_only() -> None:
    votes = torch.zeros(4, 9)
    votes[0, 0] = votes[1, 1] = votes[2, 1] = 1.0
    votes[3, :3] = torch.tensor([0.4, 0.3, 0.3])
    shares = torch.full((4, 9), 0.01)
    shares[0, 0] = shares[1, 1] = shares[2, 0] = shares[3, 1] = 0.9
    figures = agreement(shares, votes)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["recall_happy"] == 0.5 and figures["mean_recall"] == 0.75
