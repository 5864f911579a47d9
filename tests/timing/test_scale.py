import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.timing import TimingPlan
from emotts.timing.scale import bounds, require_natural, scale_plan

PHONEME = st.tuples(st.floats(0, 20), st.sampled_from(["vowel", "consonant", "pause"]))
TEXT = st.lists(PHONEME, min_size=1, max_size=40).filter(
    lambda text: any(weight > 0 or part != "pause" for weight, part in text)
)
TOTAL = st.integers(1, 400)


def split(text: list[tuple[float, str]]) -> tuple[list[float], list[str]]:
    return [weight for weight, _ in text], [part for _, part in text]


@given(TEXT, TOTAL)
def test_the_sum_is_exact(text: list, total: int):
    assert scale_plan(*split(text), total).total == total


@given(TEXT, TOTAL)
def test_no_phone_is_lost_unless_the_total_forces_it(text: list, total: int):
    weights, kinds = split(text)
    durations = scale_plan(weights, kinds, total).durations
    phones = [index for index, part in enumerate(kinds) if part != "pause"]
    if total >= len(phones):
        assert all(durations[index] >= 1 for index in phones)
        return
    kept = [index for index in phones if durations[index]]
    lost = [index for index in phones if not durations[index]]
    assert [durations[index] for index in kept] == [1] * total
    assert min(max(weights[i], 0.5) for i in kept) >= max(max(weights[i], 0.5) for i in lost)


@given(TEXT, TOTAL, st.integers(0, 30))
@settings(max_examples=200)
def test_a_longer_total_shortens_nothing(text: list, total: int, more: int):
    shorter = scale_plan(*split(text), total).durations
    longer = scale_plan(*split(text), total + more).durations
    assert all(a <= b for a, b in zip(shorter, longer, strict=True))


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["vowel", "consonant", "pause"])), min_size=1))
def test_whole_weights_come_back_at_their_own_total(text: list):
    weights, kinds = split(text)
    assert scale_plan(weights, kinds, sum(weights)).durations == tuple(weights)


@pytest.mark.parametrize("total", [30, 120])
def test_pauses_stretch_most_and_consonants_least(total: int):
    weights, kinds = [20.0, 20.0, 20.0], ["consonant", "vowel", "pause"]
    consonant, vowel, pause = scale_plan(weights, kinds, total).durations
    if total > sum(weights):
        assert consonant < vowel < pause
    else:
        assert consonant > vowel > pause


def test_a_surplus_is_spread_over_equal_phones():
    durations = scale_plan([1.0] * 30, ["vowel"] * 30, 45).durations
    assert set(durations) == {1, 2}
    for start in range(0, 30, 10):
        assert 13 <= sum(durations[start : start + 10]) <= 17


def test_a_word_boundary_without_a_pause_gets_none():
    assert scale_plan([3.0, 0.0, 3.0], ["vowel", "pause", "vowel"], 200).durations[1] == 0


@pytest.mark.parametrize(
    ("weights", "kinds", "total", "message"),
    [
        ([1.0], ["vowel"], 0, "at least 1"),
        ([1.0], ["vowel", "pause"], 3, "one for each"),
        ([-1.0], ["vowel"], 3, "0 or more"),
        ([float("nan")], ["vowel"], 3, "finite"),
        ([0.0], ["pause"], 3, "a phone, or a pause that lasts"),
    ],
)
def test_bad_input_is_refused(weights: list, kinds: list, total: int, message: str):
    with pytest.raises(InputError, match=message):
        scale_plan(weights, kinds, total)


SYMBOLS = ["^", "h", "ə", "l", "ˈoʊ", "."]
PLAN = TimingPlan((2, 3, 2, 3, 7, 3))


def test_natural_lengths_lie_around_the_predicted_one():
    assert bounds(PLAN, SYMBOLS) == (10, 50)
    require_natural(10, PLAN, SYMBOLS)
    require_natural(50, PLAN, SYMBOLS)


def test_a_voice_that_is_quick_already_keeps_its_own_length_possible():
    plan = TimingPlan((0, 1, 0, 1, 1, 0))
    assert bounds(plan, SYMBOLS)[0] == 3


@pytest.mark.parametrize(("total", "fault"), [(5, "0.20 s is too short"), (100, "4.00 s is too long")])
def test_an_unnatural_length_names_the_range(total: int, fault: str):
    with pytest.raises(InputError, match=f"{fault} for this text: between 0.40 and 2.00 s would do"):
        require_natural(total, PLAN, SYMBOLS)


def test_the_length_that_is_refused_is_the_one_that_was_asked_for():
    with pytest.raises(InputError, match=r"duration 0\.23 s is too short"):
        require_natural(5, PLAN, SYMBOLS, seconds=0.23)
