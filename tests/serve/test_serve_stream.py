"""Answers in pieces that are sent while the rest is made, by an engine that waits to be told to go on."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
from fake_engine import RATE, FakeEngine
from starlette.testclient import TestClient

from emotts import EmoTTS
from emotts.errors import InputError
from emotts.serve.app import create_app
from emotts.serve.settings import ServeSettings


class StreamingEngine(FakeEngine):
    """Three chunks of a tenth of a second; the gate holds all but the first."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = threading.Event()
        self.sent = 0

    def stream(self, text: str, voice: Any, markup: bool, **options: Any) -> Iterator[Any]:
        if options.get("duration") == 9.0:
            raise InputError("duration 9.00 s is too long for this text")
        return self._chunks(text, options)

    def _chunks(self, text: str, options: dict[str, Any]) -> Iterator[Any]:
        try:
            for number in range(3):
                if number and text == "boom":
                    raise RuntimeError("a secret of the inside")
                audio = np.full(RATE // 10, 0.1 * (number + 1), np.float32)
                self.sent += 1
                yield SimpleNamespace(
                    audio=audio, seed=options.get("seed", 5), total=3 * len(audio), sample_rate=RATE
                )
                self.gate.wait(20)
        finally:
            self.closed.set()


@pytest.fixture
def engine() -> StreamingEngine:
    return StreamingEngine()


@pytest.fixture
def client(engine: StreamingEngine) -> Iterator[TestClient]:
    with TestClient(create_app(engine, ServeSettings()), raise_server_exceptions=False) as client:
        yield client


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "tts-1", "input": "Hello.", "response_format": "pcm", "stream": True} | fields


def test_pieces_are_the_speech(client: TestClient, engine: StreamingEngine) -> None:
    answer = client.post("/v1/audio/speech", json=body(seed=8))
    assert answer.status_code == 200 and answer.headers["content-type"] == "audio/pcm"
    assert answer.headers["x-emotts-seed"] == "8" and answer.headers["x-emotts-samples"] == "7200"
    samples = np.frombuffer(answer.content, "<i2")
    assert samples[[0, 2400, 4800]].tolist() == [3277, 6553, 9830] and len(samples) == 7200
    assert engine.calls == []
    wav = client.post("/v1/audio/speech", json=body(response_format="wav")).content
    assert wav[:4] == b"RIFF" and wav[44:] == answer.content
    assert "emotts_" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("fields", "emotion"),
    [
        ({}, "neutral"),
        ({"emotion": {"happy": 0.25, "calm": 0.001}}, "happy:0.25"),
        ({"instructions": "furious, through clenched teeth"}, "angry:0."),
    ],
)
def test_the_emotion_that_is_understood_is_told(
    client: TestClient, tiny_tts: EmoTTS, fields: dict[str, Any], emotion: str
) -> None:
    answer = client.post("/v1/audio/speech", json=body(**fields))
    assert answer.headers["x-emotts-emotion"].startswith(emotion)
    with TestClient(create_app(tiny_tts, ServeSettings())) as real:
        whole = real.post("/v1/audio/speech", json=body(model="tiny", stream=False, **fields))
    assert whole.headers["x-emotts-emotion"] == answer.headers["x-emotts-emotion"]


def test_events_carry_the_pieces(client: TestClient) -> None:
    answer = client.post("/v1/audio/speech", json=body(stream_format="sse"))
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == [*["speech.audio.delta"] * 3, "speech.audio.done"]
    assert sum(len(base64.b64decode(event["audio"])) for event in events[:3]) == 2 * 7200


def test_what_must_be_encoded_whole_is_not_streamed(client: TestClient, engine: StreamingEngine) -> None:
    assert client.post("/v1/audio/speech", json=body(response_format="flac")).status_code == 200
    assert engine.sent == 0 and len(engine.calls) == 1


def test_errors_before_the_first_piece_are_refusals(client: TestClient) -> None:
    answer = client.post("/v1/audio/speech", json=body(duration=9.0))
    assert answer.status_code == 400 and "too long" in answer.json()["error"]["message"]
    assert client.post("/v1/audio/speech", json=body()).status_code == 200


def test_a_failure_on_the_way_cuts_the_answer_and_not_the_server(client: TestClient) -> None:
    content = client.post("/v1/audio/speech", json=body(input="boom")).content
    assert len(content) <= 2 * 2400 and b"secret" not in content
    assert client.post("/v1/audio/speech", json=body()).status_code == 200


def test_a_client_that_leaves_stops_the_stream(engine: StreamingEngine) -> None:
    import asyncio

    engine.gate.clear()
    app = create_app(engine, ServeSettings())
    content = json.dumps(body()).encode()
    received: list[dict[str, Any]] = []

    async def go() -> None:
        gone = asyncio.Event()
        begun = False

        async def receive() -> dict[str, Any]:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "http.request", "body": content, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            received.append(message)
            if message["type"] == "http.response.body" and message.get("body"):
                gone.set()

        scope = {
            "type": "http", "method": "POST", "path": "/v1/audio/speech", "raw_path": b"/v1/audio/speech",
            "query_string": b"", "headers": [(b"content-length", str(len(content)).encode())],
            "http_version": "1.1", "scheme": "http", "client": ("test", 1), "server": ("test", 80),
            "root_path": "",
        }  # fmt: skip
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)
            engine.gate.set()
            assert await asyncio.to_thread(engine.closed.wait, 20)

    asyncio.run(go())
    assert engine.sent < 3
    assert sum(len(message.get("body", b"")) for message in received) == 2 * 2400


def test_the_first_piece_comes_before_the_last_is_made(engine: StreamingEngine) -> None:
    from emotts.serve.live import LiveSpeech
    from emotts.serve.metrics import Metrics

    engine.gate.clear()
    wish = SimpleNamespace(
        text="Hello.", format="pcm", events=False, markup=False, emotion=None, instruct=None, duration=None,
        speed=None, seed=None, language=None,
    )  # fmt: skip

    async def go() -> int:
        live = LiveSpeech(engine, wish, None, Metrics())
        thread = threading.Thread(target=live.run)
        thread.start()
        await live.begin()
        sent = engine.sent
        engine.gate.set()
        parts = [part async for part in live.content(lambda: None)]
        assert sum(map(len, parts)) == 2 * 7200
        thread.join()
        return sent

    import asyncio

    started = time.monotonic()
    assert asyncio.run(go()) == 1
    assert time.monotonic() - started < 15


def test_the_model_streams_what_it_says_at_once(tiny_tts: EmoTTS) -> None:
    with TestClient(create_app(tiny_tts, ServeSettings())) as client:
        fields = {"model": "tiny", "input": "Nobody came. We waited.", "seed": 3, "emotion": "sad:0.5"}
        answer = client.post("/v1/audio/speech", json=body(**fields))
    offline = tiny_tts.synthesize(fields["input"], seed=3, emotion="sad:0.5")
    assert answer.status_code == 200 and answer.headers["x-emotts-samples"] == str(len(offline.audio))
    samples = np.frombuffer(answer.content, "<i2") / 32767
    assert samples.shape == offline.audio.shape
    assert np.square(samples - offline.audio).mean() < 0.1 * np.square(offline.audio).mean()
