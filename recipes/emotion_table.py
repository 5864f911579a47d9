#!/usr/bin/env python3
r"""Prints how emotions move pitch, loudness and rate in natural and in synthesised speech.

python recipes/emotion_table.py --natural data/crema_d --sentences decode/emotion-neutral.jsonl \
    --sentences decode/emotion-angry.jsonl ...
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    natural: Annotated[Path, typer.Option(help="Kaldi data directory with utt2emo, such as CREMA-D's.")],
    sentences: Annotated[
        list[Path],
        typer.Option(help="List of synthesised sentences; its audio lies beside it in a folder of its name."),
    ],
    split: Annotated[str | None, typer.Option(help="Only this split of the natural recordings.")] = None,
    share: Annotated[float, typer.Option(help="Share of the listeners who must hear the emotion.")] = 0.5,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
) -> None:
    """Compares the two, in five emotions and four measures, against neutral.

    The lists hold the same texts, neutral and in each emotion; one list may hold them all.
    """
    from emotts.evaluate.emotion_table import (
        compare_emotions,
        readings_of_data,
        readings_of_list,
        render_emotions,
    )
    from emotts.evaluate.lists import load_sentences

    try:
        made = [
            reading
            for path in sentences
            for reading in readings_of_list(load_sentences(path), path.with_suffix(""))
        ]
        tables = compare_emotions(readings_of_data(natural, split, share), made, jobs)
    except EmottsError as error:
        print(f"emotion_table: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_emotions(*tables))


if __name__ == "__main__":
    typer.run(main)
