import numpy as np
import pytest

from emotts.data.espeak import speak
from emotts.errors import InputError


def test_same_arguments_give_the_same_samples_whatever_was_said_between():
    first = speak("Hello, world.")
    speak("Something else altogether.", voice="en-us+f3", rate=300)
    second = speak("Hello, world.")
    assert np.array_equal(first.samples, second.samples)
    assert first.phonemes == second.phonemes


def test_phonemes_come_in_time_and_in_order():
    speech = speak("Hello, world.")
    assert [event.symbol for event in speech.phonemes if event.symbol] == [
        "h", "ə", "l", "ˈoʊ", "w", "ˈɜː", "l", "d",
    ]  # fmt: skip
    starts = [event.start for event in speech.phonemes]
    assert starts == sorted(starts)
    assert starts[0] >= 0 and starts[-1] <= len(speech.samples) / speech.rate


def test_rate_and_voice_change_the_speech():
    slow, fast = speak("The cat sat on the mat.", rate=120), speak("The cat sat on the mat.", rate=240)
    assert len(fast.samples) < 0.7 * len(slow.samples)
    other = speak("The cat sat on the mat.", voice="en-us+f3", rate=120)
    assert len(other.samples) != len(slow.samples) or not np.array_equal(other.samples, slow.samples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "no sound"),
        ({"text": "hello", "voice": "zzz"}, "no voice 'zzz'"),
        ({"text": "hello", "rate": 10}, "80 to 450"),
        ({"text": "hello", "pitch": 100}, "0 to 99"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message):
        speak(**arguments)
