from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fake_corpus import harmonic_tone

from emotts.audio.pitch import F0_CEILING, F0_FLOOR, extract_f0
from emotts.timebase import SAMPLE_RATE

INNER = slice(4, -4)


@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("f0", [80.0, 97.3, 121.0, 160.0, 213.7, 261.0, 330.0, 404.0, 500.0])
def test_harmonic_tones_are_within_one_percent(f0: float, tilt: float) -> None:
    track = extract_f0(torch.from_numpy(harmonic_tone(SAMPLE_RATE // 2, f0, tilt=tilt)))[INNER]
    assert bool((track > 0).all())
    assert float((track / f0 - 1).abs().max()) < 0.01


def test_a_missing_fundamental_is_found() -> None:
    time = torch.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    tone = sum(torch.sin(2 * math.pi * 150 * k * time) for k in range(3, 9))
    track = extract_f0(0.05 * tone)[INNER]
    assert float((track / 150 - 1).abs().max()) < 0.01


def test_a_glide_is_followed() -> None:
    hertz = torch.linspace(120, 240, SAMPLE_RATE)
    phase = 2 * math.pi * (hertz.double() / SAMPLE_RATE).cumsum(0)
    tone = sum(torch.sin(k * phase) / k for k in range(1, 10)).float()
    track = extract_f0(0.1 * tone)[INNER]
    centres = hertz.view(-1, 240).mean(1)[INNER]
    assert float((track / centres - 1).abs().max()) < 0.02


def test_noise_and_silence_are_unvoiced() -> None:
    torch.manual_seed(0)
    assert float((extract_f0(0.1 * torch.randn(SAMPLE_RATE)) > 0).float().mean()) < 0.02
    assert float(extract_f0(torch.zeros(SAMPLE_RATE)).abs().max()) == 0


def test_a_tone_between_noises_is_voiced_there_and_only_there() -> None:
    generator = np.random.default_rng(0)
    tone = harmonic_tone(9600, 140.0)
    noise = 0.02 * generator.normal(size=(2, 9600))
    track = extract_f0(torch.from_numpy(np.concatenate([noise[0], tone, noise[1]])).float())
    voiced = track > 0
    assert bool(voiced[43:77].all())
    assert float(voiced[:37].float().mean()) < 0.1 and float(voiced[83:].float().mean()) < 0.1


def test_the_level_does_not_matter() -> None:
    tone = torch.from_numpy(harmonic_tone(9600, 180.0))
    torch.testing.assert_close(extract_f0(tone), extract_f0(0.01 * tone), rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("samples", [1, 240, 1000, 2401])
def test_the_track_has_a_frame_for_each_hop_or_as_many_as_asked(samples: int) -> None:
    wave = torch.randn(samples)
    assert len(extract_f0(wave)) == math.ceil(samples / 240)
    for frames in (1, 3, 40):
        assert len(extract_f0(wave, frames)) == frames


def test_values_lie_in_the_range_that_is_looked_for() -> None:
    torch.manual_seed(0)
    track = extract_f0(torch.from_numpy(harmonic_tone(4800, 640.0)) + 0.01 * torch.randn(4800))
    voiced = track[track > 0]
    assert len(voiced) and F0_FLOOR * 0.97 < float(voiced.min()) <= float(voiced.max()) < F0_CEILING * 1.05
