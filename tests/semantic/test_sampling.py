import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError, ModelError
from emotts.semantic.sampling import SamplingConfig, item_generator, sample


def draws(logits, config, count=400, history=()):
    generator = item_generator(0, 0)
    return {sample(logits, list(history), config, generator) for _ in range(count)}


def test_zero_temperature_takes_the_most_probable_code():
    logits = torch.tensor([0.0, 3.0, 2.9])
    assert draws(logits, SamplingConfig(temperature=0.0), 20) == {1}
    assert draws(logits, SamplingConfig(temperature=1e-307), 20) == {1}


def test_top_k_keeps_the_k_best_and_zero_keeps_all():
    logits = torch.tensor([1.0, 1.1, 1.2, 1.3])
    assert draws(logits, SamplingConfig(temperature=1.0, top_k=2, top_p=1.0)) == {2, 3}
    assert draws(logits, SamplingConfig(temperature=1.0, top_k=0, top_p=1.0)) == {0, 1, 2, 3}


def test_top_p_keeps_the_smallest_set_that_holds_the_probability():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert draws(logits, SamplingConfig(temperature=1.0, top_k=0, top_p=0.7)) == {0, 1}
    assert draws(logits, SamplingConfig(temperature=1.0, top_k=0, top_p=0.01)) == {0}


def test_draws_follow_the_probabilities():
    logits = torch.tensor([0.75, 0.25]).log()
    generator = item_generator(3, 0)
    config = SamplingConfig(temperature=1.0, top_k=0, top_p=1.0)
    share = sum(sample(logits, [], config, generator) == 0 for _ in range(2000)) / 2000
    assert share == pytest.approx(0.75, abs=0.04)


def test_penalty_reaches_only_the_window_and_ignores_a_constant():
    logits = torch.tensor([2.0, 1.5, 0.0])
    config = SamplingConfig(temperature=0.0, repetition_penalty=3.0, repetition_window=2)
    generator = item_generator(0, 0)
    assert sample(logits, [0], config, generator) == 1
    assert sample(logits, [0, 2, 2], config, generator) == 0
    assert sample(logits - 100.0, [0], config, generator) == 1


def test_forbidden_codes_are_never_drawn():
    logits = torch.tensor([0.0, float("-inf"), 0.0])
    assert draws(logits, SamplingConfig(temperature=5.0, top_k=0, top_p=1.0)) == {0, 2}


@given(st.integers(0, 2**40), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_an_item_draws_the_same_whatever_else_is_drawn(seed, index):
    logits = torch.linspace(0, 1, 50)
    one, other = item_generator(seed, index), item_generator(seed, index)
    config = SamplingConfig(temperature=1.0)
    assert [sample(logits, [], config, one) for _ in range(5)] == [
        sample(logits, [], config, other) for _ in range(5)
    ]


@pytest.mark.parametrize(
    ("values", "key"),
    [({"temperature": -1}, "temperature"), ({"top_p": 0}, "top_p"), ({"top_k": -2}, "top_k"),
     ({"repetition_penalty": 0.5}, "repetition_penalty"), ({"beams": 3}, "beams")],
)  # fmt: skip
def test_values_out_of_range_are_named(values, key):
    with pytest.raises(InputError, match=key):
        SamplingConfig.parse(values, "sampling")


def test_broken_logits_and_negative_seeds_are_errors():
    for broken in ([float("nan"), 0.0], [float("-inf")] * 2):
        with pytest.raises(ModelError, match="finite"):
            sample(torch.tensor(broken), [], SamplingConfig(), item_generator(0, 0))
    with pytest.raises(InputError, match="seed"):
        item_generator(-1, 0)
