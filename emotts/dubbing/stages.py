"""Where the time of a dub goes: seconds of each stage, without those of the stages inside of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from emotts.dubbing.mouth import MouthSource, MouthTrack

Item = TypeVar("Item")


@dataclass
class Clock:
    """Seconds of each stage. Where stages are nested, every second counts for the innermost alone."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=list, repr=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a block."""
        started = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            own = elapsed - self._inner.pop()
            if self._inner:
                self._inner[-1] += elapsed
            self.seconds[name] = self.seconds.get(name, 0.0) + own

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Gives the items on, and times how long each takes to come."""
        pulled = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(pulled)
                except StopIteration:
                    return
            yield item


class TimedSource:
    """A source of mouths whose looks are timed, as the stage "mouths".

    Args:
        source: any `MouthSource`.
        clock: of the dub.
    """

    def __init__(self, source: MouthSource, clock: Clock) -> None:
        self.source, self.name, self._clock = source, source.name, clock

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        with self._clock.stage("mouths"):
            return self.source.track(start, end)
