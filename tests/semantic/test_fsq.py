from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.semantic.fsq import FiniteScalarQuantizer


def unbounded(quantizer: FiniteScalarQuantizer, values: torch.Tensor) -> torch.Tensor:
    """Inputs that the quantiser squashes exactly to `values`."""
    levels = quantizer.levels
    half = (levels - 1) * 1.001 / 2
    offset = torch.where(levels % 2 == 0, 0.5, 0.0)
    return ((values * (levels // 2) + offset) / half).atanh() - (offset / half).atanh()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_every_code_survives_decoding_and_quantising(levels: list[int]) -> None:
    quantizer = FiniteScalarQuantizer(levels)
    codes = torch.arange(quantizer.codebook_size)
    values = quantizer.decode(codes)
    assert values.shape == (len(codes), len(levels)) and len(values.unique(dim=0)) == len(codes)
    assert values.min() >= -1 and values.max() <= 1
    again, found = quantizer(unbounded(quantizer, values))
    assert torch.equal(found, codes)
    torch.testing.assert_close(again, values)


def test_values_are_those_of_the_codes() -> None:
    torch.manual_seed(0)
    quantizer = FiniteScalarQuantizer((8, 5, 5, 5))
    values, codes = quantizer(3 * torch.randn(2, 300, 4))
    assert values.shape == (2, 300, 4) and codes.shape == (2, 300) and codes.dtype == torch.int64
    torch.testing.assert_close(values, quantizer.decode(codes))
    assert codes.min() >= 0 and codes.max() < quantizer.codebook_size == 1000


def test_quantising_twice_changes_nothing() -> None:
    torch.manual_seed(0)
    quantizer = FiniteScalarQuantizer((8, 5, 4))
    values, codes = quantizer(2 * torch.randn(500, 3))
    again, same = quantizer(unbounded(quantizer, values.detach()))
    assert torch.equal(codes, same)
    torch.testing.assert_close(again, values)


def test_the_first_dimension_counts_fastest() -> None:
    # The numbering is frozen: stored tokens and trained models depend on it.
    quantizer = FiniteScalarQuantizer((8, 5, 5, 5))
    assert quantizer.decode(torch.tensor(0)).tolist() == [-1, -1, -1, -1]
    assert quantizer.decode(torch.tensor(1)).tolist() == [-0.75, -1, -1, -1]
    assert quantizer.decode(torch.tensor(8)).tolist() == [-1, -0.5, -1, -1]
    assert quantizer.decode(torch.tensor(999)).tolist() == [0.75, 1, 1, 1]
    assert int(quantizer(torch.zeros(4))[1]) == 4 + 8 * 2 + 40 * 2 + 200 * 2


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_inputs_give_the_outermost_levels(size: float) -> None:
    quantizer = FiniteScalarQuantizer((8, 5, 2))
    assert int(quantizer(torch.full((3,), size))[1]) == quantizer.codebook_size - 1
    assert int(quantizer(torch.full((3,), -size))[1]) == 0


def test_gradients_pass_straight_through_the_rounding() -> None:
    quantizer = FiniteScalarQuantizer((5, 5))
    x = torch.tensor([[0.3, -0.8]], requires_grad=True)
    values, _ = quantizer(x)
    values.sum().backward()
    smooth = x.detach().clone().requires_grad_()
    (smooth.tanh() * 2.002 / 2).sum().backward()
    torch.testing.assert_close(x.grad, smooth.grad)
    assert bool((x.grad != 0).all())


def test_half_precision_inputs_give_the_same_codes_as_their_values() -> None:
    torch.manual_seed(0)
    quantizer, x = FiniteScalarQuantizer((8, 5, 5, 5)), torch.randn(100, 4).bfloat16()
    assert torch.equal(quantizer(x)[1], quantizer(x.float())[1])


def test_a_dimension_needs_two_levels() -> None:
    with pytest.raises(ValueError, match="at least two"):
        FiniteScalarQuantizer((8, 1))
