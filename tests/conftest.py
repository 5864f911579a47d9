"""Fixtures for all tests: a model directory of tiny random networks, and a recording."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from hypothesis import settings
from tiny import SAMPLE_RATE, build_tiny_model, speech_like

# A busy machine is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory of tiny random networks; do not change it, copy it."""
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_tts(tiny_model: Path):
    """`EmoTTS` with the tiny model, on the CPU."""
    from emotts import EmoTTS

    return EmoTTS.from_pretrained(tiny_model, "cpu")


@pytest.fixture(scope="session")
def hearing_tts(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    """`EmoTTS` with the tiny model and an emotion encoder, on the CPU."""
    import torch

    from emotts import EmoTTS
    from emotts.emotion.encoder import EmotionEncoder, EmotionEncoderConfig
    from emotts.model import load_model, save_model
    from emotts.model_config import ModelConfig

    config = EmotionEncoderConfig(dim=16, layers=1, expansion=1, embedding_dim=8)
    torch.manual_seed(0)
    plain = load_model(tiny_model)
    values = plain.config.model_dump()
    values["components"]["emotion_encoder"] = config.model_dump()
    voices = [EmoTTS(plain).voice(name) for name in ("anna", "bert")]
    modules = {**plain.components, "emotion_encoder": EmotionEncoder(config).eval()}
    folder = tmp_path_factory.mktemp("models") / "hearing"
    return EmoTTS.from_pretrained(save_model(folder, modules, ModelConfig(**values), voices=voices), "cpu")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A recording of three seconds that can serve as a voice."""
    path = tmp_path / "reference.wav"
    soundfile.write(path, speech_like(3.0), SAMPLE_RATE)
    return path
