#!/usr/bin/env python3
r"""Measures what surprised, melancholic and calm, which are derived by rule, are heard as. Prints tables.

python recipes/derived_emotions.py --judge egs/judge/exp/judge.npz --sentences decode/free-kathleen.jsonl \
    --sentences decode/free-bdl.jsonl --output derived --jobs 2

Stopped and started again, it goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    judge: Annotated[Path, typer.Option(help="judge.npz that egs/judge/run.sh has made.")],
    sentences: Annotated[
        list[Path], typer.Option(help="List of held-out sentences (JSON Lines or TSV); may be repeated.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for derived.md, derived.json and the audio.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    voice: Annotated[
        list[str] | None, typer.Option(help="Speak every text with this voice; else with the list's.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Sentences of each voice.")] = 15,
    intensities: Annotated[str, typer.Option(help="Comma-separated, 0 among them.")] = "0,0.5,1",
    seed: Annotated[int, typer.Option(min=0, help="Of the first sentence.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Sentences spoken at once.")] = 16,
) -> None:
    """Speaks held-out sentences in the derived emotions, and measures them."""
    # recipes/ is no package; Python puts the folder of the script that runs on its path.
    from dose_response import load, numbers, teller

    from emotts.evaluate.derived_response import render_derived, run_derived
    from emotts.evaluate.judge import CLASSES

    try:
        doses = numbers("--intensities", intensities)
        engine, judged, chosen = load(model, device, judge, sentences, voice or [], count)
        points = run_derived(engine, judged, chosen, output, doses, seed, jobs, batch, teller())
    except EmottsError as error:
        print(f"derived_emotions: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_derived(points, judged.natural_recall(CLASSES)))


if __name__ == "__main__":
    typer.run(main)
