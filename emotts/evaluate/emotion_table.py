"""Whether emotions move pitch, loudness and rate the way that they do in natural recordings.

The rate is that of the words between the first and the last, found by forced alignment. How long a
recording is louder than some threshold, as `measure_prosody` has it, says the opposite for anger: loud
syllables put the weak ones under the threshold, and the words seem short although they are long.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from emotts.errors import AudioError, DataError
from emotts.evaluate.lists import Sentence, find_all_audio
from emotts.evaluate.prosody import PROSODY_RATE, Prosody, measure_prosody
from emotts.evaluate.report import markdown_table, number
from emotts.evaluate.scoring import voice_name
from emotts.evaluate.word_timing import inner_seconds

TABLE_EMOTIONS = ("angry", "happy", "sad", "afraid", "disgusted")
"""Emotions that CREMA-D has beside neutral."""

MEASURES = ("F0 mean, st", "F0 range, st", "energy, dB", "rate, %")
"""What is compared, and the unit of its movement against neutral."""


@dataclass(frozen=True)
class Reading:
    """One recording of a text in an emotion.

    Attributes:
        speaker: who speaks.
        text: what is said.
        emotion: name of the emotion, or "neutral".
        path: audio file.
        start: seconds from the file's beginning.
        end: seconds, or None for the whole file.
    """

    speaker: str
    text: str
    emotion: str
    path: Path
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class Movement:
    """How a measure moves from neutral to an emotion.

    Attributes:
        mean: over pairs of the same speaker and text.
        error: standard error of the mean.
        pairs: how many.
    """

    mean: float
    error: float
    pairs: int

    @property
    def sure(self) -> bool:
        """Whether the movement is more than twice its standard error from zero."""
        return abs(self.mean) > 2 * self.error


Movements = dict[tuple[str, str], Movement]
"""(emotion, measure) -> movement."""


def readings_of_data(directory: Path | str, split: str | None = None, share: float = 0.5) -> list[Reading]:
    """Recordings of a Kaldi data directory with `utt2emo`, such as CREMA-D's.

    Args:
        directory: the data directory.
        split: only this split.
        share: of the listeners who must hear the emotion (or, for neutral, none) for the recording to count.

    Raises:
        DataError: the directory cannot be read, or has no emotions.
    """
    from emotts.data.kaldi import DataDir

    records = [r for r in DataDir.load(directory) if split is None or r.split == split]
    if not any(record.emotion is not None for record in records):
        raise DataError(f"{directory} has no utt2emo for these recordings")
    found = []
    for record in records:
        if record.emotion is None:
            continue
        neutral = 1.0 - sum(record.emotion.vector)
        name = record.emotion.name if record.emotion.intensity > neutral else "neutral"
        if max(record.emotion.intensity, neutral) >= share:
            found.append(Reading(record.speaker, record.text, name, record.audio, record.start, record.end))
    return found


def readings_of_list(sentences: Sequence[Sentence], audio: Path | str) -> list[Reading]:
    """Synthesised recordings of a sentence list.

    Raises:
        DataError: the file of a sentence is missing.
    """
    from emotts.emotion import Emotion

    made = find_all_audio(audio, sentences)
    return [Reading(voice_name(s), s.text, Emotion.parse(s.emotion).name, made[s.id]) for s in sentences]


def measure_readings(readings: Sequence[Reading], jobs: int = 1) -> list[Prosody | None]:
    """Prosody of each recording, its rate in utterances a second; None where it is silent."""
    if jobs <= 1:
        return [_measure(reading) for reading in readings]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        return list(pool.map(_measure, readings, chunksize=8))


def _measure(reading: Reading) -> Prosody | None:
    from emotts.audio.io import load_audio

    samples = load_audio(reading.path, PROSODY_RATE).numpy()
    end = None if reading.end is None else round(reading.end * PROSODY_RATE)
    samples = samples[round(reading.start * PROSODY_RATE) : end]
    try:
        # Rates are compared for the same text only, so that any unit will do.
        return replace(measure_prosody(samples), rate=1.0 / inner_seconds(samples, reading.text))
    except AudioError:  # CREMA-D has a silent recording
        return None


def movements(readings: Sequence[Reading], measured: Sequence[Prosody | None]) -> Movements:
    """Mean movement of every measure in every emotion against neutral, of the same speaker and text.

    Args:
        readings: recordings, neutral ones among them.
        measured: their prosody.

    Raises:
        DataError: an emotion has no pair.
    """
    groups: dict[tuple[str, str], dict[str, list[Prosody]]] = {}
    for reading, prosody in zip(readings, measured, strict=True):
        if prosody is not None:
            group = groups.setdefault((reading.speaker, reading.text), {})
            group.setdefault(reading.emotion, []).append(prosody)
    result: Movements = {}
    for emotion in TABLE_EMOTIONS:
        pairs = [
            _difference(group[emotion], group["neutral"])
            for group in groups.values()
            if emotion in group and "neutral" in group
        ]
        if not pairs:
            raise DataError(f"no speaker says the same text both {emotion} and neutral")
        for place, measure in enumerate(MEASURES):
            result[emotion, measure] = _movement([pair[place] for pair in pairs])
    return result


def _difference(moved: Iterable[Prosody], neutral: Iterable[Prosody]) -> tuple[float, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that no recording of the group has
        there, here = (np.nanmean([_values(p) for p in group], axis=0) for group in (moved, neutral))
    difference = there - here
    difference[3] = 100 * math.expm1(difference[3])
    return tuple(map(float, difference))


def _values(prosody: Prosody) -> tuple[float, ...]:
    return (12 * math.log2(prosody.f0_mean), prosody.f0_range, prosody.energy, math.log(prosody.rate))


def _movement(values: Sequence[float]) -> Movement:
    known = np.array([value for value in values if math.isfinite(value)])
    if not len(known):
        return Movement(float("nan"), float("nan"), 0)
    error = float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else float("nan")
    return Movement(float(known.mean()), error, len(known))


def agreement(natural: Mapping[tuple[str, str], Movement], made: Mapping[tuple[str, str], Movement]) -> int:
    """Cases, of 20, in which the synthesised speech moves in the direction of the natural speech."""
    return sum(natural[case].mean * made[case].mean > 0 for case in natural)


def render_emotions(natural: Movements, made: Movements) -> str:
    """Table of all movements, and the number of cases that agree."""
    rows = []
    for emotion, measure in natural:
        pair = natural[emotion, measure], made[emotion, measure]
        same = pair[0].mean * pair[1].mean > 0
        cells = [f"{number(m.mean, 2)} ± {number(m.error, 2)}" for m in pair]
        rows.append([emotion, measure, *cells, "yes" if same else "no", "" if pair[0].sure else "unsure"])
    header = ["emotion", "measure", "natural", "synthesised", "same way", "natural movement"]
    counts = ", ".join(
        f"{name} {min(group)} to {max(group)}" if min(group) != max(group) else f"{name} {min(group)}"
        for name, group in zip(
            ("natural", "synthesised"),
            ([m.pairs for m in table.values()] for table in (natural, made)),
            strict=True,
        )
    )
    return "\n".join(
        [
            markdown_table(header, rows),
            "",
            f"Same way: {agreement(natural, made)} of {len(natural)}.",
            f"Against neutral of the same speaker and text, mean ± standard error; pairs: {counts}.",
            "",
        ]
    )


def compare_emotions(
    natural: Sequence[Reading], made: Sequence[Reading], jobs: int = 1
) -> tuple[Movements, Movements]:
    """Movements of the natural and of the synthesised recordings."""
    tables = [movements(readings, measure_readings(readings, jobs)) for readings in (natural, made)]
    return tables[0], tables[1]


def emotion_sentences(texts: Sequence[str], voices: Sequence[str], intensity: float = 1.0) -> list[Sentence]:
    """List that speaks every text with every voice, neutral and in each emotion of the table."""
    sentences = []
    for voice in voices:
        for place, (text, emotion) in enumerate(
            (text, name) for text in texts for name in ("neutral", *TABLE_EMOTIONS)
        ):
            asked = emotion if emotion == "neutral" else f"{emotion}:{intensity:g}"
            name = f"{Path(voice).stem}-{place // (1 + len(TABLE_EMOTIONS)):03d}-{emotion}"
            sentences.append(Sentence(name, text, asked, voice))
    return sentences
