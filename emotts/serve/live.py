"""Answers that begin while the rest of the speech is still being made."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from emotts.audio.raw import pcm, wav_header
from emotts.emotion import Emotion
from emotts.errors import EmottsError
from emotts.serve.metrics import Metrics
from emotts.serve.speech_request import Wish

if TYPE_CHECKING:
    from emotts.stream import Chunk

LIVE_FORMATS = ("wav", "pcm")
"""Formats that can be sent before their end is known; the others are encoded as a whole."""

_LOGGER = logging.getLogger(__name__)
_OPTIONS = ("emotion", "instruct", "duration", "speed", "seed", "language")


def can_stream(engine: Any, wish: Wish) -> bool:
    """Whether an answer can begin before the speech is finished."""
    return wish.format in LIVE_FORMATS and hasattr(engine, "stream")


def named(emotion: Emotion) -> str:
    """An emotion for a header: names with intensities of two digits, or neutral."""
    rounded = ((name, f"{value:.2f}") for name, value in emotion.as_mapping().items())
    return ",".join(f"{name}:{value}" for name, value in rounded if value != "0.00") or "neutral"


def event(content: bytes | None) -> bytes:
    """A server-sent event as OpenAI sends it: a delta of audio in base64, or with None the end."""
    if content is not None:
        data: dict[str, Any] = {"type": "speech.audio.delta", "audio": base64.b64encode(content).decode()}
    else:
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        data = {"type": "speech.audio.done", "usage": usage}
    return f"data: {json.dumps(data)}\n\n".encode()


class LiveSpeech:
    """One answer between the thread that makes it and the loop that sends it.

    Made in the loop. A slow client does not hold the thread up: what it has not read waits in memory, which
    the limits on a text keep small.

    Args:
        engine: `EmoTTS`, or what has its `stream`.
        wish: what is asked for.
        voice: what the engine takes as voice.
        metrics: where the speech is counted.

    Attributes:
        left: the client has gone; set it to stop the thread at the next chunk.
    """

    def __init__(self, engine: Any, wish: Wish, voice: Any, metrics: Metrics) -> None:
        self.engine, self.wish, self.voice, self.metrics = engine, wish, voice, metrics
        self.left = False
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Chunk | BaseException | None] = asyncio.Queue()
        self._first: Chunk | None = None

    def run(self) -> None:
        """Makes the speech; for the thread that holds the models."""
        options = {name: getattr(self.wish, name) for name in _OPTIONS}
        options = {name: value for name, value in options.items() if value is not None}
        started, samples, rate = time.perf_counter(), 0, 1
        try:
            if self.left:
                return
            stream = self.engine.stream(self.wish.text, voice=self.voice, markup=self.wish.markup, **options)
            with closing(stream) as chunks:
                for chunk in chunks:
                    self._put(chunk)
                    samples, rate = samples + len(chunk.audio), chunk.sample_rate
                    if self.left:
                        return
            self.metrics.rendered(1, time.perf_counter() - started, samples / rate)
            self._put(None)
        except EmottsError as error:
            self._put(error)
        except Exception as error:
            _LOGGER.exception("a stream failed")
            self._put(error)

    def _put(self, item: Chunk | BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def begin(self) -> dict[str, str]:
        """Waits for the first chunk, and gives the headers of the answer.

        Raises:
            EmottsError: what is wrong with the request.
        """
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            raise RuntimeError("the stream is empty")
        self._first = item
        headers = {"X-Emotts-Seed": str(item.seed), "X-Emotts-Emotion": named(self._emotion())}
        if item.total is not None:
            headers["X-Emotts-Seconds"] = f"{item.total / item.sample_rate:.6f}"
            headers["X-Emotts-Samples"] = str(item.total)
        return headers

    def _emotion(self) -> Emotion:
        if not self.wish.instruct:
            return self.wish.emotion or Emotion.neutral()
        from emotts.emotion.instruct import direct

        return direct(self.wish.instruct).emotion

    async def content(self, gone: Callable[[], None]) -> AsyncIterator[bytes]:
        """The body of the answer. An error in the middle cuts it off, which a client can tell.

        Args:
            gone: called when the client leaves before the end.
        """
        wrap: Callable[[bytes], bytes] = event if self.wish.events else bytes
        item: Chunk | BaseException | None = self._first
        try:
            if self._first is not None and self.wish.format == "wav":
                yield wrap(wav_header(self._first.sample_rate, self._first.total))
            while item is not None:
                if isinstance(item, BaseException):
                    raise item
                yield wrap(pcm(item.audio))
                item = await self._queue.get()
            if self.wish.events:
                yield event(None)
        finally:
            if item is not None:
                self.left = True
                gone()
