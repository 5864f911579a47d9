from __future__ import annotations

import pytest
import torch

from emotts.audio.mel import LogMel, stft_frames
from emotts.audio.pitch import F0_CEILING, F0_FLOOR
from emotts.timebase import HOP_LENGTH, MEL_BINS, WINDOW_LENGTH
from emotts.vocoder import Vocoder, VocoderConfig
from emotts.vocoder.model import inverse_stft
from emotts.vocoder.pitch import PITCH_BINS, PitchEstimator, smooth_path

TINY = VocoderConfig(dim=16, layers=2, expansion=2, pitch_dim=16, pitch_layers=1)


@pytest.fixture(scope="module")
def vocoder() -> Vocoder:
    torch.manual_seed(0)
    return Vocoder(TINY).eval()


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def some_mel(batch: int = 2, frames: int = 12) -> torch.Tensor:
    return torch.randn(batch, frames, MEL_BINS, generator=seed(5)) - 5


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 17])
def test_the_inverse_transform_gives_the_waveform_back(frames: int) -> None:
    window = torch.hann_window(WINDOW_LENGTH)
    wave = torch.randn(2, frames * HOP_LENGTH, generator=seed())
    back = inverse_stft(stft_frames(wave, window), window)
    assert back.shape == wave.shape
    torch.testing.assert_close(back, wave, atol=1e-4, rtol=1e-4)


def test_a_partial_hop_is_filled_up() -> None:
    window = torch.hann_window(WINDOW_LENGTH)
    wave = torch.randn(1, 5 * HOP_LENGTH - 7, generator=seed())
    back = inverse_stft(stft_frames(wave, window), window)
    assert back.shape == (1, 5 * HOP_LENGTH)
    torch.testing.assert_close(back[:, : wave.shape[1]], wave, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("frames", [1, 4, 50])
def test_every_frame_gives_exactly_one_hop(vocoder: Vocoder, frames: int) -> None:
    with torch.no_grad():
        wave = vocoder(some_mel(2, frames), generator=seed())
    assert wave.shape == (2, 240 * frames) and wave.dtype == torch.float32
    assert bool(wave.isfinite().all())


def test_the_generator_decides_the_noise(vocoder: Vocoder) -> None:
    with torch.no_grad():
        first, second, third = (vocoder(some_mel(), generator=seed(n)) for n in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, third)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_to_full(vocoder: Vocoder, dtype: torch.dtype) -> None:
    f0, voicing = torch.full((2, 12), 120.0), torch.ones(2, 12)
    with torch.no_grad():
        exact = vocoder(some_mel(), f0, voicing, seed())
        with torch.autocast("cpu", dtype=dtype):
            half = vocoder(some_mel(), f0, voicing, seed())
            estimated = vocoder(some_mel(), generator=seed())
    assert half.dtype == torch.float32 and bool(estimated.isfinite().all())
    assert float((half - exact).norm() / exact.norm()) < 0.02


def test_gradients_reach_every_weight_but_those_of_the_pitch_estimator() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(TINY)
    vocoder(some_mel(), torch.full((2, 12), 120.0), torch.ones(2, 12), seed()).square().mean().backward()
    for name, parameter in vocoder.named_parameters():
        assert name.startswith("pitch.") or bool(
            parameter.grad.isfinite().all() & (parameter.grad != 0).any()
        )


def test_what_is_given_is_used_and_the_rest_estimated(vocoder: Vocoder) -> None:
    mel = some_mel(1, 40)
    with torch.no_grad():
        f0, voicing = vocoder.pitch.estimate(mel)
        whole = vocoder(mel, generator=seed())
        assert torch.equal(whole, vocoder(mel, f0, voicing, seed()))
        assert torch.equal(whole, vocoder(mel, f0=f0, generator=seed()))
        assert torch.equal(whole, vocoder(mel, voicing=voicing, generator=seed()))
        assert not torch.equal(whole, vocoder(mel, f0=0.5 * f0, generator=seed()))


def test_an_untrained_vocoder_already_has_the_envelope_of_its_mel(vocoder: Vocoder) -> None:
    tilt = torch.linspace(-3, -8, MEL_BINS).expand(1, 60, MEL_BINS)
    with torch.no_grad():
        wave = vocoder(tilt, torch.full((1, 60), 120.0), torch.ones(1, 60), seed())
    mel = LogMel()(wave)[0, 10:-10].mean(0)
    assert float(torch.corrcoef(torch.stack([mel, tilt[0, 0]]))[0, 1]) > 0.9


def test_louder_mel_gives_a_louder_wave() -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(TINY)
    torch.nn.init.zeros_(vocoder.head.weight)
    f0, voicing = torch.full((1, 12), 120.0), torch.ones(1, 12)
    with torch.no_grad():
        quiet = vocoder(some_mel(1), f0, voicing, seed())
        loud = vocoder(some_mel(1) + 1, f0, voicing, seed())
    torch.testing.assert_close(loud, quiet * torch.e, rtol=1e-3, atol=1e-4)


def test_estimated_pitch_lies_in_the_range() -> None:
    torch.manual_seed(0)
    estimator = PitchEstimator(16, 1)
    with torch.no_grad():
        f0, voicing = estimator.estimate(100 * some_mel())
    assert f0.shape == voicing.shape == (2, 12)
    assert float(f0.min()) >= F0_FLOOR * 0.999 and float(f0.max()) <= F0_CEILING * 1.001
    assert float(voicing.min()) >= 0 and float(voicing.max()) <= 1


def test_padding_does_not_change_the_estimate() -> None:
    torch.manual_seed(0)
    estimator, mel = PitchEstimator(16, 2).eval(), some_mel(1, 12)
    mask = torch.arange(12)[None] < 8
    mel[:, 8:] = 40.0
    padded, alone = estimator.estimate(mel, mask), estimator.estimate(mel[:, :8])
    for long, short in zip(padded, alone, strict=True):
        torch.testing.assert_close(long[:, :8], short)


def test_the_estimate_is_the_centre_of_a_peak_between_bins() -> None:
    class Fixed(PitchEstimator):
        def forward(self, mel, mask=None):
            target = torch.tensor([200.3, 97.0]).log()
            width = 1.5 * (self.centers[1] - self.centers[0])
            logits = -0.5 * ((target[:, None] - self.centers) / width) ** 2
            logits[0, 5] = logits[0].max() - 0.1  # a second candidate far away must not pull
            return logits[None], torch.zeros(1, 2)

    f0, voicing = Fixed(16, 1).estimate(some_mel(1, 2))
    torch.testing.assert_close(f0, torch.tensor([[200.3, 97.0]]), rtol=2e-3, atol=0)
    assert voicing.tolist() == [[0.5, 0.5]]


def test_the_pitch_loss_falls_at_the_right_pitch_and_ignores_unvoiced_frames() -> None:
    torch.manual_seed(0)
    estimator, mel = PitchEstimator(16, 1), some_mel(1, 12)
    f0 = torch.full((1, 12), 180.0)
    f0[:, 6:] = 0
    optimizer = torch.optim.Adam(estimator.parameters(), 0.02)
    first = None
    for _ in range(60):
        pitch, voicing = estimator.loss(mel, f0)
        first = pitch.item() if first is None else first
        optimizer.zero_grad()
        (pitch + voicing).backward()
        optimizer.step()
    with torch.no_grad():
        estimate, probability = estimator.estimate(mel)
    assert pitch.item() < 0.6 * first and voicing.item() < 0.1
    assert float((estimate[:, :6] / 180 - 1).abs().max()) < 0.03
    assert bool(((probability > 0.5) == (f0 > 0)).all())
    silent, _ = estimator.loss(mel, torch.zeros(1, 12))
    assert silent == 0
    assert len(estimator.centers) == PITCH_BINS


def test_smooth_path_does_not_follow_a_jump_that_lasts_one_frame() -> None:
    scores = torch.full((1, 9, 40), -4.0)
    scores[0, :, 10] = -0.1
    scores[0, 4, 10], scores[0, 4, 35] = -4.0, -0.1
    assert smooth_path(scores).tolist() == [[10] * 9]


def test_smooth_path_follows_a_glide() -> None:
    scores = torch.full((1, 10, 40), -6.0)
    scores[0, torch.arange(10), 2 * torch.arange(10) + 5] = 0.0
    assert smooth_path(scores)[0].tolist() == [2 * k + 5 for k in range(10)]
