"""Word error rate by an independent recogniser.

The recogniser is pocketsphinx with the acoustic model, dictionary and language model that its wheel
brings. It makes many errors on clear natural speech too (21 to 34 % on read ARCTIC prompts), so a rate means
something only beside that of natural recordings of the same sentences.
"""

from __future__ import annotations

import functools
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotts.errors import InputError
from emotts.evaluate.optional import optional_import

if TYPE_CHECKING:
    from pocketsphinx import Decoder

RECOGNIZER_RATE = 16_000
"""Samples a second of what the recogniser hears."""

GENERAL = "general"
"""The US English trigram model inside the pocketsphinx wheel."""

_SILENCE_SECONDS = 0.2
# pocketsphinx's logarithm of zero; the model gives it to words that it does not hold.
_LOG_ZERO = -500_000_000
_NOT_WORD = re.compile(r"[^a-z' ]+")


@dataclass(frozen=True)
class WordErrors:
    """Counts of an alignment of words.

    Attributes:
        substitutions: words heard as another.
        deletions: words not heard.
        insertions: words heard that were not said.
        words: words of the reference.
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    words: int = 0

    @property
    def errors(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors for each reference word; can exceed 1. NaN where there are no words."""
        return self.errors / self.words if self.words else float("nan")

    def __add__(self, other: WordErrors) -> WordErrors:
        """Counts of both together."""
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.words + other.words,
        )


def to_words(text: str, language: str = "en-us") -> list[str]:
    """Lower-case words of a text as they are said: numbers spelled, apostrophes kept, no punctuation."""
    from emotts.text.normalize import normalize

    text = _spell_digits(normalize(text, language), language)
    text = unicodedata.normalize("NFKD", text).replace("’", "'").lower()
    text = "".join(character for character in text if not unicodedata.combining(character))
    words = (word.strip("'") for word in _NOT_WORD.sub(" ", text).split())
    return [word for word in words if word]


def _spell_digits(text: str, language: str) -> str:
    """Spells what digits the normaliser left; words and digits that touch are parted."""
    if not re.search(r"\d", text):
        return text
    from num2words import num2words

    return re.sub(r"\d+", lambda match: f" {num2words(int(match[0]), lang=language[:2])} ", text)


def count_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of what was heard (`hypothesis`) against what was to be said (`reference`).

    Both are normalised by `to_words`.

    Raises:
        InputError: the reference has no words.
    """
    jiwer = optional_import("jiwer")
    wanted, heard = to_words(reference), to_words(hypothesis)
    if not wanted:
        raise InputError(f"the reference text {reference!r} has no words")
    if not heard:
        return WordErrors(deletions=len(wanted), words=len(wanted))
    output = jiwer.process_words(reference=" ".join(wanted), hypothesis=" ".join(heard))
    return WordErrors(output.substitutions, output.deletions, output.insertions, len(wanted))


def word_error_rate(counts: Iterable[WordErrors]) -> float:
    """Errors of all utterances over words of all utterances."""
    return sum(counts, WordErrors()).rate


def bootstrap_interval(
    counts: Sequence[WordErrors], confidence: float = 0.95, repeats: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the word error rate over utterances.

    Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004.

    Args:
        counts: one entry for each utterance.
        confidence: probability mass inside the interval, in (0, 1).
        repeats: resamples.
        seed: of the resampling.

    Returns:
        lower and upper bound; NaN without utterances.
    """
    if not counts:
        return float("nan"), float("nan")
    errors = np.array([count.errors for count in counts])
    words = np.array([count.words for count in counts])
    draws = np.random.default_rng(seed).integers(0, len(counts), (repeats, len(counts)))
    rates = errors[draws].sum(axis=1) / np.maximum(words[draws].sum(axis=1), 1)
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


class Recognizer:
    """pocketsphinx, loaded at its first use. A recording's transcript does not depend on earlier ones.

    Args:
        language_model: `GENERAL`, or an ARPA file (`emotts.evaluate.language_model` writes one).

    Raises:
        InputError: the file does not exist.
        MissingDependencyError: pocketsphinx is not installed.
    """

    def __init__(self, language_model: str | Path = GENERAL) -> None:
        if language_model != GENERAL and not Path(language_model).is_file():
            raise InputError(
                f"language model {language_model} does not exist; give an ARPA file or {GENERAL!r}"
            )
        optional_import("pocketsphinx")
        self.language_model = str(language_model)
        self._decoder: Decoder | None = None

    @property
    def decoder(self) -> Decoder:
        """The decoder; it takes a second or more to load, so the general one is shared."""
        if self.language_model == GENERAL:
            return _general_decoder()
        if self._decoder is None:
            self._decoder = _domain_decoder(Path(self.language_model))
        return self._decoder

    def recognize(self, waveform: np.ndarray) -> str:
        """Words heard in a recording.

        Args:
            waveform: shape (samples,), float in [-1, 1] at `RECOGNIZER_RATE`.
        """
        if not np.any(waveform):  # it would hear a short word even there
            return ""
        silence = np.zeros(round(_SILENCE_SECONDS * RECOGNIZER_RATE), np.int16)
        samples = (np.clip(waveform, -1.0, 1.0) * 32767).astype(np.int16)
        decoder = self.decoder
        # Its running mean of the features would make a transcript depend on the order of the files.
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(np.concatenate([silence, samples, silence]).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""

    def recognize_file(self, path: Path | str) -> str:
        """Words heard in an audio file.

        Raises:
            AudioError: the file is missing or unreadable.
        """
        from emotts.audio.io import load_audio

        return self.recognize(load_audio(path, RECOGNIZER_RATE).numpy())

    def out_of_vocabulary(self, texts: Iterable[str]) -> list[str]:
        """Words of the texts, sorted, that can never be recognised: not in the dictionary or the model."""
        decoder = self.decoder
        model = decoder.get_lm(decoder.current_search())
        words = {word for text in texts for word in to_words(text)}
        return sorted(w for w in words if decoder.lookup_word(w) is None or model.prob([w]) < _LOG_ZERO)


@functools.cache
def _general_decoder() -> Decoder:
    """Pocketsphinx with its own models and search settings, which did best in our trials."""
    return optional_import("pocketsphinx").Decoder(samprate=RECOGNIZER_RATE, loglevel="FATAL")


def _domain_decoder(model: Path) -> Decoder:
    """The same with another language model, and of the dictionary only its words.

    With the whole dictionary a small model takes ten times as long to load.
    """
    pocketsphinx = optional_import("pocketsphinx")
    words = _unigrams(model)
    dictionary = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "words.dict"
        with dictionary.open(encoding="utf-8") as source, small.open("w", encoding="utf-8") as target:
            # A second pronunciation of a word is written word(2).
            target.writelines(line for line in source if line.split(maxsplit=1)[0].partition("(")[0] in words)
        try:
            return pocketsphinx.Decoder(
                samprate=RECOGNIZER_RATE, loglevel="FATAL", lm=str(model), dict=str(small)
            )
        except (RuntimeError, ValueError) as error:
            raise InputError(f"cannot use the language model {model}: {str(error).strip()}") from None


def _unigrams(model: Path) -> set[str]:
    try:
        content = model.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        content = ""
    _, found, section = content.partition("\\1-grams:")
    if not found:
        raise InputError(f"cannot use the language model {model}: it is not an ARPA file")
    lines = section.partition("\\")[0].splitlines()
    return {line.split()[1] for line in lines if len(line.split()) > 1}
