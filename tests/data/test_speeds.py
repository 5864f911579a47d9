from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_corpus import harmonic_tone, write_fake_shards
from hypothesis import given
from hypothesis import strategies as st

from emotts.data.shards import Corpus
from emotts.data.speeds import play, play_f0, read_speeds, write_speeds
from emotts.errors import DataError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, SAMPLES_PER_TOKEN


def peak_frequency(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_played_faster_is_shorter_and_higher(speed: float) -> None:
    tone = harmonic_tone(SAMPLE_RATE, 200.0, harmonics=1)
    played = play(tone, speed)
    assert len(played) == pytest.approx(SAMPLE_RATE / speed, abs=2)
    assert peak_frequency(played) == pytest.approx(200 * speed, abs=2)


@given(st.floats(0.5, 2.0), st.integers(1, 60))
def test_a_pitch_track_keeps_what_is_voiced(speed: float, tokens: int) -> None:
    f0 = np.where(np.arange(4 * tokens) < 2 * tokens, 0.0, 150.0)
    frames = max(1, int(tokens / speed)) * FRAMES_PER_TOKEN
    track = play_f0(f0, speed, frames)
    assert track.shape == (frames,)
    assert set(np.unique(track)) <= {0.0, 150.0 * speed}
    assert (np.diff((track > 0).astype(int)) >= 0).all()


def test_training_recordings_come_back_as_those_of_other_speakers(tmp_path: Path) -> None:
    shards = write_fake_shards(tmp_path)
    plain = Corpus(shards)
    write_speeds(shards, [0.8])
    both = Corpus(shards)
    assert len(both) == len(plain) + 6, "of 8 recordings 6 are for training"
    assert len(Corpus(shards, speeds=False)) == len(plain)
    assert {u.speaker for u in both.utterances} == {"s0", "s1", "s0@0.8", "s1@0.8"}
    index = [u.id for u in both.utterances].index("s0-0@0.8")
    made, source = both.utterances[index], plain.utterances[0]
    assert made.tokens == int(source.tokens / 0.8) and made.split == "train"
    assert made.bandwidth == int(0.8 * source.bandwidth)
    assert made.f0_mean == pytest.approx(source.f0_mean + math.log(0.8))
    assert both.audio(index).shape == (made.tokens * SAMPLES_PER_TOKEN,)
    assert both.mel(index).shape == (made.tokens * FRAMES_PER_TOKEN, 80)
    assert peak_frequency(both.audio(index).numpy()) == pytest.approx(0.8 * 110, abs=2)
    torch.testing.assert_close(both.f0(index), torch.full_like(both.f0(index), 0.8 * 110), atol=0.1, rtol=0)
    same = [u.id for u in both.utterances].index("s1-3")
    assert torch.equal(both.mel(same), plain.mel([u.id for u in plain.utterances].index("s1-3")))
    assert both.same_speaker(index, torch.Generator()) != index
    write_speeds(shards, [])
    assert len(Corpus(shards)) == len(plain), "without the file the cache is made anew"


@pytest.mark.parametrize(("text", "message"), [("[0.1]", "between 0.5 and 2"), ("{", "list of numbers")])
def test_wrong_speeds_are_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "speeds.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_speeds(tmp_path)
