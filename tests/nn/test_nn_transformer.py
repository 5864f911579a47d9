from __future__ import annotations

import pytest
import torch

from emotts.nn.masking import lengths_to_mask
from emotts.nn.transformer import Attention, KeyValueCache, TransformerBlock, rotate


def block(condition_dim: int | None = None) -> TransformerBlock:
    torch.manual_seed(0)
    return TransformerBlock(16, 2, condition_dim=condition_dim).eval()


def places(batch: int, time: int) -> torch.Tensor:
    return torch.arange(time).expand(batch, time)


def test_rotation_keeps_lengths_and_depends_on_distance_only() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    turned = rotate(q, torch.tensor([[3.7]]))
    torch.testing.assert_close(turned.norm(), q.norm())
    torch.testing.assert_close(rotate(q, torch.tensor([[0.0]])), q)
    products = [
        (rotate(q, torch.tensor([[a]])) * rotate(k, torch.tensor([[b]]))).sum()
        for a, b in ((2.5, 1.25), (102.5, 101.25), (1.25, 0.0))
    ]
    torch.testing.assert_close(products[0], products[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(products[0], products[2])


def test_attention_is_invariant_to_a_shift_of_all_positions() -> None:
    layer, x = block(), torch.randn(2, 6, 16)
    torch.testing.assert_close(layer(x, places(2, 6)), layer(x, places(2, 6) + 50.5), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(layer(x, places(2, 6)), layer(x, 3 * places(2, 6)))


@pytest.mark.parametrize("condition_dim", [None, 4])
def test_padding_is_not_looked_at(condition_dim: int | None) -> None:
    layer, x = block(condition_dim), torch.randn(2, 7, 16)
    condition = torch.randn(2, 4) if condition_dim else None
    x[0, 4:] = 30.0
    mask = lengths_to_mask(torch.tensor([4, 7]))
    padded = layer(x, places(2, 7), mask, condition=condition)
    first = condition[:1] if condition is not None else None
    alone = layer(x[:1, :4], places(1, 4), condition=first)
    torch.testing.assert_close(padded[:1, :4], alone)


def test_decoding_with_a_cache_equals_causal_attention() -> None:
    layer, x = block(), torch.randn(2, 8, 16)
    causal = torch.ones(8, 8, dtype=torch.bool).tril().expand(2, 8, 8)
    whole = layer(x, places(2, 8), causal)
    cache = KeyValueCache()
    head = layer(x[:, :3], places(2, 8)[:, :3], causal[:, :3, :3], cache)
    steps = [layer(x[:, t : t + 1], places(2, 8)[:, t : t + 1], cache=cache) for t in range(3, 8)]
    torch.testing.assert_close(torch.cat([head, *steps], dim=1), whole)
    assert cache.keys is not None and cache.keys.shape == (2, 2, 8, 8)


def test_a_mask_with_a_cache_counts_what_is_cached() -> None:
    layer, x = block(), torch.randn(2, 5, 16)
    mask = torch.tensor([[True, False, True, True, True], [True] * 5])
    cache = KeyValueCache()
    layer(x[:, :4], places(2, 5)[:, :4], mask[:, :4], cache)
    last = layer(x[:, 4:], places(2, 5)[:, 4:], mask, cache)
    torch.testing.assert_close(last, layer(x, places(2, 5), mask)[:, 4:])


def test_a_query_that_may_look_nowhere_stays_finite() -> None:
    layer, x = block(), torch.randn(1, 4, 16, requires_grad=True)
    out = layer(x, places(1, 4), torch.zeros(1, 4, dtype=torch.bool))
    out.sum().backward()
    assert bool(out.isfinite().all()) and x.grad is not None and bool(x.grad.isfinite().all())


def test_modulation_begins_as_half_open_gates() -> None:
    layer, plain, x = block(4), block(), torch.randn(1, 5, 16)
    plain.attention, plain.feed_forward = layer.attention, layer.feed_forward
    h = x + 0.5 * plain.attention(plain.attention_norm(x), places(1, 5))
    expected = h + 0.5 * plain.feed_forward(plain.feed_forward_norm(h))
    torch.testing.assert_close(layer(x, places(1, 5), condition=torch.randn(1, 4)), expected)
    frames = torch.randn(1, 5, 4)
    torch.testing.assert_close(layer(x, places(1, 5), condition=frames), expected)


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ValueError, match="pass one"):
        block(4)(torch.randn(1, 3, 16), places(1, 3))
    for dim, heads in ((15, 2), (6, 2)):
        with pytest.raises(ValueError, match="heads"):
            Attention(dim, heads)
