from __future__ import annotations

import pytest
import torch

from emotts.nn.masking import lengths_to_mask
from emotts.timebase import MEL_BINS
from emotts.voice.encoder import SpeakerClassifier, VoiceEncoder, VoiceEncoderConfig


@pytest.fixture(scope="module")
def encoder() -> VoiceEncoder:
    torch.manual_seed(0)
    return VoiceEncoder(VoiceEncoderConfig(dim=16, layers=2, expansion=2)).eval()


def mels(*shape: int) -> torch.Tensor:
    return 2.5 * torch.randn(*shape, MEL_BINS, generator=torch.Generator().manual_seed(0)) - 5.5


def test_an_embedding_has_length_one(encoder: VoiceEncoder) -> None:
    for frames in (2, 3, 40):
        out = encoder(mels(3, frames))
        assert out.shape == (3, 16)
        torch.testing.assert_close(out.norm(dim=-1), torch.ones(3))


@pytest.mark.parametrize("fill", [0.0, -11.5, 80.0])
def test_padding_changes_nothing(encoder: VoiceEncoder, fill: float) -> None:
    mel = mels(2, 30)
    mel[0, 20:] = fill
    together = encoder(mel, lengths_to_mask(torch.tensor([20, 30])))
    torch.testing.assert_close(together[0], encoder(mel[:1, :20])[0])
    torch.testing.assert_close(together[1], encoder(mel[1:])[0])


def test_an_odd_last_frame_is_dropped(encoder: VoiceEncoder) -> None:
    mel = mels(1, 21)
    torch.testing.assert_close(encoder(mel), encoder(mel[:, :20]))
    mask = lengths_to_mask(torch.tensor([21]), 30)
    padded = torch.nn.functional.pad(mel, (0, 0, 0, 9), value=3.0)
    torch.testing.assert_close(encoder(padded, mask), encoder(mel))


def test_different_sounds_give_different_voices(encoder: VoiceEncoder) -> None:
    mel = mels(2, 40)
    mel[1] += torch.linspace(-3, 3, MEL_BINS)
    first, second = encoder(mel).detach()
    assert float(first @ second) < 0.999


def test_steady_sounds_have_a_finite_gradient(encoder: VoiceEncoder) -> None:
    mel = torch.full((1, 20, MEL_BINS), -11.5, requires_grad=True)
    encoder(mel).sum().backward()
    assert mel.grad is not None and bool(mel.grad.isfinite().all())


def unit(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def classifier(margin: float = 0.2) -> SpeakerClassifier:
    made = SpeakerClassifier(2, 3, scale=20.0, margin=margin)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.5], [-1.0, 0.0]]))
    return made


def test_without_a_margin_it_is_softmax_over_cosines() -> None:
    embedding, speaker = unit([1.0, 0.5], [0.2, 1.0]), torch.tensor([0, 2])
    cosines = embedding @ unit([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]).T
    loss, accuracy = classifier(0.0)(embedding, speaker)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(20 * cosines, speaker))
    assert accuracy == 0.5


def test_a_margin_makes_it_harder() -> None:
    embedding, speaker = unit([1.0, 0.9]), torch.tensor([0])
    losses = [classifier(margin)(embedding, speaker)[0].item() for margin in (0.0, 0.1, 0.3)]
    assert losses == sorted(losses) and losses[0] < losses[2]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_the_angle_vanishes(precision: torch.dtype) -> None:
    embedding = unit([1.0, 0.0], [0.0, -1.0], [0.9999, 0.01]).requires_grad_()
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        loss, _ = classifier()(embedding, torch.tensor([0, 1, 0]))
    loss.backward()
    assert embedding.grad is not None and bool(embedding.grad.isfinite().all())
