"""`emotts emotion`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emotts.emotion.instruct.direction import Direction

NO_EMOTION = "names no emotion; the speech is neutral"
"""Said on stderr when an instruction comes to nothing."""


def emotion(
    words: Annotated[str, typer.Argument(help='An instruction, as to an actor: "furious, but whispering".')],
    line: Annotated[
        bool, typer.Option("--line", help="The words are the text to be spoken, not an instruction.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a record on stdout.")] = False,
) -> None:
    """Show the emotion and the delivery that words ask for."""
    from emotts.emotion.instruct import direct

    found = direct(words, line=line)
    if as_json:
        typer.echo(json.dumps(found.as_record(), ensure_ascii=False))
    else:
        typer.echo(describe(found))
    if found.emotion.is_neutral:
        report_neutral(words, line)


def describe(direction: Direction) -> str:
    """The emotion as `--emotion` takes it, and the hints that say something."""
    hints = []
    if direction.speed != 1.0:
        hints.append(f"speed {direction.speed:g}")
    if direction.energy != 0.0:
        hints.append(f"energy {direction.energy:+g} dB")
    return "  ".join([str(direction.emotion), *hints])


def report_neutral(words: str, line: bool = False) -> None:
    """Says on stderr that words held no emotion."""
    from emotts.request import shorten

    what = "text" if line else "instruction"
    typer.echo(f'emotts: the {what} "{shorten(words)}" {NO_EMOTION}', err=True)
