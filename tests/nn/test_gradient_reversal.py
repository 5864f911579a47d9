from __future__ import annotations

import pytest
import torch

from emotts.nn.gradient_reversal import reversal_strength, reverse_gradient


def test_values_pass_and_gradients_turn_round() -> None:
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    weight = torch.tensor([0.5, 1.0, -4.0])
    y = reverse_gradient(x, 0.25)
    assert torch.equal(y, x)
    (y * weight).sum().backward()
    assert torch.equal(x.grad, -0.25 * weight)


def test_what_follows_still_learns_and_what_precedes_unlearns() -> None:
    encoder, classifier = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    x = torch.ones(1, 3)
    gradients = []
    for turned in (False, True):
        encoder.zero_grad(), classifier.zero_grad()
        hidden = encoder(x)
        classifier(reverse_gradient(hidden) if turned else hidden).sum().backward()
        gradients.append((encoder.weight.grad.clone(), classifier.weight.grad.clone()))
    assert torch.equal(gradients[1][0], -gradients[0][0])
    assert torch.equal(gradients[1][1], gradients[0][1])


def test_strength_rises_from_nothing() -> None:
    values = [reversal_strength(k / 10, 0.3) for k in range(11)]
    assert values[0] == 0.0 and values == sorted(values)
    assert values[-1] == pytest.approx(0.3, rel=1e-3)
