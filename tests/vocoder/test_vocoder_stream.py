"""The vocoder on parts of a mel spectrogram gives the samples of the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.vocoder import Vocoder, VocoderConfig
from emotts.vocoder.excitation import pulse_train
from emotts.vocoder.pitch import smooth_path
from emotts.vocoder.stream import PathFinder, VocoderStream


@pytest.fixture(scope="module")
def vocoder() -> Vocoder:
    torch.manual_seed(0)
    network = Vocoder(VocoderConfig(dim=16, layers=2, expansion=1, pitch_dim=16, pitch_layers=2)).eval()
    with torch.no_grad():
        network.pitch.head.weight.mul_(20.0)  # decided, as a trained one is
    return network


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=8), seed=st.integers(0, 5))
def test_parts_give_the_samples_of_the_whole(vocoder: Vocoder, sizes: list[int], seed: int) -> None:
    frames = max(1, sum(sizes))
    mel = torch.randn(frames, 80, generator=torch.Generator().manual_seed(seed)) - 5
    with torch.inference_mode():
        whole = vocoder(mel[None], generator=torch.Generator().manual_seed(7))[0]
    stream = VocoderStream(vocoder, frames, torch.Generator().manual_seed(7), patience=None)
    parts = [stream.feed(part) for part in mel.split([*sizes[:-1], frames - sum(sizes[:-1])])]
    assert sum(map(len, parts)) == frames * 240
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=1e-4)


def test_samples_come_before_the_end(vocoder: Vocoder) -> None:
    mel = torch.randn(300, 80, generator=torch.Generator().manual_seed(1)) - 5
    stream = VocoderStream(vocoder, 300, patience=20)
    assert len(stream.feed(mel[:150])) >= 240 * (150 - 60)
    with pytest.raises(ValueError, match="announced"):
        stream.feed(mel[:151])


@settings(max_examples=10, deadline=None)
@given(sharp=st.floats(0.0, 4.0), size=st.integers(1, 30), seed=st.integers(0, 9))
def test_the_path_out_of_parts_is_the_likeliest(sharp: float, size: int, seed: int) -> None:
    scores = sharp * torch.randn(60, 24, generator=torch.Generator().manual_seed(seed))
    finder = PathFinder(patience=None)
    parts = scores.split(size)
    path = [bins for n, part in enumerate(parts) for bins in finder.feed(part, n == len(parts) - 1)]
    assert path == smooth_path(scores[None])[0].tolist()


def test_an_open_path_is_decided_when_patience_ends() -> None:
    finder = PathFinder(patience=10)
    assert len(finder.feed(torch.zeros(30, 24))) == 20
    assert len(finder.feed(torch.zeros(5, 24), last=True)) == 15


def test_pulses_begin_anywhere_in_their_phase() -> None:
    from emotts.vocoder.excitation import pulses, sample_rate_f0

    f0 = 100 + 50 * torch.rand(1, 20, generator=torch.Generator().manual_seed(0))
    hertz = sample_rate_f0(f0)
    cycles = (hertz / 24_000).cumsum(1)
    half = hertz.shape[1] // 2
    later = cycles[:, half - 1 : half].remainder(1.0) + (hertz[:, half:] / 24_000).cumsum(1)
    torch.testing.assert_close(
        pulses(hertz[:, half:], later), pulse_train(f0)[:, half:], atol=1e-5, rtol=1e-5
    )
