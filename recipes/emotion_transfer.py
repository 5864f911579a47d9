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

from emotts.cli.judged import Batch, Device, Jobs, JudgeFile, Lists, ModelName, Seed, Voices, load, teller
from emotts.errors import EmottsError


def main(
    judge: JudgeFile,
    crema_d: Annotated[Path, typer.Option(help="CREMA-D as its owners publish it.")],
    sentences: Lists,
    output: Annotated[Path, typer.Option(help="Folder for transfer.md, transfer.json and the audio.")],
    model: ModelName = "embedded",
    voice: Voices = None,
    each: Annotated[int, typer.Option(min=2, max=10, help="Recordings of each emotion.")] = 8,
    seed: Seed = 0,
    device: Device = "auto",
    jobs: Jobs = 1,
    batch: Batch = 16,
) -> None:
    """Speaks with the emotions of natural recordings, and measures speech and recordings."""
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
