"""Pack one data directory into shards, measuring its recordings first where that was not done."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emotts.errors import EmottsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Packs; returns the exit status (2 on bad input)."""
    parser = argparse.ArgumentParser(description="Pack a Kaldi-style data directory into shards.")
    parser.add_argument("directory", type=Path, help="data directory")
    parser.add_argument("output", type=Path, help="folder of the shards")
    parser.add_argument("--corpus", help="name of the corpus; the directory's name if left out")
    parser.add_argument("--features", type=Path, help="measurements; made if they are missing")
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure")
    options = parser.parse_args(arguments)
    from emotts.data.pack import extract_features, pack

    corpus = options.corpus or options.directory.resolve().name
    features = options.features or options.output / "features" / f"{corpus}.safetensors"
    try:
        if not features.is_file():
            extract_features(options.directory, features, options.jobs)
        count = pack(options.directory, features, options.output, corpus)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{options.output}: {count} utterances of {corpus}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
