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


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A recording of three seconds that can serve as a voice."""
    path = tmp_path / "reference.wav"
    soundfile.write(path, speech_like(3.0), SAMPLE_RATE)
    return path
