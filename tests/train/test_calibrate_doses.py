from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from emotts.emotion import Emotion
from emotts.errors import DataError, InputError
from emotts.evaluate.prosody_response import FEATURES, fit_prosody_response, prosody_features
from emotts.train import calibrate as calibrate_module
from emotts.train.calibrate import Point, choose_table, measure_doses, measure_loudness, measure_pitch
from emotts.train.expert_stages import calibration_texts, load_response
from emotts.train.recipe import CalibrateConfig

ALPHAS = (0.0, 1.0, 2.0, 4.0)


def points(response, cost=lambda alpha: 0.0, emotion: str = "angry") -> list[Point]:
    return [Point(emotion, s, alpha, response(s, alpha), cost(alpha)) for s in (0.5, 1.0) for alpha in ALPHAS]


def test_intensity_1_gets_the_weight_of_the_strongest_response_and_the_others_their_share() -> None:
    table = choose_table(points(lambda s, alpha: s * (0.2 + 0.1 * alpha)), 1.0)
    assert table.intensities == (0, 0.5, 1.0)
    # 5 % under the most that is reached, 0.6, lies 0.57 = 0.2 + 0.1 alpha.
    assert table.alpha["angry"] == pytest.approx((0, 1.85, 3.7))
    assert (
        choose_table(points(lambda s, alpha: s * (0.2 + 0.1 * alpha)), 1.0, slack=0.0).alpha["angry"][-1] == 4
    )


def test_nothing_is_paid_for_what_is_hardly_heard() -> None:
    assert choose_table(points(lambda s, alpha: s * (0.4 + 0.005 * alpha)), 1.0).alpha["angry"] == (0, 0, 0)


def test_all_intensities_count_so_that_one_noisy_point_decides_nothing() -> None:
    def noisy(s: float, alpha: float) -> float:
        return s * (0.2 + 0.1 * min(alpha, 1.0)) + (0.03 if (s, alpha) == (0.5, 4.0) else 0.0)

    assert choose_table(points(noisy), 1.0).alpha["angry"][-1] <= 1.0


def test_weights_that_cost_too_many_words_are_not_used() -> None:
    table = choose_table(points(lambda s, alpha: s * (0.2 + 0.1 * alpha), lambda alpha: 0.1 * alpha), 0.25)
    assert table.alpha["angry"][-1] == pytest.approx(1.8)


def test_a_response_that_falls_again_is_not_climbed_further() -> None:
    table = choose_table(points(lambda s, alpha: {0: 0.0, 1: 1.0, 2: 0.4, 4: 0.4}[alpha] * s), 1.0)
    assert table.alpha["angry"][-1] <= 1.0


def test_no_weight_where_guidance_does_nothing() -> None:
    assert choose_table(points(lambda s, alpha: s), 1.0).alpha["angry"] == (0, 0, 0)
    assert choose_table(points(lambda s, alpha: -alpha), 1.0).alpha["angry"] == (0, 0, 0)
    falls = {0: 0.65, 1: 0.5, 2: 0.55, 4: 0.6}
    assert choose_table(points(lambda s, alpha: s * falls[alpha]), 1.0).alpha["angry"] == (0, 0, 0)


def test_weights_never_fall() -> None:
    table = choose_table(points(lambda s, alpha: 1.0 if s == 1 else 0.25 * alpha), 1.0)
    values = table.alpha["angry"]
    assert all(a <= b for a, b in pairwise(values))


def test_silence_cannot_calibrate() -> None:
    with pytest.raises(DataError, match="no finite responses"):
        choose_table(points(lambda s, alpha: math.nan), 1.0)


class FakeEngine:
    """Speech is the weight of its guidance; records what it was asked for."""

    def __init__(self) -> None:
        self.asked = []

    def synthesize(self, texts, voice, emotion=None, seed=None, **options):
        self.asked.append((len(texts), emotion, options))
        emotion = emotion or Emotion.neutral()
        return [
            SimpleNamespace(text=t, voice=v, alpha=options.get("alpha", 0.0), emotion=emotion)
            for t, v in zip(texts, voice, strict=True)
        ]


def test_every_point_is_compared_with_its_neutral_twin() -> None:
    def response(emotion, speech, neutral) -> float:
        assert (speech.text, speech.voice) == (neutral.text, neutral.voice)
        assert neutral.emotion.is_neutral and speech.emotion.name == emotion
        return speech.emotion.intensity + speech.alpha

    engine = FakeEngine()
    found = measure_doses(
        engine,
        ["x", "y"],
        ["anna", "bert"],
        ["sad"],
        response,
        lambda e, s: 1 + s.alpha,
        (0.5, 1.0),
        (0.0, 2.0),
    )
    assert [(p.intensity, p.alpha) for p in found] == [(0.5, 0), (0.5, 2), (1, 0), (1, 2)]
    assert [p.response for p in found] == [0.5, 2.5, 1.0, 3.0]
    assert [p.cost for p in found] == [0, 2, 0, 2], "against no guidance"
    assert engine.asked[1][2] == {"guidance_schedule": "none"}, "weight 0 is no guidance"


def test_a_calibration_that_was_stopped_goes_on_with_what_is_missing() -> None:
    def measure(engine, **more) -> list[Point]:
        response = lambda emotion, speech, neutral: speech.emotion.intensity + speech.alpha  # noqa: E731
        cost = lambda engine, speech: 1 + speech.alpha  # noqa: E731
        emotions, doses = ["sad", "angry"], ((0.5, 1.0), (0.0, 2.0))
        return measure_doses(engine, ["x"], ["anna"], emotions, response, cost, *doses, **more)

    reported = []
    whole = measure(FakeEngine(), report=lambda points: reported.append(list(points)))
    assert [len(points) for points in reported] == [2, 4, 6, 8] and reported[-1] == whole
    engine = FakeEngine()
    assert measure(engine, known=reported[1] + whole[4:5]) == whole, "a half-measured intensity is made again"
    assert len(engine.asked) == 1 + 4, "neutral, and what was missing"
    engine = FakeEngine()
    assert measure(engine, known=whole) == whole and not engine.asked


def test_the_loudness_is_measured_against_natural_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    def level(speech) -> float:
        return -30 + {"angry": 4.0, "sad": -1.0}.get(speech.emotion.name, 0.0) + len(speech.text)

    monkeypatch.setattr(calibrate_module, "loudness_of_speech", level)
    engine = FakeEngine()
    natural = {"angry": 11.52, "sad": -1.0, "happy": 40.0}
    found = measure_loudness(engine, ["x", "yy"], ["anna"], natural)
    assert found == {"angry": 7.5, "sad": 0.0, "happy": 15.0}, "what is missing, no more than 15 dB"
    assert [options for _, _, options in engine.asked] == [{}] * 4, "guided as users hear it"


def test_the_pitch_is_brought_to_that_of_natural_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech rises by itself, and by 10 semitones for each nat."""
    engine = FakeEngine()
    given = SimpleNamespace(pitch={}, model_copy=lambda update: SimpleNamespace(**update))
    engine.model = SimpleNamespace(config=given)

    def pitch(speech) -> float:
        own = {"angry": 2.0, "sad": 1.5, "afraid": 8.0}.get(speech.emotion.name, 0.0)
        return 80 + len(speech.text) + own + 10 * engine.model.config.pitch.get(speech.emotion.name, 0.0)

    monkeypatch.setattr(calibrate_module, "pitch_of_speech", pitch)
    natural = {"angry": 8.0, "sad": 2.6, "afraid": 6.0}
    assert measure_pitch(engine, ["x", "yy"], ["anna"], natural) == {
        "angry": 0.3,
        "sad": 0.11,
        "afraid": -0.2,
    }
    assert engine.model.config is given
    assert all(o == {"guidance_schedule": "none"} for _, emotion, o in engine.asked if emotion)


class FakeCorpus:
    """Angry speech is louder and higher; everything else is chance."""

    def __init__(self) -> None:
        self.utterances, self.mels, self.pitches = [], [], []
        generator = torch.Generator().manual_seed(0)
        for speaker in range(4):
            for number in range(12):
                angry = float(number % 2)
                self.utterances.append(
                    SimpleNamespace(
                        speaker=f"s{speaker}", corpus="acted", text=f"line {number % 5}",
                        emotion=[0.0, angry, *[0.0] * 6],
                    )
                )  # fmt: skip
                self.mels.append(torch.randn(60, 80, generator=generator) * 0.3 - 4 - speaker + angry)
                f0 = 120 * (1 + 0.3 * speaker) * (1 + 0.2 * angry)
                self.pitches.append(f0 * (1 + 0.02 * torch.randn(60, generator=generator)))

    def mel(self, i):
        return self.mels[i]

    def f0(self, i):
        return self.pitches[i]


def test_the_natural_movement_has_the_response_one() -> None:
    corpus = FakeCorpus()
    response = fit_prosody_response(corpus)
    assert set(response.directions) == {"angry"}
    features = [prosody_features(corpus.mel(i), corpus.f0(i)) for i in range(len(corpus.utterances))]
    moved = [response.of_features("angry", features[i + 1] - features[i]) for i in range(0, 48, 2)]
    assert sum(moved) / len(moved) == pytest.approx(1.0, abs=0.05)
    # The level is a logarithm of amplitude, and angry speech is one neper up.
    assert response.loudness == {"angry": pytest.approx(20 / math.log(10), abs=1.0)}
    assert response.pitch == {"angry": pytest.approx(12 * math.log2(1.2), abs=0.1)}
    for utterance in corpus.utterances:
        utterance.emotion[1] *= 0.6
    assert fit_prosody_response(corpus).pitch == {}, "pitch counts where the emotion is clear"
    assert min(moved) > 0.5 and response.of_features("angry", torch.zeros(len(FEATURES))) == 0
    with pytest.raises(DataError, match="no sad speech"):
        response("sad", None, None)


def test_unvoiced_speech_has_finite_features() -> None:
    assert torch.isfinite(prosody_features(torch.randn(10, 80), torch.zeros(10))).all()


def test_corpora_without_emotions_have_no_response() -> None:
    corpus = FakeCorpus()
    for utterance in corpus.utterances:
        utterance.emotion = [0.0] * 8
    with pytest.raises(DataError, match="both neutral and emotional"):
        fit_prosody_response(corpus)


def test_texts_are_different_and_spread() -> None:
    assert calibration_texts(FakeCorpus(), 2) == ["line 0", "line 2"]
    assert len(calibration_texts(FakeCorpus(), 99)) == 5


@pytest.mark.parametrize("name", ["emotts.nowhere:f", "emotts.tts:f", "emotts", ""])
def test_a_response_that_is_nowhere_is_named(name: str) -> None:
    with pytest.raises(InputError, match=r"calibrate\.response: no function .* module:function"):
        load_response(name, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alphas": [1.0, 2.0]}, "alphas must rise from 0"),
        ({"alphas": [0.0, 20.0]}, "alphas must be at most 10"),
        ({"intensities": [0.5]}, "intensities must rise from above 0 to 1"),
        ({"guidance": {"gatee": 1}}, "did you mean 'gate'"),
    ],
)
def test_a_wrong_calibration_is_refused(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CalibrateConfig.parse(values)
