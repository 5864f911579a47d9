"""What every request passes before its route: the key, and the size of its body.

Plain ASGI, for Starlette's BaseHTTPMiddleware hides from a route that its client has left.
"""

from __future__ import annotations

import hmac
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotts.serve.errors import ApiError, error_response
from emotts.serve.metrics import Metrics
from emotts.serve.settings import ServeSettings

_OPEN = ("/health",)
_UPLOADS = "/v1/audio/voices"
_COUNTED = ("/v1/audio/speech", "/v1/audio/voices", "/v1/models", "/health", "/metrics")


class Limits:
    """ASGI middleware: 401 without the key, 413 for a body that is too large; counts the answers."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        path = str(scope["path"])
        began = False

        async def counted(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                status = message["status"]
                spoken = path == _COUNTED[0] and status == 200
                route = next((known for known in _COUNTED if path.startswith(known)), "other")
                self.metrics.answered(route, status, time.perf_counter() - started if spoken else None)
            await send(message)

        try:
            self._check(scope, path)
            await self.app(scope, self._bounded(receive, path), counted)
        except ApiError as error:
            if began:  # Too late for another answer.
                raise
            await error.response()(scope, receive, counted)
        except Exception:
            if began:
                raise
            # The server's log has the traceback; a client learns nothing of the inside.
            await error_response(500, "the server failed; its log says why", "internal_error")(
                scope, receive, counted
            )
            raise

    def _limit(self, path: str) -> int:
        return self.settings.max_upload if path == _UPLOADS else self.settings.max_body

    def _check(self, scope: Scope, path: str) -> None:
        headers = dict(scope["headers"])
        if self.settings.api_key is not None and path not in _OPEN:
            scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
            same = hmac.compare_digest(key.strip(), self.settings.api_key.encode())
            if scheme.lower() != b"bearer" or not same:
                raise ApiError(
                    401,
                    "wrong or missing API key; send it as Authorization: Bearer KEY",
                    "invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise ApiError(400, "the header Content-Length is no number")
        if len(length) > 18 or int(length) > self._limit(path):
            raise self._too_large(path)

    def _bounded(self, receive: Receive, path: str) -> Receive:
        """Counts the bytes that come, for a header can lie or be missing."""
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._limit(path):
                    raise self._too_large(path)
            return message

        return bounded

    def _too_large(self, path: str) -> ApiError:
        return ApiError(413, f"the body is larger than {self._limit(path)} bytes", "body_too_large")
