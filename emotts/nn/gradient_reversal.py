"""Gradient reversal: the identity forwards, a negative factor backwards (Ganin and Lempitsky, ICML 2015)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """Returns `x` itself; gradients that pass are multiplied by -strength.

    What follows learns to tell something of `x`, and what made `x` learns to hide it.

    Args:
        x: any shape.
        strength: 0 or more; 0 lets no gradient pass.
    """
    return _Reverse.apply(x, strength)


def reversal_strength(progress: float, largest: float = 1.0) -> float:
    """The paper's schedule: from 0 to `largest`, so that the classifier learns before it is fought.

    Equation of section 4.1 in Ganin and Lempitsky (2015), with their 10 as the steepness.

    Args:
        progress: share of the training that is done, in [0, 1].
        largest: value at the end.
    """
    return largest * (2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0)
