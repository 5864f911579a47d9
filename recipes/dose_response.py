#!/usr/bin/env python3
r"""Measures what the intensity of each emotion does and costs: a table, a picture, and all audio.

python recipes/dose_response.py --judge egs/judge/exp/judge.npz --sentences decode/free-kathleen.jsonl \
    --sentences decode/free-bdl.jsonl --output doses --jobs 2

Stopped and started again, it goes on where it was. `--estimate` says how long it will take.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Numbers,
    QualityEvery,
    Seed,
    Steps,
    Voices,
    load,
    numbers,
    teller,
)
from emotts.errors import EmottsError

if TYPE_CHECKING:
    from emotts.evaluate.lists import Sentence


def main(
    judge: JudgeFile,
    sentences: Lists,
    output: Annotated[Path, typer.Option(help="Folder for doses.md, doses.png, doses.json and the audio.")],
    model: ModelName = "embedded",
    voice: Voices = None,
    count: Count = 30,
    emotions: Names = "angry,happy,sad,afraid,disgusted",
    intensities: Numbers = "0,0.25,0.5,0.75,1",
    seed: Seed = 0,
    steps: Steps = None,
    cfg: Annotated[float | None, typer.Option(help="Strength of classifier-free guidance.")] = None,
    guidance_schedule: Annotated[str | None, typer.Option(help="none, constant or derived.")] = None,
    device: Device = "auto",
    jobs: Jobs = 1,
    batch: Batch = 16,
    quality_every: QualityEvery = 1,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it will take.")] = False,
) -> None:
    """Speaks held-out sentences in every emotion at rising intensities, and measures them."""
    from emotts.evaluate.dose_response import estimate_minutes, render_doses, run_dose_response

    try:
        names = [name.strip() for name in emotions.split(",") if name.strip()]
        doses = numbers("--intensities", intensities)
        options = {"steps": steps, "cfg": cfg, "guidance_schedule": guidance_schedule}
        given = {name: value for name, value in options.items() if value is not None}
        engine, judged, chosen = load(model, device, judge, sentences, voice or [], count)
        settings = {"seed": seed, "jobs": jobs, "batch": batch, "quality_every": quality_every, **given}
        if estimate:
            minutes = estimate_minutes(engine, judged, chosen, output, names, doses, **settings)
            typer.echo(f"about {minutes:.1f} minutes for {count_files(chosen, names, doses)} files")
            return
        settings["progress"] = teller()
        result = run_dose_response(engine, judged, chosen, output, names, doses, **settings)
    except EmottsError as error:
        print(f"dose_response: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_doses(result))


def count_files(sentences: list[Sentence], emotions: list[str], intensities: list[float]) -> int:
    """How many files a dose-response speaks: intensity 0 is the same for all emotions."""
    return len(sentences) * (1 + len(emotions) * (len(intensities) - 1))


if __name__ == "__main__":
    typer.run(main)
