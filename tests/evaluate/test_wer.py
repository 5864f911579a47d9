import math

import numpy as np
import pytest

from emotts.data.espeak import speak
from emotts.errors import InputError, MissingDependencyError
from emotts.evaluate import optional
from emotts.evaluate.wer import (
    RECOGNIZER_RATE,
    Recognizer,
    WordErrors,
    bootstrap_interval,
    count_errors,
    to_words,
    word_error_rate,
)


def spoken(text: str) -> np.ndarray:
    import librosa

    speech = speak(text, rate=140)
    return librosa.resample(speech.samples / 32768, orig_sr=speech.rate, target_sr=RECOGNIZER_RATE)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", (0, 0, 0, 6)),
        ("the cat sat", "the bat sat", (1, 0, 0, 3)),
        ("the cat sat", "the sat", (0, 1, 0, 3)),
        ("the cat sat", "the big cat sat", (0, 0, 1, 3)),
        ("the cat sat", "", (0, 3, 0, 3)),
        ("The CAT, sat!", "the cat sat", (0, 0, 0, 3)),
        ("Don't go.", "don't go", (0, 0, 0, 2)),
        ("I have 3 cats", "i have three cats", (0, 0, 0, 4)),
        ("a well-known man", "a well known man", (0, 0, 0, 4)),
    ],
)
def test_known_errors_are_counted(reference, hypothesis, counts):
    assert count_errors(reference, hypothesis) == WordErrors(*counts)


def test_the_reference_comes_first():
    # In the other order deletions and insertions would change places, and the divisor with them.
    one_of_two = count_errors("hello world", "hello")
    assert (one_of_two.deletions, one_of_two.insertions, one_of_two.rate) == (1, 0, 0.5)
    two_for_one = count_errors("hello", "hello big world")
    assert (two_for_one.deletions, two_for_one.insertions, two_for_one.rate) == (0, 2, 2.0)


def test_rate_weighs_words_not_sentences():
    counts = [count_errors("one", "two"), count_errors("a b c d e f g h i", "a b c d e f g h i")]
    assert word_error_rate(counts) == pytest.approx(0.1)
    assert math.isnan(word_error_rate([]))


def test_reference_without_words_is_an_error():
    with pytest.raises(InputError, match="no words"):
        count_errors("...", "hello")


def test_words_keep_inner_apostrophes_only():
    assert to_words("'Tis the dogs' bone, isn’t it? Café 7!") == [
        "tis", "the", "dogs", "bone", "isn't", "it", "cafe", "seven",
    ]  # fmt: skip


def test_bootstrap_interval_holds_the_rate_and_narrows_with_more_sentences():
    few = [WordErrors(1, 0, 0, 10), WordErrors(4, 0, 0, 10), WordErrors(2, 0, 0, 10)] * 3
    many = few * 20
    low, high = bootstrap_interval(few)
    assert low <= word_error_rate(few) <= high
    narrow = bootstrap_interval(many)
    assert narrow[1] - narrow[0] < (high - low) / 3
    assert bootstrap_interval(few) == (low, high)
    assert bootstrap_interval([WordErrors(0, 0, 0, 5)] * 4) == (0.0, 0.0)


def test_transcript_does_not_depend_on_what_came_before(recognizer):
    sound = spoken("The house is on the other side.")
    first = recognizer.recognize(sound)
    recognizer.recognize(spoken("Something else altogether."))
    assert recognizer.recognize(sound) == first
    assert "the other side" in first


def test_recogniser_hears_nothing_in_silence(recognizer):
    assert recognizer.recognize(np.zeros(RECOGNIZER_RATE, np.float32)) == ""


def test_words_that_cannot_be_recognised_are_reported(recognizer):
    # The name is in the dictionary, but not in the language model.
    assert recognizer.out_of_vocabulary(["Kerfoot said hello to Xyzzyq."]) == ["kerfoot", "xyzzyq"]


def test_language_model_must_exist(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.arpa does not exist"):
        Recognizer(tmp_path / "nothing.arpa")
    bad = tmp_path / "bad.arpa"
    bad.write_text("no language model")
    with pytest.raises(InputError, match="cannot use the language model"):
        _ = Recognizer(bad).decoder


def test_missing_package_names_the_extra(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(optional, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r'pip install "emotts\[evaluate\]"'):
        Recognizer()
