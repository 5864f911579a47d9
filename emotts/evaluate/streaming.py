"""How soon a stream can be heard, and how near it is to the speech that is made at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotts.evaluate.report import markdown_table, number

if TYPE_CHECKING:
    import numpy as np

    from emotts.tts import EmoTTS


@dataclass(frozen=True)
class StreamTiming:
    """Median times of one text.

    Attributes:
        seconds: of speech.
        first: seconds until the first chunk.
        wait: seconds that a player stands still after it began with the first chunk.
        total: seconds until the last chunk.
        whole: seconds of `EmoTTS.synthesize` for the same text.
    """

    seconds: float
    first: float
    wait: float
    total: float
    whole: float


@dataclass(frozen=True)
class StreamDistance:
    """Difference of a stream to offline speech, means over texts.

    Attributes:
        mel: mean absolute difference of the log-mel spectrograms of the samples (natural logarithm).
        worst: the largest mean over a frame, over all texts.
        seed: the same as `mel` for speech of another seed and the same length, to compare with.
    """

    mel: float
    worst: float
    seed: float


def time_stream(engine: EmoTTS, text: str, repeats: int = 3, warm: bool = True) -> StreamTiming:
    """Times a stream and the same speech made at once.

    Args:
        engine: the synthesiser.
        text: what to speak.
        repeats: runs that count.
        warm: run once before that does not count.
    """
    runs = []
    for turn in range(repeats + warm):
        started = time.perf_counter()
        engine.synthesize(text, seed=turn)
        whole = time.perf_counter() - started
        heard, samples = [], []
        started = time.perf_counter()
        for chunk in engine.stream(text, seed=turn):
            heard.append(time.perf_counter() - started)
            samples.append(len(chunk.audio))
        seconds = [count / engine.sample_rate for count in samples]
        runs.append((sum(seconds), heard[0], standing(heard, seconds), heard[-1], whole))
    return StreamTiming(*(statistics.median(column) for column in zip(*runs[int(warm) :], strict=True)))


def standing(heard: Sequence[float], seconds: Sequence[float]) -> float:
    """Seconds that a player stands still between chunks.

    Args:
        heard: when each chunk comes, seconds.
        seconds: how long it plays.
    """
    ends, still = heard[0] + seconds[0], 0.0
    for came, length in zip(heard[1:], seconds[1:], strict=True):
        still += max(0.0, came - ends)
        ends = max(ends, came) + length
    return still


def stream_distance(
    engine: EmoTTS, texts: Sequence[str], seed: int = 0, chunk: float | None = None, **options: object
) -> StreamDistance:
    """Compares streams with offline speech.

    Args:
        engine: the synthesiser.
        texts: what to speak, one after the other.
        seed: of both.
        chunk: seconds of the first window; the default when left out.
        **options: of `EmoTTS.stream`, such as `lookahead` and `voice`.
    """
    import numpy as np

    first = {} if chunk is None else {"chunk": chunk}
    shared = {name: value for name, value in options.items() if name != "lookahead"}
    means, worst, others = [], [], []
    for text in texts:
        offline = engine.synthesize(text, seed=seed, **shared)
        parts = [part.audio for part in engine.stream(text, seed=seed, **first, **options)]
        shared_length = {"tokens": len(offline.tokens)}
        other = engine.synthesize(text, seed=seed + 1, **(shared | shared_length))
        frames = _frame_distances(np.concatenate(parts), offline.audio)
        means.append(float(frames.mean()))
        worst.append(float(frames.max()))
        others.append(float(_frame_distances(other.audio, offline.audio).mean()))
    return StreamDistance(statistics.mean(means), max(worst), statistics.mean(others))


def render_streams(timings: Sequence[StreamTiming]) -> str:
    """The times in Markdown."""
    header = ["speech, s", "first audio, s", "player waits, s", "stream, s", "at once, s"]
    rows = [
        [number(t.seconds, 1), number(t.first, 2), number(t.wait, 2), number(t.total, 2), number(t.whole, 2)]
        for t in timings
    ]
    return markdown_table(header, rows)


def _frame_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    import torch

    from emotts.audio.mel import LogMel

    mel = LogMel()
    a, b = (mel(torch.from_numpy(audio)[None])[0] for audio in (first, second))
    return (a - b).abs().mean(-1).numpy()
