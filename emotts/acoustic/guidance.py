"""Guidance of the flow: pure functions that bend the velocity at each step of the solver."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Guidance(Protocol):
    """Bends the velocity. Must be pure: no state, no randomness, one item never reads another."""

    def __call__(self, velocity: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Returns the new velocity.

        Args:
            velocity: shape (batch, frames, mel_bins), after classifier-free guidance.
            x_t: same shape, the noisy mel in normalised units. Layout of an item: prompt, then
                target, then padding (zeros). The prompt lies on its exact path at time `t`.
            t: shape (batch,), 0 is noise and 1 is speech.

        Returns:
            same shape; what it holds on prompt and padding is ignored.
        """
        ...


def identity(velocity: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """Leaves the velocity as it is."""
    return velocity


def compose(*guidances: Guidance) -> Guidance:
    """One guidance that applies several in the order given; each sees the result of the last."""

    def composed(velocity: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        for guidance in guidances:
            velocity = guidance(velocity, x_t, t)
        return velocity

    return composed


def classifier_free(conditional: Tensor, unconditional: Tensor, weight: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6): (1 + w) v_c - w v_u.

    Args:
        conditional: velocity given the condition, any shape.
        unconditional: velocity given the null condition, same shape.
        weight: w; 0 returns the conditional velocity.
    """
    return (1 + weight) * conditional - weight * unconditional
