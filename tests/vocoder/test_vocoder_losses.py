from __future__ import annotations

import math

import pytest
import torch

from emotts.vocoder.discriminator import MultiResolutionDiscriminator, discriminator_loss, generator_loss
from emotts.vocoder.losses import SpectralLoss


def scores(*values: float) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    return [
        (torch.full((2, 1, 3), v, requires_grad=True), [torch.full((2, 4), 1.0 + abs(v))]) for v in values
    ]


def test_the_discriminator_is_content_beyond_the_margins_only() -> None:
    assert discriminator_loss(scores(1.0, 3.0), scores(-1.0, -2.0)) == 0
    assert discriminator_loss(scores(0.0), scores(0.0)) == 2
    assert discriminator_loss(scores(-1.0), scores(1.0)) == 4


def test_each_side_pulls_the_scores_its_own_way() -> None:
    real, fake = scores(0.2), scores(0.3)
    discriminator_loss(real, fake).backward()
    assert float(real[0][0].grad.max()) < 0 < float(fake[0][0].grad.min())
    fooled = scores(0.3)
    generator_loss(real, fooled)[0].backward()
    assert float(fooled[0][0].grad.max()) < 0, "descending raises the score of the fake"


def test_features_match_themselves() -> None:
    adversarial, matching = generator_loss(scores(2.0, 1.0), scores(2.0, 1.0))
    assert adversarial == -1.5 and matching == 0
    _, distance = generator_loss(scores(1.0), scores(3.0))
    assert distance == pytest.approx(1.0), "relative to the size of the real features"


def test_dead_features_do_not_divide_by_zero() -> None:
    dead = [(torch.zeros(1), [torch.zeros(2, 3)])]
    assert generator_loss(dead, dead)[1] == 0


def test_discriminators_learn_to_tell_and_gradients_reach_the_wave() -> None:
    torch.manual_seed(0)
    network = MultiResolutionDiscriminator((256, 512), channels=4)
    time = torch.arange(2400) / 24_000
    real = torch.sin(2 * math.pi * 300 * time).expand(2, -1)
    fake = (0.3 * torch.randn(2, 2400)).requires_grad_()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(12):
        loss = discriminator_loss(network(real), network(fake.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    adversarial, matching = generator_loss(network(real), network(fake))
    (adversarial + matching).backward()
    assert fake.grad is not None and float(fake.grad.abs().sum()) > 0
    assert len(network(real)) == 2 and len(network(real)[0][1]) == 4


def test_spectral_distances_are_zero_on_equal_waves_and_grow_with_difference() -> None:
    torch.manual_seed(0)
    loss, wave = SpectralLoss(), 0.1 * torch.randn(2, 4800)
    assert [value.item() for value in loss(wave, wave)] == pytest.approx([0, 0], abs=1e-6)
    near, far = loss(wave + 0.001 * torch.randn_like(wave), wave), loss(torch.randn_like(wave), wave)
    assert all(0 < a < b for a, b in zip(near, far, strict=True))


def test_a_gain_is_the_mel_distance() -> None:
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(1, 4800)
    _, mel = SpectralLoss()(2 * wave, wave)
    assert mel.item() == pytest.approx(math.log(2), rel=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1e-8])
def test_gradients_stay_finite_in_silence(scale: float) -> None:
    torch.manual_seed(0)
    wave = (scale * torch.randn(1, 4800)).requires_grad_()
    stft, mel = SpectralLoss()(wave, torch.zeros(1, 4800))
    (stft + mel).backward()
    assert wave.grad is not None and bool(wave.grad.isfinite().all())
