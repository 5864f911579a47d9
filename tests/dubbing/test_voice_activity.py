"""The original dialogue by silero-vad: with a fake of it, and with itself."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soxr

from emotts.data.espeak import speak
from emotts.dubbing.mouth import DialogueActivity
from emotts.dubbing.voice_activity import VoiceActivity, speech_probability


class FakeVad:
    """silero's model: speech is what is louder than 0.5 of full scale."""

    def reset_states(self) -> None:
        pass

    def __call__(self, chunk, rate: int):
        assert len(chunk) == 512 and rate == 16_000
        return (chunk.abs().max() > 0.5).float()


def test_speech_activity_closes_the_mouth_in_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad", SimpleNamespace(load_silero_vad=FakeVad))
    time = np.arange(48_000) / 24_000
    loud = np.where(time < 1.0, 0.2, 0.9) * np.sin(2 * np.pi * 300 * time)
    track = VoiceActivity(loud).track(0.0, 2.0)
    assert track.source == "original dialogue (silero-vad)"
    assert track.aperture[:23].max() == 0.0 and track.aperture[27:49].min() > 0.8


def test_the_real_detector_hears_speech_and_not_a_chord() -> None:
    spoken = speak("Where were you when the sun rose over the hills?")
    speech = soxr.resample(spoken.samples.astype(np.float32) / 32_768, spoken.rate, 24_000)
    time = np.arange(48_000) / 24_000
    chord = 0.1 * sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277, 330))
    sound = np.concatenate([chord, speech, chord]).astype(np.float32)
    seconds, end = len(sound) / 24_000, round((2.0 + len(speech) / 24_000) * 25)
    aperture = VoiceActivity(sound).track(0.0, seconds).aperture
    level = DialogueActivity(sound).track(0.0, seconds).aperture
    inside, outside = slice(53, end - 5), np.r_[0:45, end + 10 : len(aperture)]
    assert aperture[inside].mean() > 5 * aperture[outside].mean()
    assert level[outside].mean() > 0.5  # without the detector the chord moves the mouth
    assert len(speech_probability(np.zeros(0))) == 0
