import math

import numpy as np
import pytest

from emotts.evaluate.word_timing import inner_seconds, time_words

pytest.importorskip("pocketsphinx")
TEXT = "The weather was cold and the road was long."


def say(rate: int) -> np.ndarray:
    import soxr

    from emotts.data.espeak import speak

    speech = speak(TEXT, rate=rate)
    return soxr.resample(speech.samples.astype(np.float32) / 32768, speech.rate, 16_000)


@pytest.fixture(scope="module")
def spoken():
    return say(175)


def test_words_are_found_in_their_order(spoken):
    words = time_words(spoken, TEXT)
    assert [word.split("(")[0] for word, _, _ in words] == TEXT.lower().strip(".").split()
    starts = [start for _, start, _ in words]
    assert starts == sorted(starts) and words[-1][2] <= len(spoken) / 16_000 + 0.02


def test_loudness_is_no_rate_but_speaking_slowly_is(spoken):
    plain = inner_seconds(spoken, TEXT)
    assert inner_seconds(0.3 * spoken, TEXT) == pytest.approx(plain, rel=0.05)
    assert inner_seconds(say(130), TEXT) > 1.1 * plain


def test_what_cannot_be_aligned_has_no_rate(spoken):
    assert math.isnan(inner_seconds(spoken, "Xyzzyqq said nothing at all."))
    assert math.isnan(inner_seconds(spoken, "Yes indeed."))
    assert math.isnan(inner_seconds(spoken[:1600], TEXT))
