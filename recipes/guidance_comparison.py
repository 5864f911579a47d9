#!/usr/bin/env python3
r"""Compares no guidance, α alone, and α with β in both schedules: accuracy against word errors.

python recipes/guidance_comparison.py --judge egs/judge/exp/judge.npz --sentences decode/free-kathleen.jsonl \
    --output guidance --alpha 0.5 --alpha 1 --alpha 2

Stopped and started again, it goes on where it was. The model must have an emotion expert.
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
    Names,
    QualityEvery,
    Seed,
    Steps,
    Voices,
    load,
    teller,
)
from emotts.errors import EmottsError


def main(
    judge: JudgeFile,
    sentences: Lists,
    output: Annotated[Path, typer.Option(help="Folder for guidance.md, guidance.png and the audio.")],
    model: ModelName = "embedded",
    alpha: Annotated[
        list[float] | None, typer.Option(help="Positive weight; may be repeated. β is a quarter of it.")
    ] = None,
    voice: Voices = None,
    count: Count = 30,
    emotions: Names = "angry,happy,sad,afraid",
    intensity: Annotated[float, typer.Option(help="Of all emotions.")] = 1.0,
    seed: Seed = 0,
    steps: Steps = None,
    device: Device = "auto",
    jobs: Jobs = 1,
    batch: Batch = 16,
    quality_every: QualityEvery = 1,
) -> None:
    """Speaks held-out sentences in every emotion under each kind of guidance, and measures them."""
    from emotts.evaluate.guidance_comparison import compare_guidance, render_guidance

    try:
        names = [name.strip() for name in emotions.split(",") if name.strip()]
        engine, judged, chosen = load(model, device, judge, sentences, voice or [], count)
        settings = {"seed": seed, "jobs": jobs, "batch": batch, "quality_every": quality_every}
        settings["progress"] = teller()
        if steps is not None:
            settings["steps"] = steps
        outcomes = compare_guidance(
            engine, judged, chosen, output, alpha or [1.0], names, intensity, **settings
        )
    except EmottsError as error:
        print(f"guidance_comparison: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_guidance(outcomes))


if __name__ == "__main__":
    typer.run(main)
