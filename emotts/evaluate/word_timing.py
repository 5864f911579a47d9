"""When the words of a known text are said in a recording, by an aligner that is no part of the product."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from emotts.evaluate.optional import optional_import
from emotts.evaluate.wer import RECOGNIZER_RATE, to_words

if TYPE_CHECKING:
    from pocketsphinx import Decoder

_FRAME_SECONDS = 0.01
_FEWEST_WORDS = 3


def time_words(waveform: np.ndarray, text: str) -> list[tuple[str, float, float]]:
    """Forced alignment with pocketsphinx.

    Args:
        waveform: shape (samples,), float in [-1, 1] at `RECOGNIZER_RATE`.
        text: what is said.

    Returns:
        (word, start, end) in seconds; empty where the text does not fit the recording, or holds a word
        that is not in the dictionary.
    """
    decoder = _aligner()
    words = to_words(text)
    if not words or any(decoder.lookup_word(word) is None for word in words):
        return []
    decoder.set_align_text(" ".join(words))
    decoder.reinit_feat()  # its running mean would make a result depend on the order of the files
    decoder.start_utt()
    samples = (np.clip(waveform, -1.0, 1.0) * 32767).astype(np.int16)
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    found = [
        (segment.word, segment.start_frame * _FRAME_SECONDS, (segment.end_frame + 1) * _FRAME_SECONDS)
        for segment in decoder.seg()
        if segment.word[0] not in "<["
    ]
    return found if len(found) == len(words) else []  # it may give up before the last word


def inner_seconds(waveform: np.ndarray, text: str) -> float:
    """Seconds of the words between the first and the last, pauses left out; NaN where it cannot be told.

    The outer words are left out because their outer ends are not where the speaker stops but where loudness
    falls under the room's noise: loud speech would seem slower, and quiet speech faster, than it is.

    Args:
        waveform: shape (samples,), float in [-1, 1] at `RECOGNIZER_RATE`.
        text: what is said.
    """
    words = time_words(waveform, text)
    if len(words) < _FEWEST_WORDS:
        return float("nan")
    return sum(end - start for _, start, end in words[1:-1])


@functools.cache
def _aligner() -> Decoder:
    return optional_import("pocketsphinx").Decoder(samprate=RECOGNIZER_RATE, lm=None, loglevel="FATAL")
