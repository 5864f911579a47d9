"""Run the stages of a recipe.

`python recipes/run.py --config FILE --exp FOLDER [--stage 4] [--stop-stage lm]`

Exit status: 0 done, 2 bad input (one line says what), 3 a training stopped early and can be resumed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotts.errors import EmottsError, InputError

if TYPE_CHECKING:
    from emotts.train.recipe import CorpusConfig


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Run the stages of a recipe: from raw corpora to a model directory with its scores."
    )
    parser.add_argument("--config", type=Path, help="recipe (YAML)")
    parser.add_argument("--exp", type=Path, help="folder of everything that is made")
    parser.add_argument(
        "--corpora-root", type=Path, metavar="FOLDER", help="take each corpus NAME from FOLDER/NAME"
    )
    pairs = {"action": "append", "default": [], "metavar": "NAME=FOLDER"}
    parser.add_argument("--corpus", help="corpus as published (repeatable)", **pairs)
    parser.add_argument("--data", help="existing data directory (repeatable)", **pairs)
    parser.add_argument("--jobs", type=int, help="processes of the stages that are not trainings")
    parser.add_argument("--stage", default="1", help="first stage, by number or name")
    parser.add_argument("--stop-stage", help="last stage, by number or name; the last of all if left out")
    parser.add_argument(
        "--parallel",
        action="store_true",
        help="run stages that do not wait for each other at the same time; their output goes to EXP/logs",
    )
    parser.add_argument("--force", action="store_true", help="run stages that are done as well")
    parser.add_argument("--list", action="store_true", help="print the stages and leave")
    return parser


def run(options: argparse.Namespace) -> None:
    """Does what the command line asks for.

    Raises:
        EmottsError: bad input, or what a stage raises.
    """
    # Here, so that --help is quick.
    from emotts.train.recipe import RecipeConfig, Run
    from emotts.train.stages import STAGES, find_stage, run_stages

    if options.list:
        for number, stage in enumerate(STAGES, start=1):
            sys.stdout.write(f"{number} {stage.name}{' training' if stage.training else ''}\n")
        return
    if options.config is None or options.exp is None:
        raise InputError("give a recipe with --config and a folder with --exp")
    recipe = RecipeConfig.load(options.config)
    data = _pairs("--data", options.data)
    paths = {} if options.corpora_root is None else _in_root(options.corpora_root, recipe.corpora, data)
    recipe = recipe.with_sources({**paths, **_pairs("--corpus", options.corpus)}, data)
    recipe = recipe.without_absent(options.exp)
    if options.jobs is not None:
        if options.jobs < 1:
            raise InputError(f"--jobs must be at least 1, not {options.jobs}")
        recipe = recipe.model_copy(update={"jobs": options.jobs})
    first = find_stage(options.stage)
    last = len(STAGES) if options.stop_stage is None else find_stage(options.stop_stage)
    if options.parallel:
        from emotts.train.side_by_side import run_side_by_side

        command = partial(_stage_command, options)
        run_side_by_side(Run(recipe, options.exp), command, first, last, options.force, _tell)
    else:
        run_stages(Run(recipe, options.exp), first, last, options.force, _tell)


def _stage_command(options: argparse.Namespace, stage: str) -> list[str]:
    """The command that runs one stage with the same options."""
    words = [sys.executable, str(Path(__file__).resolve()), "--config", str(options.config)]
    words += ["--exp", str(options.exp), "--stage", stage, "--stop-stage", stage]
    if options.corpora_root is not None:
        words += ["--corpora-root", str(options.corpora_root)]
    words += [word for pair in options.corpus for word in ("--corpus", pair)]
    words += [word for pair in options.data for word in ("--data", pair)]
    words += [] if options.jobs is None else ["--jobs", str(options.jobs)]
    return [*words, "--force"] if options.force else words


def _in_root(root: Path, corpora: Mapping[str, CorpusConfig], data: Mapping[str, Path]) -> dict[str, Path]:
    """Folder of each corpus that needs one: not of those that have a data directory already."""
    if not root.is_dir():
        raise InputError(f"--corpora-root {root}: no such folder")
    wanted = [name for name, config in corpora.items() if config.data is None and name not in data]
    return {name: root / name for name in wanted if (root / name).is_dir() or not corpora[name].optional}


def _pairs(option: str, values: Sequence[str]) -> dict[str, Path]:
    found = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not name or not equals or not folder:
            raise InputError(f"{option} {value}: give NAME=FOLDER")
        found[name] = Path(folder)
    return found


def _tell(line: str) -> None:
    if int(os.environ.get("RANK", 0)) == 0:
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs; returns the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        run(options)
    except EmottsError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
