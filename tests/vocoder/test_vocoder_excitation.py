from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.timebase import HOP_LENGTH, SAMPLE_RATE
from emotts.vocoder.excitation import interpolate_unvoiced, pulse_train, white_noise


def filled(*values: float) -> list[float]:
    return interpolate_unvoiced(torch.tensor([values]))[0].tolist()


def test_edges_repeat_the_nearest_voiced_frame() -> None:
    assert filled(0, 0, 100, 200, 0) == pytest.approx([100, 100, 100, 200, 200], rel=1e-5)


def test_gaps_are_straight_in_log_frequency() -> None:
    assert filled(100, 0, 0, 0, 400) == pytest.approx([100, 100 * 2**0.5, 200, 200 * 2**0.5, 400], rel=1e-5)


def test_an_item_without_voice_gets_the_fallback_and_the_others_do_not() -> None:
    f0 = torch.tensor([[0.0, 0.0], [0.0, 120.0]])
    torch.testing.assert_close(interpolate_unvoiced(f0, 99.0), torch.tensor([[99.0, 99.0], [120.0, 120.0]]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.just(0.0), st.floats(60, 650)), min_size=1, max_size=20))
def test_voiced_frames_stay_and_everything_is_between_them(values: list[float]) -> None:
    out, voiced = filled(*values), [v for v in values if v]
    for before, after in zip(values, out, strict=True):
        assert before == 0 or after == pytest.approx(before, rel=1e-5)
        if voiced:
            assert min(voiced) * 0.9999 <= after <= max(voiced) * 1.0001


@pytest.mark.parametrize("f0", [75.0, 170.0, 505.0])
def test_pulses_have_unit_power_at_the_harmonics_and_none_between(f0: float) -> None:
    pulses = pulse_train(torch.full((1, 100), f0))[0].double()  # one second: bins of 1 Hz
    assert pulses.shape == (SAMPLE_RATE,)
    assert float(pulses.square().mean()) == pytest.approx(1.0, rel=0.03)
    power = torch.fft.rfft(pulses).abs().square()
    bins = torch.arange(len(power)).double()
    harmonic = (bins / f0).round()
    near = ((bins - harmonic * f0).abs() <= 1) & (harmonic >= 1)
    assert float(power[~near].sum() / power.sum()) < 1e-4
    amplitudes = power[torch.arange(1, int(SAMPLE_RATE / 2 / f0)) * int(f0)]
    torch.testing.assert_close(amplitudes, amplitudes.mean().expand_as(amplitudes), rtol=0.05, atol=0)


def test_pulses_equal_the_sum_of_cosines() -> None:
    f0 = torch.full((1, 4), 300.0)
    phase = 2 * math.pi * 300 / SAMPLE_RATE * torch.arange(1, 4 * HOP_LENGTH + 1).double()
    expected = sum(torch.cos(k * phase) for k in range(1, 41)) * math.sqrt(2 / 40)
    torch.testing.assert_close(pulse_train(f0)[0].double(), expected, atol=1e-4, rtol=0)


def test_a_changing_pitch_stays_finite_and_bounded() -> None:
    torch.manual_seed(0)
    f0 = 60 + 590 * torch.rand(2, 300)
    pulses = pulse_train(f0)
    assert pulses.shape == (2, 300 * HOP_LENGTH) and pulses.dtype == torch.float32
    # The largest value is that of a pulse: K cosines at sqrt(2 / K).
    assert float(pulses.abs().max()) <= math.sqrt(2 * SAMPLE_RATE / 2 / 60) + 1e-3
    assert float(pulses.square().mean()) == pytest.approx(1.0, rel=0.1)


def test_phase_does_not_drift_in_a_long_item() -> None:
    pulses = pulse_train(torch.full((1, 6000), 123.0))  # a minute
    spectrum = torch.fft.rfft(pulses[0, -SAMPLE_RATE:].double()).abs()
    assert int(spectrum[:200].argmax()) == 123


def test_noise_follows_its_generator() -> None:
    like = torch.zeros(2, 24_000)
    first, second = (white_noise(like, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, white_noise(like, torch.Generator().manual_seed(2)))
    assert float(first.square().mean()) == pytest.approx(1.0, rel=0.03)
