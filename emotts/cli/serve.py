"""`emotts serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import InputError, MissingDependencyError

_LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    api_key: Annotated[
        str | None,
        typer.Option(envvar="EMOTTS_API_KEY", help="Key that clients must send; better in the variable."),
    ] = None,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Requests that pass the models together.")] = 8,
    takes: Annotated[
        int | None, typer.Option(help="Draws of the language model for each text; 1 serves the most clients.")
    ] = None,
    max_characters: Annotated[int, typer.Option(min=1, help="Longest text.")] = 4096,
    voices: Annotated[
        Path | None, typer.Option(help="Folder of recordings and voice files to offer.")
    ] = None,
    max_voices: Annotated[int, typer.Option(min=0, help="Voices that clients may upload.")] = 0,
    max_upload: Annotated[int, typer.Option(min=1, help="Most MB of an upload.")] = 20,
    alias: Annotated[
        list[str] | None, typer.Option(help="Another name of a voice, alloy=kathleen; may be repeated.")
    ] = None,
) -> None:
    """Serve speech over HTTP, as OpenAI's clients ask for it."""
    try:
        import uvicorn

        from emotts.serve.app import create_app
        from emotts.serve.settings import ServeSettings
    except ImportError as error:
        raise MissingDependencyError(
            f'emotts serve needs {error.name}; install it with: pip install "emotts[serve]"'
        ) from None
    if api_key is not None and not api_key.strip():
        raise InputError("the API key is empty; leave it out to let everybody in")
    settings = ServeSettings(
        api_key=api_key,
        queue=queue,
        batch=batch,
        max_characters=max_characters,
        max_voices=max_voices,
        max_upload=max_upload * 1024 * 1024,
        aliases=parse_aliases(alias or []),
    )
    from emotts.tts import EmoTTS

    app = create_app(EmoTTS.from_pretrained(model, device, takes=takes), settings, voices)
    if host not in _LOCAL and api_key is None:
        typer.echo(f"emotts: {host} may be open to others, and no API key is set", err=True)
    # Two seconds for connections that are open when the server is stopped.
    uvicorn.run(
        app, host=host, port=port, log_level=os.environ.get("EMOTTS_LOG", "info"), timeout_graceful_shutdown=2
    )


def parse_aliases(texts: list[str]) -> dict[str, str]:
    """Alias -> voice of texts such as "alloy=kathleen".

    Raises:
        InputError: one is not of that form.
    """
    found: dict[str, str] = {}
    for text in texts:
        alias, equals, name = (part.strip() for part in text.partition("="))
        if not (alias and equals and name):
            raise InputError(f"alias {text!r} is not alias=voice, such as alloy=kathleen")
        found[alias] = name
    return found
