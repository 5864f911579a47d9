from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_corpus import harmonic_tone

from emotts.data.features import TARGET_LEVEL, RecordingFeatures, active_level
from emotts.data.kaldi import DataDir, Record
from emotts.data.pack import extract_features, load_features, pack, speaker_statistics
from emotts.data.shards import Corpus, read_shard
from emotts.emotion import Emotion
from emotts.text.phonemize import Phonemizer
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN

TEXTS = ["Hello.", "Good night!", "Why not?"]


def recording(path: Path, f0: float, seconds: float, level: float = 0.1, rate: int = SAMPLE_RATE) -> Path:
    samples = harmonic_tone(round(seconds * SAMPLE_RATE), f0, level)
    soundfile.write(path, np.concatenate([np.zeros(6000, np.float32), samples]), rate)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two speakers; one of the recordings is silent, one is compressed."""
    records = []
    for number, (speaker, f0, suffix) in enumerate(
        [("a", 120.0, "wav"), ("a", 130.0, "ogg"), ("b", 220.0, "flac")]
    ):
        path = recording(tmp_path / f"{number}.{suffix}", f0, 0.6 + 0.1 * number, 0.02 * (number + 1))
        emotion = Emotion.parse("neutral" if number != 1 else "angry:0.8")
        records.append(
            Record(
                f"{speaker}-{number}",
                speaker,
                TEXTS[number],
                path,
                emotion=emotion,
                intensity=0.5,
                split="train" if number else "dev",
            )
        )
    soundfile.write(tmp_path / "silent.wav", np.zeros(9600), SAMPLE_RATE)
    silent = Record(
        "b-9",
        "b",
        "Nothing.",
        tmp_path / "silent.wav",
        emotion=Emotion.neutral(),
        intensity=0.0,
        split="test",
    )
    DataDir([*records, silent]).write(tmp_path / "data")
    return tmp_path / "data"


def test_a_data_directory_becomes_a_corpus(data: Path, tmp_path: Path) -> None:
    features, shards = tmp_path / "features" / "tiny.safetensors", tmp_path / "shards"
    assert extract_features(data, features) == 1
    assert pack(data, features, shards, "tiny") == 3
    corpus, measured = Corpus(shards), load_features(features)
    assert [u.id for u in corpus.utterances] == ["a-0", "a-1", "b-2"]
    for index, record in enumerate(corpus.utterances):
        assert record.corpus == "tiny" and record.language == "en-us" and record.bandwidth == 12_000
        assert record.phonemes == list(Phonemizer().phonemize(TEXTS[index]).ids)
        assert record.tokens == measured[record.id].tokens and record.start == measured[record.id].start
        voiced = corpus.f0(index)[corpus.f0(index) > 0]
        assert float((voiced / (120, 130, 220)[index] - 1).abs().max()) < 0.02
        assert len(voiced) > 0.6 * record.tokens * FRAMES_PER_TOKEN
    first, second, third = corpus.utterances
    assert first.emotion == [0.0] * 8 and second.emotion[1] == pytest.approx(0.8)
    assert (first.split, second.split) == ("dev", "train") and second.intensity == 0.5
    assert first.f0_mean == second.f0_mean == pytest.approx(math.log(120), abs=0.02), "the neutral one alone"
    assert third.f0_mean == pytest.approx(math.log(220), abs=0.01)


def test_neutral_speech_comes_to_the_target_and_emotion_keeps_its_loudness(
    data: Path, tmp_path: Path
) -> None:
    features, shards = tmp_path / "f.safetensors", tmp_path / "shards"
    extract_features(data, features)
    pack(data, features, shards, "tiny")
    corpus = Corpus(shards)
    levels = [active_level(corpus.audio(index).numpy()) for index in range(3)]
    assert levels[0] == pytest.approx(TARGET_LEVEL, abs=0.5) == levels[2]
    assert levels[1] == pytest.approx(TARGET_LEVEL + 20 * math.log10(2), abs=0.7)


def test_compressed_files_are_packed_as_they_are(data: Path, tmp_path: Path) -> None:
    features, shards = tmp_path / "f.safetensors", tmp_path / "shards"
    extract_features(data, features)
    pack(data, features, shards, "tiny")
    packed = {u.id: audio for u, audio, _ in read_shard(shards / "tiny-000.safetensors")}
    assert packed["a-1"] == (tmp_path / "1.ogg").read_bytes()
    assert packed["a-0"][:4] == b"fLaC"


def test_segments_of_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    parts = [harmonic_tone(SAMPLE_RATE, f0) for f0 in (100.0, 200.0)]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)
    DataDir(
        Record(f"a-{i}", "a", "Hello.", path, recording="long", start=float(i), end=i + 1.0) for i in range(2)
    ).write(tmp_path / "data")
    extract_features(tmp_path / "data", tmp_path / "f.safetensors")
    pack(tmp_path / "data", tmp_path / "f.safetensors", tmp_path / "shards", "tiny")
    corpus = Corpus(tmp_path / "shards")
    for index, f0 in enumerate((100.0, 200.0)):
        assert corpus.utterances[index].tokens == 25
        assert float(corpus.f0(index).median()) == pytest.approx(f0, rel=0.01)
        assert len(corpus.audio(index)) == 25 * SAMPLES_PER_TOKEN


def test_measuring_leaves_the_threads_of_torch_alone(data: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        extract_features(data, tmp_path / "f.safetensors")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def features_of(level: float, *f0: float) -> RecordingFeatures:
    return RecordingFeatures(0, 1, level, torch.tensor(f0))


def test_statistics_of_speakers() -> None:
    angry, neutral = Emotion.parse("angry"), Emotion.parse("angry:0.2")
    records = [
        Record("a-1", "a", "x", Path(), emotion=neutral),
        Record("a-2", "a", "x", Path(), emotion=angry),
        Record("a-3", "a", "x", Path()),
        Record("b-1", "b", "x", Path(), emotion=angry),
        Record("c-1", "c", "x", Path()),
    ]
    measured = {
        "a-1": features_of(-20.0, 100.0, 0.0),
        "a-2": features_of(-10.0, 300.0, 0.0),
        "a-3": features_of(-20.0, 100.0 * math.e, 0.0),
        "b-1": features_of(-26.0, 0.0, 0.0),
        "c-1": features_of(-46.0, 200.0, 200.0),
    }
    found = speaker_statistics(records, measured)
    assert found["a"].gain == pytest.approx(10 ** (-6 / 20))
    assert found["a"].f0_mean == pytest.approx(math.log(100) + 0.5, abs=1e-4), "the angry one is left out"
    assert found["a"].f0_std == pytest.approx(math.sqrt(0.5), abs=1e-4)
    assert found["b"].gain == pytest.approx(1.0), "without neutral speech, all of it counts"
    assert found["b"].f0_mean == pytest.approx(math.log(150)) and found["b"].f0_std == 0.2
    assert found["c"].gain == pytest.approx(10.0) and found["c"].f0_std == pytest.approx(0.05)
