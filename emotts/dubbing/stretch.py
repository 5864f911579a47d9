"""Speeding samples up with their pitch kept, by the WSOLA filter `atempo` of the FFmpeg inside PyAV."""

from __future__ import annotations

import numpy as np

from emotts.dubbing.optional import optional_import
from emotts.timebase import SAMPLE_RATE


def speed_up(audio: np.ndarray, samples: int) -> np.ndarray:
    """Shortens audio to a number of samples; its pitch stays, and nothing is cut.

    Args:
        audio: float32, shape (samples,), at 24 kHz.
        samples: length wanted, at least half of the audio's.

    Returns:
        float32, exactly `samples` long; what the filter leaves over is silence at the end.
    """
    if samples >= len(audio):
        return audio
    tempo = len(audio) / samples
    for _ in range(4):
        result = _atempo(audio, tempo)
        if len(result) <= samples:
            return np.pad(result, (0, samples - len(result)))
        tempo *= 1.002 * len(result) / samples
    return result[:samples]


def _atempo(audio: np.ndarray, tempo: float) -> np.ndarray:
    av = optional_import("av")
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="flt", sample_rate=SAMPLE_RATE, layout="mono", time_base=_fraction(SAMPLE_RATE)
    )
    graph.link_nodes(source, graph.add("atempo", f"{tempo:.9f}"), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(audio, dtype=np.float32)[None], format="flt", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, _fraction(SAMPLE_RATE)
    graph.push(frame)
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (av.error.BlockingIOError, av.error.EOFError):
            break
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _fraction(rate: int):
    from fractions import Fraction

    return Fraction(1, rate)
