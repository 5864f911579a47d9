"""Errors in the shape that OpenAI's clients read: {"error": {message, type, param, code}}."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from emotts.request import shorten


class ApiError(Exception):
    """An answer that is no success.

    Args:
        status: of HTTP.
        message: one line for people.
        code: for programs.
        param: the field of the request that is at fault.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, headers

    def response(self) -> JSONResponse:
        """The answer."""
        return error_response(self.status, str(self), self.code, self.param, self.headers)


_LONGEST = 500  # A message may quote what was sent.
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_response(
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The answer for an error; what is no Unicode in the message is replaced."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    line = shorten(message, _LONGEST).encode("utf-8", "replace").decode("utf-8")
    body: dict[str, Any] = {"message": line, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": body}, status, headers)
