import numpy as np
import pytest

from emotts.errors import AudioError
from emotts.evaluate.prosody import PROSODY_RATE, count_phonemes, measure_prosody


def pulses(f0: np.ndarray, level: float = 0.3) -> np.ndarray:
    """Pulse train through a one-pole filter, which makes something like a glottal slope."""
    phase = np.cumsum(f0 / PROSODY_RATE)
    train = np.diff(np.floor(phase), prepend=0.0)
    decay = level * 0.95 ** np.arange(200)
    return np.convolve(train, decay)[: len(train)]


def steady(hertz: float, seconds: float = 1.5) -> np.ndarray:
    return np.full(round(seconds * PROSODY_RATE), hertz)


@pytest.mark.parametrize("hertz", [90.0, 200.0, 420.0])
def test_pitch_of_a_pulse_train_is_found_within_one_per_cent(hertz):
    prosody = measure_prosody(pulses(steady(hertz)))
    assert prosody.f0_mean == pytest.approx(hertz, rel=0.01)
    assert prosody.f0_range < 0.3


def test_range_of_a_glide_is_what_it_spans():
    # An octave in semitones; its 5th to 95th percentile are nine tenths of it.
    glide = 150.0 * 2 ** np.linspace(0, 1, 2 * PROSODY_RATE)
    assert measure_prosody(pulses(glide)).f0_range == pytest.approx(0.9 * 12, abs=0.5)


def test_energy_follows_the_level_and_ignores_pauses():
    tone = pulses(steady(150.0))
    loud = measure_prosody(tone)
    assert measure_prosody(0.1 * tone).energy == pytest.approx(loud.energy - 20, abs=0.1)
    paused = np.concatenate([tone, np.zeros(PROSODY_RATE), tone])
    assert measure_prosody(paused).energy == pytest.approx(loud.energy, abs=0.3)


def test_rate_counts_pauses_out_and_closures_in():
    tone = pulses(steady(150.0, 1.0))
    paused = np.concatenate([np.zeros(8000), tone, np.zeros(PROSODY_RATE), tone, np.zeros(8000)])
    prosody = measure_prosody(paused, phonemes=20)
    assert prosody.active == pytest.approx(2.0, abs=0.1)
    assert prosody.rate == pytest.approx(10.0, rel=0.05)
    closure = np.concatenate([tone, np.zeros(1600), tone])
    assert measure_prosody(closure).active == pytest.approx(2.1, abs=0.05)


def test_noise_behind_quiet_speech_is_not_speech():
    noise = 0.002 * np.random.default_rng(0).normal(size=3 * PROSODY_RATE)
    noise[PROSODY_RATE : 2 * PROSODY_RATE] += pulses(steady(180.0, 1.0), 0.06)
    prosody = measure_prosody(noise)
    assert prosody.active == pytest.approx(1.0, abs=0.1)
    assert prosody.f0_mean == pytest.approx(180.0, rel=0.01)


def test_noise_alone_has_no_pitch():
    noise = 0.1 * np.random.default_rng(0).normal(size=PROSODY_RATE)
    assert np.isnan(measure_prosody(noise).f0_mean)


@pytest.mark.parametrize("samples", [np.zeros(PROSODY_RATE), np.ones(100)])
def test_silence_and_scraps_are_refused(samples):
    with pytest.raises(AudioError, match="silent or shorter"):
        measure_prosody(samples)


def test_phonemes_are_counted_without_pauses():
    assert count_phonemes("Hello, world.") == 8
