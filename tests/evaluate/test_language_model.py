import math
from collections import defaultdict

import pytest
from test_wer import spoken

from emotts.errors import InputError
from emotts.evaluate.language_model import write_arpa
from emotts.evaluate.wer import Recognizer

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "a cat", "good morning everyone"]


def read_arpa(path):
    grams, backoffs, size = {}, defaultdict(lambda: 1.0), 0
    for line in path.read_text().splitlines():
        if line.endswith("-grams:"):
            size = int(line[1])
        elif size and line and not line.startswith("\\"):
            cells = line.split()
            gram = tuple(cells[1 : 1 + size])
            grams[gram] = 10 ** float(cells[0])
            if len(cells) > 1 + size:
                backoffs[gram] = 10 ** float(cells[-1])
    return grams, backoffs


def probability(grams, backoffs, gram):
    if gram in grams:
        return grams[gram]
    return backoffs[gram[:-1]] * probability(grams, backoffs, gram[1:])


@pytest.mark.parametrize("history", [(), ("<s>",), ("the",), ("the", "cat"), ("on", "the"), ("mat", "mat")])
def test_probabilities_after_any_history_sum_to_one(tmp_path, history):
    grams, backoffs = read_arpa(write_arpa(TEXTS, tmp_path / "x.arpa", vocabulary=["zebra"]))
    words = [gram[0] for gram in grams if len(gram) == 1 and gram != ("<s>",)]
    assert "zebra" in words
    total = sum(probability(grams, backoffs, (*history, word)) for word in words)
    assert math.isclose(total, 1.0, abs_tol=1e-4)


def test_seen_words_are_likelier(tmp_path):
    grams, backoffs = read_arpa(write_arpa(TEXTS, tmp_path / "x.arpa"))
    assert probability(grams, backoffs, ("on", "the")) > 10 * probability(grams, backoffs, ("on", "dog"))


def test_recogniser_with_the_domains_model_hears_only_its_words(tmp_path):
    recognizer = Recognizer(write_arpa(TEXTS, tmp_path / "x.arpa"))
    assert recognizer.recognize(spoken("Good morning everyone.")) == "good morning everyone"
    assert recognizer.out_of_vocabulary(["The cat saw a zebra"]) == ["saw", "zebra"]


def test_a_model_needs_words(tmp_path):
    with pytest.raises(InputError, match="at least one sentence"):
        write_arpa(["...", ""], tmp_path / "x.arpa")
    with pytest.raises(InputError, match="order"):
        write_arpa(TEXTS, tmp_path / "x.arpa", order=4)
