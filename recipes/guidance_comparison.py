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

from emotts.errors import EmottsError


def main(
    judge: Annotated[Path, typer.Option(help="judge.npz that egs/judge/run.sh has made.")],
    sentences: Annotated[
        list[Path], typer.Option(help="List of held-out sentences (JSON Lines or TSV); may be repeated.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for guidance.md, guidance.png and the audio.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    alpha: Annotated[
        list[float] | None, typer.Option(help="Positive weight; may be repeated. β is a quarter of it.")
    ] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="Speak every text with this voice; else with the list's.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Sentences of each voice.")] = 30,
    emotions: Annotated[str, typer.Option(help="Comma-separated.")] = "angry,happy,sad,afraid",
    intensity: Annotated[float, typer.Option(help="Of all emotions.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the first sentence.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Sentences spoken at once.")] = 16,
    quality_every: Annotated[int, typer.Option(min=1, help="DNSMOS of every n-th text only.")] = 1,
) -> None:
    """Speaks held-out sentences in every emotion under each kind of guidance, and measures them."""
    # recipes/ is no package; Python puts the folder of the script that runs on its path.
    from dose_response import load, teller

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
