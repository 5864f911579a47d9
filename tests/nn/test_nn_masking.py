from __future__ import annotations

import torch

from emotts.nn.masking import lengths_to_mask, masked_mean, pad_stack


def test_a_mask_is_true_on_content() -> None:
    mask = lengths_to_mask(torch.tensor([0, 2, 3]))
    assert mask.tolist() == [[False] * 3, [True, True, False], [True] * 3]
    assert lengths_to_mask(torch.tensor([1]), 4).shape == (1, 4)


def test_padding_does_not_enter_a_mean() -> None:
    mask = lengths_to_mask(torch.tensor([1, 3]))
    values = torch.tensor([[1.0, 99.0, 99.0], [2.0, 3.0, 6.0]])
    assert masked_mean(values, mask) == 3.0
    channels = torch.stack([values, values + 1], dim=-1)
    assert masked_mean(channels, mask) == 3.5


def test_a_mean_over_nothing_is_zero_and_has_a_gradient() -> None:
    values = torch.ones(2, 3, requires_grad=True)
    mean = masked_mean(values, torch.zeros(2, 3, dtype=torch.bool))
    mean.backward()
    assert mean == 0 and values.grad is not None and values.grad.abs().sum() == 0


def test_stacking_keeps_items_and_fills_the_rest() -> None:
    items = [torch.ones(2, 3), torch.full((4, 3), 2.0)]
    stacked, lengths = pad_stack(items, value=-7.0)
    assert stacked.shape == (2, 4, 3) and lengths.tolist() == [2, 4]
    assert torch.equal(stacked[0, :2], items[0]) and bool((stacked[0, 2:] == -7).all())
    assert torch.equal(stacked[1], items[1])
