from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotts.data.kaldi import Record
from emotts.emotion import Emotion
from emotts.errors import AudioError, InputError, ModelError
from emotts.evaluate.judge import FEATURES, Clip, EmotionJudge, against_neutral, extract_features, train_judge
from emotts.evaluate.judge import cache as cache_module
from emotts.evaluate.judge.cache import measure_clips
from emotts.evaluate.judge.training import Recordings, agreed, cross_validate, mean_recall, recalls

NAMES = ("neutral", "angry", "sad")
MOVED = 20


def voice(pitch: float, level: float = 0.1, seconds: float = 1.0, tilt: float = 1.0) -> np.ndarray:
    """Harmonics under a slow loudness contour, and a little noise."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.03 * np.sin(2 * np.pi * 3 * time))) / 16_000
    tone = sum(np.sin(k * phase) / k**tilt for k in range(1, 15))
    noise = np.random.default_rng(0).normal(size=len(time))
    return level * (tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)) + 0.01 * noise) / 3


def feature(vector: np.ndarray, name: str) -> float:
    return float(vector[FEATURES.index(name)])


def synthetic(people: int = 6, each: int = 12, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    """Speakers far apart; emotions move twenty features from each one's own neutral."""
    random = np.random.default_rng(seed)
    rows, labels, speakers = [], [], []
    for person in range(people):
        home = 30 * random.normal(size=len(FEATURES))
        for k in range(each):
            name = NAMES[k % 3]
            row = home + random.normal(size=len(FEATURES))
            row[:MOVED] += {"neutral": 0, "angry": 4, "sad": -4}[name]
            rows.append(row)
            labels.append(name)
            speakers.append(f"p{person}")
    return np.stack(rows), labels, speakers


def test_features_follow_what_they_are_named_for() -> None:
    plain = extract_features(voice(120))
    assert plain.shape == (len(FEATURES),) and np.isfinite(plain).all()
    assert feature(plain, "pitch_mean") == pytest.approx(12 * np.log2(1.2), abs=0.3)
    high, loud = extract_features(voice(180)), extract_features(voice(120, level=0.2))
    assert feature(high, "pitch_mean") - feature(plain, "pitch_mean") == pytest.approx(7.0, abs=0.5)
    assert feature(loud, "level_mean") - feature(plain, "level_mean") == pytest.approx(6.0, abs=0.1)
    quiet_ones = [k for k, name in enumerate(FEATURES) if not name.startswith("level")]
    assert np.allclose(loud[quiet_ones], plain[quiet_ones], atol=0.2)
    bright = extract_features(voice(120, tilt=0.3))
    assert feature(bright, "alpha_mean") < feature(plain, "alpha_mean") - 3
    assert feature(bright, "centroid_mean") > feature(plain, "centroid_mean")


def test_noise_has_features_and_silence_has_none() -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=16_000)
    assert np.isfinite(extract_features(noise)).all()
    for samples in (np.zeros(16_000), np.ones(100)):
        with pytest.raises(AudioError, match=r"silent or shorter than 0.2 s"):
            extract_features(samples)


def test_neutral_is_compared_with_the_speakers_other_neutral_recordings() -> None:
    features = np.array([[1.0], [3.0], [10.0], [5.0], [7.0]])
    moved = against_neutral(features, [True, True, False, True, False], ["a", "a", "a", "b", "b"])
    assert moved[:3, 0].tolist() == [-2.0, 2.0, 8.0]
    assert np.isnan(moved[3, 0]), "b has no other neutral recording"
    assert moved[4, 0] == 2.0


def test_the_judge_hears_emotions_of_speakers_it_never_heard() -> None:
    features, labels, speakers = synthetic()
    moved = against_neutral(features, np.array(labels) == "neutral", speakers)
    data = Recordings(moved, np.array(labels), np.array(speakers))
    assert mean_recall(recalls(labels, cross_validate(data, NAMES, folds=3), NAMES)) > 0.85
    kept = data.of(("angry",))
    said = cross_validate(data, ("angry", "sad"), kept, 3)
    assert len(said) == len(kept) and set(said) <= {"angry", "sad"}
    with pytest.raises(InputError, match="two or more"):
        cross_validate(Recordings(moved[:12], data.labels[:12], data.speakers[:12]), NAMES)


def test_probabilities_rise_with_the_dose_and_restrict_to_classes() -> None:
    features, labels, speakers = synthetic()
    judge = train_judge(against_neutral(features, np.array(labels) == "neutral", speakers), labels)
    assert judge.classes == NAMES
    doses = np.zeros((5, len(FEATURES)))
    doses[:, :MOVED] = np.arange(5)[:, None]
    angry = judge.probabilities(doses)[:, 1]
    assert (np.diff(angry) > 0).all() and judge.decide(doses)[::4] == ["neutral", "angry"]
    two = judge.probabilities(doses, ("neutral", "angry"))
    assert np.allclose(two.sum(1), 1) and (two[:, 1] >= angry).all() and two[2, 1] > angry[2]
    with pytest.raises(InputError, match="no class 'calm'; its classes: neutral, angry, sad"):
        judge.probabilities(doses, ("calm",))
    with pytest.raises(InputError, match="reads 73 features, not 2"):
        judge.probabilities(np.zeros((1, 2)))


def test_two_classes_are_enough_and_one_is_not() -> None:
    features, labels, _ = synthetic(people=1)
    kept = [k for k, name in enumerate(labels) if name != "sad"]
    judge = train_judge(features[kept] - features[0], [labels[k] for k in kept])
    assert judge.probabilities(features[:3] - features[0]).shape == (3, 2)
    with pytest.raises(InputError, match="needs neutral and emotional"):
        train_judge(features, ["neutral"] * len(features))


def test_a_judge_is_saved_and_read(tmp_path: Path) -> None:
    features, labels, _ = synthetic(people=2)
    judge = train_judge(features - features.mean(0), labels)
    path = judge.save(tmp_path / "judge.npz")
    read = EmotionJudge.load(path)
    assert read.classes == judge.classes and read.natural == () and read.natural_recall(NAMES) == {}
    assert np.array_equal(read.probabilities(features), judge.probabilities(features))
    tables = ({"neutral": 0.5, "angry": 0.75}, dict.fromkeys(NAMES, 0.25))
    replace(judge, natural=tables).save(path)
    assert EmotionJudge.load(path).natural_recall(("angry", "neutral")) == tables[0]
    assert EmotionJudge.load(path).natural_recall(NAMES) == tables[1]
    with pytest.raises(ModelError, match=r"egs/judge/run\.sh"):
        EmotionJudge.load(tmp_path / "none.npz")
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a judge"):
        EmotionJudge.load(tmp_path / "broken.npz")


def test_a_judge_of_other_features_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, _ = synthetic(people=2)
    path = train_judge(features, labels).save(tmp_path / "judge.npz")
    monkeypatch.setattr("emotts.evaluate.judge.model.FEATURES_VERSION", 99)
    with pytest.raises(ModelError, match="other features"):
        EmotionJudge.load(path)


def test_measuring_is_kept_and_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "a.wav", voice(120), 16_000)
    soundfile.write(tmp_path / "b.wav", np.zeros(16_000), 16_000)
    clips = [Clip(tmp_path / "a.wav"), Clip(tmp_path / "b.wav"), Clip(tmp_path / "a.wav", 0.2, 0.7)]
    first = measure_clips(clips, tmp_path / "cache.npz")
    assert first[0] is not None and first[1] is None and not np.array_equal(first[0], first[2])

    def forbidden(*_: object) -> np.ndarray:
        raise AssertionError("measured a second time")

    monkeypatch.setattr(cache_module, "features_of_file", forbidden)
    again = measure_clips(clips, tmp_path / "cache.npz")
    assert np.array_equal(again[0], first[0]) and again[1] is None
    soundfile.write(tmp_path / "a.wav", voice(180, seconds=1.1), 16_000)
    with pytest.raises(AssertionError, match="second time"):
        measure_clips(clips, tmp_path / "cache.npz")
    with pytest.raises(AudioError, match="does not exist"):
        measure_clips([Clip(tmp_path / "none.wav")])


def test_agreed_recordings_are_those_heard_as_acted() -> None:
    def record(code: str, votes: dict[str, float]) -> Record:
        emotion = Emotion.from_mapping(votes)
        return Record(f"crema1-IEO_{code}_XX", "crema1", "x", Path("x"), emotion=emotion)

    records = [
        record("ANG", {"angry": 0.6, "sad": 0.4}),
        record("SAD", {"sad": 0.4}),  # more hear neutral
        record("FEA", {"afraid": 0.5, "sad": 0.5}),
        record("NEU", {"sad": 0.3}),
    ]
    kept, labels = agreed(records)
    assert labels == ["angry", "neutral"] and kept == [records[0], records[3]]
