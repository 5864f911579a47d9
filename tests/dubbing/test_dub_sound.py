"""Loudness, fades, ducking, limiter, stretch, and the checks of a line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emotts.dubbing.loudness import LoudnessMatcher, fade, loudness
from emotts.dubbing.mix import MIX_RATE, Ducking, Limiter, Voices, mix, upsample
from emotts.dubbing.mouth import ApertureTable, DialogueActivity, compare, envelope
from emotts.dubbing.options import DubOptions
from emotts.dubbing.qc import edges, measure, trim
from emotts.dubbing.stretch import speed_up
from emotts.errors import InputError
from emotts.timebase import SAMPLE_RATE


def tone(seconds: float, level: float = 0.1, pitch: float = 220.0) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


class Noise:
    """A bed of noise."""

    def __init__(self, samples: int, level: float) -> None:
        self.audio = (level * np.random.default_rng(0).normal(size=(2, samples))).astype(np.float32)
        self.position = 0

    def read(self, samples: int) -> np.ndarray:
        piece = self.audio[:, self.position : self.position + samples]
        self.position += samples
        return np.pad(piece, ((0, 0), (0, samples - piece.shape[1])))


def test_speeding_up_is_exact_and_keeps_the_pitch() -> None:
    audio = tone(1.0, pitch=300.0)
    fast = speed_up(audio, 21_111)
    assert len(fast) == 21_111
    spectrum = np.abs(np.fft.rfft(fast[3000:18000]))
    assert spectrum.argmax() * SAMPLE_RATE / 15000 == pytest.approx(300.0, abs=4)
    assert speed_up(audio, 30_000) is audio


def test_loudness_is_matched_also_for_short_lines() -> None:
    matcher = LoudnessMatcher(DubOptions(loudness=-23.0), None, [])
    for seconds in (0.1, 0.5, 2.0):
        audio = tone(seconds, 0.02)
        assert loudness(audio * matcher.gain(audio, 0, 1)) == pytest.approx(-23.0, abs=0.1)
    assert matcher.gain(np.zeros(1000, np.float32), 0, 1) == 1.0
    loud = LoudnessMatcher(DubOptions(loudness=-5.0), None, [])
    peaky = tone(1.0, 0.02)
    peaky[100] = 0.8
    assert np.abs(peaky * loud.gain(peaky, 0, 1)).max() <= 0.9
    assert loudness(np.zeros(9000)) == -math.inf


def test_a_line_is_as_much_louder_as_the_original_within_the_range() -> None:
    original = np.concatenate([tone(1.0, 0.1), tone(1.0, 0.1), tone(1.0, 0.13), tone(1.0, 0.9)])
    windows = [(n * SAMPLE_RATE, (n + 1) * SAMPLE_RATE) for n in range(4)]
    matcher = LoudnessMatcher(DubOptions(loudness_range=4.0), original, windows)
    middle = matcher.target
    assert matcher.of(*windows[2]) - matcher.of(*windows[0]) == pytest.approx(20 * math.log10(1.3), abs=0.1)
    assert matcher.of(*windows[3]) == pytest.approx(middle + 4.0)
    assert matcher.of(5, 6) == middle


def test_fades_are_smooth_and_leave_the_middle() -> None:
    audio = np.ones(2400, dtype=np.float32)
    faded = fade(audio, 10.0)
    assert faded[0] < 0.01
    assert faded[-1] < 0.01
    assert np.all(faded[240:-240] == 1.0)
    assert np.abs(np.diff(faded)).max() < 0.01


def test_lines_lie_at_twice_their_sample_whatever_the_blocks() -> None:
    click = np.zeros(4000, dtype=np.float32)
    click[100] = 0.5
    voices = Voices([(1000, click), (3000, click)])
    track = np.concatenate([voices.read(size) for size in (777, 1, 5000, 4222, 6000)])
    assert np.argmax(track[:5000]) == 2200
    assert np.argmax(track[5000:]) + 5000 == 6200
    assert len(upsample(click)) == 8000


def test_the_bed_goes_down_under_speech_and_comes_back() -> None:
    options = DubOptions(duck=-12.0, duck_attack=0.1, duck_release=0.5)
    gain = Ducking([(24_000, 48_000)], options).gain(0, 4 * MIX_RATE)
    low = 10 ** (-12 / 20)
    assert gain[round(0.89 * MIX_RATE)] == 1.0
    assert gain[MIX_RATE : 2 * MIX_RATE] == pytest.approx(low)
    assert gain[round(2.51 * MIX_RATE)] == 1.0
    assert np.abs(np.diff(gain)).max() < 1e-3


def test_the_mix_has_its_length_and_stays_under_the_ceiling() -> None:
    samples = 2 * MIX_RATE + 333
    loud = [(0, tone(1.0, 0.9)), (12_000, tone(1.0, 0.9))]
    blocks = list(mix(loud, samples, DubOptions(), bed=Noise(samples, 0.1)))
    whole = np.concatenate(blocks, axis=1)
    assert whole.shape == (2, samples)
    assert np.abs(whole).max() <= 10 ** (-1 / 20) + 1e-6


def test_the_limiter_leaves_what_is_soft_and_bends_what_is_loud_without_a_step() -> None:
    audio = np.full((2, 5000), 0.1, dtype=np.float32)
    audio[:, 2500] = 2.0
    limiter = Limiter(0.0)
    result = np.concatenate([limiter.push(audio[:, :1234]), limiter.push(audio[:, 1234:], last=True)], axis=1)
    gain = result[0] / audio[0]
    assert gain[:2000] == pytest.approx(1.0)
    assert gain[3000:] == pytest.approx(1.0)
    assert result[0, 2500] == pytest.approx(1.0, abs=1e-3)
    assert np.abs(np.diff(gain)).max() < 0.005


def test_edges_and_trimming_keep_all_that_sounds() -> None:
    audio = np.concatenate([np.zeros(4800), tone(0.5), np.zeros(7200)]).astype(np.float32)
    assert edges(audio) == (4800, 16_800)
    trimmed = trim(audio)
    assert len(trimmed) == 12_000 + 2 * 480
    assert edges(np.zeros(5000)) is None
    assert len(trim(np.zeros(5000, np.float32))) == 5000


def test_a_click_before_the_speech_is_no_onset() -> None:
    time = np.arange(24_000) / 24_000
    tone = np.sin(2 * np.pi * 300 * time)
    click = 0.1 * tone * ((time >= 0.05) & (time < 0.07))
    spoken = click + 0.5 * tone * (time >= 0.2)
    checks = measure(spoken, spoken, 24_000)
    assert checks.onset == pytest.approx(0.2) and checks.offset == pytest.approx(1.0)
    plosive = click + 0.5 * tone * (time >= 0.09)
    assert measure(plosive, plosive, 24_000).onset == pytest.approx(0.05)


def test_checks_name_silence_and_clipping() -> None:
    assert measure(np.zeros(5000), np.zeros(5000), 5000).faults() == ("silent",)
    flat = tone(0.5, 0.5)
    flat[500:505] = 1.0
    assert measure(flat, flat, 12_000).faults() == ("clipped",)
    flat[500:505] = 0.9
    assert measure(flat, flat, 12_000).faults() == ()


def test_apertures_of_any_rate_and_scale(tmp_path) -> None:
    path = tmp_path / "track.csv"
    rows = [f"{n / 30:.4f},{5 + 3 * math.sin(n / 5):.4f},{int(n < 60)}" for n in range(90)]
    path.write_text("time,aperture,visible\n" + "\n".join(rows) + "\n")
    table = ApertureTable(path)
    track = table.track(0.0, 1.0)
    assert track is not None
    assert len(track.aperture) == 25
    assert track.aperture.min() >= 0.0
    assert track.aperture.max() <= 1.0
    assert table.track(2.1, 2.9) is None
    assert table.track(10.0, 11.0) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "columns time, aperture"),
        ("time,aperture\n0,x\n", "row 2 is not of numbers"),
        ("time,aperture\n1,1\n0,1\n", "times must"),
        ("time,aperture\n", "columns time, aperture"),
    ],
)
def test_wrong_apertures_are_named(tmp_path, content: str, said: str) -> None:
    (tmp_path / "track.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        ApertureTable(tmp_path / "track.csv")


def test_the_original_dialogue_stands_in_and_tells_the_lag() -> None:
    sound = np.concatenate([np.zeros(12_000), tone(0.4), np.zeros(7_200), tone(0.3), np.zeros(12_000)])
    track = DialogueActivity(sound).track(0.0, len(sound) / SAMPLE_RATE)
    assert track is not None
    same = compare(track, envelope(sound, len(track.aperture)))
    late = compare(track, envelope(sound, len(track.aperture), shift=2 * 960))
    assert same is not None
    assert (same.lag, same.overlap) == (0.0, 1.0)
    assert same.correlation > 0.99
    assert late is not None
    assert late.lag == pytest.approx(0.08)
    assert DialogueActivity(np.zeros(24_000)).track(0.0, 1.0) is None
