"""What the one who runs a server decides."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServeSettings:
    """Limits and secrets of a server.

    Attributes:
        api_key: that every request but /health must bear; None lets everybody in.
        queue: requests that may wait; one more is answered 429.
        batch: most requests that pass the models together.
        gather_seconds: how long the first request of a batch waits for company.
        max_characters: of a text.
        max_seconds: of speech that a request may ask for.
        max_body: bytes of a JSON body.
        max_upload: bytes of an uploaded recording, with what surrounds it.
        max_voices: voices that may be uploaded; 0 switches uploads off.
        aliases: other names of voices, such as those of OpenAI.
        models: other names of the model; OpenAI's clients must name one.
    """

    api_key: str | None = field(default=None, repr=False)
    queue: int = 64
    batch: int = 8
    gather_seconds: float = 0.01
    max_characters: int = 4096
    max_seconds: float = 600.0
    max_body: int = 256 * 1024
    max_upload: int = 20 * 1024 * 1024
    max_voices: int = 0
    aliases: dict[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ("emotts", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
