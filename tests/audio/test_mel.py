from __future__ import annotations

import math

import librosa
import pytest
import torch

from emotts.audio.mel import LOG_FLOOR, LogMel, stft_frames
from emotts.timebase import HOP_LENGTH, MEL_BINS, SAMPLE_RATE, WINDOW_LENGTH


@pytest.mark.parametrize("samples", [1, 239, 240, 241, 960, 4801])
def test_there_is_one_frame_for_each_started_hop(samples: int) -> None:
    mel = LogMel()(torch.randn(2, samples))
    assert mel.shape == (2, math.ceil(samples / HOP_LENGTH), MEL_BINS)


@pytest.mark.parametrize("hop", [1, 31, 64, 100])
def test_frames_of_any_hop(hop: int) -> None:
    frames = stft_frames(torch.randn(1, 1000), torch.hann_window(128), hop)
    assert frames.shape == (1, math.ceil(1000 / hop), 65)


def test_a_frame_is_centred_on_its_hop() -> None:
    click = torch.zeros(1, 20 * HOP_LENGTH)
    click[0, 10 * HOP_LENGTH + HOP_LENGTH // 2] = 1.0
    energy = LogMel()(click)[0].exp().sum(-1)
    assert energy.argmax() == 10
    torch.testing.assert_close(energy[9], energy[11], rtol=1e-3, atol=1e-6)


def test_silence_lies_on_the_floor() -> None:
    mel = LogMel()(torch.zeros(1, 960))
    torch.testing.assert_close(mel, torch.full_like(mel, math.log(LOG_FLOOR)))


def test_the_logarithm_is_natural_and_of_magnitude() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 2400)
    louder = LogMel()(10 * noise) - LogMel()(noise)
    torch.testing.assert_close(louder, torch.full_like(louder, math.log(10.0)))


def test_a_tone_sits_in_the_band_of_its_frequency() -> None:
    centers = librosa.mel_frequencies(n_mels=MEL_BINS + 2, fmax=SAMPLE_RATE / 2)[1:-1]
    time = torch.arange(4800) / SAMPLE_RATE
    for band in (10, 40, 75):
        tone = torch.sin(2 * math.pi * float(centers[band]) * time)[None]
        assert int(LogMel()(tone)[0, 10].argmax()) == band


def test_padding_with_silence_changes_only_the_frames_that_reach_it() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 10 * HOP_LENGTH)
    longer = torch.nn.functional.pad(noise, (0, 5 * HOP_LENGTH))
    torch.testing.assert_close(LogMel()(longer)[:, :10], LogMel()(noise))


def test_half_precision_autocast_leaves_it_exact() -> None:
    torch.manual_seed(0)
    noise, mel = torch.randn(1, WINDOW_LENGTH), LogMel()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mel(noise)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, mel(noise))
