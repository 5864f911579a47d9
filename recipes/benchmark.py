#!/usr/bin/env python3
"""Prints how fast a model speaks, by stage, as Markdown: python recipes/benchmark.py --threads 2.

With `--guidance` it prints what guidance by the emotion expert costs instead.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each case; medians count.")] = 5,
    longest: Annotated[float, typer.Option(min=5, help="Longest text, seconds of speech.")] = 60.0,
    guidance: Annotated[
        bool,
        typer.Option("--guidance", help="Only the decoder, with guidance by the emotion expert and without."),
    ] = False,
) -> None:
    """Measures real-time factor by stage, growth with length and batch, and peak memory."""
    # Before torch is loaded: its pools read this once, and the process that measures memory inherits it.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from emotts.evaluate.speed import LENGTHS, benchmark, render_benchmark

    lengths = [seconds for seconds in LENGTHS if seconds <= longest]
    try:
        if guidance:
            typer.echo(guidance_table(model, device, threads, repeats))
            return
        typer.echo(render_benchmark(benchmark(model, device, threads, repeats, lengths)))
    except EmottsError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None


def guidance_table(model: str, device: str, threads: int, repeats: int) -> str:
    """What guidance costs, as Markdown."""
    import torch

    from emotts.evaluate.guidance_cost import guidance_cost, render_guidance_cost
    from emotts.evaluate.speed import machine
    from emotts.tts import EmoTTS

    torch.set_num_threads(threads)
    costs = guidance_cost(EmoTTS.from_pretrained(model, device), repeats=repeats)
    return f"{machine(threads)}\n\n{render_guidance_cost(costs)}"


if __name__ == "__main__":
    typer.run(main)
