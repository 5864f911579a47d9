"""`emotts voices` and `emotts voices save`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import AudioError, InputError

voices_app = typer.Typer(
    help="List the named voices of a model, or save a voice from a recording.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ModelOption = Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@voices_app.callback(invoke_without_command=True)
def voices(context: typer.Context, model: _ModelOption = "embedded", as_json: _JsonOption = False) -> None:
    """List the named voices of a model, or save a voice from a recording."""
    if context.invoked_subcommand is not None:
        return
    from emotts.model import find_model, list_voices, load_config

    directory = find_model(model)
    default = load_config(directory).default_voice
    found = list_voices(directory)
    if as_json:
        records = [{"name": n, "description": d, "default": n == default} for n, d in found.items()]
        typer.echo(json.dumps(records, ensure_ascii=False))
        return
    width = max(map(len, found), default=0)
    for name, description in found.items():
        mark = "  (default)" if name == default else ""
        typer.echo(f"{name:<{width}}  {description}{mark}".rstrip())


@voices_app.command()
def save(
    recording: Annotated[Path, typer.Argument(help="Recording of the speaker, 3 to 15 s of clean speech.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the voice; the file's name when left out.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Voice file to write; NAME.safetensors when left out."),
    ] = None,
    description: Annotated[str, typer.Option(help="One line about the voice.")] = "",
    model: _ModelOption = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Make a voice file from a recording, for use as --voice."""
    from dataclasses import replace

    from emotts.files import check_writable

    name = recording.stem if name is None else name
    if not name.strip():
        raise InputError("the name of the voice is empty; give one with --name")
    path = Path(f"{name}.safetensors") if output is None else output
    if path.suffix != ".safetensors":
        raise InputError(f"a voice file ends in .safetensors; {path} does not")
    check_writable(path, force)
    if not recording.exists():
        raise AudioError(f"audio file {recording} does not exist")
    from emotts.tts import EmoTTS

    voice = EmoTTS.from_pretrained(model, device).voice(recording)
    replace(voice, name=name, description=description).save(path, force)
    typer.echo(f"{path}  voice {name!r}", err=True)
