#!/usr/bin/env python3
"""Prints what each stage of a model costs, by copy-synthesis of natural recordings.

python recipes/copy_synthesis.py --data data/kathleen --output exp/copy --limit 60
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    data: Annotated[Path, typer.Option(help="Kaldi data directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the audio of each stage.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    split: Annotated[str, typer.Option(help="Split of the data directory.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Most utterances.")] = None,
    seed: Annotated[int, typer.Option(help="Of all randomness.")] = 0,
    metrics: Annotated[str, typer.Option(help="Some of wer, dnsmos, similarity.")] = "wer,dnsmos,similarity",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that score.")] = 1,
) -> None:
    """Remakes recordings from their mel, their tokens, their durations and their text, and scores each."""
    from emotts.evaluate.copy_synthesis import copy_synthesis, render_stages, score_stages
    from emotts.evaluate.scoring import parse_metrics
    from emotts.tts import EmoTTS

    try:
        wanted = parse_metrics(metrics)
        engine = EmoTTS.from_pretrained(model, device)
        left_out = copy_synthesis(engine, data, output, split, limit, seed=seed)
        typer.echo(render_stages(score_stages(output, wanted, jobs=jobs)))
    except EmottsError as error:
        print(f"copy_synthesis: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    if left_out:
        typer.echo(f"Left out, not aligned: {', '.join(left_out)}.")


if __name__ == "__main__":
    typer.run(main)
