from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotts.emotion import Emotion
from emotts.emotion.calibration import (
    DoseTable,
    GuidanceConfig,
    check_guidance,
    check_wanted,
    dose_of,
    isotonic,
)
from emotts.errors import InputError

CLASSES = ("neutral", "happy", "angry", "sad")
TABLE = DoseTable(alpha={"angry": (0, 1, 2, 2, 6), "happy": (0, 0, 4, 4, 4)})
CONFIG = GuidanceConfig(table=TABLE)


def test_the_knob_reads_the_table_and_beta_is_a_quarter() -> None:
    dose = dose_of(CONFIG, Emotion.parse("angry:0.375"), CLASSES)
    assert dict(dose.positive) == {"angry": pytest.approx(1.5)}
    assert dose.beta == pytest.approx(1.5 / 4)
    assert dose_of(CONFIG, Emotion.parse("angry"), CLASSES).beta == pytest.approx(1.5)


@pytest.mark.parametrize("emotion", ["neutral", "calm:0.8", "sad:1", "happy:0.2"])
def test_there_is_no_guidance_for_neutral_the_unknown_and_the_uncalibrated(emotion: str) -> None:
    assert not dose_of(CONFIG, Emotion.parse(emotion), CLASSES)


def test_no_guidance_where_it_is_switched_off() -> None:
    off = CONFIG.model_copy(update={"schedule": "none"})
    assert not dose_of(off, Emotion.parse("angry"), CLASSES, alpha=3)


def test_a_blend_shares_the_weight() -> None:
    dose = dose_of(CONFIG, Emotion.parse("angry:1,happy:0.5,calm:0.5"), CLASSES)
    assert dict(dose.positive) == {"angry": pytest.approx(6 * 2 / 3), "happy": pytest.approx(4 / 3)}
    assert dose.beta == pytest.approx((4 + 4 / 3) / 4)


def test_researchers_override_the_table() -> None:
    assert dose_of(CONFIG, Emotion.parse("sad:0.1"), CLASSES, alpha=3).positive == (("sad", 3.0),)
    assert dose_of(CONFIG, Emotion.parse("sad:0.1"), CLASSES, alpha=3, beta=0).beta == 0
    assert dose_of(CONFIG, Emotion.parse("angry"), CLASSES, beta=1).beta == 1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted))
def test_a_stronger_wish_is_never_a_weaker_dose(pair: list[float]) -> None:
    low, high = (TABLE.alpha_of("angry", intensity) for intensity in pair)
    assert low <= high


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_isotonic_regression_rises_and_keeps_the_mean(values: list[float]) -> None:
    found = isotonic(values)
    assert all(a <= b + 1e-9 for a, b in pairwise(found))
    assert sum(found) == pytest.approx(sum(values), abs=1e-6)
    assert isotonic(sorted(values)) == pytest.approx(sorted(values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedul": "derived"}, "did you mean 'schedule'"),
        ({"schedule": "quick"}, "schedule: Input should be 'derived', 'constant' or 'none'"),
        ({"gate": 1.0}, "gate: Input should be less than 1"),
        ({"cap": 0}, "cap: Input should be greater than 0"),
        ({"interval": [0.0, 0.5]}, "interval must be two rising times above 0"),
        ({"interval": [0.5, 0.4]}, "interval must be two rising times"),
        ({"table": {"intensities": [0, 0.5]}}, "intensities must rise from 0 to 1"),
        ({"table": {"alpha": {"angr": [0, 1, 2, 3, 4]}}}, 'unknown emotion "angr"'),
        ({"table": {"alpha": {"angry": [0, 1, 2]}}}, "alpha of angry has 3 values for 5 intensities"),
        ({"table": {"alpha": {"angry": [0, 1, 2, 1, 4]}}}, "alpha of angry must begin with 0, never fall"),
        ({"table": {"alpha": {"angry": [1, 1, 2, 3, 4]}}}, "alpha of angry must begin with 0"),
        ({"table": {"alpha": {"angry": [0, 1, 2, 3, 40]}}}, "end at 10 at most"),
    ],
)
def test_a_wrong_section_is_refused_in_one_line(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        GuidanceConfig.parse(values, source="guidance")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "expert", "config", "message"),
    [
        ({"alpha": 1.0}, False, None, "no emotion expert.*leave alpha out"),
        ({"guidance_schedule": "constant"}, True, CONFIG, "calibrated for derived guidance only: give alpha"),
        ({"beta": 1.0}, True, GuidanceConfig(), "not calibrated: give alpha"),
        ({"guidance_schedule": "none", "alpha": 1.0}, True, CONFIG, "leaves nothing for alpha to do"),
    ],
)
def test_what_a_model_cannot_do_is_said(asked: dict, expert: bool, config: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_guidance(asked, expert, config)


@pytest.mark.parametrize(
    ("asked", "expert"),
    [
        ({}, False),
        ({"guidance_schedule": "none"}, False),
        ({"guidance_schedule": "constant", "alpha": 2.0}, True),
        ({"guidance_schedule": "derived"}, True),
        ({"beta": 1.0}, True),
    ],
)
def test_what_a_model_can_do_passes(asked: dict, expert: bool) -> None:
    check_guidance(asked, expert, CONFIG if expert else None)


def test_weights_need_an_emotion_that_can_be_guided() -> None:
    with pytest.raises(InputError, match="alpha guides towards an emotion: ask for one of happy, angry, sad"):
        check_wanted({"alpha": 1.0}, [Emotion.neutral(), Emotion.parse("calm")], CLASSES)
    check_wanted({"alpha": 1.0}, [Emotion.neutral(), Emotion.parse("sad")], CLASSES)
    check_wanted({"alpha": None}, [Emotion.neutral()], CLASSES)
