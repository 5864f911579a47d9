import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.timing import TimingPlan
from emotts.timing.plan import round_cumulatively

DURATIONS = st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(lambda values: sum(values) > 0)


def test_places_of_phonemes():
    plan = TimingPlan((2, 0, 3))
    assert plan.total == 5
    assert plan.seconds == pytest.approx(0.2)
    assert plan.starts() == [0, 2, 2]
    assert plan.centers() == [1.0, 2.0, 3.5]
    assert plan.expand() == [0, 0, 2, 2, 2]


@given(DURATIONS)
def test_every_token_belongs_to_the_phoneme_at_it(values: list[int]):
    plan = TimingPlan.from_alignment(values)
    owners = plan.expand()
    assert len(owners) == plan.total
    assert [plan.phoneme_at(token) for token in range(plan.total)] == owners
    assert [owners.count(index) for index in range(len(plan))] == values
    assert plan.phoneme_at(plan.total + 5) == len(plan) - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((), "at least one phoneme"),
        ((3, -1, 2), "duration -1 of phoneme 1 is negative"),
        ((0, 0), "at least one token"),
        ((1.5, 2), "whole tokens"),
    ],
)
def test_a_plan_that_is_none_is_refused(values: tuple, message: str):
    with pytest.raises(InputError, match=message):
        TimingPlan(values)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_cumulative_rounding_moves_no_boundary_by_more_than_half_a_token(values: list[float]):
    rounded = round_cumulatively(values)
    assert min(rounded) >= 0
    for index in range(len(values)):
        assert abs(sum(rounded[: index + 1]) - sum(values[: index + 1])) <= 0.5 + 1e-6


@given(st.integers(1, 50), st.integers(1, 300))
def test_an_even_plan_differs_by_one_token_at_most(count: int, total: int):
    plan = TimingPlan.even(count, total)
    assert len(plan) == count and plan.total == total
    assert max(plan.durations) - min(plan.durations) <= 1


@given(DURATIONS, st.integers(0, 2**31), st.floats(0, 6))
def test_jitter_keeps_the_total_and_moves_boundaries_no_further_than_asked(
    values: list[int], seed: int, amount: float
):
    plan = TimingPlan(tuple(values))
    jittered = plan.jittered(torch.Generator().manual_seed(seed), amount)
    assert jittered.total == plan.total and len(jittered) == len(plan)
    moves = (abs(a - b) for a, b in zip(jittered.starts(), plan.starts(), strict=True))
    assert all(move <= amount + 0.5 for move in moves)
    assert jittered == plan.jittered(torch.Generator().manual_seed(seed), amount)


def test_jitter_does_move_boundaries():
    plan = TimingPlan.even(20, 100)
    assert plan.jittered(torch.Generator().manual_seed(0), 2.0) != plan
    assert plan.jittered(torch.Generator().manual_seed(0), 0.0) == plan


def test_plans_follow_one_another():
    joined = TimingPlan.concatenate([TimingPlan((1, 2)), TimingPlan((0, 3))])
    assert joined.durations == (1, 2, 0, 3)
    with pytest.raises(InputError):
        TimingPlan.concatenate([])


def test_scaling_to_its_own_length_gives_the_plan_back():
    plan = TimingPlan((2, 0, 3, 0, 4))
    symbols = ["^", "ɾ", "ə", " ", "."]
    assert plan.scaled_to(9, symbols) == plan
    assert plan.scaled_to(18, symbols).total == 18
    with pytest.raises(InputError, match="5 phonemes cannot time 2 symbols"):
        plan.scaled_to(9, symbols[:2])
