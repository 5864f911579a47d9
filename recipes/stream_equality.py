#!/usr/bin/env python3
"""Prints how near streams are to offline speech, as Markdown: python recipes/stream_equality.py.

Exit status 1 where a stream is further off than the tolerance that emotts/stream.py states.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from emotts.errors import EmottsError

TEXTS = (
    "I never thought that I would see you again, after all that was said.",
    "She waited at the station for an hour, and when the last train had gone, nobody came.",
)
LONG = (
    "The door was open when we came home. Nobody had been there for years, it seemed. "
    "There was dust on the table, and a letter under the lamp. It was for you."
)
_WITHOUT = "`lookahead=0`"


def main(
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    seed: Annotated[int, typer.Option(help="Of all speech.")] = 0,
) -> None:
    """Measures the difference of streams to the speech that is made at once."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from emotts.evaluate.streaming import render_distances, stream_distance
    from emotts.stream import TOLERANCE, TOLERANCE_EXACT, TOLERANCE_MEL
    from emotts.tts import EmoTTS

    try:
        engine = EmoTTS.from_pretrained(model, device)
        rows = [
            (name, stream_distance(engine, texts, seed=seed, **options))
            for name, texts, options in _cases(list(engine.voices))
        ]
    except EmottsError as error:
        print(f"stream_equality: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_distances(rows))
    # Without a look-ahead a stream is shown, for comparison, and not promised.
    windows, whole = [d for name, d in rows[:-1] if name != _WITHOUT], rows[-1][1]
    given, own = max(d.given for d in windows), max(d.mel for d in windows)
    typer.echo(
        f"\nWindows: mel {given:.3f} at most (tolerance {TOLERANCE_MEL:g}), samples {own:.3f} at most "
        f"(tolerance {TOLERANCE:g}). Whole segments: {whole.rms:.2g} of the level at most "
        f"(tolerance {TOLERANCE_EXACT:g})."
    )
    if given > TOLERANCE_MEL or own > TOLERANCE or whole.rms > TOLERANCE_EXACT:
        raise typer.Exit(1)


def _cases(voices: list[str]) -> list[tuple[str, tuple[str, ...], dict]]:
    rows = [(f"{name}, two sentences", TEXTS, {"voice": name}) for name in voices]
    rows += [
        ("four sentences", (LONG,), {}),
        ("in anger", TEXTS, {"emotion": "angry:0.8"}),
        ("`chunk=0.6`", TEXTS, {"chunk": 0.6}),
        ("`lookahead=0.32`", TEXTS, {"lookahead": 0.32}),
        (_WITHOUT, TEXTS, {"lookahead": 0.0}),
        ("`lookahead=None`", (*TEXTS, LONG), {"lookahead": None}),
    ]
    return rows


if __name__ == "__main__":
    typer.run(main)
