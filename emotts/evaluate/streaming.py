"""How soon a stream can be heard, and how near it is to the speech that is made at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

from emotts.evaluate.report import markdown_table, number

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from emotts.model import Model
    from emotts.pipeline import Segment
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
    """Difference of streams to offline speech: mean absolute differences of log-mels (natural logarithm).

    Attributes:
        given: of the mels that the vocoder is given, mean over texts.
        given_worst: the largest mean over one frame of those.
        mel: of the mels of the samples, mean over texts.
        worst: the largest mean over one frame of those.
        rms: root mean square of the difference of the samples, as a share of that of offline speech;
            the largest of the texts.
        seed: as `mel`, of offline speech with another seed and the same length, to compare with.
        seconds: of speech, all texts.
    """

    given: float
    given_worst: float
    mel: float
    worst: float
    rms: float
    seed: float
    seconds: float


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
        engine.synthesize(text, seed=turn, takes=1)
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
    shared = {"takes": 1} | {name: value for name, value in options.items() if name != "lookahead"}
    given, own, rms, others, seconds = [], [], [], [], 0.0
    for text in texts:
        with _mels_for_vocoder() as (whole, parts):
            offline = engine.synthesize(text, seed=seed, **shared)
            streamed = np.concatenate(
                [part.audio for part in engine.stream(text, seed=seed, **first, **options)]
            )
        other = engine.synthesize(text, seed=seed + 1, **(shared | {"tokens": len(offline.tokens)}))
        given.append((_joined(parts) - _joined(whole)).abs().mean(-1).numpy())
        own.append(_frame_distances(streamed, offline.audio))
        difference = np.square(streamed - offline.audio).mean() / np.square(offline.audio).mean()
        rms.append(float(np.sqrt(difference)))
        others.append(_frame_distances(other.audio, offline.audio))
        seconds += offline.duration
    means = [statistics.mean(float(row.mean()) for row in rows) for rows in (given, own, others)]
    worst = [max(float(row.max()) for row in rows) for rows in (given, own)]
    return StreamDistance(means[0], worst[0], means[1], worst[1], max(rms), means[2], seconds)


@contextmanager
def _mels_for_vocoder() -> Iterator[tuple[dict[int, Tensor], dict[int, Tensor]]]:
    """Collects the mels (frames, 80) that the vocoder is given: offline by segment, and in streams."""
    from emotts import pipeline
    from emotts.vocoder.stream import VocoderStream

    whole: dict[int, Tensor] = {}
    parts: dict[int, Tensor] = {}
    run, feed = pipeline.run_vocoder, VocoderStream.feed

    def run_and_keep(model: Model, segment: Segment, mel: Tensor) -> Tensor:
        whole[segment.number] = mel.cpu()
        return run(model, segment, mel)

    def feed_and_keep(self: VocoderStream, mel: Tensor) -> Tensor:
        parts[len(parts)] = mel.cpu()
        return feed(self, mel)

    with (
        patch.object(pipeline, "run_vocoder", run_and_keep),
        patch.object(VocoderStream, "feed", feed_and_keep),
    ):
        yield whole, parts


def _joined(mels: Mapping[int, Tensor]) -> Tensor:
    import torch

    return torch.cat([mels[number] for number in sorted(mels)])


def render_distances(rows: Sequence[tuple[str, StreamDistance]]) -> str:
    """Differences in Markdown.

    Args:
        rows: what was streamed, with its differences.
    """
    header = ["", "speech, s", "mel, mean", "mel, worst", "samples, mean", "samples, worst", "another seed"]
    lines = [
        [name, number(d.seconds, 1), *(f"{v:.3g}" for v in (d.given, d.given_worst, d.mel, d.worst, d.seed))]
        for name, d in rows
    ]
    return markdown_table(header, lines)


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
