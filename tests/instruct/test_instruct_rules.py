"""The compositional layer: clauses, negation, degree, contrast; and words of delivery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotts.emotion import EMOTIONS
from emotts.emotion.instruct.delivery import delivery_hints, load_delivery
from emotts.emotion.instruct.direction import clamp_hints
from emotts.emotion.instruct.mapper import compose
from emotts.emotion.instruct.rules import Clause, load_rules, parse, weigh


def denied(text: str) -> list[str]:
    return [clause.text for clause in parse(text) if clause.negated]


def asserted(text: str) -> list[str]:
    return [clause.text for clause in parse(text) if not clause.negated]


@pytest.mark.parametrize(
    ("text", "no", "yes"),
    [
        ("not angry, just tired", ["angry"], ["just tired"]),
        ("not angry just tired", ["angry"], ["just tired"]),
        ("sad rather than angry", ["angry"], ["sad"]),
        ("without fear or anger", ["fear", "anger"], []),
        ("drop the anger, give me sadness", ["anger"], ["give me sadness"]),
        ("instead of rage give me sorrow", ["rage"], ["give me sorrow"]),
        ("not only angry but sad", [], ["angry", "sad"]),
        ("she can't stop crying", [], ["she can't_stop crying"]),
        ("calm, without a trace of fear", ["fear"], ["calm"]),
        ("isn’t happy", ["happy"], []),
        ("not without anger", [], ["with anger"]),
        ("she could not be happier", [], ["she happier"]),
        ("he has never been sadder", [], ["he has sadder"]),
        ("he could never be bitter", ["be bitter"], ["he could"]),
    ],
)
def test_scope_of_a_negation(text: str, no: list[str], yes: list[str]) -> None:
    assert denied(text) == no
    assert asserted(text) == yes


def test_degree_words_are_taken_out_and_order_the_intensity() -> None:
    phrases = ["a hint of fear", "slightly fear", "fear", "really fear", "utterly fear"]
    clauses = [parse(phrase)[0] for phrase in phrases]
    assert {clause.text for clause in clauses} == {"fear"}
    scaled = [clause.scale(0.6) for clause in clauses]
    assert scaled == sorted(scaled) and len(set(scaled)) == len(scaled)


def test_barely_concealed_is_no_weak_emotion() -> None:
    assert parse("barely concealed rage")[0].factor == 1.0
    assert parse("barely angry")[0].factor < 0.5


def test_an_intensity_in_figures_is_taken_as_it_is() -> None:
    assert parse("angry at 80 %")[0].exact == 0.8
    (graded,) = parse("angry, 3 out of 10")
    assert (graded.text, graded.exact) == ("angry", 0.3)
    (weak,) = parse("angry, but only slightly")
    assert weak.text == "angry" and weak.factor < 0.5


@pytest.mark.parametrize(
    ("text", "stronger"),
    [
        ("smiling, but her voice shakes", 1),
        ("starts calm, then explodes", 1),
        ("furious underneath, polite on the surface", 0),
        ("although he is angry, he speaks kindly", 1),
        ("forced cheer hiding panic", 1),
    ],
)
def test_contrast_says_which_clause_counts_more(text: str, stronger: int) -> None:
    clauses = parse(text)
    assert len(clauses) == 2
    weights = [clause.weight for clause in weigh(clauses, [True, True])]
    assert weights[stronger] > weights[1 - stronger]


def test_as_though_is_no_contrast() -> None:
    assert len(parse("as though a door had opened")) == 1


def one(name: str, value: float) -> list[float]:
    return [value if other == name else 0.0 for other in EMOTIONS]


def test_what_is_denied_goes_and_what_is_asserted_stays() -> None:
    no, yes = Clause("furious", "not furious", negated=True), Clause("irritated", "irritated")
    weaker = compose([no, yes], [one("angry", 0.8), one("angry", 0.4)])
    assert weaker == one("angry", 0.4)
    capped = compose([no, yes], [one("angry", 0.4), one("angry", 0.9)])
    assert 0.25 <= capped[EMOTIONS.index("angry")] < 0.4
    assert compose([no], [one("angry", 0.8)]) == one("angry", 0.0)


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    clauses = parse(text)
    for clause in weigh(clauses, [True] * len(clauses)):
        assert 0.0 <= clause.scale(0.7) <= 1.0
        assert 0.0 <= clause.weight <= 1.5


words = st.sampled_from([*load_rules().negators, *load_rules().weaker, *load_rules().contrast, "sad", ","])


@given(st.lists(words, max_size=12))
def test_cues_without_end_stay_in_range(parts: list[str]) -> None:
    clauses = parse(" ".join(parts))
    values = compose(clauses, [one("sad", clause.scale(0.7)) for clause in clauses])
    assert all(0.0 <= value <= 1.0 for value in values)


@pytest.mark.parametrize(
    ("text", "faster", "louder"),
    [
        ("whispered", -1, -1),
        ("rushed", 1, 1),
        ("shouting at the top of her lungs", 1, 1),
        ("slowly", -1, 0),
        ("not so loud", 0, -1),
        ("don't shout", 0, -1),
        ("wants to scream", 0, 0),
        ("sad", 0, 0),
    ],
)
def test_words_of_delivery(text: str, faster: int, louder: int) -> None:
    speed, energy = delivery_hints(parse(text))
    if faster:
        assert (speed - 1.0) * faster > 0
    if louder:
        assert energy * louder > 0
    if not faster and not louder:
        assert (speed, energy) == (1.0, 0.0)


def test_degree_words_scale_delivery() -> None:
    little, plain, very = (
        delivery_hints(parse(text))[0] for text in ("a bit slower", "slower", "much slower")
    )
    assert very < plain < little < 1.0


def test_hints_stay_in_range() -> None:
    for speed, energy in load_delivery().values():
        assert clamp_hints(speed, energy) == (round(speed, 3), energy)
    assert clamp_hints(3.0, -40.0) == (1.2, -10.0)
