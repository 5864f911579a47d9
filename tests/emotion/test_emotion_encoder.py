from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import SAMPLE_RATE, build_tiny_model, speech_like

from emotts import EmoTTS
from emotts.emotion import EMOTIONS, Emotion
from emotts.emotion.encoder import (
    EmotionEncoder,
    EmotionEncoderConfig,
    analyse_recording,
    calibrate,
    stretch,
)
from emotts.errors import AudioError, InputError, ModelError
from emotts.model import load_model, save_model
from emotts.model_config import ModelConfig

TINY = EmotionEncoderConfig(dim=16, layers=1, expansion=1, embedding_dim=8)


def encoder() -> EmotionEncoder:
    torch.manual_seed(0)
    return EmotionEncoder(TINY).eval()


def recording(frames: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    f0 = 150 + 40 * torch.randn(1, frames, generator=generator)
    return torch.randn(1, frames, 80, generator=generator) - 4, f0 * (f0 > 140)


@settings(deadline=None, max_examples=15)
@given(frames=st.integers(4, 90), extra=st.integers(0, 50), seed=st.integers(0, 5))
def test_padding_never_changes_a_result(frames: int, extra: int, seed: int) -> None:
    model, (mel, f0) = encoder(), recording(frames, seed)
    alone = model(mel, f0)
    padded_mel = torch.nn.functional.pad(mel, (0, 0, 0, extra), value=50.0)
    padded_f0 = torch.nn.functional.pad(f0, (0, extra), value=300.0)
    mask = torch.arange(frames + extra)[None] < frames
    assert torch.allclose(model(padded_mel, padded_f0, mask), alone, atol=1e-4)


def test_loudness_and_what_lies_above_8_khz_are_not_heard() -> None:
    model, (mel, f0) = encoder(), recording(60)
    assert torch.allclose(model(mel + 1.7, f0), model(mel, f0), atol=1e-4)
    bright = mel.clone()
    bright[..., 70:] = 3.0
    assert torch.equal(model(bright, f0), model(mel, f0))
    assert not torch.allclose(model(mel, 1.3 * f0), model(mel, f0), atol=1e-4)


def test_the_default_encoder_is_small() -> None:
    assert sum(p.numel() for p in EmotionEncoder(EmotionEncoderConfig()).parameters()) < 1_000_000


def test_calibrated_intensities_use_the_whole_range() -> None:
    generator = torch.Generator().manual_seed(0)
    heard = torch.randint(0, 2, (400,), generator=generator)  # neutral or angry
    votes = torch.zeros(400, 8)
    votes[:, 1] = 0.8 * heard
    shares = torch.full((400, 8), 0.02)
    shares[:, 1] = 0.2 + 0.3 * heard + 0.05 * torch.randn(400, generator=generator)
    low, high = calibrate(shares, votes, 1 - votes.sum(1))
    stretched = stretch(shares, low, high)[:, 1]
    assert (stretched[heard == 0] == 0).float().mean() > 0.6
    assert (stretched[heard == 1] == 1).float().mean() > 0.2
    assert stretched[heard == 1].median() > 0.5
    assert stretch(torch.ones(8), low, high)[0] == 0, "an emotion that nobody was heard in is never given"


def test_an_emotion_that_the_model_hardly_hears_stays_weak() -> None:
    heard = torch.arange(200) % 2
    votes = torch.zeros(200, 8)
    votes[:, 2] = heard
    shares = torch.full((200, 8), 0.3)
    shares[:, 2] += 0.02 * heard
    low, high = calibrate(shares, votes, 1 - votes.sum(1))
    assert 0.0 < float(stretch(shares, low, high)[1, 2]) < 0.2


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> EmoTTS:
    """The tiny model with an emotion encoder."""
    folder = tmp_path_factory.mktemp("hearing")
    plain = load_model(build_tiny_model(folder / "plain"))
    values = plain.config.model_dump()
    values["components"]["emotion_encoder"] = TINY.model_dump()
    voices = [EmoTTS(plain).voice(name) for name in ("anna", "bert")]
    modules = {**plain.components, "emotion_encoder": encoder()}
    path = save_model(folder / "hearing", modules, ModelConfig(**values), voices=voices)
    return EmoTTS.from_pretrained(path, "cpu")


def test_a_recording_becomes_an_emotion(hearing: EmoTTS, reference: Path) -> None:
    emotion = hearing.emotion_of(reference)
    assert isinstance(emotion, Emotion) and len(emotion.vector) == len(EMOTIONS)
    louder = 2 * speech_like(3.0)
    assert hearing.emotion_of((louder, SAMPLE_RATE)).vector == pytest.approx(emotion.vector, abs=0.02)


def test_its_emotion_is_spoken_with_another_voice(hearing: EmoTTS, reference: Path) -> None:
    wanted = hearing.emotion_of(reference)
    speech = hearing.synthesize("Hello.", voice="bert", emotion_audio=reference, tokens=20, seed=0)
    assert speech.emotion == wanted and speech.voice == "bert"
    both = hearing.synthesize(["One.", "Two."], emotion_audio=[reference, None], seed=0)
    assert both[0].emotion == wanted and both[1].emotion.is_neutral


def test_two_sources_of_emotion_are_one_clear_error(hearing: EmoTTS, reference: Path) -> None:
    with pytest.raises(InputError, match=r"one source of emotion.*not emotion and emotion_audio"):
        hearing.synthesize("Hello.", emotion="sad", emotion_audio=reference)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(48_000, np.float32), "is silent"),
        (speech_like(0.4), "0.40 s"),
        (np.zeros((2, 9), np.float32), r"shape \(samples,\)"),
    ],
)
def test_recordings_without_an_emotion_are_refused(hearing: EmoTTS, samples: np.ndarray, words: str) -> None:
    with pytest.raises(AudioError, match=words) as caught:
        hearing.emotion_of((samples, SAMPLE_RATE))
    assert "\n" not in str(caught.value)


def test_other_bad_recordings(hearing: EmoTTS, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        hearing.emotion_of(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="not int"):
        hearing.emotion_of(3)


def test_a_model_without_an_encoder_says_so(tiny_tts: EmoTTS, reference: Path) -> None:
    with pytest.raises(ModelError, match="cannot hear emotions"):
        tiny_tts.emotion_of(reference)


def test_recordings_of_any_rate_are_analysed_on_one_grid() -> None:
    mel, f0 = analyse_recording(torch.from_numpy(speech_like(2.0, rate=16_000)), 16_000)
    assert mel.shape == (len(f0), 80) and 180 <= len(mel) <= 200
    assert 90 < float(f0[f0 > 0].median()) < 150


def test_command_line_refuses_two_sources_and_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from emotts.cli.main import run

    monkeypatch.chdir(tmp_path)
    soundfile.write("sad.wav", speech_like(2.0), SAMPLE_RATE)
    assert run(["synthesize", "Hello.", "--emotion", "sad", "--emotion-audio", "sad.wav"]) == 2
    assert "one source of emotion" in capsys.readouterr().err
    assert run(["synthesize", "Hello.", "--emotion-audio", "none.wav"]) == 2
    error = capsys.readouterr().err
    assert "none.wav does not exist" in error and error.count("\n") == 1
