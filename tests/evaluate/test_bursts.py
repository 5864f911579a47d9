from __future__ import annotations

import numpy as np
import pytest

from emotts.evaluate.bursts import burst_before_speech

RATE = 16_000


def sound(*parts: tuple[float, float]) -> np.ndarray:
    """A tone of (seconds, level in dB) one after the other."""
    return np.concatenate(
        [
            10 ** (level / 20) * np.sin(2 * np.pi * 400 * np.arange(round(seconds * RATE)) / RATE)
            for seconds, level in parts
        ]
    )


def test_a_burst_that_stands_alone_is_told_with_its_level() -> None:
    made = sound((0.05, -70), (0.03, -25), (0.06, -70), (1.0, -6))
    assert burst_before_speech(made, RATE) == pytest.approx(-19.0, abs=0.2)
    assert burst_before_speech(3 * made, RATE) == pytest.approx(-19.0, abs=0.2)


@pytest.mark.parametrize(
    "parts",
    [
        [(0.1, -70), (1.0, -6)],  # speech alone
        [(0.05, -70), (0.1, -25), (0.06, -70), (1.0, -6)],  # too long for a burst: a breath
        [(0.05, -70), (0.03, -25), (0.02, -70), (1.0, -6)],  # a plosive and its vowel
        [(0.05, -70), (0.03, -45), (0.06, -70), (1.0, -6)],  # too soft to be heard
        [(0.05, -70), (0.03, -6), (0.5, -70)],  # nothing comes after it
        [(0.5, -300)],
    ],
)
def test_everything_else_is_none(parts: list[tuple[float, float]]) -> None:
    assert burst_before_speech(sound(*parts), RATE) is None


def test_no_samples_are_no_burst() -> None:
    assert burst_before_speech(np.zeros(0), RATE) is None
