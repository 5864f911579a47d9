from __future__ import annotations

import pytest
import torch

from emotts.nn.convnext import ConvNeXtBlock
from emotts.nn.masking import lengths_to_mask


def block(**options: object) -> ConvNeXtBlock:
    torch.manual_seed(0)
    made = ConvNeXtBlock(16, 5, 2, **options)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("condition_dim", [None, 4])
def test_padding_changes_nothing(causal: bool, condition_dim: int | None) -> None:
    layer = block(causal=causal, condition_dim=condition_dim)
    x = torch.randn(2, 9, 16)
    condition = torch.randn(2, 4) if condition_dim else None
    mask = lengths_to_mask(torch.tensor([6, 9]))
    x[0, 6:] = 50.0
    padded = layer(layer(x, mask, condition), mask, condition)
    first = condition[:1] if condition is not None else None
    alone = layer(layer(x[:1, :6], None, first), None, first)
    torch.testing.assert_close(padded[:1, :6], alone)
    assert padded[0, 6:].abs().max() == 0


def test_a_causal_block_sees_the_past_only() -> None:
    layer = block(causal=True)
    x = torch.randn(1, 12, 16)
    changed = x.clone()
    changed[:, 7:] += 1
    before, after = layer(x), layer(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7], after[:, 7])
    assert not torch.allclose(block()(x)[:, 6], block()(changed)[:, 6])


def test_a_condition_may_differ_from_frame_to_frame() -> None:
    layer = block(condition_dim=4)
    x, one = torch.randn(2, 5, 16), torch.randn(2, 4)
    torch.testing.assert_close(layer(x, None, one), layer(x, None, one[:, None].expand(2, 5, 4)))
    assert not torch.allclose(layer(x, None, one), layer(x, None, -one))


def test_a_new_block_ignores_its_condition() -> None:
    torch.manual_seed(0)
    layer, x = ConvNeXtBlock(16, condition_dim=4), torch.randn(1, 5, 16)
    torch.testing.assert_close(layer(x, None, torch.zeros(1, 4)), layer(x, None, torch.ones(1, 4)))


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ValueError, match="pass one"):
        block(condition_dim=4)(torch.randn(1, 5, 16))
    with pytest.raises(ValueError, match="odd"):
        ConvNeXtBlock(16, 4)
    assert ConvNeXtBlock(16, 4, causal=True)(torch.randn(1, 5, 16)).shape == (1, 5, 16)
