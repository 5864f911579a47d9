"""A thousand texts of scrambled markup: speech, or one line that says what is wrong."""

from __future__ import annotations

import random

import numpy as np
from test_markup_parser import PIECES

from emotts import EmoTTS
from emotts.errors import EmottsError

COUNT = 1000
WORDS = ["Hello there", " we left. ", "No! ", "tomato", " 3.5 ", "$5", "…", "“", "Dr. ", "a"]
WHOLE = [
    "[pause 0.5s]", "[pause 20ms]", "[emotion sad:0.6]Oh no[/emotion]", "[rate 0.6]slow[/rate]",
    "<tomato|təˈmɑːtoʊ>", "[emotion calm][rate 1.9]x[/rate][/emotion]", "\\[", "<a|ə>",
]  # fmt: skip
ELEMENTS = [
    "<break/>", "<break time='20ms'/>", "<prosody rate='x-slow'>Oh</prosody>", "<p>One.</p>", "<s>Two</s>",
    "<sub alias='me'>x</sub>", "<say-as interpret-as='digits'>12</say-as>", "<phoneme ph='naʊ'>n</phoneme>",
    "<emotion name='sad:0.4'>No.</emotion>", "&amp;",
]  # fmt: skip


def scrambled(rng: random.Random) -> str:
    """Half of the texts are wrong somewhere, half are likely to be right."""
    ssml = rng.random() < 0.4
    pool = WORDS + (ELEMENTS if ssml else WHOLE)
    if rng.random() < 0.5:
        pool = pool + PIECES
    text = "".join(rng.choice(pool) for _ in range(rng.randint(1, 9)))
    return f"<speak>{text}</speak>" if ssml else text


def test_a_thousand_scrambled_texts_are_speech_or_one_line(tiny_tts: EmoTTS) -> None:
    rng = random.Random(11)
    refused = spoken = 0
    for number in range(COUNT):
        text = scrambled(rng)
        try:
            fewest, natural, most = tiny_tts.lengths(text, markup=True)
            assert 0 < fewest <= natural <= most, text
            if number % 10 == 0:
                speech = tiny_tts.synthesize(text, markup=True, seed=number)
                assert len(speech.audio) and np.isfinite(speech.audio).all(), text
                assert abs(len(speech.audio) - 960 * natural) <= 960, text
        except EmottsError as error:
            assert "\n" not in str(error), text
            refused += 1
        else:
            spoken += 1
    assert refused > COUNT / 5 and spoken > COUNT / 5
