"""The server's routes, with an engine that beeps."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soundfile
import uvicorn
from fake_engine import RATE, FakeEngine
from starlette.testclient import TestClient

from emotts.cli.serve import parse_aliases
from emotts.errors import InputError
from emotts.serve.app import create_app
from emotts.serve.metrics import Metrics
from emotts.serve.settings import ServeSettings
from emotts.serve.speech_request import parse_request
from emotts.serve.worker import Job, Worker

GOOD = {"model": "tts-1", "input": "Hello there.", "voice": "anna"}


class Running:
    """A server on a port of its own, for clients that need a real connection."""

    def __init__(self, engine: FakeEngine, settings: ServeSettings) -> None:
        self.engine = engine
        self.app = create_app(engine, settings)
        config = uvicorn.Config(self.app, port=0, log_level="error", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Running:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *error: object) -> None:
        self.engine.gate.set()
        self.server.should_exit = True
        self.thread.join(10)

    @property
    def worker(self):
        return self.app.state.server.worker

    def openai(self, **options) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.url}/v1", **{"api_key": "unused", "max_retries": 0, "timeout": 20, **options}
        )


@pytest.fixture
def client() -> Iterator[TestClient]:
    engine = FakeEngine()
    settings = ServeSettings(max_characters=200, max_voices=2, aliases={"alloy": "bert"}, max_body=5000)
    app = create_app(engine, settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.engine = engine
        yield client


def ask(client: TestClient, **changes: object) -> httpx.Response:
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return client.post("/v1/audio/speech", json=body)


def error_of(response: httpx.Response) -> dict:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and "\n" not in error["message"]
    return error


def wait_for(condition, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def test_every_format_holds_the_speech(client: TestClient) -> None:
    for name, kind in (("mp3", "MP3"), ("wav", "WAV"), ("flac", "FLAC"), ("opus", "OGG")):
        response = ask(client, response_format=name, duration=1.0)
        assert response.status_code == 200
        info = soundfile.info(io.BytesIO(response.content))
        assert info.format == kind and info.duration == pytest.approx(1.0, abs=0.1)
    assert ask(client).headers["content-type"] == "audio/mpeg"  # OpenAI's default
    pcm = ask(client, response_format="pcm", duration=1.2345)
    assert len(pcm.content) == 2 * round(1.2345 * RATE)
    assert max(struct.unpack(f"<{len(pcm.content) // 2}h", pcm.content)) == pytest.approx(0.3 * 32767, abs=50)


def test_our_fields_reach_the_engine(client: TestClient) -> None:
    response = ask(
        client,
        voice={"id": "alloy"},
        emotion={"sad": 0.5},
        duration=1.5,
        seed=7,
        language="en-us",
        markup=True,
        speed=1.0,
        response_format="wav",
    )
    row = client.engine.calls[-1]["rows"][0]
    assert row["voice"] == "bert" and row["emotion"].as_mapping() == {"sad": 0.5}
    assert (row["duration"], row["seed"], row["language"], row["markup"]) == (1.5, 7, "en-us", True)
    assert row.get("speed") is None  # the natural speed is no wish
    assert response.headers["x-emotts-seed"] == "7"
    assert response.headers["x-emotts-samples"] == "36000"
    assert response.headers["x-emotts-emotion"] == "sad:0.50"


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"input": ...}, "input", "required"),
        ({"input": ""}, "input", "empty"),
        ({"input": "..."}, "input", "pronounced"),
        ({"input": "x" * 201}, "input", "at most 200"),
        ({"input": "a [paus]", "markup": True}, "input", "column 3"),
        ({"voice": "nobody"}, "voice", "voices: anna, bert, alloy"),
        ({"voice": "/etc/passwd"}, "voice", "unknown voice"),
        ({"voice": 3}, "voice", "string"),
        ({"emotion": "angr"}, "emotion", "Did you mean"),
        ({"emotion": [1, 2]}, "emotion", "8 values"),
        ({"emotion": "sad", "instructions": "be glad"}, "emotion", "not both"),
        ({"speed": 4.0}, "speed", "0.5 to 2"),
        ({"duration": -1}, "duration", "greater than 0"),
        ({"duration": 9999}, "duration", "at most 600"),
        ({"duration": 0.1}, "duration", "too short"),
        ({"duration": 1, "speed": 1.5}, "duration", "at most one"),
        ({"seed": -1}, "seed", "seed must be"),
        ({"seed": 10**300}, "seed", "seed must be"),
        ({"language": "klingon"}, "language", "unknown language"),
        ({"response_format": "aac"}, "response_format", "mp3, wav"),
        ({"instructions": "whisper"}, "instructions", "cannot follow instructions"),
        ({"sped": 1}, "sped", "unknown field"),
        ({"stream": "yes"}, "stream", "boolean"),
    ],
)
def test_bad_requests_are_400_and_name_the_field(
    client: TestClient, changes: dict, param: str, message: str
) -> None:
    response = ask(client, **changes)
    error = error_of(response)
    assert response.status_code == 400
    assert error["param"] == param and message in error["message"]
    assert error["type"] == "invalid_request_error"


def test_other_faults_have_openais_shape(client: TestClient) -> None:
    assert error_of(ask(client, model="gpt-5"))["code"] == "model_not_found"
    assert error_of(client.get("/nowhere"))["type"] == "not_found_error"
    assert client.get("/v1/audio/speech").status_code == 405
    assert error_of(client.get("/v1/audio/speech"))["type"] == "invalid_request_error"
    response = client.post("/v1/audio/speech", content=b"x" * 6000)
    assert response.status_code == 413 and error_of(response)["code"] == "body_too_large"
    chunked = client.post("/v1/audio/speech", content=(b"x" * 1000 for _ in range(8)))
    assert chunked.status_code == 413
    for content in (b"", b"[1]", b"{", b"\xff\xfe", b"[" * 4000, b'{"input": NaN}'):
        response = client.post("/v1/audio/speech", content=content)
        assert response.status_code == 400 and error_of(response)


def test_an_inner_fault_is_500_without_its_secret(client: TestClient) -> None:
    response = ask(client, input="boom")
    assert response.status_code == 500 and "secret" not in response.text
    assert error_of(response)["type"] == "server_error"
    assert ask(client).status_code == 200  # the worker lives on


def test_lists_and_health(client: TestClient) -> None:
    assert client.get("/v1/models").json()["data"][0]["id"] == "fake-tts"
    assert client.get("/v1/models/tts-1").json()["id"] == "fake-tts"
    assert error_of(client.get("/v1/models/none"))["code"] == "model_not_found"
    assert [v["name"] for v in client.get("/v1/audio/voices").json()["data"]] == ["anna", "bert", "alloy"]
    assert client.get("/health").json() == {"status": "ok", "model": "fake-tts"}
    ask(client)
    page = client.get("/metrics").text
    assert 'emotts_requests_total{route="/v1/audio/speech",status="200"} 1' in page
    assert 'emotts_batch_size_bucket{le="1"} 1' in page and "emotts_audio_seconds_total 0.5" in page
    assert "emotts_queue_waiting 0" in page


def recording(seconds: float) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).normal(size=round(seconds * 8000)) * 0.1
    soundfile.write(buffer, noise, 8000, format="WAV")
    return buffer.getvalue()


def upload(client: TestClient, name: str, content: bytes) -> httpx.Response:
    return client.post("/v1/audio/voices", data={"name": name}, files={"audio_sample": ("x.wav", content)})


def test_voices_are_uploaded_used_and_removed(client: TestClient) -> None:
    assert upload(client, "carl", recording(2)).status_code == 201
    assert ask(client, voice="carl").status_code == 200
    assert client.engine.calls[-1]["rows"][0]["voice"].name == "upload"
    assert upload(client, "dora", recording(2)).status_code == 201
    assert error_of(upload(client, "emil", recording(2)))["code"] == "voices_full"
    assert upload(client, "carl", recording(2)).status_code == 201  # its own name may be used again
    assert client.delete("/v1/audio/voices/carl").json()["deleted"]
    assert ask(client, voice="carl").status_code == 400
    assert client.delete("/v1/audio/voices/anna").status_code == 404


def test_bad_uploads_are_refused(client: TestClient) -> None:
    assert error_of(upload(client, "carl", b"no audio"))["param"] == "audio_sample"
    assert "shorter than 1 s" in error_of(upload(client, "carl", recording(0.5)))["message"]
    for name in ("../x", "", "a b", "x" * 65):
        assert upload(client, name, recording(2)).status_code == 400
    assert error_of(upload(client, "anna", recording(2)))["code"] == "name_taken"
    for options in ({"content": b"junk"}, {"data": {"name": "x"}}, {"files": {"name": ("a", b"b")}}):
        response = client.post("/v1/audio/voices", **options)
        assert response.status_code == 400 and error_of(response)["code"] == "invalid_form"
    with TestClient(create_app(FakeEngine())) as closed:
        assert upload(closed, "carl", recording(2)).status_code == 403


def test_voices_of_a_folder_are_offered(tmp_path: Path) -> None:
    (tmp_path / "zoe.wav").write_bytes(recording(2))
    (tmp_path / "notes.txt").write_text("no voice")
    engine = FakeEngine()
    with TestClient(create_app(engine, voices=tmp_path)) as client:
        assert ask(client, voice="zoe").status_code == 200
        assert engine.calls[-1]["rows"][0]["voice"].path == tmp_path / "zoe.wav"
        assert ask(client, voice=str(tmp_path / "zoe.wav")).status_code == 400
    with pytest.raises(InputError, match="does not exist"):
        create_app(FakeEngine(), voices=tmp_path / "none")
    with pytest.raises(InputError, match="no voice here"):
        create_app(FakeEngine(), ServeSettings(aliases={"alloy": "nobody"}))
    assert parse_aliases(["a = b"]) == {"a": "b"}
    with pytest.raises(InputError, match="alias=voice"):
        parse_aliases(["a"])


def test_the_key_opens_everything_but_health() -> None:
    with TestClient(create_app(FakeEngine(), ServeSettings(api_key="sécret"))) as client:
        assert client.get("/health").status_code == 200
        for path in ("/v1/models", "/metrics", "/v1/audio/voices", "/docs"):
            assert client.get(path).status_code == 401
        for value in (b"Bearer wrong", "sécret".encode(), b"Basic s", b"\xff", b""):
            response = client.post("/v1/audio/speech", json=GOOD, headers={b"authorization": value})
            assert response.status_code == 401 and error_of(response)["code"] == "invalid_api_key"
        good = {b"authorization": "Bearer sécret".encode()}
        assert client.post("/v1/audio/speech", json=GOOD, headers=good).status_code == 200


def test_openais_client_is_served() -> None:
    with Running(FakeEngine(), ServeSettings(api_key="key")) as running:
        client = running.openai(api_key="key")
        speech = client.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice="anna",
            input="Hello there.",
            response_format="wav",
            speed=1.0,
            extra_body={"emotion": "happy:0.7", "duration": 1.25, "seed": 3},
        )
        assert soundfile.info(io.BytesIO(speech.content)).frames == 30_000
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="bert", input="Hello.", response_format="pcm", extra_body={"stream": True}
        ) as streamed:
            assert sum(map(len, streamed.iter_bytes())) == 2 * 12_000
        assert [model.id for model in client.models.list()] == ["fake-tts"]
        with pytest.raises(openai.BadRequestError, match="unknown voice"):
            client.audio.speech.create(model="tts-1", voice="nobody", input="Hello.")
        with pytest.raises(openai.NotFoundError, match="unknown model"):
            client.audio.speech.create(model="other", voice="anna", input="Hello.")
        with pytest.raises(openai.BadRequestError, match="cannot follow instructions"):
            client.audio.speech.create(model="tts-1", voice="anna", input="Hello.", instructions="whisper")
        with pytest.raises(openai.AuthenticationError):
            running.openai(api_key="wrong").models.list()


def test_events_carry_the_audio(client: TestClient) -> None:
    response = ask(client, stream_format="sse", response_format="pcm")
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"


def test_requests_that_wait_are_batched() -> None:
    engine = FakeEngine(delay=0.1)
    with Running(engine, ServeSettings(batch=4)) as running:

        async def load() -> list[httpx.Response]:
            async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
                posts = [
                    client.post("/v1/audio/speech", json={**GOOD, "seed": n, "response_format": "pcm"})
                    for n in range(9)
                ]
                return await asyncio.gather(*posts)

        answers = asyncio.run(load())
    assert [answer.headers["x-emotts-seed"] for answer in answers] == [str(n) for n in range(9)]
    sizes = [call["size"] for call in engine.calls]
    assert sum(sizes) == 9 and max(sizes) == 4 and len(sizes) <= 5


def test_one_bad_request_of_a_batch_fails_alone() -> None:
    engine = FakeEngine()
    engine.gate.clear()
    with Running(engine, ServeSettings(batch=8)) as running:

        async def load() -> list[httpx.Response]:
            async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
                first = asyncio.ensure_future(client.post("/v1/audio/speech", json=GOOD))
                await asyncio.sleep(0.1)
                changes = ({}, {"duration": 0.1}, {"input": "boom"}, {})
                rest = [client.post("/v1/audio/speech", json={**GOOD, **change}) for change in changes]
                rest = [asyncio.ensure_future(post) for post in rest]
                await asyncio.sleep(0.2)
                engine.gate.set()
                return await asyncio.gather(first, *rest)

        answers = asyncio.run(load())
    assert [answer.status_code for answer in answers] == [200, 200, 400, 500, 200]


def test_the_rest_of_a_batch_stays_together_when_one_is_refused() -> None:
    engine = FakeEngine()
    worker = Worker(engine, ServeSettings(batch=8, gather_seconds=0.2), Metrics())
    bodies = [GOOD | {"duration": 0.1 if number == 5 else 1.0} for number in range(8)]
    wishes = [parse_request(json.dumps(body).encode(), ServeSettings(), ("tts-1",)) for body in bodies]
    jobs = [Job(wish, "anna") for wish in wishes]
    for job in jobs:
        worker.submit(job)
    worker.start()
    errors = [job.future.exception(timeout=20) for job in jobs]
    worker.stop()
    assert [isinstance(error, InputError) for error in errors] == [n == 5 for n in range(8)]
    assert [call["size"] for call in engine.calls] == [8, 4, 4, 2, 1, 1, 2]


def test_a_full_queue_answers_429_and_a_client_that_leaves_frees_its_place() -> None:
    engine = FakeEngine()
    engine.gate.clear()
    with Running(engine, ServeSettings(queue=2, batch=1, gather_seconds=0)) as running:
        worker = running.worker

        async def load() -> None:
            async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:

                def post() -> asyncio.Task:
                    return asyncio.ensure_future(client.post("/v1/audio/speech", json=GOOD))

                first = post()
                await asyncio.to_thread(wait_for, lambda: worker._running == 1)
                second, third = post(), post()
                await asyncio.to_thread(wait_for, lambda: len(worker._waiting) == 2)
                full = await post()
                assert full.status_code == 429 and int(full.headers["retry-after"]) >= 1
                assert error_of(full)["type"] == "rate_limit_error"
                third.cancel()
                await asyncio.to_thread(wait_for, lambda: len(worker._waiting) == 1)
                fourth = post()
                await asyncio.to_thread(wait_for, lambda: len(worker._waiting) == 2)
                # The one that is being spoken leaves too: the model stops, and the next begins.
                first.cancel()
                await asyncio.to_thread(wait_for, lambda: engine.aborted == 1)
                engine.gate.set()
                assert [(await post).status_code for post in (second, fourth)] == [200, 200]

        asyncio.run(load())
        assert "emotts_clients_left_total 2" in httpx.get(f"{running.url}/metrics").text
