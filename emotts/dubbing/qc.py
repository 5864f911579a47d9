"""Checks of a spoken line: is there speech, where does it begin, does it clip, words and voice."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from emotts.evaluate.bursts import first_of_speech
from emotts.timebase import HOP_LENGTH, SAMPLE_RATE

SILENT_LEVEL = -55.0
"""Level (dBFS) of the loudest 10 ms under which a line counts as silent."""

ONSET_LEVEL = -30.0
"""Level of 10 ms, below the line's loudest, at which speech begins and ends."""

TRIM_LEVEL = -40.0
"""Level below which the edges are silence; lower than the onset's, so that no soft consonant is cut."""

_MARGIN = 2
"""Frames that are kept beyond the trimmed edge."""

_CLIPPED = 0.999


@dataclass(frozen=True)
class Checks:
    """What was measured on a line.

    Attributes:
        requested: samples that the model was asked for.
        achieved: samples of the line as placed.
        onset: seconds from the first placed sample to the beginning of speech; a burst that stands alone
            before it is none.
        offset: seconds from the first placed sample to the end of speech.
        peak: highest magnitude that the model gave.
        clipped: samples at full scale in a row of three or more.
        silent: whether there is no speech at all.
        wer: word error rate by the recogniser, or None when it was not asked for.
        similarity: cosine of speaker embeddings with the speaker's other lines, or None.
    """

    requested: int
    achieved: int
    onset: float
    offset: float
    peak: float
    clipped: int
    silent: bool
    wer: float | None = None
    similarity: float | None = None

    def faults(self, max_wer: float = math.inf, min_similarity: float = -1.0) -> tuple[str, ...]:
        """Names of the checks that failed."""
        named = {
            "silent": self.silent,
            "clipped": self.clipped > 0,
            "words": self.wer is not None and self.wer > max_wer,
            "voice": self.similarity is not None and self.similarity < min_similarity,
        }
        return tuple(name for name, failed in named.items() if failed)

    def record(self) -> dict[str, float | int | bool | None]:
        """Plain values for the report."""
        return asdict(self)


def levels(audio: np.ndarray) -> np.ndarray:
    """Level in dBFS of each 10 ms; shape (frames,), the last of them may be shorter."""
    count = -(-len(audio) // HOP_LENGTH)
    padded = np.zeros(count * HOP_LENGTH)
    padded[: len(audio)] = audio
    power = (padded.reshape(count, HOP_LENGTH) ** 2).mean(axis=1)
    return 10.0 * np.log10(power + 1e-12)


def edges(audio: np.ndarray, below: float = ONSET_LEVEL) -> tuple[int, int] | None:
    """First and last sample (exclusive) of speech, or None where all is silence."""
    if not len(audio):
        return None
    level = levels(audio)
    if level.max() < SILENT_LEVEL:
        return None
    loud = np.flatnonzero(level >= level.max() + below)
    return int(loud[0]) * HOP_LENGTH, min(len(audio), (int(loud[-1]) + 1) * HOP_LENGTH)


def trim(audio: np.ndarray) -> np.ndarray:
    """The audio without the silence at its edges, but for 20 ms of it."""
    found = edges(audio, TRIM_LEVEL)
    if found is None:
        return audio
    margin = _MARGIN * HOP_LENGTH
    return audio[max(0, found[0] - margin) : found[1] + margin]


def measure(audio: np.ndarray, placed: np.ndarray, requested: int) -> Checks:
    """Measures a line.

    Args:
        audio: what the model gave, float, shape (samples,).
        placed: the same as it goes into the track: trimmed and perhaps sped up.
        requested: samples that were asked for.
    """
    found = edges(placed)
    first, last = found or (0, len(placed))
    if found:
        level = levels(placed)
        first = first_of_speech(level >= level.max() + ONSET_LEVEL) * HOP_LENGTH
    return Checks(
        requested=requested,
        achieved=len(placed),
        onset=first / SAMPLE_RATE,
        offset=last / SAMPLE_RATE,
        peak=float(np.abs(audio).max(initial=0.0)),
        clipped=_clipped(audio),
        silent=found is None,
    )


def _clipped(audio: np.ndarray) -> int:
    """Samples of plateaus at full scale: a single sample there is a peak, three are a cut."""
    full = (np.abs(audio) >= _CLIPPED).astype(int)
    turns = np.flatnonzero(np.diff(np.concatenate(([0], full, [0]))))
    runs = turns[1::2] - turns[::2]
    return int(runs[runs >= 3].sum())


def listen(checks: Checks, audio: np.ndarray, text: str, wanted: Sequence[str]) -> Checks:
    """Adds the word error rate, if it is wanted.

    Args:
        checks: what was measured.
        audio: of the line, at 24 kHz.
        text: that was spoken.
        wanted: some of `options.CHECKS`.

    Raises:
        MissingDependencyError: the recogniser is not installed.
    """
    if "wer" not in wanted or checks.silent:
        return checks
    from emotts.evaluate.wer import count_errors

    heard = _recognizer().recognize(_at_16k(audio))
    rate = count_errors(text, heard).rate
    return replace(checks, wer=None if math.isnan(rate) else round(rate, 4))


def voiceprint(audio: np.ndarray) -> np.ndarray:
    """Embedding of the speaker, by an encoder that the synthesis does not know."""
    return _encoder().embed(_at_16k(audio))


def likeness(one: np.ndarray, others: Sequence[np.ndarray]) -> float | None:
    """Cosine of a voiceprint with the mean of others; None where there are none."""
    if not others:
        return None
    mean = np.mean(others, axis=0)
    return round(float(one @ mean / (np.linalg.norm(one) * np.linalg.norm(mean) + 1e-9)), 4)


def require(wanted: Sequence[str]) -> None:
    """Loads what the wanted checks need, so that a missing package is told before any work.

    Raises:
        MissingDependencyError: see `listen`.
    """
    if "wer" in wanted:
        _recognizer()
    if "similarity" in wanted:
        _encoder()


def _at_16k(audio: np.ndarray) -> np.ndarray:
    import soxr

    return soxr.resample(np.asarray(audio, dtype=np.float32), SAMPLE_RATE, 16_000)


@functools.lru_cache(maxsize=1)
def _recognizer():
    from emotts.evaluate.optional import optional_import
    from emotts.evaluate.wer import Recognizer

    optional_import("jiwer")
    optional_import("pocketsphinx")
    return Recognizer()


@functools.lru_cache(maxsize=1)
def _encoder():
    from emotts.evaluate.similarity import GE2EEncoder

    return GE2EEncoder()
