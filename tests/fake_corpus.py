"""A corpus of harmonic tones that is packed, decoded and read like a real one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from emotts.data.shards import Corpus, ShardWriter, Utterance
from emotts.text.symbols import encode
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN

TEXTS = (
    ["^", "h", "ə", "l", "ˈoʊ", "."],
    ["^", "w", "ˈɜː", "l", "d", ",", "n", "ˈoʊ", "."],
    ["^", "s", "ˈiː", " ", "m", "ˈiː", "?"],
)
VOICE_DIM = 8


def harmonic_tone(
    samples: int, f0: float, level: float = 0.1, harmonics: int = 12, tilt: float = 1.0
) -> np.ndarray:
    """Sum of harmonics of `f0` below the Nyquist frequency, falling as 1/k**tilt; float32."""
    time = np.arange(samples) / SAMPLE_RATE
    tone = np.zeros(samples)
    for k in range(1, harmonics + 1):
        if k * f0 < SAMPLE_RATE / 2:
            tone += np.sin(2 * np.pi * k * f0 * time + k) / k**tilt
    return (level * tone / np.sqrt(np.mean(tone**2))).astype(np.float32)


def utterance(identifier: str, tokens: int, **fields: object) -> Utterance:
    """A record with sensible defaults."""
    values = {
        "speaker": identifier.split("-")[0],
        "corpus": "fake",
        "text": "hello",
        "split": "train",
        "language": "en-us",
        "phonemes": encode(TEXTS[0]),
        "emotion": [0.0] * 8,
        "intensity": 0.0,
        "bandwidth": 12_000,
    }
    return Utterance(id=identifier, tokens=tokens, **{**values, **fields})


def flac(samples: np.ndarray) -> bytes:
    """A waveform as the bytes of a FLAC file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def write_fake_shards(directory: Path, speakers: int = 2, each: int = 4, tokens: int = 16) -> Path:
    """Utterances of `tokens` tokens and a little more; a speaker is a pitch and a timbre; the last is dev."""
    writer = ShardWriter(directory, "fake")
    for speaker in range(speakers):
        f0 = 110.0 * 1.5**speaker
        for number in range(each):
            length = tokens + 2 * number
            samples = harmonic_tone(length * SAMPLES_PER_TOKEN, f0, tilt=0.5 + speaker)
            noise = np.random.default_rng(10 * speaker + number).normal(size=len(samples))
            record = utterance(
                f"s{speaker}-{number}",
                length,
                phonemes=encode(TEXTS[number % len(TEXTS)]),
                split="dev" if number == each - 1 else "train",
                f0_mean=float(np.log(f0)),
            )
            audio = flac((samples + 0.002 * noise).astype(np.float32))
            writer.add(record, audio, torch.full((length * FRAMES_PER_TOKEN,), f0))
    writer.close()
    return directory


def write_fake_embeddings(shards: Path, path: Path) -> Path:
    """A one-hot voice embedding for every utterance, by speaker."""
    table = {}
    for item in Corpus(shards).utterances:
        table[item.id] = torch.nn.functional.one_hot(torch.tensor(int(item.speaker[1:])), VOICE_DIM).float()
    save_file(table, path)
    return path
