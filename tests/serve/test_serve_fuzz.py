"""A thousand malformed requests, to an engine that beeps and to networks of random weights: none is a 500."""

from __future__ import annotations

import json
import random

import pytest
from fake_engine import FakeEngine
from starlette.testclient import TestClient

from emotts import EmoTTS
from emotts.serve.app import create_app
from emotts.serve.settings import ServeSettings

COUNT = 1000
GOOD = {"model": "tts-1", "input": "Hello there.", "voice": "anna"}
FIELDS = [
    "model", "input", "voice", "instructions", "response_format", "speed", "stream", "stream_format",
    "emotion", "duration", "seed", "language", "markup", "format", "__proto__", "", "\x00", "\ud800",
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 2**63, 10**30, 0.5, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "a", "1",
    "../../etc/passwd", "file:///etc/passwd", "http://localhost/x.wav", "\x00", "\ud800", "\udfff a",
    "é" * 50,
    "x" * 5000, "🙂", "\u202e", "...", "sad", "sad:0.5", "sad:nan", "sad:1e999", "neutral",
    "anna", "mp3", "pcm",
    "sse", "en-us", "de", "xx", "[", "[pause 1s]", "[pause 99s]", "[emotion sad]a", "<a|b>",
    "<a|", "<speak>", "a\\",
    "<speak><break/></speak>", "<!DOCTYPE a [<!ENTITY b 'c'>]><speak>&b;</speak>",
    "&#0;", "%s%n", "{}", "$(id)",
    "'; DROP TABLE voices", [], [[]], [0.5] * 8, [2] * 8, ["a"] * 8, [None], {}, {"sad": 1}, {"sad": "x"},
    {"id": "anna"}, {"id": 3}, {"a": {"b": {"c": []}}}, [{}] * 50,
]  # fmt: skip
RAW = [
    b"", b" ", b"null", b"[]", b"3", b'"a"', b"{", b"}", b"{}", b"\xff\xfe\x00", b"\x00", b"[" * 60_000,
    b'{"a":' * 9_000, b'{"input": 1e999}', b'{"seed": ' + b"9" * 5000 + b"}", b"<xml/>",
    b"a=b&c=d", b"\xef\xbb\xbf{}",
    b'{"input": "a", "input": "b"}', b"--x\r\nContent-Disposition: form-data\r\n\r\n", b"x" * 300_000,
]  # fmt: skip
HEADERS = [
    {}, {"content-type": "text/plain"}, {"content-type": "multipart/form-data"}, {"content-type": ""},
    {"content-type": "multipart/form-data; boundary=x"}, {"content-length": "abc"}, {"content-length": "-5"},
    {"content-type": "application/x-www-form-urlencoded"}, {"authorization": "Bearer \x7f"},
    {"accept": "\x01"},
    {"content-type": 'multipart/form-data; boundary="'}, {"content-encoding": "gzip"},
]  # fmt: skip
PATHS = [
    "/v1/audio/voices",
    "/v1/audio/voices/anna",
    "/v1/audio/voices/%2e%2e%2f",
    "/v1/models/%00",
    "/v1/models/é",
]


def attempt(client: TestClient, rng: random.Random) -> tuple[int, object]:
    """One request that is likely to be wrong, and what was sent."""
    kind = rng.random()
    if kind < 0.65:
        body: dict = {} if rng.random() < 0.1 else dict(GOOD)
        for _ in range(rng.randint(1, 3)):
            body[rng.choice(FIELDS)] = rng.choice(VALUES)
        content: bytes = json.dumps(body).encode()
        if rng.random() < 0.1:
            place = rng.randrange(len(content))
            content = content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
        sent: object = content[:300]
        response = client.post("/v1/audio/speech", content=content)
    elif kind < 0.85:
        content, headers = rng.choice(RAW), rng.choice(HEADERS)
        path = rng.choice(["/v1/audio/speech", "/v1/audio/voices"])
        sent = (path, content[:100], headers)
        response = client.post(path, content=content, headers=headers)
    else:
        method, path = (
            rng.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
            rng.choice(PATHS),
        )
        sent = (method, path)
        response = client.request(method, path)
    if response.status_code >= 400 and response.content:
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}, sent
    return response.status_code, sent


@pytest.mark.parametrize("kind", ["beeps", "model"])
def test_a_thousand_malformed_requests_never_break_the_server(kind: str, tiny_tts: EmoTTS) -> None:
    rng = random.Random(5)
    engine = tiny_tts if kind == "model" else FakeEngine()
    app = create_app(engine, ServeSettings(max_voices=1, gather_seconds=0.0))
    seen: dict[int, int] = {}
    with TestClient(app, raise_server_exceptions=False) as client:
        for _ in range(COUNT):
            status, sent = attempt(client, rng)
            assert status < 500, sent
            seen[status] = seen.get(status, 0) + 1
        assert client.post("/v1/audio/speech", json=GOOD).status_code == 200
        assert client.get("/health").json()["status"] == "ok"
    assert seen[400] > COUNT / 3 and seen[200] > 0
