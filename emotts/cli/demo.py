"""`emotts demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from emotts.errors import MissingDependencyError

_LOCAL = ("127.0.0.1", "localhost", "::1")


def demo(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7860,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    share: Annotated[
        bool, typer.Option("--share", help="Make a public link through Gradio's servers; off unless given.")
    ] = False,
) -> None:
    """Open the page: speech and dubbing in a browser."""
    try:
        from emotts_demo.app import free_port, launch
    except ImportError as error:
        raise MissingDependencyError(
            f'emotts demo needs {error.name}; install it with: pip install "emotts[demo]"'
        ) from None
    from emotts.tts import EmoTTS

    port = free_port(host, port)  # before the model is loaded
    tts = EmoTTS.from_pretrained(model, device)
    page, address = launch(tts, host, port, share, wait=False)
    typer.echo(f"emotts: the page is at {page.share_url or address}; Ctrl+C stops it", err=True)
    if host not in _LOCAL:
        typer.echo(f"emotts: {host} may be open to others, and the page asks for no password", err=True)
    page.block_thread()
