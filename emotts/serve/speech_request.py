"""The body of POST /v1/audio/speech: OpenAI's fields, and our own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emotts.batch.lines import emotion_of
from emotts.emotion import Emotion
from emotts.errors import EmottsError
from emotts.request import check_request
from emotts.serve.errors import ApiError
from emotts.serve.formats import FORMATS
from emotts.serve.settings import ServeSettings


class _VoiceId(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: str


class SpeechRequest(BaseModel):
    """Fields of a request for speech; one that is not listed is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str = Field(description="Name of the model.")
    input: str = Field(description="What to say.")
    voice: str | _VoiceId | None = Field(None, description="Name of a voice; the default one if left out.")
    instructions: str | None = Field(None, max_length=1000, description="How to say it, in words.")
    response_format: str = Field("mp3", description="wav, mp3, flac, opus or pcm.")
    speed: float | None = Field(None, description="0.5 to 2; 1 is natural.")
    stream: bool = Field(False, description="Send the audio in pieces.")
    stream_format: Literal["audio", "sse"] = Field("audio", description="Bytes, or server-sent events.")
    emotion: str | dict[str, float] | list[float] | None = Field(
        None, description='"angry:0.7", {"angry": 0.7}, or eight intensities.'
    )
    duration: float | None = Field(None, description="Exact length in seconds.")
    seed: int | None = Field(None, description="The same seed gives the same speech.")
    language: str | None = Field(None, max_length=32, description="Of the text, as espeak names it.")
    markup: bool = Field(False, description="Read markup in the text.")


@dataclass(frozen=True)
class Wish:
    """A request for speech that has passed all checks which need no model.

    Attributes:
        text: what to say.
        voice: a name, or None for the default.
        emotion: how, or None.
        instruct: how, in words, or None.
        duration: exact seconds, or None.
        speed: or None.
        seed: or None to draw one.
        language: or None for the model's first.
        markup: whether the text holds markup.
        format: of the answer.
        stream: whether the answer goes out in pieces.
        events: whether the pieces are server-sent events.
    """

    text: str
    voice: str | None
    emotion: Emotion | None
    instruct: str | None
    duration: float | None
    speed: float | None
    seed: int | None
    language: str | None
    markup: bool
    format: str
    stream: bool
    events: bool


def parse_request(body: bytes, settings: ServeSettings, models: tuple[str, ...]) -> Wish:
    """Reads and checks the body of a request.

    Args:
        body: JSON.
        settings: limits.
        models: names that the model is known by.

    Raises:
        ApiError: 400 or 404, with the field that is at fault.
    """
    request = _validate(_read_json(body))
    if request.model not in models:
        raise ApiError(
            404, f"unknown model {request.model!r}; models: {models[0]}", "model_not_found", "model"
        )
    if request.response_format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ApiError(
            400,
            f"unknown response_format {request.response_format!r}; formats: {known}",
            None,
            "response_format",
        )
    if len(request.input) > settings.max_characters:
        raise ApiError(
            400,
            f"input has {len(request.input)} characters; at most {settings.max_characters} are possible",
            "string_above_max_length",
            "input",
        )
    if request.duration is not None and request.duration > settings.max_seconds:
        raise ApiError(400, f"duration is at most {settings.max_seconds:g} s", None, "duration")
    if request.emotion is not None and request.instructions:
        raise ApiError(400, "give emotion or instructions, not both", None, "emotion")
    try:
        emotion = None if request.emotion is None else emotion_of(request.emotion)
    except EmottsError as error:
        raise ApiError(400, str(error), None, "emotion") from None
    # Clients that send the natural speed with everything do not mean it as a length.
    speed = None if request.speed == 1.0 else request.speed
    _check(request, speed)
    voice = request.voice.id if isinstance(request.voice, _VoiceId) else request.voice
    return Wish(
        request.input,
        voice,
        emotion,
        request.instructions or None,
        request.duration,
        speed,
        request.seed,
        request.language,
        request.markup,
        request.response_format,
        request.stream or request.stream_format == "sse",
        request.stream_format == "sse",
    )


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON that can be read", "invalid_json") from None
    if not isinstance(values, dict):
        raise ApiError(400, "the body must be a JSON object", "invalid_json")
    return values


def _validate(values: dict[str, Any]) -> SpeechRequest:
    try:
        return SpeechRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else None
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            known = ", ".join(SpeechRequest.model_fields)
            raise ApiError(
                400, f"unknown field {name!r}; fields: {known}", "unknown_parameter", name
            ) from None
        raise ApiError(400, f"{name}: {first['msg']}", first["type"], name) from None
    except RecursionError:
        raise ApiError(400, "the body nests too deep", "invalid_json") from None


def _check(request: SpeechRequest, speed: float | None) -> None:
    """Everything that a model would refuse anyway, before the request waits in the queue."""
    from emotts.text.espeak import canonical_language

    for name in ("input", "instructions", "language"):
        try:
            (getattr(request, name) or "").encode("utf-8")
        except UnicodeEncodeError:
            raise ApiError(400, f"{name} holds half of a surrogate pair", None, name) from None
    try:
        if request.language is not None:
            canonical_language(request.language)
    except EmottsError as error:
        raise ApiError(400, str(error), None, "language") from None
    for name, wishes in (("speed", {"speed": speed}), ("duration", {"duration": request.duration})):
        _checked(name, "a", wishes)
    _checked("seed", "a", {"seed": request.seed})
    _checked("input", _said(request), {})
    _checked("duration", "a", {"speed": speed, "duration": request.duration})


def _checked(param: str, text: str, wishes: dict[str, Any]) -> None:
    try:
        check_request(text, **wishes)
    except EmottsError as error:
        raise ApiError(400, str(error), None, param) from None


def _said(request: SpeechRequest) -> str:
    if not request.markup:
        return request.input
    from emotts.markup import check_markup

    try:
        return check_markup(request.input, request.language or "en-us")
    except EmottsError as error:
        raise ApiError(400, str(error), "invalid_markup", "input") from None
