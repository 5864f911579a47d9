"""A model of tiny random networks and a speech-like sound, for tests that need the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

SAMPLE_RATE = 24_000
TINY_VOICE_DIM = 16


def speech_like(seconds: float, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    """Syllables of a harmonic tone and a little noise, about as loud as speech."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    noise = np.random.default_rng(seed).normal(size=len(time))
    return (0.08 * tone * syllables + 0.005 * noise).astype(np.float32)


def tiny_components() -> tuple[dict[str, torch.nn.Module], dict[str, dict]]:
    """Networks of a few thousand weights that fit together, and their configurations."""
    from emotts.model import COMPONENTS, component_class
    from emotts.text.symbols import BASE_PHONES, SYMBOLS

    width = TINY_VOICE_DIM
    configs = {
        "tokenizer": {
            "phones": len(BASE_PHONES), "levels": [4, 3], "dim": 16, "layers": 1, "token_layers": 1,
            "expansion": 1, "voice_dim": width,
        },
        "lm": {
            "symbols": len(SYMBOLS), "codebook_size": 12, "dim": 16, "heads": 2, "text_layers": 1,
            "layers": 1, "expansion": 1, "voice_dim": width, "max_tokens": 512,
        },
        "acoustic": {
            "codebook_size": 12, "latent_dim": 16, "dim": 16, "heads": 2, "layers": 1,
            "conditioner_layers": 1, "upsampled_layers": 1, "expansion": 1, "condition_dim": 16,
            "voice_dim": width,
        },
        "vocoder": {"dim": 16, "layers": 1, "expansion": 1, "pitch_dim": 16, "pitch_layers": 1},
        "voice_encoder": {"dim": width, "layers": 1, "expansion": 1},
        "duration": {"symbols": len(SYMBOLS), "dim": 16, "layers": 1, "voice_dim": width},
    }  # fmt: skip
    torch.manual_seed(0)
    modules = {}
    for name in COMPONENTS:
        network, settings = component_class(name)
        modules[name] = network(settings.parse(configs[name]))
    # Trained networks: about 80 ms a phoneme, and mels at the level of speech.
    with torch.no_grad():
        modules["duration"].output.weight.mul_(0.05)
        modules["duration"].output.bias.fill_(1.1)
        modules["acoustic"].mel_mean.fill_(-5.0)
    return modules, configs


def build_tiny_model(directory: Path) -> Path:
    """Writes a tiny model directory with two named voices."""
    from emotts.model import save_model
    from emotts.model_config import GenerationConfig, ModelConfig
    from emotts.voice import Voice

    modules, configs = tiny_components()
    generator = torch.Generator().manual_seed(1)
    voices = [
        Voice(
            name=name,
            embedding=torch.nn.functional.normalize(torch.randn(TINY_VOICE_DIM, generator=generator), dim=0),
            prompt_mel=torch.randn(40, 80, generator=generator) - 5,
            prompt_codes=torch.randint(0, 12, (10,), generator=generator),
            description=f"the voice of {name}",
        )
        for name in ("anna", "bert")
    ]
    config = ModelConfig(
        name="tiny",
        description="random weights for tests",
        licence="CC0-1.0",
        default_voice="anna",
        components=configs,
        generation=GenerationConfig(steps=2, cfg=0.0),
    )
    return save_model(directory, modules, config, voices=voices)
