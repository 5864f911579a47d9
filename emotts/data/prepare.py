"""From a published corpus to a data directory: what every `egs/<corpus>/local/prepare.py` calls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emotts.data.corpora import CORPORA
from emotts.data.kaldi import DataDir
from emotts.errors import DataError, EmottsError


def prepare(name: str, corpus: Path | str, output: Path | str) -> DataDir:
    """Reads a corpus as its owners lay it out and writes its data directory.

    Args:
        name: a key of `CORPORA`.
        corpus: folder of the corpus.
        output: data directory to write; an existing one is replaced.

    Raises:
        DataError: unknown corpus name, or the folder breaks its layout.
        OutputError: the output cannot be written.
    """
    if name not in CORPORA:
        raise DataError(f'unknown corpus "{name}"; there are: {", ".join(CORPORA)}')
    folder = Path(corpus)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    data = DataDir(CORPORA[name](folder))
    data.write(output)
    return data


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """Command line of a corpus's prepare script; returns the exit status (2 on bad input)."""
    parser = argparse.ArgumentParser(description=f"Write the data directory of {name}.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the corpus as published")
    parser.add_argument("--output", type=Path, required=True, help="data directory to write")
    options = parser.parse_args(arguments)
    try:
        data = prepare(name, options.corpus, options.output)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    counts = ", ".join(f"{split} {len(data.subset(split))}" for split in ("train", "dev", "test"))
    sys.stdout.write(f"{options.output}: {len(data)} utterances, {len(data.speakers)} speakers ({counts})\n")
    return 0
