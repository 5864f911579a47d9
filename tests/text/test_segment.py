import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.text.segment import split_text

SENTENCES = [
    ("One. Two! Three? Four…", ["One.", "Two!", "Three?", "Four…"]),
    ("Dr. Smith met Mr. Jones. They left.", ["Dr. Smith met Mr. Jones.", "They left."]),
    ("It cost 3.50 in 2024. Next year it rose.", ["It cost 3.50 in 2024.", "Next year it rose."]),
    ("J. R. R. Tolkien wrote. We read.", ["J. R. R. Tolkien wrote.", "We read."]),
    ("So did I. Then we ran.", ["So did I.", "Then we ran."]),
    ("Apples, pears, etc. are fruit. Yes.", ["Apples, pears, etc. are fruit.", "Yes."]),
    ("We ate apples, etc. Then we left.", ["We ate apples, etc.", "Then we left."]),
    ("We met at 7 a.m. on Monday. It rained.", ["We met at 7 a.m. on Monday.", "It rained."]),
    ("See No. 5 there. Go.", ["See No. 5 there.", "Go."]),
    ("She said “No!” and left. He sighed.", ["She said “No!” and left.", "He sighed."]),
    ("He said “Go.” She went.", ["He said “Go.”", "She went."]),
    ("Wait... what? Oh.", ["Wait... what?", "Oh."]),
    ("A title\n\nA text", ["A title", "A text"]),
    ("a line\nwrapped here", ["a line wrapped here"]),
    ("你好。你好吗？好！", ["你好。", "你好吗？", "好！"]),
    ("1. First thing. 2. Second thing.", ["1. First thing.", "2. Second thing."]),
    ("Hello! 😀 !!! Bye.", ["Hello! 😀 !!!", "Bye."]),
    ("... ?", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "pieces"), SENTENCES)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert split_text(text) == pieces


def test_long_sentences_break_at_the_strongest_mark_within_the_limit() -> None:
    text = (
        "We walked along the river for hours, and nobody spoke; "
        "then, at last, the sun came out and we laughed."
    )
    assert split_text(text, 70) == [
        "We walked along the river for hours, and nobody spoke;",
        "then, at last, the sun came out and we laughed.",
    ]
    assert split_text("one two three four five six", 15) == ["one two three", "four five six"]


def test_a_limit_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="at least 10"):
        split_text("Hello.", 5)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300) | st.text("abA .,;:!?\n'\"1—", max_size=300), st.integers(10, 80))
def test_all_that_can_be_said_is_kept_in_order(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    said = [character for piece in pieces for character in piece if character.isalnum()]
    assert said == [character for character in text if character.isalnum()]
    for piece in pieces:
        assert piece == piece.strip()
        assert any(map(str.isalnum, piece))
        assert len(piece) <= limit


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["word", "Mr.", "end.", "well,", "no;", "3.5", "a"]), min_size=1, max_size=60)
)
def test_words_stay_whole(words: list[str]) -> None:
    assert " ".join(split_text(" ".join(words), 30)).split() == words
