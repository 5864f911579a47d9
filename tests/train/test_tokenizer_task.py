from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from fake_corpus import VOICE_DIM, write_fake_embeddings, write_fake_shards
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.data.shards import Corpus
from emotts.semantic.tokenizer import SemanticTokenizer, TokenizerConfig
from emotts.text.symbols import BASE_PHONES, encode_base
from emotts.train.config import TrainConfig
from emotts.train.run import run_task
from emotts.train.tasks.tokenizer import (
    LabelPrior,
    TokenizerTask,
    TokenizerTaskConfig,
    collapse,
    edit_distance,
    prior_ctc_loss,
)
from emotts.train.weights import load_module

TINY = TokenizerTaskConfig(
    model=TokenizerConfig(
        phones=len(BASE_PHONES),
        levels=(4, 3),
        dim=16,
        layers=1,
        token_layers=1,
        expansion=1,
        voice_dim=VOICE_DIM,
    ),
    learning_rate=5e-3,
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    folder = tmp_path_factory.mktemp("tokenizer")
    shards = write_fake_shards(folder / "shards")
    voices = write_fake_embeddings(shards, folder / "voices.safetensors")
    return {split: Corpus(shards, embeddings=voices, splits=[split]) for split in ("train", "dev", "test")}


def task(corpora: dict[str, Corpus], dev: str = "dev") -> TokenizerTask:
    torch.manual_seed(0)
    return TokenizerTask(TINY, corpora["train"], corpora[dev])


def test_collapsing_merges_repeats_and_drops_blanks() -> None:
    assert collapse([0, 3, 3, 0, 3, 5, 5, 0, 0]) == [3, 3, 5]
    assert collapse([0, 0]) == [] == collapse([])


@pytest.mark.parametrize(
    ("hypothesis", "reference", "distance"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("ab", "ba", 2)],
)
def test_edit_distance(hypothesis: str, reference: str, distance: int) -> None:
    assert edit_distance([ord(c) for c in hypothesis], [ord(c) for c in reference]) == distance


@settings(deadline=None, max_examples=60)
@given(*(st.lists(st.integers(1, 3), max_size=7) for _ in range(3)))
def test_edit_distance_is_a_metric(a: list[int], b: list[int], c: list[int]) -> None:
    assert edit_distance(a, b) == edit_distance(b, a) >= abs(len(a) - len(b))
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert (edit_distance(a, b) == 0) == (a == b)


def logits(batch: int, frames: int, classes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, classes, generator=generator, dtype=torch.float64).requires_grad_()


def brute_force(x: torch.Tensor, prior: torch.Tensor, target: list[int]) -> torch.Tensor:
    """-log of the sum of exp(score) over every path that spells the target."""
    scores = x.log_softmax(-1) - prior
    paths = [
        p
        for p in itertools.product(range(scores.shape[1]), repeat=len(scores))
        if collapse(list(p)) == target
    ]
    each = torch.stack([sum(scores[t, k] for t, k in enumerate(path)) for path in paths])
    return -each.logsumexp(0)


@pytest.mark.parametrize("target", [[1, 2], [1, 1], [2]])
def test_the_prior_loss_and_its_gradient_are_those_of_the_sum_over_paths(target: list[int]) -> None:
    x, prior = logits(1, 4, 3), torch.tensor([0.5, -1.0, -2.0], dtype=torch.float64)
    lengths = torch.tensor([len(target)])
    mask = torch.ones(1, 4, dtype=torch.bool)
    loss = prior_ctc_loss(x.log_softmax(-1), prior, torch.tensor([target]), mask, lengths)
    expected = brute_force(x[0], prior, target) / len(target)
    torch.testing.assert_close(loss, expected)
    (found,) = torch.autograd.grad(loss, x)
    (right,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(found, right)


def test_without_a_prior_it_is_the_ctc_loss() -> None:
    x, targets = logits(3, 12, 6), torch.tensor([[1, 2, 2, 3], [4, 5, 0, 0], [3, 0, 0, 0]])
    lengths, frames = torch.tensor([4, 2, 1]), torch.tensor([12, 9, 5])
    mask = torch.arange(12) < frames[:, None]
    loss = prior_ctc_loss(x.log_softmax(-1), torch.zeros(6).double(), targets, mask, lengths)
    log_probs = x.log_softmax(-1).transpose(0, 1)
    expected = torch.nn.functional.ctc_loss(log_probs, targets, frames, lengths, reduction="sum") / 7
    torch.testing.assert_close(loss, expected)
    for one, other in zip(*(torch.autograd.grad(value, x) for value in (loss, expected)), strict=True):
        torch.testing.assert_close(one, other)


def test_padding_of_the_batch_counts_nothing() -> None:
    x, prior = logits(2, 9, 4), torch.tensor([-0.1, -1.0, -2.0, -3.0]).double()
    mask, lengths = torch.arange(9) < torch.tensor([[5], [9]]), torch.tensor([2, 3])
    targets = torch.tensor([[1, 2, 0], [3, 3, 1]])
    both = prior_ctc_loss(x.log_softmax(-1), prior, targets, mask, lengths)
    first = prior_ctc_loss(x[:1, :5].log_softmax(-1), prior, targets[:1, :2], mask[:1, :5], lengths[:1])
    second = prior_ctc_loss(x[1:].log_softmax(-1), prior, targets[1:], mask[1:], lengths[1:])
    torch.testing.assert_close(both, (2 * first + 3 * second) / 5)
    (gradient,) = torch.autograd.grad(both, x)
    assert float(gradient[0, 5:].abs().max()) == 0


@pytest.mark.parametrize("target", [[1, 2, 3], [1, 1, 0]])
def test_items_too_short_for_their_phones_have_no_gradient(target: list[int]) -> None:
    x, prior = logits(2, 6, 4), torch.tensor([-0.1, -1.0, -2.0, -3.0]).double()
    mask = torch.arange(6) < torch.tensor([[2], [6]])
    lengths = torch.tensor([sum(k > 0 for k in target), 1])
    loss = prior_ctc_loss(x.log_softmax(-1), prior, torch.tensor([target, [2, 0, 0]]), mask, lengths)
    (gradient,) = torch.autograd.grad(loss, x)
    assert bool(loss.isfinite()) and float(gradient[0].abs().max()) == 0
    assert float(gradient[1].abs().max()) > 0


def test_a_batch_without_phones_stays_finite() -> None:
    x, mask = logits(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    targets, lengths = torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    loss = prior_ctc_loss(x.log_softmax(-1), torch.zeros(3).double(), targets, mask, lengths)
    torch.testing.assert_close(loss, -x.log_softmax(-1)[..., 0].sum())


def test_the_prior_moves_to_the_mean_posterior_of_the_content() -> None:
    prior = LabelPrior(3)
    torch.testing.assert_close(prior.log_prior.exp(), torch.full((3,), 1 / 3))
    posteriors = torch.tensor([[[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]]]).clamp_min(1e-9).log()
    mask = torch.tensor([[True, False]])
    for _ in range(400):
        prior.update(posteriors, mask)
    torch.testing.assert_close(prior.prior, torch.tensor([0.7, 0.2, 0.1]), atol=1e-3, rtol=0)
    assert float(prior.prior.sum()) == pytest.approx(1.0)


def test_batches_hold_whole_utterances_and_their_phones(corpora: dict[str, Corpus]) -> None:
    made = task(corpora)
    batch = made.collate([0, 1], torch.Generator().manual_seed(0))
    first, second = made.train.utterances[:2]
    assert batch["mask"].sum(1).tolist() == [first.tokens, second.tokens] == made.lengths()[:2]
    assert batch["mel"].shape == (2, 4 * second.tokens, 80) and batch["f0"].shape == (2, 4 * second.tokens)
    assert batch["phone_lengths"].tolist() == [4, 6]
    assert batch["phones"][0, :4].tolist() == encode_base(["h", "ə", "l", "ˈoʊ"])
    assert torch.equal(batch["voice"], torch.nn.functional.one_hot(torch.tensor([0, 0]), VOICE_DIM).float())


def test_training_lowers_every_loss(corpora: dict[str, Corpus], tmp_path: Path) -> None:
    config = TrainConfig(
        steps=40,
        batch_tokens=80,
        warmup_steps=4,
        log_every=10,
        threads=1,
        ema=0.5,
        clip=5.0,
        tensorboard=False,
    )
    result = run_task(lambda: task(corpora), config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    rows = [r for r in records if "model.ctc" in r]
    assert result.finished and len(rows) == 4
    for key in ("ctc", "voicing", "mel"):
        assert rows[-1][f"model.{key}"] < rows[0][f"model.{key}"], key
    assert {"ctc_error_rate", "phones_error_rate", "code_perplexity"} <= set(result.figures)
    assert 1 <= result.figures["code_perplexity"] <= 12
    load_module(SemanticTokenizer(TINY.model), tmp_path / "tokenizer.safetensors")
    prior = LabelPrior(len(BASE_PHONES) + 1)
    load_module(prior, tmp_path / "prior.safetensors")
    assert float(prior.prior[0]) > 1.5 / len(prior.prior), "blanks are the commonest label"


def test_evaluation_leaves_the_prior_alone(corpora: dict[str, Corpus]) -> None:
    made = task(corpora)
    batch = made.collate([0, 1], torch.Generator().manual_seed(0))
    before = made.modules["prior"].prior.clone()
    with torch.no_grad():
        made.modules.train()
        figures = made.evaluate(made.modules)
        assert torch.equal(made.modules["prior"].prior, before)
        assert figures == made.evaluate(made.modules)
        list(made.losses(batch))
    assert not torch.equal(made.modules["prior"].prior, before)


def test_an_empty_dev_set_gives_no_figures(corpora: dict[str, Corpus]) -> None:
    made = task(corpora, dev="test")
    assert made.evaluate(made.modules) == {}


def test_the_encoder_hears_a_mel_with_gaps_and_answers_for_the_whole(tmp_path: Path) -> None:
    shards = write_fake_shards(tmp_path / "shards")
    made = make_masked(shards, mask_frames=8, mask_bins=8)
    batch = made.collate([0, 1], torch.Generator().manual_seed(1))
    differs = batch["heard"] != batch["mel"]
    assert differs.any() and not differs.all()
    assert not differs[~batch["mask"].repeat_interleave(4, 1)].any(), "padding stays as it is"
    assert torch.equal(batch["mel"][0, : 4 * made.train.utterances[0].tokens], made.train.mel(0))
    assert "heard" not in make_masked(shards).collate([0], torch.Generator())


def make_masked(shards: Path, **options: int) -> TokenizerTask:
    embeddings = write_fake_embeddings(shards, shards.parent / "gaps.safetensors")
    corpus = Corpus(shards, embeddings=embeddings, splits=["train"])
    return TokenizerTask(TINY.model_copy(update=options), corpus, corpus)
