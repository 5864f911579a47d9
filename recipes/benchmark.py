#!/usr/bin/env python3
"""Prints how fast a model speaks, by stage, as Markdown: python recipes/benchmark.py --threads 2."""

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
) -> None:
    """Measures real-time factor by stage, growth with length and batch, and peak memory."""
    # Before torch is loaded: its pools read this once, and the process that measures memory inherits it.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from emotts.evaluate.speed import LENGTHS, benchmark, render_benchmark

    lengths = [seconds for seconds in LENGTHS if seconds <= longest]
    try:
        typer.echo(render_benchmark(benchmark(model, device, threads, repeats, lengths)))
    except EmottsError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    typer.run(main)
