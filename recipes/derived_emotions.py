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

from emotts.cli.judged import (
    Batch,
    Count,
    Device,
    Jobs,
    JudgeFile,
    Lists,
    ModelName,
    Numbers,
    Seed,
    Voices,
    load,
    numbers,
    teller,
)
from emotts.errors import EmottsError


def main(
    judge: JudgeFile,
    sentences: Lists,
    output: Annotated[Path, typer.Option(help="Folder for derived.md, derived.json and the audio.")],
    model: ModelName = "embedded",
    voice: Voices = None,
    count: Count = 15,
    intensities: Numbers = "0,0.5,1",
    seed: Seed = 0,
    device: Device = "auto",
    jobs: Jobs = 1,
    batch: Batch = 16,
) -> None:
    """Speaks held-out sentences in the derived emotions, and measures them."""
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
