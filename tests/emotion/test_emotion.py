from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotts.emotion import EMOTIONS, Emotion
from emotts.emotion.corpora import CREMA_D_ACTED, CREMA_D_VOTES, RAVDESS, TABLES, emotion_name
from emotts.errors import DataError, InputError

vectors = st.tuples(*[st.floats(0.0, 1.0) for _ in EMOTIONS])


@given(vectors)
def test_parse_reads_back_what_str_writes(vector):
    emotion = Emotion(vector)
    assert Emotion.parse(str(emotion)) == emotion


@given(vectors, st.randoms())
def test_the_order_of_items_does_not_matter(vector, random):
    emotion = Emotion(vector)
    items = str(emotion).split(",")
    random.shuffle(items)
    assert Emotion.parse(" , ".join(items)) == emotion


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("angry", {"angry": 1.0}),
        ("angry:0.7", {"angry": 0.7}),
        ("happy:0.5,sad:0.2", {"happy": 0.5, "sad": 0.2}),
        (" Happy:0.5   SAD:.2 ", {"happy": 0.5, "sad": 0.2}),
        ("neutral", {}),
        ("neutral:1", {}),
        ("angry:0.6 neutral:0.4", {"angry": 0.6}),
        ("calm:0", {}),
        ("angry:1,sad:1", {"angry": 1.0, "sad": 1.0}),
    ],
)
def test_forms_of_text(text, expected):
    assert Emotion.parse(text).as_mapping() == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("angyr", ['"angyr"', 'Did you mean "angry"', *EMOTIONS, "neutral"]),
        ("fear:0.2", ['Did you mean "afraid"']),
        ("xyzzy", ["valid names"]),
        ("angry:1.5", ['"angry"', "1.5", "from 0 to 1"]),
        ("angry:-0.1", ["from 0 to 1"]),
        ("angry:nan", ["from 0 to 1"]),
        ("angry:loud", ["not a number", '"loud"']),
        ("angry,angry:0.5", ['"angry" is given twice']),
        ("Angry, ANGRY", ["twice"]),
        ("angry:", ['cannot read "angry:"']),
        (":0.5", ["cannot read"]),
        ("", ["empty"]),
        (" , ", ["empty"]),
    ],
)
def test_unusable_text_is_one_clear_line(text, parts):
    with pytest.raises(InputError) as caught:
        Emotion.parse(text)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_far_names_get_no_suggestion():
    with pytest.raises(InputError) as caught:
        Emotion.parse("xyzzy")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("vector", [(0.1,) * 7, (0.1,) * 9, (2.0,) + (0.0,) * 7, ("much",) + (0.0,) * 7])
def test_vectors_of_wrong_length_or_range_are_refused(vector):
    with pytest.raises(InputError):
        Emotion(vector)


def test_from_mapping_refuses_two_spellings_of_one_name():
    with pytest.raises(InputError, match="twice"):
        Emotion.from_mapping({"sad": 0.1, "SAD": 0.2})


def test_name_and_intensity_are_those_of_the_strongest():
    emotion = Emotion.parse("sad:0.4,angry:0.3")
    assert (emotion.name, emotion.intensity) == ("sad", 0.4)
    assert (Emotion.neutral().name, Emotion.neutral().intensity, Emotion.neutral().is_neutral) == (
        "neutral",
        0.0,
        True,
    )


@given(vectors, st.floats(0.0, 5.0))
def test_scaling_stays_in_range_and_zero_is_neutral(vector, factor):
    scaled = Emotion(vector).scaled(factor)
    assert all(0.0 <= v <= 1.0 for v in scaled.vector)
    assert Emotion(vector).scaled(0.0).is_neutral


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_scaling_by_nonsense_is_refused(factor):
    with pytest.raises(InputError):
        Emotion.parse("sad").scaled(factor)


def test_tensor_has_the_order_of_the_names():
    import torch

    tensor = Emotion.parse("angry:0.25,calm:0.5").tensor()
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == [0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]


def test_reading_emotions_does_not_load_torch():
    code = "import sys; from emotts.emotion import Emotion; Emotion.parse('sad'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "torch" not in loaded.split()


def test_every_corpus_label_is_a_name_of_ours():
    for table in TABLES.values():
        for name in table.values():
            assert name in (*EMOTIONS, "neutral")
    assert set(RAVDESS.values()) == {*EMOTIONS, "neutral"} - {"melancholic"}
    assert sorted(CREMA_D_VOTES.values()) == sorted(CREMA_D_ACTED.values())


def test_emotion_name_names_what_is_valid():
    assert emotion_name("ravdess", "06") == "afraid"
    with pytest.raises(DataError, match="its labels: 01"):
        emotion_name("ravdess", "09")
    with pytest.raises(DataError, match="crema_d"):
        emotion_name("iemocap", "ang")
