"""The routes: POST /v1/audio/speech and what belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from emotts import __version__
from emotts.errors import EmottsError
from emotts.serve.errors import ApiError, error_response
from emotts.serve.formats import FORMATS, encode
from emotts.serve.limits import Limits
from emotts.serve.live import LiveSpeech, can_stream, event, named
from emotts.serve.metrics import Metrics
from emotts.serve.settings import ServeSettings
from emotts.serve.speech_request import SpeechRequest, Wish, parse_request
from emotts.serve.voices import VoiceRegistry
from emotts.serve.worker import Job, QueueFull, Worker

_CHUNK = 16 * 1024


class _Gone(Exception):
    """The client has left; there is nobody to answer."""


class Server:
    """What the routes share.

    Args:
        engine: `EmoTTS`, or what has its `synthesize`, `voice`, `voices` and `model.config.name`.
        settings: limits and secrets.
        voices: folder of more voices.
    """

    def __init__(self, engine: Any, settings: ServeSettings, voices: Path | None = None) -> None:
        self.engine, self.settings = engine, settings
        self.metrics = Metrics()
        self.worker = Worker(engine, settings, self.metrics)
        self.voices = VoiceRegistry(engine, settings, voices)
        self.name = str(engine.model.config.name)

    async def speech(self, request: Request) -> Response:
        """Answers POST /v1/audio/speech."""
        wish = parse_request(await request.body(), self.settings, (self.name, *self.settings.models))
        if wish.stream and can_stream(self.engine, wish):
            return await self.live(wish, request)
        job = Job(wish, self.voices.find(wish.voice))
        try:
            speech = await self.done(job, request)
        except EmottsError as error:
            raise _refusal(error, wish) from None
        content = await asyncio.to_thread(encode, speech.audio, speech.sample_rate, wish.format)
        headers = {
            "X-Emotts-Seed": str(speech.seed),
            "X-Emotts-Seconds": f"{speech.duration:.6f}",
            "X-Emotts-Samples": str(len(speech.audio)),
            "X-Emotts-Emotion": named(speech.emotion),
        }
        if wish.events:
            return StreamingResponse(_events(content), media_type="text/event-stream", headers=headers)
        if wish.stream:
            return StreamingResponse(_chunks(content), media_type=FORMATS[wish.format], headers=headers)
        return Response(content, media_type=FORMATS[wish.format], headers=headers)

    async def live(self, wish: Wish, request: Request) -> Response:
        """Answers with audio that is sent while it is made."""
        live = LiveSpeech(self.engine, wish, self.voices.find(wish.voice), self.metrics)
        job = Job(call=live.run)
        self.submit(job)
        leaving = asyncio.ensure_future(_left(request))
        begun = asyncio.ensure_future(live.begin())
        try:
            await asyncio.wait({begun, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not begun.done():
                raise _Gone
            headers = begun.result()
        except EmottsError as error:
            raise _refusal(error, wish) from None
        finally:
            leaving.cancel()
            if not begun.done():
                live.left = True
                begun.cancel()
                self.worker.abandon(job)
        kind = "text/event-stream" if wish.events else FORMATS[wish.format]
        content = live.content(lambda: self.worker.abandon(job))
        return StreamingResponse(content, media_type=kind, headers=headers)

    def submit(self, job: Job) -> Future[Any]:
        """Queues a job.

        Raises:
            ApiError: 429, no place is free.
        """
        try:
            return self.worker.submit(job)
        except QueueFull as error:
            headers = {"Retry-After": str(error.retry_after)}
            raise ApiError(429, str(error), "queue_full", headers=headers) from None

    async def done(self, job: Job, request: Request) -> Any:
        """The outcome of a job; a client that leaves takes its job along.

        Raises:
            ApiError: 429, no place is free.
            EmottsError: what is wrong with the request.
        """
        outcome = asyncio.ensure_future(asyncio.wrap_future(self.submit(job)))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({outcome, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not outcome.done():
                raise _Gone
            return outcome.result()
        finally:
            leaving.cancel()
            if not outcome.done():
                self.worker.abandon(job)
                outcome.cancel()

    async def add_voice(self, request: Request) -> Response:
        """Answers POST /v1/audio/voices: a form with `name` and the recording `audio_sample`."""
        self.voices.check_open()
        try:
            form = await request.form(max_files=1, max_fields=4)
        except HTTPException as error:
            raise ApiError(400, f"no form that can be read: {error.detail}", "invalid_form") from None
        try:
            name, sample = form.get("name"), form.get("audio_sample")
            if not isinstance(name, str) or not isinstance(sample, UploadFile):
                raise ApiError(
                    400, "send a form with the fields name and audio_sample (a file)", "invalid_form"
                )
            self.voices.check_name(name)
            content = await sample.read()
        finally:
            await form.close()
        try:
            await self.done(Job(call=lambda: self.voices.add(name, content)), request)
        except EmottsError as error:
            raise ApiError(400, str(error).splitlines()[0], None, "audio_sample") from None
        return JSONResponse({"id": name, "name": name, "kind": "uploaded"}, 201)

    def models(self) -> list[dict[str, Any]]:
        """What /v1/models lists."""
        return [{"id": self.name, "object": "model", "created": 0, "owned_by": "emotts"}]


def create_app(engine: Any, settings: ServeSettings | None = None, voices: Path | None = None) -> FastAPI:
    """The application.

    Args:
        engine: see `Server`.
        settings: limits and secrets; the defaults when left out.
        voices: folder of voice files and recordings to offer beside the model's.

    Raises:
        EmottsError: a voice of the folder cannot be used.
    """
    settings = settings or ServeSettings()
    server = Server(engine, settings, voices)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        server.worker.start()
        yield
        await asyncio.to_thread(server.worker.stop)

    app = FastAPI(title="emotts", version=__version__, lifespan=lifespan)
    app.state.server = server
    app.add_middleware(Limits, settings=settings, metrics=server.metrics)
    _add_errors(app)
    _add_speech(app, server)
    _add_rest(app, server)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        known = {
            404: f"there is no {request.url.path[:100]} here",
            405: f"{request.method} is not possible here",
        }
        message = known.get(error.status_code, str(error.detail))
        return error_response(error.status_code, message, headers=dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    @app.exception_handler(_Gone)
    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=499)


def _add_speech(app: FastAPI, server: Server) -> None:
    schema = SpeechRequest.model_json_schema()
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    @app.post("/v1/audio/speech", openapi_extra=body, response_class=Response)
    async def speech(request: Request) -> Response:
        """Speaks a text."""
        return await server.speech(request)


def _add_rest(app: FastAPI, server: Server) -> None:
    @app.get("/v1/audio/voices")
    async def voices() -> dict[str, Any]:
        """Lists the voices."""
        return {"object": "list", "data": server.voices.listing()}

    @app.post("/v1/audio/voices", response_class=Response)
    async def add_voice(request: Request) -> Response:
        """Makes a voice of a recording (form fields `name` and `audio_sample`)."""
        return await server.add_voice(request)

    @app.delete("/v1/audio/voices/{name}")
    async def remove_voice(name: str) -> dict[str, Any]:
        """Forgets an uploaded voice."""
        server.voices.remove(name)
        return {"id": name, "deleted": True}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """Lists the model."""
        return {"object": "list", "data": server.models()}

    @app.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        """Describes the model."""
        if name not in (server.name, *server.settings.models):
            raise ApiError(
                404, f"unknown model {name[:64]!r}; models: {server.name}", "model_not_found", "model"
            )
        return server.models()[0]

    @app.get("/health")
    async def health() -> Response:
        """Says whether the server can speak."""
        alive = server.worker.alive
        return JSONResponse(
            {"status": "ok" if alive else "stopped", "model": server.name}, 200 if alive else 503
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(server.metrics.text(), media_type="text/plain; version=0.0.4")


def _refusal(error: EmottsError, wish: Wish) -> ApiError:
    message = str(error)
    if wish.instruct and "'instruct'" in message:
        problem = "this model cannot follow instructions; give emotion instead, such as happy:0.7"
        return ApiError(400, problem, "instructions_unavailable", "instructions")
    return ApiError(400, message, param="duration" if message.startswith("duration") else None)


async def _left(request: Request) -> None:
    """Returns when the client has closed the connection; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _CHUNK):
        yield content[start : start + _CHUNK]


def _events(content: bytes) -> Iterator[bytes]:
    """Server-sent events as OpenAI sends them: deltas of audio in base64, then the end."""
    for chunk in _chunks(content):
        yield event(chunk)
    yield event(None)
