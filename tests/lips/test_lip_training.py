"""Network, training, model directory and plans of the lip aligner, with a mouth that shows its phonemes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emotts.errors import DataError, ModelError
from emotts.lips import evaluation
from emotts.lips.aligner import LipSettings, LipTimer, embedded_timer, inner_plan
from emotts.lips.corpus import Clip, at_frames, load_clips, phoneme_times, save_clips, split
from emotts.lips.features import standardize
from emotts.lips.network import LipAligner, LipAlignerConfig
from emotts.lips.training import Trainer, TrainingConfig, center, make_examples
from emotts.text.phonemize import Phonemes

SMALL = LipAlignerConfig(channels=(8, 8), dim=16, layers=1, space=16, dropout=0.0)
CONFIG = TrainingConfig(
    network=SMALL, steps=40, batch=8, warmup=5, rate=8e-3, shift=0.0, zoom=1.0, mirror=False, noise=1.0
)
WORDS = {"me": ("m", "ˈiː"), "you": ("j", "ˈuː"), "so": ("s", "ˈoʊ")}
SHOWN = {"m": 0, "ˈiː": 40, "j": 80, "ˈuː": 120, "s": 160, "ˈoʊ": 200}


def natural(text: str, voice: str | None = None) -> tuple[Phonemes, list[float]]:
    """Every phone lasts 4 tokens."""
    words = text.lower().rstrip(".").split()
    symbols, index = ["^"], [-1]
    for number, word in enumerate(words):
        symbols += [*WORDS[word], " "]
        index += [number] * len(WORDS[word]) + [-1]
    symbols[-1] = "."
    return Phonemes(tuple(symbols), tuple(words), tuple(index)), [0.0 if i < 0 else 4.0 for i in index]


def clip(seed: int) -> Clip:
    """A clip of three words of random lengths, in which a bar's place shows the phoneme."""
    random = np.random.default_rng(seed)
    order = random.permutation(list(WORDS)).tolist()
    marks = 0.4 + np.concatenate([[0.0], np.cumsum(random.integers(3, 14, 3) * 0.08)])
    words = tuple((word, float(a), float(b)) for word, a, b in zip(order, marks, marks[1:], strict=False))
    pictures = np.full((round((marks[-1] + 0.4) * 25), 24, 48), 100.0) + random.normal(0, 2.0, (24, 48))
    made = Clip(f"clip{seed:02}", words, pictures.astype(np.uint8))
    phonemes, lengths = natural(made.text)
    owners = at_frames(phoneme_times(made, phonemes, lengths), 0.0, len(pictures))
    for frame, owner in zip(made.pictures, owners, strict=True):
        if phonemes.word_index[owner] >= 0:
            place = 8 + SHOWN[phonemes.symbols[owner]] * 28 // 200
            frame[4:20, place : place + 5] = 220
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LipTimer:
    trainer = Trainer(
        CONFIG, make_examples([clip(seed) for seed in range(12)], natural, [None]),
        tmp_path_factory.mktemp("lips"), lambda line: None,
    )  # fmt: skip
    assert trainer.run()
    return LipTimer(trainer.model, LipSettings(network=SMALL, spread=0.6))


def case(one: Clip, wider: float = 0.0) -> evaluation.Case:
    phonemes, lengths = natural(one.text)
    start, tokens = evaluation.window(one, wider, wider)
    first = round(start * 25)
    return evaluation.Case(
        one, phonemes, tuple(lengths), start, tokens, center(one.pictures)[first : first + tokens], 0
    )


@pytest.mark.parametrize("wider", [0.0, 0.2])
def test_lips_beat_predicted_and_even_lengths(trained: LipTimer, wider: float) -> None:
    cases = [case(clip(seed), wider) for seed in range(100, 110)]
    lips, predicted, even = (
        np.abs(evaluation.errors_of(cases, planner)).mean()
        for planner in (evaluation.by_lips(trained), evaluation.predicted, evaluation.even)
    )
    assert lips < 0.6 * min(predicted, even)
    assert np.abs(evaluation.shuffled(cases, trained)).mean() > 1.5 * lips


def test_lips_of_other_words_are_less_likely(trained: LipTimer) -> None:
    cases = [case(clip(seed)) for seed in range(100, 110)]
    own = [trained.plan(one.pictures, one.phonemes, one.natural).likelihood for one in cases]
    other = [
        trained.plan(second.pictures, first.phonemes, first.natural).likelihood
        for first, second in zip(cases, [*cases[1:], cases[0]], strict=True)
    ]
    assert np.mean(own) > np.mean(other)


def test_a_plan_lasts_the_window_and_no_other_frame(trained: LipTimer) -> None:
    one = case(clip(100))
    found = trained.plan(one.pictures, one.phonemes, one.natural, first=3, tokens=20)
    assert found is not None and found.plan.total == 20 and len(found.plan) == len(one.phonemes.symbols)
    assert trained.plan(one.pictures[:4], one.phonemes, one.natural) is None
    assert trained.plan(one.pictures, one.phonemes, one.natural, first=3, tokens=len(one.pictures)) is None


def test_training_resumes_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    examples = make_examples([clip(seed) for seed in range(4)], natural, [None])
    config = CONFIG.model_copy(update={"steps": 6, "save_every": 3, "batch": 3})
    told: list[str] = []
    whole = Trainer(config, examples, tmp_path / "whole", told.append)
    assert whole.run()
    assert not Trainer(config, examples, tmp_path / "parts", told.append).run(seconds=0.0)
    first = Trainer(config, examples, tmp_path / "parts", told.append)
    for _ in range(3):
        first._train_step()
    first._save()
    second = Trainer(config, examples, tmp_path / "parts", told.append)
    assert second.step == 3 and "resumed at step 3" in told
    assert second.run()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    with pytest.raises(DataError, match="other settings"):
        Trainer(config.model_copy(update={"rate": 1.0}), examples, tmp_path / "parts", told.append)


def test_padding_changes_no_similarity() -> None:
    torch.manual_seed(0)
    network = LipAligner(SMALL).eval()
    pictures, ids = standardize(torch.rand(7, 16, 32) * 255)[None], torch.tensor([[1, 20, 30, 4]])
    lengths, yes = torch.rand(1, 4) * 5, torch.ones(1, 7, dtype=torch.bool)
    alone = network(pictures, yes, ids, lengths, yes[:, :4])
    wide = torch.cat([pictures, torch.randn(1, 5, 3, 16, 32)], dim=1)
    padded = network(
        wide, torch.cat([yes, ~yes[:, :5]], 1), torch.tensor([[1, 20, 30, 4, 0, 0]]),
        torch.cat([lengths, torch.ones(1, 2)], 1), torch.tensor([[True] * 4 + [False] * 2]),
    )  # fmt: skip
    assert torch.allclose(padded[:, :7, :4], alone, atol=1e-5)


def test_a_model_directory_is_checked(trained: LipTimer, tmp_path: Path) -> None:
    folder = trained.save(tmp_path / "lips")
    one = case(clip(101))
    again = LipTimer.load(folder)
    assert again.plan(one.pictures, one.phonemes, one.natural).plan.total == one.tokens
    (folder / "lips.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="checksum"):
        LipTimer.load(folder)
    with pytest.raises(ModelError, match=r"config\.yaml"):
        LipTimer.load(tmp_path)


def test_the_embedded_aligner_is_small() -> None:
    timer = embedded_timer()
    assert sum(parameter.numel() for parameter in timer.network.parameters()) < 500_000
    one = case(clip(1))
    assert timer.plan(one.pictures, one.phonemes, one.natural).plan.total == one.tokens


def test_clips_are_kept_and_split(tmp_path: Path) -> None:
    clips = [clip(seed) for seed in range(20)]
    save_clips(tmp_path / "clips.npz", clips)
    again = load_clips(tmp_path / "clips.npz")
    assert [(one.name, one.words) for one in again] == [(one.name, one.words) for one in clips]
    assert (again[3].pictures == clips[3].pictures).all()
    parts = split(again)
    assert [one.name for one in parts["test"]] == ["clip00", "clip10"]
    assert [one.name for one in parts["dev"]] == ["clip05", "clip15"] and len(parts["train"]) == 16
    with pytest.raises(DataError, match="stage 1"):
        load_clips(tmp_path / "none.npz")


def test_words_of_a_clip_and_its_text_must_agree() -> None:
    made = clip(0)
    phonemes, lengths = natural("me you.")
    with pytest.raises(DataError, match="3 words are aligned, but 2 are said"):
        phoneme_times(made, phonemes, lengths)


def test_single_letters_are_read_as_their_names() -> None:
    words = (("bin", 0.0, 0.2), ("by", 0.2, 0.3), ("a", 0.3, 0.5))
    assert Clip("x", words, np.zeros((1, 24, 48), np.uint8)).text == "Bin by A."


def test_predicted_lengths_fill_a_window_without_silence() -> None:
    phonemes, lengths = natural("me you so.")
    plan = inner_plan(phonemes, [2.0, *lengths[1:-1], 3.0], 24)
    assert plan.total == 24 and plan.durations[0] == plan.durations[-1] == 0
