"""Emotions that no recording taught: their rule, and how it reaches the speech."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emotts import EmoTTS
from emotts.cli import main as cli
from emotts.emotion import EMOTIONS, Emotion
from emotts.emotion.derived import ACTED, RULES, Spoken, derive
from emotts.request import FASTEST, SLOWEST

TEXT = "We have to leave now."
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def tts(tiny_model: Path) -> EmoTTS:
    return EmoTTS.from_pretrained(tiny_model, "cpu")


def test_every_emotion_is_learned_or_has_a_rule() -> None:
    assert {*ACTED, *RULES} == set(EMOTIONS)
    assert not set(ACTED) & set(RULES)
    for rule in RULES.values():
        assert set(rule.blend) <= set(ACTED)
        # Votes of listeners, which taught the model, add up to 1.
        assert 0.0 < sum(rule.blend.values()) <= 1.0
        assert SLOWEST < rule.rate < FASTEST


@pytest.mark.parametrize(
    ("name", "blend", "rate", "energy"),
    [
        ("surprised", "happy:0.45,afraid:0.35", 1.06, 2.0),
        ("melancholic", "sad:0.6", 0.94, -2.0),
        ("calm", "sad:0.2", 0.93, -2.0),
    ],
)
def test_the_rules_are_what_the_page_says(name: str, blend: str, rate: float, energy: float) -> None:
    found = derive(Emotion.parse(name))
    assert found.emotion == Emotion.parse(blend)
    assert (found.rate, found.energy) == pytest.approx((rate, energy))
    page = (Path(__file__).parents[2] / "docs" / "emotion.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    assert f"`{blend}`" in row and f"× {rate:.2f}" in row


@pytest.mark.parametrize("name", list(RULES))
def test_all_that_a_rule_does_grows_with_the_intensity(name: str) -> None:
    found = [derive(Emotion.from_mapping({name: value})) for value in STEPS]
    assert found[0] == Spoken(Emotion.neutral())
    for weaker, stronger in pairwise(found):
        assert all(
            stronger.emotion.as_mapping()[other] > weaker.emotion.as_mapping().get(other, 0.0)
            for other in RULES[name].blend
        )
        assert abs(stronger.rate - 1) > abs(weaker.rate - 1)
        assert abs(stronger.energy) > abs(weaker.energy)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_learned_emotions_pass_as_they_are(values: list[float]) -> None:
    emotion = Emotion.from_mapping(dict(zip(ACTED, values, strict=True)))
    assert derive(emotion) == Spoken(emotion)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_a_blend_keeps_what_was_learned_and_stays_in_range(values: list[float]) -> None:
    emotion = Emotion(tuple(values))
    found = derive(emotion)
    for name, asked, given_ in zip(EMOTIONS, emotion.vector, found.emotion.vector, strict=True):
        assert given_ >= asked if name in ACTED else given_ == 0.0
    assert 0.85 < found.rate < 1.07 and -4.0 <= found.energy <= 2.0


def test_a_share_of_a_derived_emotion_leaves_the_delivery_to_the_model() -> None:
    alone, beside = derive(Emotion.parse("calm:0.5")), derive(Emotion.parse("calm:0.5,happy:0.5"))
    assert alone.rate < beside.rate < 1.0
    assert derive(Emotion.parse("sad:0.9,melancholic:0.5")).emotion == Emotion.parse("sad:0.9")


def test_a_model_that_was_taught_an_emotion_gets_it() -> None:
    emotion = Emotion.parse("calm:0.7,surprised:0.2")
    found = derive(emotion, (*ACTED, "calm"))
    assert found.emotion.as_mapping() == pytest.approx({"calm": 0.7, "happy": 0.09, "afraid": 0.07})
    assert derive(emotion, EMOTIONS) == Spoken(emotion)


def test_speech_is_the_blend_at_the_rules_loudness_and_says_what_was_asked(tts: EmoTTS) -> None:
    derived = tts.synthesize(TEXT, emotion="melancholic:0.5", tokens=40, seed=1)
    blend = tts.synthesize(TEXT, emotion="sad:0.3", tokens=40, seed=1)
    assert derived.emotion == Emotion.parse("melancholic:0.5")
    np.testing.assert_allclose(derived.audio, blend.audio * 10 ** (-1.0 / 20), rtol=1e-5, atol=1e-7)


def test_rate_of_a_rule_reaches_the_natural_length_but_no_length_that_is_asked_for(tts: EmoTTS) -> None:
    text = " ".join([TEXT] * 4)
    blend, calm = (tts.lengths(text, emotion=emotion)[1] for emotion in ("sad:0.2", "calm"))
    assert calm / blend == pytest.approx(1 / 0.93, rel=0.03)
    assert len(tts.synthesize(TEXT, emotion="calm", tokens=30, seed=1).tokens) == 30


def test_markup_derives_the_emotion_of_a_piece(tts: EmoTTS) -> None:
    def length(mark: str) -> int:
        text = f"[emotion {mark}]{' '.join([TEXT] * 4)}[/emotion] {TEXT}"
        return len(tts.synthesize(text, markup=True, seed=1).tokens)

    assert length("sad:0.2") < length("calm") < length("sad:0.2") / 0.93


def test_the_command_records_what_was_asked(
    tiny_model: Path, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    options = ["--model", str(tiny_model), "-o", str(tmp_path / "out.wav"), "--seed", "1", "--json", "-q"]
    assert cli.run(["synthesize", TEXT, "--emotion", "surprised:0.8", *options]) == 0
    assert '"emotion": {"surprised": 0.8}' in capsys.readouterr().out


def test_what_the_speech_lacks_in_loudness_grows_with_the_intensity() -> None:
    loudness = {"angry": 8.0, "happy": 4.0, "afraid": 2.0}
    found = [derive(Emotion.parse(f"angry:{x}"), ACTED, loudness) for x in (0, 0.25, 1)]
    assert [x.energy for x in found] == [0.0, 2.0, 8.0] and {x.rate for x in found} == {1.0}
    both = derive(Emotion.parse("angry:1,happy:1"), ACTED, loudness)
    assert both.energy == pytest.approx(6.0), "a blend lacks no more than its parts"
    assert derive(Emotion.parse("sad"), ACTED, loudness) == Spoken(Emotion.parse("sad"))
    surprised = derive(Emotion.parse("surprised"), ACTED, loudness)
    assert surprised.energy == pytest.approx(2.0 + 0.45 * 4.0 + 0.35 * 2.0), "the rule's own, and its blend's"


def test_a_calibrated_pitch_reaches_the_codes_of_files_and_streams(tiny_model: Path) -> None:
    tts = EmoTTS.from_pretrained(tiny_model, device="cpu")
    asked = {"emotion": "angry:0.5", "seed": 1, "tokens": 60, "temperature": 0.0, "guidance_schedule": "none"}
    plain = tts.synthesize("We have to leave now.", **asked)
    calm = tts.synthesize("We have to leave now.", **{**asked, "emotion": None})
    tts.model.config = tts.model.config.model_copy(update={"pitch": {"angry": 0.3}})
    tts.model.code_pitch = torch.zeros(tts.model.components["tokenizer"].codebook_size)
    tts.model.code_pitch[3] = 1e6
    raised = tts.synthesize("We have to leave now.", **asked)
    assert set(raised.tokens.tolist()) == {3} and set(plain.tokens.tolist()) != {3}
    neutral = tts.synthesize("We have to leave now.", **{**asked, "emotion": None})
    assert np.array_equal(neutral.tokens, calm.tokens)
    chunks = list(tts.stream("We have to leave now.", lookahead=None, **asked))
    assert np.allclose(np.concatenate([c.audio for c in chunks]), raised.audio, atol=1e-3)


def test_a_calibrated_loudness_reaches_files_and_streams(tts: EmoTTS, tiny_model: Path) -> None:
    louder = EmoTTS.from_pretrained(tiny_model, "cpu")
    louder.model.config = louder.model.config.model_copy(update={"loudness": {"angry": -6.0}})
    options = {"emotion": "angry:0.5", "seed": 3}
    plain, made = tts.synthesize(TEXT, **options), louder.synthesize(TEXT, **options)
    assert np.allclose(made.audio, plain.audio * 10 ** (-3 / 20), atol=1e-6)
    streamed = [np.concatenate([c.audio for c in x.stream(TEXT, **options)]) for x in (tts, louder)]
    assert np.allclose(streamed[1], streamed[0] * 10 ** (-3 / 20), atol=1e-6)
    neutral = [x.synthesize(TEXT, seed=3).audio for x in (tts, louder)]
    assert np.array_equal(*neutral)
