#!/usr/bin/env python3
r"""Measures emotion taken from recordings: whether it arrives, and whether the voice stays. Prints a table.

python recipes/emotion_transfer.py --judge egs/judge/exp/judge.npz --crema-d CREMA_D_FOLDER \
    --sentences decode/free-kathleen.jsonl --sentences decode/free-bdl.jsonl --output transfer --jobs 2

The recordings are of CREMA-D's test actors. Stopped and started again, it goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    judge: Annotated[Path, typer.Option(help="judge.npz that egs/judge/run.sh has made.")],
    crema_d: Annotated[Path, typer.Option(help="CREMA-D as its owners publish it.")],
    sentences: Annotated[
        list[Path], typer.Option(help="List of held-out sentences (JSON Lines or TSV); may be repeated.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for transfer.md, transfer.json and the audio.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    voice: Annotated[
        list[str] | None, typer.Option(help="Speak every text with this voice; else with the list's.")
    ] = None,
    each: Annotated[int, typer.Option(min=2, max=10, help="Recordings of each emotion.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the first sentence.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Sentences spoken at once.")] = 16,
) -> None:
    """Speaks with the emotions of natural recordings, and measures speech and recordings."""
    # recipes/ is no package; Python puts the folder of the script that runs on its path.
    from dose_response import load, teller

    from emotts.evaluate.emotion_transfer import choose_lenders, render_transfer, run_transfer

    try:
        engine, judged, chosen = load(model, device, judge, sentences, voice or [], each)
        lenders = choose_lenders(crema_d, judged, each, output / "recordings.npz", jobs)
        rows = run_transfer(engine, judged, chosen, lenders, output, seed, jobs, batch, teller())
    except EmottsError as error:
        print(f"emotion_transfer: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_transfer(rows))


if __name__ == "__main__":
    typer.run(main)
