"""The one thread that holds the models: it takes what waits, batches it, and gives each its speech."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from emotts.errors import EmottsError
from emotts.serve.errors import ApiError
from emotts.serve.metrics import Metrics
from emotts.serve.settings import ServeSettings
from emotts.serve.speech_request import Wish

if TYPE_CHECKING:
    from emotts.speech import Speech

_LOGGER = logging.getLogger(__name__)
_MOST_SECONDS_TO_WAIT = 120


class QueueFull(Exception):
    """No place is free.

    Attributes:
        retry_after: whole seconds after which one may be.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"all places are taken; try again in {retry_after} s")
        self.retry_after = retry_after


class _AllLeft(Exception):
    """Every client of a batch has gone: stop computing."""


class Job:
    """One request on its way.

    Attributes:
        future: becomes the speech, or what `call` returns.
        wish: what is asked for.
        voice: what the engine takes as voice.
        call: something else for the thread to do, instead of speech.
    """

    def __init__(
        self, wish: Wish | None = None, voice: Any = None, call: Callable[[], Any] | None = None
    ) -> None:
        self.future: Future[Any] = Future()
        self.wish, self.voice, self.call = wish, voice, call
        self.left = False

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        """Hands over the outcome; nobody may be waiting for it any more."""
        try:
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            pass


class Worker:
    """A bounded queue and the thread that empties it.

    Args:
        engine: `EmoTTS`, or what has its `synthesize`.
        settings: limits.
        metrics: where batches are counted.
    """

    def __init__(self, engine: Any, settings: ServeSettings, metrics: Metrics) -> None:
        self.engine, self.settings, self.metrics = engine, settings, metrics
        self._waiting: deque[Job] = deque()
        self._ready = threading.Condition()
        self._running = 0
        self._stopping = False
        self._seconds_each = 1.0
        self._thread = threading.Thread(target=self._run, name="emotts-worker", daemon=True)
        metrics.gauges["queue_waiting"] = lambda: len(self._waiting)
        metrics.gauges["queue_running"] = lambda: self._running

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the batch that it is at; what waits is refused."""
        with self._ready:
            self._stopping = True
            waiting, self._waiting = list(self._waiting), deque()
            self._ready.notify_all()
        for job in waiting:
            job.finish(error=ApiError(503, "the server stops", "stopping"))
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread works."""
        return self._thread.is_alive()

    def submit(self, job: Job) -> Future[Any]:
        """Queues a job.

        Raises:
            QueueFull: as many wait as may.
        """
        with self._ready:
            if len(self._waiting) >= self.settings.queue:
                seconds = math.ceil((len(self._waiting) + self._running) * self._seconds_each)
                raise QueueFull(min(max(1, seconds), _MOST_SECONDS_TO_WAIT))
            if self._stopping:
                raise QueueFull(1)
            self._waiting.append(job)
            self._ready.notify_all()
        return job.future

    def abandon(self, job: Job) -> None:
        """Frees the place of a client that has left."""
        with self._ready:
            job.left = True
            if job in self._waiting:
                self._waiting.remove(job)
        self.metrics.left()

    def _run(self) -> None:
        while jobs := self._take():
            started = time.perf_counter()
            try:
                self._do(jobs)
            except Exception:  # The thread must outlive whatever a request does to it.
                _LOGGER.exception("a batch failed")
                for job in jobs:
                    job.finish(error=RuntimeError("the batch failed"))
            seconds = (time.perf_counter() - started) / len(jobs)
            self._seconds_each += 0.2 * (seconds - self._seconds_each)
            self._running = 0

    def _take(self) -> list[Job]:
        """The next jobs, in the order they came; waits for one. Empty when the server stops."""
        size = self.settings.batch
        with self._ready:
            while not self._stopping:
                self._ready.wait_for(lambda: self._waiting or self._stopping)
                self._ready.wait_for(
                    lambda: self._stopping or len(self._waiting) >= size, self.settings.gather_seconds
                )
                jobs = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
                if jobs:  # All that waited may have left meanwhile.
                    self._running = len(jobs)
                    return jobs
        return []

    def _do(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.call is not None:
                self._call(job)
        self._together([job for job in jobs if job.call is None])

    def _together(self, jobs: list[Job]) -> None:
        """Speaks jobs at once; where that fails, each half for itself, until the one at fault is alone."""
        jobs = [job for job in jobs if not job.left]
        if len(jobs) < 2:
            for job in jobs:
                self._alone(job)
            return
        try:
            for job, speech in zip(jobs, self._speak(jobs), strict=True):
                job.finish(speech)
        except _AllLeft:
            return
        except Exception:  # Whichever request it was, it fails again alone, and is told why.
            self._together(jobs[: len(jobs) // 2])
            self._together(jobs[len(jobs) // 2 :])

    def _call(self, job: Job) -> None:
        try:
            job.finish(job.call() if job.call else None)
        except Exception as error:
            job.finish(error=error)

    def _alone(self, job: Job) -> None:
        try:
            job.finish(self._speak([job])[0])
        except _AllLeft:
            return
        except EmottsError as error:
            job.finish(error=error)
        except Exception as error:
            _LOGGER.exception("a request failed")
            job.finish(error=error)

    def _speak(self, jobs: list[Job]) -> list[Speech]:
        def watch(stage: str, fraction: float) -> None:
            if all(job.left for job in jobs):
                raise _AllLeft

        wishes = [job.wish for job in jobs if job.wish is not None]
        names = ("emotion", "duration", "speed", "seed", "language", "markup")
        values = {name: [getattr(wish, name) for wish in wishes] for name in names}
        values = {name: row for name, row in values.items() if any(value is not None for value in row)}
        if any(wish.instruct for wish in wishes):
            values["instruct"] = [wish.instruct for wish in wishes]
        started = time.perf_counter()
        speeches = self.engine.synthesize(
            [wish.text for wish in wishes], voice=[job.voice for job in jobs], progress=watch, **values
        )
        audio = sum(speech.duration for speech in speeches)
        self.metrics.rendered(len(jobs), time.perf_counter() - started, audio)
        return speeches
