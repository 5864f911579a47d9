"""Peaks are turned down where they are, and what is not too loud stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.audio.limit import limit_peaks

RATE = 24_000


def tone(level: float, seconds: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_speech_within_full_scale_is_the_same_samples() -> None:
    samples = tone(0.999)
    assert limit_peaks(samples) is samples
    assert len(limit_peaks(np.zeros(0, np.float32))) == 0


def test_one_loud_pulse_leaves_the_rest_as_loud_as_it_was() -> None:
    samples = tone(0.3)
    samples[12_000:12_005] = (1.5, 4.0, 5.0, 4.0, -1.5)
    found = limit_peaks(samples)
    assert found.dtype == np.float32 and np.abs(found).max() <= 1.0
    assert found[12_002] == pytest.approx(1.0, abs=1e-3), "no lower than need be"
    far = np.r_[0 : 12_000 - 241, 12_005 + 241 : RATE]
    assert np.array_equal(found[far], samples[far])


def test_the_gain_has_no_steps() -> None:
    samples = tone(0.3)
    samples[12_000] = 5.0
    near = np.arange(12_000 - 300, 12_000 + 300)
    near = near[np.abs(samples[near]) > 0.05]
    gain = limit_peaks(samples)[near] / samples[near]
    assert np.abs(np.diff(gain)).max() < 0.1 and gain.min() == pytest.approx(0.2, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 20.0))
def test_nothing_is_ever_above_full_scale(seed: int, level: float) -> None:
    samples = (level * np.random.default_rng(seed).normal(size=2000)).astype(np.float32)
    found = limit_peaks(samples)
    assert np.abs(found).max() <= 1.0 and found.shape == samples.shape
    assert (np.sign(found) == np.sign(samples)).all()
