"""Monotonic search, its prior, and the contrastive loss."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.lips.loss import duration_contrastive_loss
from emotts.lips.search import Prior, length_scores, monotonic_search


def flat(phonemes: int, frames: int) -> np.ndarray:
    return np.zeros((phonemes, frames + 1))


def test_a_sharp_alignment_is_found() -> None:
    durations = [2, 0, 5, 1, 3]
    owners = np.repeat(np.arange(5), durations)
    score = np.full((11, 5), -8.0)
    score[np.arange(11), owners] = -0.01
    assert monotonic_search(score, flat(5, 11))[0] == durations


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10_000))
def test_no_other_path_is_better(phonemes: int, frames: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    score, lengths = random.normal(size=(frames, phonemes)), random.normal(size=(phonemes, frames + 1))
    found, value = monotonic_search(score, lengths)
    assert sum(found) == frames

    def worth(durations: tuple[int, ...]) -> float:
        owners = np.repeat(np.arange(phonemes), durations)
        emitted = score[np.arange(frames), owners].sum()
        return float(emitted + sum(lengths[p, d] for p, d in enumerate(durations)))

    every = (d for d in product(range(frames + 1), repeat=phonemes) if sum(d) == frames)
    assert value == pytest.approx(max(worth(d) for d in every))
    assert value == pytest.approx(worth(tuple(found)))


def test_lengths_decide_where_the_lips_tell_nothing() -> None:
    expected = [3.0, 0.0, 6.0, 2.0]
    lengths = length_scores(expected, [False, True, False, False], 11, Prior())
    assert monotonic_search(np.zeros((11, 4)), lengths)[0] == [3, 0, 6, 2]


def test_more_phonemes_than_frames_still_have_a_path() -> None:
    lengths = length_scores([1.0] * 8, [False] * 8, 5, Prior())
    durations, value = monotonic_search(np.zeros((5, 8)), lengths)
    assert sum(durations) == 5 and np.isfinite(value)


def test_frames_that_no_phoneme_can_fill_are_an_error() -> None:
    with pytest.raises(InputError, match="cannot last"):
        monotonic_search(np.zeros((9, 2)), np.zeros((2, 4)))


def loss_of(similarity: torch.Tensor, target: torch.Tensor, frames: int, phonemes: int) -> torch.Tensor:
    frame_mask = (torch.arange(similarity.shape[1]) < frames)[None]
    phoneme_mask = (torch.arange(similarity.shape[2]) < phonemes)[None]
    return duration_contrastive_loss(similarity, target, frame_mask, phoneme_mask)["loss"]


def test_the_loss_falls_as_the_right_cells_win() -> None:
    target = torch.zeros(1, 6, 3, dtype=torch.bool)
    target[0, torch.arange(6), torch.tensor([0, 0, 1, 1, 1, 2])] = True
    right, wrong = 8.0 * target.float(), 8.0 * (~target).float()
    assert loss_of(right, target, 6, 3) < 0.05 < loss_of(torch.zeros(1, 6, 3), target, 6, 3)
    assert loss_of(torch.zeros(1, 6, 3), target, 6, 3) < loss_of(wrong, target, 6, 3)


def test_padding_changes_no_loss() -> None:
    torch.manual_seed(0)
    similarity = torch.randn(1, 6, 3)
    target = torch.zeros(1, 6, 3, dtype=torch.bool)
    target[0, torch.arange(6), torch.tensor([0, 0, 1, 1, 2, 2])] = True
    padded, wide = torch.full((1, 9, 5), 50.0), torch.ones(1, 9, 5, dtype=torch.bool)
    padded[:, :6, :3], wide[:, :6, :3] = similarity, target
    assert torch.allclose(loss_of(padded, wide, 6, 3), loss_of(similarity, target, 6, 3))


def test_a_phoneme_without_a_frame_is_left_out() -> None:
    target = torch.zeros(1, 4, 3, dtype=torch.bool)
    target[0, :, 0] = True
    assert torch.isfinite(loss_of(torch.randn(1, 4, 3), target, 4, 3))
