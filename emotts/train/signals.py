"""Turns signals into a wish to stop, which the training loop grants between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """Number of the first signal received, 0 if none."""

    def __init__(self) -> None:
        self.number = 0

    def receive(self, number: int, _: FrameType | None) -> None:
        """Notes a signal; a second one interrupts at once."""
        if self.number:
            raise KeyboardInterrupt
        self.number = number


@contextmanager
def watch_signals() -> Iterator[StopWish]:
    """Catches SIGTERM and SIGINT while the block runs (in the main thread; elsewhere does nothing)."""
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, wish.receive) for number in numbers}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_name(number: int) -> str:
    """E.g. "SIGTERM"."""
    return signal.Signals(number).name
