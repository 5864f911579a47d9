"""Positive and negative emotion guidance of the flow, by the gradient of an emotion expert.

    v + w(t) · (α ∇ log p(c | x_t) − β ∇ log Σ_{j≠c} l_j p(j | x_t))      (EmoDubber, arXiv 2412.08988, FUEC)

The paper's weight is a constant, γ = 15. On the path x_t = (1 − t) x0 + t x1 with x0 ~ N(0, I) the marginal
velocity is v = (x + (1 − t) ∇ log p_t) / t, so that guidance by a likelihood of unit strength has the
weight (1 − t)/t: strong early, where the prosody is decided, and zero at the end, where only detail is left
to spoil. Everything here is a pure function; every item is differentiated by itself, so batches and padding
change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emotts.acoustic.guidance import Guidance
from emotts.emotion.calibration import Dose, GuidanceConfig
from emotts.timebase import FRAMES_PER_TOKEN

Expert = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Log-probabilities (batch, classes) of (x_t, t, mask); a row depends on that row of the arguments only."""

_TINY = 1e-12


@dataclass(frozen=True)
class Instruction:
    """What each item of a batch is guided by.

    Attributes:
        alpha: shape (batch, classes), weights of the wanted classes; zero for all others.
        beta: shape (batch,), weight of the unwanted classes.
    """

    alpha: Tensor
    beta: Tensor

    @property
    def wanted(self) -> Tensor:
        """Shape (batch, classes), True on the wanted classes."""
        return self.alpha > 0


def instruction(doses: Sequence[Dose], classes: Sequence[str]) -> Instruction:
    """The doses of a batch as tensors; a class named in a dose is wanted, even by a tiny weight."""
    alpha = torch.zeros(len(doses), len(classes))
    for row, dose in enumerate(doses):
        for name, value in dose.positive:
            # β may be given without α; the wanted class must still be known.
            alpha[row, classes.index(name)] = max(value, _TINY)
    return Instruction(alpha, torch.tensor([dose.beta for dose in doses]))


def objective(log_probs: Tensor, asked: Instruction, others: Tensor | None = None) -> Tensor:
    """What guidance climbs: Σ_c α_c log p_c − β log Σ_{j unwanted} l_j p_j.

    Args:
        log_probs: shape (batch, classes).
        asked: of the same batch.
        others: l_j, shape (batch, classes), not negative; ones when left out. Wanted classes are left out.

    Returns:
        shape (batch,); 0 for an item without guidance.
    """
    positive = (asked.alpha * log_probs).sum(-1)
    unwanted = log_probs if others is None else log_probs + others.clamp_min(_TINY).log()
    unwanted = unwanted.masked_fill(asked.wanted, float("-inf"))
    # Where everything is wanted, there is nothing to lower.
    some = ~asked.wanted.all(-1)
    negative = torch.logsumexp(torch.where(some[:, None], unwanted, torch.zeros_like(unwanted)), -1)
    return positive - asked.beta * torch.where(some, negative, torch.zeros_like(negative))


def guidance_gradient(
    expert: Expert, x_t: Tensor, t: Tensor, mask: Tensor, asked: Instruction, negatives: str = "uniform"
) -> tuple[Tensor, Tensor]:
    """Gradient of the objective by x_t, each item's by itself.

    Args:
        expert: see `Expert`.
        x_t: shape (batch, frames, mel_bins).
        t: shape (batch,).
        mask: shape (batch, frames), True on what is guided.
        asked: what for.
        negatives: "uniform", l_j = 1, or "posterior", l_j = p(j | x_t) without gradient.

    Returns:
        gradient (batch, frames, mel_bins), zero off the mask, without gradient itself; and the probability of
        all wanted classes together, shape (batch,).
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x_t.detach().clone().requires_grad_(True)
        log_probs = expert(x, t, mask)
        others = log_probs.detach().exp() if negatives == "posterior" else None
        # The sum parts into the items' own terms, so each row of the gradient is its own item's.
        gradient = torch.autograd.grad(objective(log_probs, asked, others).sum(), x)[0]
    wanted = (log_probs.detach().exp() * asked.wanted).sum(-1)
    return gradient.detach() * mask[..., None], wanted


def derived_weight(t: Tensor, scale: float = 1.0) -> Tensor:
    """w(t) = scale · (1 − t)/t; shape (batch,) as t. Zero at t = 0, where there is nothing to judge yet."""
    return torch.where(t > 0, scale * (1 - t) / t.clamp_min(1e-6), torch.zeros_like(t))


def gate_factor(wanted: Tensor, gate: float) -> Tensor:
    """1 up to the probability `gate`, then falling to 0 at probability 1; shape (batch,).

    −∇ log(1 − p) = ∇p / (1 − p) does not vanish as p nears 1 and would push samples off for ever; a factor
    that falls as 1 − p takes just that pole away.
    """
    return ((1 - wanted) / (1 - gate)).clamp(0.0, 1.0)


def cap_norm(guide: Tensor, velocity: Tensor, mask: Tensor, cap: float) -> Tensor:
    """Shortens the guidance of an item to at most cap · ‖velocity‖, norms over the item's masked frames.

    Guided-TTS (Kim et al. 2022, arXiv 2111.11755) ties the two norms for the sake of the words.
    """
    weight = mask[..., None].to(velocity.dtype)
    allowed = cap * (velocity * weight).flatten(1).norm(dim=1)
    length = (guide * weight).flatten(1).norm(dim=1)
    return guide * (allowed / length.clamp_min(_TINY)).clamp_max(1.0)[:, None, None]


def target_mask(prompts: Sequence[int], targets: Sequence[int]) -> Tensor:
    """What is guided in a batch of the decoder: the target, without the prompt before it and the padding.

    Args:
        prompts: tokens of the prompt of each item.
        targets: tokens of what is spoken.

    Returns:
        shape (batch, 4 * longest of prompt and target together).
    """
    begins = FRAMES_PER_TOKEN * torch.tensor(prompts)[:, None]
    ends = begins + FRAMES_PER_TOKEN * torch.tensor(targets)[:, None]
    places = torch.arange(int(ends.max()))[None]
    return (places >= begins) & (places < ends)


def make_guidance(
    expert: Expert,
    classes: Sequence[str],
    doses: Sequence[Dose],
    mask: Tensor,
    config: GuidanceConfig,
) -> Guidance | None:
    """Guidance of a batch, or None when no item asks for any, which costs nothing.

    Only the items that ask for guidance are given to the expert.

    Args:
        expert: log-probabilities of `classes`.
        classes: names, in the expert's order.
        doses: of each item.
        mask: shape (batch, frames), True on what is guided: the target without prompt and padding.
        config: schedule and limits.
    """
    rows = [row for row, dose in enumerate(doses) if dose]
    if not rows or config.schedule == "none":
        return None
    asked = instruction([doses[row] for row in rows], list(classes))
    first, last = config.interval
    constant = config.schedule == "constant"

    def guide(velocity: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        now = float(t[0])  # the solver moves all items together
        if not constant and not first <= now <= last:
            return velocity
        some, seen = _chosen(rows, mask.to(x_t.device)), torch.tensor(rows, device=x_t.device)
        wish = Instruction(asked.alpha.to(x_t.device), asked.beta.to(x_t.device))
        flow, time = velocity[seen], t[seen]
        gradient, wanted = guidance_gradient(expert, x_t[seen], time, some, wish, config.negatives)
        if constant:
            push = config.gamma * gradient
        else:
            tokens = some.sum(1).to(gradient.dtype) / FRAMES_PER_TOKEN
            weight = derived_weight(time, config.scale) * gate_factor(wanted, config.gate)
            push = (weight * tokens / config.reference_tokens)[:, None, None] * gradient
            push = cap_norm(push, flow, some, config.cap)
        return velocity.index_copy(0, seen, flow + push.to(flow.dtype))

    return guide


def _chosen(rows: list[int], mask: Tensor) -> Tensor:
    return mask if len(rows) == len(mask) else mask[rows]
