#!/usr/bin/env python3
r"""Speaks dev sentences under several settings and scores them: what `pack.generation` should be.

python recipes/tune_generation.py --config egs/embedded/conf/recipe.yaml --exp exp/embedded \
    --setting noise=0.3,temperature=0.5 --setting noise=0.6,temperature=0.8

The test sentences stay unheard. Audio goes to EXP/tune, and is kept when the command runs again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotts.errors import EmottsError, InputError

if TYPE_CHECKING:
    from emotts.evaluate.evaluation import Row
    from emotts.train.recipe import Run

METRICS = ("wer", "prosody", "dnsmos")
HEADER = ("setting", "WER %", "95 % interval", "P.808", "OVRL", "F0 range, st", "phones/s")


def main(
    config: Annotated[Path, typer.Option(help="Recipe (YAML).")],
    exp: Annotated[Path, typer.Option(help="Its folder, with a packed model.")],
    setting: Annotated[list[str], typer.Option(help="NAME=VALUE,... of the generation; may be repeated.")],
    sentences: Annotated[int, typer.Option(min=1, help="Dev sentences of each named voice.")] = 14,
    emotion: Annotated[str | None, typer.Option(help="To speak them in, such as angry:1.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")] = 1,
) -> None:
    """Prints a line for the natural recordings and for each setting."""
    from emotts.evaluate.report import markdown_table
    from emotts.train.recipe import RecipeConfig, Run

    try:
        options = [read_setting(text) for text in setting]
        rows = tune(Run(RecipeConfig.load(config), exp), options, sentences, emotion, jobs)
    except EmottsError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        raise typer.Exit(error.exit_code) from None
    sys.stdout.write(markdown_table(HEADER, rows) + "\n")


def read_setting(text: str) -> dict[str, Any]:
    """NAME=VALUE,... as options of `EmoTTS.synthesize`.

    Raises:
        InputError: it is not written so, or no setting has that name.
    """
    from emotts.model_config import GenerationConfig

    options: dict[str, Any] = {}
    for pair in text.split(","):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--setting {text}: write NAME=VALUE,...")
        options[name.strip()] = value.strip()
    parsed = GenerationConfig.parse(options, source=f"--setting {text}")
    return {name: getattr(parsed, name) for name in options}


def tune(
    run: Run, settings: list[dict[str, Any]], count: int, emotion: str | None, jobs: int
) -> list[list[str]]:
    """Cells of the table: natural recordings, then each setting."""
    from dataclasses import replace

    from emotts.evaluate.evaluation import evaluate
    from emotts.evaluate.scoring import NATURAL, SYNTHESISED
    from emotts.evaluate.synthesis import synthesize_list
    from emotts.train.decode import voice_sentences
    from emotts.train.stages import open_corpus
    from emotts.tts import EmoTTS

    (run.decode / NATURAL).mkdir(parents=True, exist_ok=True)
    corpus, chosen = open_corpus(run, split="dev"), []
    for voice in run.recipe.pack.voices:
        for sentence in voice_sentences(run, corpus, voice, count):
            # By absolute path: the list is nowhere a file that the reference could be relative to.
            place = (run.decode / str(sentence.reference)).absolute()
            chosen.append(replace(sentence, emotion=emotion, reference=str(place)))
    engine, rows = EmoTTS.from_pretrained(run.model), []
    for options in settings:
        name = ",".join(f"{key}={value:g}" for key, value in options.items())
        folder = run.exp / "tune" / "-".join(filter(None, [name, emotion])).replace(":", "_")
        synthesize_list(engine, chosen, folder, batch=8, **options)
        result = evaluate(chosen, folder, metrics=METRICS, jobs=jobs)
        if not rows:
            rows.append(cells("natural", result.row(NATURAL)))
        rows.append(cells(name, result.row(SYNTHESISED)))
        sys.stderr.write(f"{' | '.join(rows[-1])}\n")
    return rows


def cells(name: str, row: Row) -> list[str]:
    """One line of the table."""
    from emotts.evaluate.report import number, percent

    quality, prosody = row.quality or {}, row.prosody or {}
    assert row.words is not None and row.interval is not None
    return [
        name,
        percent(row.words.rate),
        f"{percent(row.interval[0])}–{percent(row.interval[1])}",
        number(quality.get("p808")),
        number(quality.get("overall")),
        number(prosody.get("f0_range"), 1),
        number(prosody.get("rate"), 1),
    ]


if __name__ == "__main__":
    typer.run(main)
