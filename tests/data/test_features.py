from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_corpus import flac, harmonic_tone

from emotts.data.features import TRIM_MARGIN, active_level, decode, measure
from emotts.errors import AudioError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN


def between_silences(before: int, sound: np.ndarray, after: int) -> np.ndarray:
    return np.concatenate([np.zeros(before), sound, np.zeros(after)]).astype(np.float32)


def test_speech_is_found_with_its_margin() -> None:
    samples = between_silences(SAMPLE_RATE, harmonic_tone(SAMPLE_RATE, 150.0), SAMPLE_RATE)
    found = measure(samples)
    margin = TRIM_MARGIN * SAMPLE_RATE
    assert abs(found.start - (SAMPLE_RATE - margin)) <= 960
    assert abs(found.tokens * SAMPLES_PER_TOKEN - (SAMPLE_RATE + 2 * margin)) <= 2 * 960
    assert len(found.f0) == found.tokens * FRAMES_PER_TOKEN
    spoken = found.f0[20:110]
    assert float((spoken / 150 - 1).abs().max()) < 0.01
    assert float(found.f0[:8].max()) == 0


def test_weak_noise_around_speech_is_trimmed_and_loud_noise_is_not() -> None:
    tone, noise = harmonic_tone(SAMPLE_RATE, 150.0), np.random.default_rng(0).normal(size=3 * SAMPLE_RATE)
    samples = between_silences(SAMPLE_RATE, tone, SAMPLE_RATE)
    assert measure((samples + 0.0005 * noise).astype(np.float32)).start > 0.8 * SAMPLE_RATE
    assert measure((samples + 0.01 * noise).astype(np.float32)).start == 0


def test_what_is_kept_never_passes_the_end() -> None:
    generator = np.random.default_rng(0)
    for length in (960, 1000, 1919, 4001):
        samples = (0.1 * generator.normal(size=length)).astype(np.float32)
        found = measure(samples)
        assert found.tokens >= 1 and found.start + found.tokens * SAMPLES_PER_TOKEN <= length


@pytest.mark.parametrize("level", [0.5, 0.05, 0.005])
def test_level_is_that_of_the_speech_and_not_of_the_pauses(level: float) -> None:
    tone = harmonic_tone(SAMPLE_RATE, 200.0, level=level)
    expected = 20 * np.log10(level)
    assert active_level(tone) == pytest.approx(expected, abs=0.3)
    paused = np.concatenate([tone, np.zeros(SAMPLE_RATE, np.float32), tone])
    assert active_level(paused) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(SAMPLE_RATE),
        0.5 * np.ones(959),
        np.full(SAMPLE_RATE, np.nan),
        np.full(2000, np.inf),
    ],
)
def test_recordings_without_usable_sound_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(AudioError):
        measure(samples.astype(np.float32))


def test_decoding_mixes_resamples_and_cuts(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = harmonic_tone(48_000, 100.0)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 48_000, subtype="FLOAT")
    whole = decode(path)
    assert whole.dtype == np.float32 and whole.shape == (24_000,)
    np.testing.assert_allclose(whole[2000:-2000], left[::2][2000:-2000] / 2, atol=2e-3)
    assert len(decode(path, 0.25, 0.75)) == 12_000
    np.testing.assert_allclose(decode(path, 0.25)[3000:9000], whole[9000:15_000], atol=1e-3)
    assert len(decode(path, None, 0.1)) == 2400
    assert len(decode(path, 5.0, 6.0)) == 0


def test_decoding_reads_bytes_too() -> None:
    tone = harmonic_tone(2400, 100.0)
    np.testing.assert_allclose(decode(io.BytesIO(flac(tone))), tone, atol=1e-4)


def test_a_file_that_cannot_be_read_is_an_audio_error(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("text.wav", "missing.wav"):
        with pytest.raises(AudioError, match=name):
            decode(tmp_path / name)


def test_measuring_is_repeatable() -> None:
    samples = between_silences(3000, harmonic_tone(9600, 130.0), 3000)
    assert torch.equal(measure(samples).f0, measure(samples.copy()).f0)
