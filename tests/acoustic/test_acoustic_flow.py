from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.acoustic.flow import draw_noise, path, sample_times, solve, target_velocity, time_grid
from emotts.acoustic.guidance import classifier_free, compose, identity
from emotts.errors import InputError


def test_path_runs_from_noise_to_data_and_its_slope_is_the_target():
    x1, noise = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    zero, one = torch.zeros(2), torch.ones(2)
    assert torch.equal(path(x1, noise, zero, 1e-4), noise)
    torch.testing.assert_close(path(x1, noise, one, 1e-4), x1 + 1e-4 * noise)
    slope = (path(x1, noise, one * 0.75, 0.1) - path(x1, noise, one * 0.25, 0.1)) / 0.5
    torch.testing.assert_close(slope, target_velocity(x1, noise, 0.1))


@pytest.mark.parametrize("schedule", ["uniform", "cosine"])
def test_solver_follows_the_ideal_field_to_the_data(schedule):
    x1, noise = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    result = solve(lambda x, t: target_velocity(x1, noise, 1e-4), noise, time_grid(3, schedule))
    torch.testing.assert_close(result, x1 + 1e-4 * noise)


def test_solver_of_a_linear_field_is_the_product_of_its_steps():
    x0, rate, grid = torch.randn(1, 2, 2), -0.7, time_grid(5, "cosine")
    expected = x0.clone()
    for now, following in pairwise(grid):
        expected = expected * (1 + rate * (following - now))
    torch.testing.assert_close(solve(lambda x, t: rate * x, x0, grid), expected)
    fine = solve(lambda x, t: rate * x, x0, time_grid(2000, "uniform"))
    torch.testing.assert_close(fine, x0 * torch.tensor(rate).exp(), rtol=1e-3, atol=1e-4)


def test_solver_tells_the_field_the_time():
    seen = []
    solve(
        lambda x, t: seen.append(t.tolist()) or torch.zeros_like(x),
        torch.zeros(2, 1, 1),
        time_grid(4, "uniform"),
    )
    assert seen == [[0.0, 0.0], [0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]


@given(st.integers(1, 50), st.sampled_from(["uniform", "cosine"]))
def test_time_grid_rises_from_zero_to_one(steps, schedule):
    grid = time_grid(steps, schedule)
    assert (len(grid), grid[0], grid[-1]) == (steps + 1, 0.0, 1.0)
    assert all(a < b for a, b in pairwise(grid))


def test_time_grid_rejects_nonsense():
    with pytest.raises(InputError, match="at least 1 step"):
        time_grid(0)
    with pytest.raises(InputError, match="valid schedules: uniform, cosine"):
        time_grid(4, "linear")


@settings(max_examples=20)
@given(st.integers(1, 40), st.floats(0, 1))
def test_training_times_lie_in_the_unit_interval_and_repeat(batch, share):
    first = sample_times(batch, torch.Generator().manual_seed(3), share)
    assert first.shape == (batch,) and bool(((first >= 0) & (first <= 1)).all())
    assert torch.equal(first, sample_times(batch, torch.Generator().manual_seed(3), share))


def test_uniform_times_are_stratified():
    times = sample_times(10, torch.Generator().manual_seed(0), 1.0)
    assert (times * 10).floor().sort().values.tolist() == list(range(10))


def test_noise_of_an_item_does_not_depend_on_the_batch():
    together = draw_noise([7, 3], 4, [5, 9], 0.5)
    assert torch.equal(together[1, :3], draw_noise([3], 4, [9], 0.5)[0])
    assert not together[1, 3:].any()
    torch.testing.assert_close(draw_noise([7], 4, [5], 1.0) * 0.5, together[:1])


def test_classifier_free_guidance_extrapolates():
    conditional, unconditional = torch.tensor([3.0]), torch.tensor([1.0])
    assert classifier_free(conditional, unconditional, 0.0) == 3.0
    assert classifier_free(conditional, unconditional, -1.0) == 1.0
    assert classifier_free(conditional, unconditional, 2.0) == 7.0


def test_guidances_compose_in_order():
    def double(velocity, x_t, t):
        return 2 * velocity

    def add_state(velocity, x_t, t):
        return velocity + x_t * t[:, None, None]

    v, x, t = torch.ones(1, 1, 1), torch.full((1, 1, 1), 4.0), torch.tensor([0.5])
    assert compose(double, identity, add_state)(v, x, t).item() == 4.0
    assert compose(add_state, double)(v, x, t).item() == 6.0
    assert compose()(v, x, t) is v
