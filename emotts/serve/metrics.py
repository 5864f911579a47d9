"""Counters of a server in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable

_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Histogram:
    """Counts of values up to each bound."""

    def __init__(self, bounds: tuple[float, ...] = _BUCKETS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Counts a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """Everything that is counted. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.cancelled = 0
        self.audio_seconds = 0.0
        self.render_seconds = 0.0
        self.latency = Histogram()
        self.batches = Histogram((1, 2, 4, 8, 16, 32))
        self.gauges: dict[str, Callable[[], float]] = {}

    def answered(self, route: str, status: int, seconds: float | None = None) -> None:
        """Counts an answer, and the seconds that speech took."""
        with self._lock:
            self.requests[route, status] += 1
            if seconds is not None:
                self.latency.add(seconds)

    def left(self) -> None:
        """Counts a client that left before its answer."""
        with self._lock:
            self.cancelled += 1

    def rendered(self, size: int, render: float, audio: float) -> None:
        """Counts a batch: its requests, the seconds it took and the seconds of speech it gave."""
        with self._lock:
            self.batches.add(size)
            self.render_seconds += render
            self.audio_seconds += audio

    def text(self) -> str:
        """The page that Prometheus reads."""
        with self._lock:
            lines = ["# TYPE emotts_requests_total counter"]
            for (route, status), count in sorted(self.requests.items()):
                lines.append(f'emotts_requests_total{{route="{route}",status="{status}"}} {count}')
            lines += _counter("clients_left_total", self.cancelled)
            lines += _counter("audio_seconds_total", self.audio_seconds)
            lines += _counter("render_seconds_total", self.render_seconds)
            lines += _histogram("speech_seconds", self.latency)
            lines += _histogram("batch_size", self.batches)
        for name, value in self.gauges.items():
            lines += [f"# TYPE emotts_{name} gauge", f"emotts_{name} {value():g}"]
        return "\n".join(lines) + "\n"


def _counter(name: str, value: float) -> list[str]:
    return [f"# TYPE emotts_{name} counter", f"emotts_{name} {value:g}"]


def _histogram(name: str, values: Histogram) -> list[str]:
    lines, total = [f"# TYPE emotts_{name} histogram"], 0
    for bound, count in zip([*values.bounds, None], values.counts, strict=True):
        total += count
        shown = "+Inf" if bound is None else f"{bound:g}"
        lines.append(f'emotts_{name}_bucket{{le="{shown}"}} {total}')
    return [*lines, f"emotts_{name}_sum {values.sum:g}", f"emotts_{name}_count {total}"]
