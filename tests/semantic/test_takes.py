from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from emotts.semantic.takes import best_take, phone_cost, take_seed
from emotts.text.symbols import BASE_PHONES, encode, encode_base

SYMBOLS = ["m", "a", "s"]
IDS, PHONES = encode(SYMBOLS), encode_base(SYMBOLS)
PLAN = (2, 4, 3)


class Reader(nn.Module):
    """Stands for the tokenizer: a code is the base phone that is read from it, 0 is silence."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def phone_log_probs(self, codes: torch.Tensor) -> torch.Tensor:
        return posteriors(codes)

    def mean_pitch(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 5.0, 4.0])  # of three draws


def posteriors(codes: torch.Tensor, sure: float = 8.0) -> torch.Tensor:
    """Two frames a token in which one class is likely, (..., 2 · tokens, classes)."""
    fine = codes.repeat_interleave(2, dim=-1)
    return (sure * nn.functional.one_hot(fine, 1 + len(BASE_PHONES)).float()).log_softmax(-1)


def spoken(*lengths: int, phones: list[int] = PHONES) -> torch.Tensor:
    return torch.tensor([phone for phone, size in zip(phones, lengths, strict=True) for _ in range(size)])


def test_the_draw_that_says_the_text_is_taken() -> None:
    wrong = spoken(2, 4, 3, phones=[PHONES[0], 0, PHONES[2]])
    assert best_take(Reader(), [wrong, wrong, spoken(*PLAN)], IDS, PLAN) == 2
    assert best_take(Reader(), [spoken(*PLAN), wrong], IDS, PLAN) == 0


def test_of_draws_that_say_it_the_one_on_its_plan_is_taken() -> None:
    assert best_take(Reader(), [spoken(4, 2, 3), spoken(*PLAN), spoken(2, 6, 1)], IDS, PLAN) == 1


def test_emotion_is_not_chosen_away() -> None:
    low, fair, wrong = spoken(*PLAN), spoken(2, 5, 2), spoken(2, 4, 3, phones=[PHONES[0], 0, PHONES[2]])
    assert best_take(Reader(), [low, fair, wrong], IDS, PLAN) == 0
    assert best_take(Reader(), [low, fair, wrong], IDS, PLAN, pitch_weight=1.0) == 1  # 2 of 3 off, not 3
    assert best_take(Reader(), [low, fair, wrong], IDS, PLAN, pitch_weight=9.0) == 2


def test_the_first_of_equals_is_taken_where_nothing_can_be_told() -> None:
    crowded = encode(["m", "a", "s"] * 4)
    assert best_take(Reader(), [spoken(1, 1, 1), spoken(1, 1, 1)], crowded, (1, 1, 1, *([0] * 9))) == 0


def test_costs_are_nats_a_phone() -> None:
    sure = posteriors(spoken(*PLAN), sure=30.0)
    assert phone_cost(sure, PHONES) == pytest.approx(0.0, abs=1e-4)
    flat = torch.full((3, 1 + len(BASE_PHONES)), -math.log(1 + len(BASE_PHONES)))
    assert phone_cost(flat, PHONES) == pytest.approx(math.log(1 + len(BASE_PHONES)), rel=1e-4)
    assert phone_cost(flat[:2], PHONES) == 0.0  # fewer frames than phones


def test_the_first_draw_is_that_of_a_single_one() -> None:
    seeds = [take_seed(7, take) for take in range(5)]
    assert seeds[0] == 7 and len(set(seeds)) == 5
    assert seeds == [take_seed(7, take) for take in range(5)]
    assert all(0 <= take_seed(2**63 - 1, take) < 2**63 for take in range(5))
