#!/usr/bin/env python3
r"""Gives a trained decoder the tokens, latents and voices of networks that were trained after it.

python recipes/translate_decoder.py --config egs/embedded/conf/recipe.yaml --exp exp/embedded \
    --model emotts/models/embedded --output exp/embedded/translated

Then set `acoustic.train.initialize_from` to the output and train the decoder for a while.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotts.errors import EmottsError


def main(
    config: Annotated[Path, typer.Option(help="Recipe (YAML).")],
    exp: Annotated[Path, typer.Option(help="Its folder, with tokens, embeddings, plans and language model.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id or embedded, with the old decoder.")],
    output: Annotated[Path, typer.Option(help="Folder for acoustic.safetensors.")],
    items: Annotated[int, typer.Option(min=1, help="Recordings that are compared.")] = 1000,
) -> None:
    """Translates the first layers of a decoder."""
    from torch import nn

    from emotts.model import find_model, load_model
    from emotts.train.recipe import RecipeConfig, Run
    from emotts.train.stages import load_part, open_corpus
    from emotts.train.translate import translate_decoder
    from emotts.train.weights import save_modules

    try:
        run = Run(RecipeConfig.load(config), exp)
        corpus = open_corpus(run, ("codes", "embeddings", "alignments"), "train", speeds=False)
        old = load_model(find_model(model))
        found = translate_decoder(old, corpus, load_part("lm", run), items)
    except EmottsError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        raise typer.Exit(error.exit_code) from None
    decoder = old.components["acoustic"]
    decoder.load_state_dict(found.state)
    output.mkdir(parents=True, exist_ok=True)
    save_modules(nn.ModuleDict({"acoustic": decoder}), output)
    sys.stdout.write(
        f"{output}: explained {found.voices:.0%} of the voices, {found.latents:.0%} of the latents\n"
    )


if __name__ == "__main__":
    typer.run(main)
