"""Guidance by an emotion expert: the formula, its schedules and limits, and items that stay apart."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from emotts.acoustic.emotion_guidance import (
    Instruction,
    cap_norm,
    derived_weight,
    gate_factor,
    guidance_gradient,
    instruction,
    make_guidance,
    objective,
    target_mask,
)
from emotts.emotion.calibration import Dose, GuidanceConfig

CLASSES = ("neutral", "happy", "angry", "sad")
BANDS = 5


class Toy(nn.Module):
    """Softmax of a smooth function of the mean frame; counts the items it is given."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(BANDS, 8), nn.Linear(8, len(CLASSES))
        self.double().requires_grad_(False)
        self.items = 0

    def forward(self, x: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        self.items += len(x)
        weights = mask[..., None].to(x.dtype)
        mean = (torch.tanh(self.first(x)) * weights).sum(1) / weights.sum(1)
        return (self.second(mean) * (1 + t[:, None])).log_softmax(-1)


def batch(lengths: tuple[int, ...] = (6, 4), seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths), BANDS, generator=generator, dtype=torch.float64)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return x, torch.full((len(lengths),), 0.3, dtype=torch.float64), mask


def angry(alpha: float = 2.0, beta: float = 0.5) -> Dose:
    return Dose((("angry", alpha),), beta)


def test_the_objective_is_the_papers_formula() -> None:
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    asked = Instruction(torch.tensor([[0, 0, 2.0, 0]], dtype=torch.float64), torch.tensor([0.5]))
    uniform = objective(p.log(), asked)
    assert float(uniform) == pytest.approx(2 * math.log(0.3) - 0.5 * math.log(0.7))
    others = torch.tensor([[1.0, 3.0, 9.0, 0.5]])
    weighted = objective(p.log(), asked, others)
    assert float(weighted) == pytest.approx(2 * math.log(0.3) - 0.5 * math.log(0.1 + 0.6 + 0.2))


def test_a_blend_climbs_a_soft_label_and_lowers_only_the_rest() -> None:
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    blend = instruction([Dose((("happy", 1.5), ("sad", 0.5)), 0.4)], CLASSES)
    expected = 1.5 * math.log(0.2) + 0.5 * math.log(0.4) - 0.4 * math.log(0.1 + 0.3)
    assert float(objective(p.log(), blend)) == pytest.approx(expected)


def test_nothing_unwanted_leaves_no_negative_term() -> None:
    p = torch.tensor([[0.5, 0.5]]).log().requires_grad_(True)
    value = objective(p, Instruction(torch.ones(1, 2), torch.tensor([3.0])))
    value.sum().backward()
    assert torch.isfinite(p.grad).all() and float(value.detach()) == pytest.approx(2 * math.log(0.5))


@pytest.mark.parametrize("negatives", ["uniform", "posterior"])
def test_the_gradient_is_that_of_finite_differences(negatives: str) -> None:
    expert, (x, t, mask) = Toy(), batch()
    asked = instruction([angry(), angry(1.0, 0.0)], CLASSES)
    gradient, wanted = guidance_gradient(expert, x, t, mask, asked, negatives)
    fixed = expert(x, t, mask).exp() if negatives == "posterior" else None
    step = 1e-5
    for place in [(0, 0, 0), (0, 5, 3), (1, 2, 4)]:
        more, less = x.clone(), x.clone()
        more[place] += step
        less[place] -= step
        up, down = (objective(expert(moved, t, mask), asked, fixed) for moved in (more, less))
        difference = (up - down)[place[0]] / (2 * step)
        assert float(gradient[place]) == pytest.approx(float(difference), rel=1e-5, abs=1e-9)
    assert not gradient[1, 4:].any()
    torch.testing.assert_close(wanted, expert(x, t, mask).exp()[:, 2])


def test_the_constant_schedule_is_the_formula_and_nothing_else() -> None:
    expert, (x, t, mask) = Toy(), batch()
    config = GuidanceConfig(schedule="constant", gamma=15.0, cap=1e-6, gate=0.0)
    velocity = torch.randn(x.shape, dtype=torch.float64)
    guide = make_guidance(expert, CLASSES, [angry()] * 2, mask, config)
    with torch.no_grad():
        bent = guide(velocity, x, t)
    free = x.clone().requires_grad_(True)
    log_p = expert(free, t, mask)
    rest = torch.logsumexp(log_p[:, [0, 1, 3]], -1)
    wanted = torch.autograd.grad((2.0 * log_p[:, 2] - 0.5 * rest).sum(), free)[0]
    torch.testing.assert_close(bent, velocity + 15 * wanted * mask[..., None])


def test_the_derived_schedule_is_the_formula_within_its_limits() -> None:
    expert, (x, t, mask) = Toy(), batch()
    config = GuidanceConfig(scale=3.0, cap=1e6, gate=0.99, interval=(0.01, 1.0), reference_tokens=2.0)
    velocity = torch.zeros_like(x) + 1.0
    bent = make_guidance(expert, CLASSES, [angry()] * 2, mask, config)(velocity, x, t)
    gradient, _ = guidance_gradient(expert, x, t, mask, instruction([angry()] * 2, CLASSES))
    length = torch.tensor([6.0, 4.0], dtype=torch.float64)[:, None, None] / 4 / 2
    torch.testing.assert_close(bent, velocity + 3.0 * (0.7 / 0.3) * length * gradient)


def test_the_derived_weight_is_one_minus_t_over_t() -> None:
    t = torch.tensor([0.0, 0.1, 0.25, 0.5, 1.0])
    torch.testing.assert_close(derived_weight(t, 2.0), torch.tensor([0.0, 18.0, 6.0, 2.0, 0.0]))


def test_the_gate_fades_out_and_takes_the_pole_of_the_negative_term_away() -> None:
    p = torch.tensor([0.0, 0.9, 0.95, 1.0])
    torch.testing.assert_close(gate_factor(p, 0.9), torch.tensor([1.0, 1.0, 0.5, 0.0]), atol=1e-5, rtol=0)
    expert, (x, t, mask) = Toy(), batch()
    expert.second.bias += torch.tensor([0.0, 0.0, 50.0, 0.0], dtype=torch.float64)  # sure of it
    config = GuidanceConfig(cap=1e6, interval=(0.01, 1.0))
    bent = make_guidance(expert, CLASSES, [angry(5.0, 5.0)] * 2, mask, config)(torch.ones_like(x), x, t)
    torch.testing.assert_close(bent, torch.ones_like(x), atol=1e-6, rtol=0)


def test_the_cap_is_a_share_of_the_velocity_over_the_items_own_frames() -> None:
    x, _, mask = batch()
    velocity = torch.randn(x.shape, dtype=torch.float64)
    guide = torch.randn(x.shape, dtype=torch.float64) * mask[..., None]
    capped = cap_norm(guide * 100, velocity, mask, 0.25)
    for row in range(2):
        own = velocity[row][mask[row]].norm()
        assert float(capped[row].norm()) == pytest.approx(float(0.25 * own))
    small = guide * 1e-3
    torch.testing.assert_close(cap_norm(small, velocity, mask, 0.25), small)
    assert torch.isfinite(cap_norm(torch.zeros_like(x), torch.zeros_like(x), mask, 0.5)).all()


def test_guidance_keeps_to_its_interval() -> None:
    expert, (x, t, mask) = Toy(), batch()
    config = GuidanceConfig(interval=(0.2, 0.8))
    guide = make_guidance(expert, CLASSES, [angry()] * 2, mask, config)
    for now, moved in [(0.0, False), (0.19, False), (0.2, True), (0.8, True), (0.81, False), (1.0, False)]:
        expert.items = 0
        bent = guide(torch.ones_like(x), x, torch.full_like(t, now))
        assert bool((bent != 1).any()) == moved and (expert.items > 0) == moved


def test_neutral_is_no_guidance_and_costs_nothing() -> None:
    expert, (x, t, mask) = Toy(), batch()
    assert make_guidance(expert, CLASSES, [Dose(), Dose()], mask, GuidanceConfig()) is None
    assert make_guidance(expert, CLASSES, [angry()] * 2, mask, GuidanceConfig(schedule="none")) is None
    velocity = torch.randn(x.shape, dtype=torch.float64)
    bent = make_guidance(expert, CLASSES, [Dose(), angry()], mask, GuidanceConfig())(velocity, x, t)
    assert expert.items == 1, "the neutral item is not shown to the expert"
    assert torch.equal(bent[0], velocity[0]) and not torch.equal(bent[1], velocity[1])


@pytest.mark.parametrize("schedule", ["derived", "constant"])
def test_an_item_is_guided_alike_alone_and_in_a_batch(schedule: str) -> None:
    expert, (x, t, mask) = Toy(), batch((6, 4, 5))
    config = GuidanceConfig(schedule=schedule)
    doses = [angry(), Dose((("happy", 1.0), ("sad", 1.0)), 0.3), angry(8.0, 0.0)]
    velocity = torch.randn(x.shape, dtype=torch.float64)
    together = make_guidance(expert, CLASSES, doses, mask, config)(velocity, x, t)
    for row, size in enumerate(mask.sum(1).tolist()):
        one = slice(row, row + 1)
        alone = make_guidance(expert, CLASSES, [doses[row]], mask[one, :size], config)
        torch.testing.assert_close(
            together[row, :size], alone(velocity[one, :size], x[one, :size], t[one])[0]
        )
    loud = x + 100 * ~mask[..., None]
    noisy = velocity + 100 * ~mask[..., None]
    content = make_guidance(expert, CLASSES, doses, mask, config)(noisy, loud, t)
    torch.testing.assert_close(content[mask], together[mask])


def test_it_works_where_gradients_are_off() -> None:
    expert, (x, t, mask) = Toy(), batch()
    guide = make_guidance(expert, CLASSES, [angry()] * 2, mask, GuidanceConfig())
    with torch.no_grad():
        first = guide(torch.ones_like(x), x, t)
    with torch.inference_mode():
        second = guide(torch.ones_like(x), x.clone(), t)
    assert not first.requires_grad and torch.equal(first, second)


def test_beta_alone_lowers_the_unwanted() -> None:
    expert, (x, t, mask) = Toy(), batch()
    before = expert(x, t, mask)[:, 2].exp()
    gradient, _ = guidance_gradient(expert, x, t, mask, instruction([angry(0.0, 1.0)] * 2, CLASSES))
    after = expert(x + 0.5 * gradient, t, mask)[:, 2].exp()
    assert bool((after > before).all())


def test_the_target_lies_between_prompt_and_padding() -> None:
    mask = target_mask([1, 0], [2, 1])
    assert mask.tolist() == [[False] * 4 + [True] * 8, [True] * 4 + [False] * 8]
