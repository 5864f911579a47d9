"""Voices: files, and what a recording must be to become one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from tiny import SAMPLE_RATE, TINY_VOICE_DIM, speech_like

from emotts import EmoTTS
from emotts.audio.io import resample
from emotts.data.features import TARGET_LEVEL, active_level
from emotts.errors import AudioError, InputError, ModelError, OutputError
from emotts.voice import Voice
from emotts.voice.reference import estimate_bandwidth, speech_of_recording, trim_silence


@pytest.fixture
def voice() -> Voice:
    return Voice(
        name="Änne",
        embedding=torch.randn(TINY_VOICE_DIM),
        prompt_mel=torch.randn(8, 80),
        prompt_codes=torch.tensor([3, 11]),
        bandwidth=8000,
        language="de",
        description="a voice",
    )


def test_a_voice_file_gives_the_voice_back(voice: Voice, tmp_path: Path) -> None:
    back = Voice.load(voice.save(tmp_path / "x.safetensors"))
    assert (back.name, back.bandwidth, back.language, back.description) == ("Änne", 8000, "de", "a voice")
    assert torch.equal(back.embedding, voice.embedding)
    assert torch.equal(back.prompt_codes, voice.prompt_codes)
    torch.testing.assert_close(back.prompt_mel, voice.prompt_mel, atol=2e-3, rtol=0)


def test_saving_refuses_other_extensions_and_overwriting(voice: Voice, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="safetensors"):
        voice.save(tmp_path / "x.wav")
    voice.save(tmp_path / "x.safetensors")
    with pytest.raises(OutputError, match="exists already"):
        voice.save(tmp_path / "x.safetensors")


def test_shapes_that_do_not_fit_together_are_refused(voice: Voice) -> None:
    for change in (
        {"embedding": torch.zeros(1, 16)},
        {"prompt_mel": torch.zeros(8, 40)},
        {"prompt_codes": torch.zeros(3, dtype=torch.long)},
    ):
        with pytest.raises(InputError, match="voice"):
            replace(voice, **change)


def test_missing_corrupt_and_foreign_files_are_told_apart(voice: Voice, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        Voice.load(tmp_path / "none.safetensors")
    path = tmp_path / "x.safetensors"
    path.write_bytes(voice.to_bytes()[:50])
    with pytest.raises(InputError, match="corrupt"):
        Voice.load(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="not a voice file"):
        Voice.load(path)
    save_file({"embedding": torch.zeros(2)}, path, metadata={"format": "emotts-voice", "version": "99"})
    with pytest.raises(InputError, match="version 99"):
        Voice.load(path)
    metadata = {"format": "emotts-voice", "version": "1", "bandwidth": "8000"}
    save_file({"embedding": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(InputError, match="corrupt"):
        Voice.load(path)


def test_silence_at_both_ends_is_trimmed() -> None:
    speech = torch.from_numpy(speech_like(2.0))
    padded = torch.cat([torch.zeros(24_000), speech, torch.zeros(36_000)])
    assert abs(len(trim_silence(padded)) - len(speech)) <= 2 * 0.06 * SAMPLE_RATE


def test_a_reference_is_whole_tokens_at_most_fifteen_seconds_at_the_level_of_training() -> None:
    speech = speech_of_recording(torch.from_numpy(speech_like(20.03)) * 0.05)
    assert len(speech) % 960 == 0
    assert 14.9 * SAMPLE_RATE < len(speech) <= 15 * SAMPLE_RATE
    assert abs(active_level(speech.numpy()) - TARGET_LEVEL) < 0.5
    assert speech.abs().max() <= 1.0


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (speech_like(0.1), r"only 0\.10 s long; a reference needs at least 1 s"),
        (np.zeros(48_000, np.float32), "is silent.*zero"),
        (1e-5 * speech_like(2.0), r"is silent.*dBFS"),
        (np.pad(speech_like(0.4), (24_000, 24_000)), r"holds only 0\.\d\d s of sound in 2\.40 s"),
        (np.full(48_000, np.nan, np.float32), "not finite"),
    ],
)
def test_references_that_cannot_serve_say_why(samples: np.ndarray, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        speech_of_recording(torch.from_numpy(samples.astype(np.float32)), "ref.wav")


def test_bandwidth_is_read_from_rate_and_spectrum() -> None:
    noise = 0.1 * torch.randn(48_000, generator=torch.Generator().manual_seed(0))
    assert estimate_bandwidth(noise, 44_100) == 12_000
    assert estimate_bandwidth(noise, 16_000) == 8000
    narrow = resample(resample(noise, 24_000, 16_000), 16_000, 24_000)
    assert estimate_bandwidth(narrow, 48_000) == 8000


def test_a_recording_becomes_a_voice_once(tiny_tts: EmoTTS, reference: Path, tmp_path: Path) -> None:
    first = tiny_tts.voice(reference)
    assert first.name == "reference"
    assert first.embedding.shape == (TINY_VOICE_DIM,)
    assert first.prompt_mel.shape == (4 * 75, 80)
    assert first.prompt_codes.shape == (75,)
    copy = tmp_path / "copy.wav"
    copy.write_bytes(reference.read_bytes())
    assert tiny_tts.voice(str(copy)) is first
    soundfile.write(reference, speech_like(2.0, seed=5), SAMPLE_RATE)
    assert tiny_tts.voice(reference) is not first


def test_samples_with_their_rate_are_a_reference(tiny_tts: EmoTTS) -> None:
    voice = tiny_tts.voice((speech_like(2.0, 16_000), 16_000))
    assert voice.bandwidth == 8000 and voice.prompt_codes.shape[0] > 40
    assert tiny_tts.voice((speech_like(2.0, 16_000), 16_000)) is voice
    with pytest.raises(AudioError, match="shape"):
        tiny_tts.voice((np.zeros((2, 100)), 16_000))
    with pytest.raises(AudioError, match="sample rate"):
        tiny_tts.voice((speech_like(2.0), 0))


def test_named_voices_and_the_default(tiny_tts: EmoTTS) -> None:
    assert tiny_tts.voices == {"anna": "the voice of anna", "bert": "the voice of bert"}
    assert tiny_tts.voice("bert").name == "bert"
    assert tiny_tts.voice().name == "anna"


def test_unknown_voices_are_explained(tiny_tts: EmoTTS, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown voice 'carl'; named voices: anna, bert"):
        tiny_tts.voice("carl")
    with pytest.raises(AudioError, match=r"carl\.wav does not exist"):
        tiny_tts.voice("carl.wav")
    with pytest.raises(AudioError, match="is a folder"):
        tiny_tts.voice(tmp_path)
    with pytest.raises(InputError, match="not int"):
        tiny_tts.voice(7)


def test_a_voice_of_another_model_is_refused(tiny_tts: EmoTTS, voice: Voice, reference: Path) -> None:
    own = tiny_tts.voice(reference)
    assert tiny_tts.voice(own).name == own.name
    assert tiny_tts.voice(voice).name == "Änne"
    with pytest.raises(ModelError, match="another model"):
        tiny_tts.voice(replace(own, model="0123456789abcdef"))
    with pytest.raises(ModelError, match="5 values"):
        tiny_tts.voice(replace(voice, embedding=torch.zeros(5)))
