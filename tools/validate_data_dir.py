"""Check a data directory: prints every problem; exit status 0 if there is none, 2 otherwise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emotts.data.validate import validate
from emotts.errors import EmottsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the check; returns the exit status."""
    parser = argparse.ArgumentParser(description="Check a Kaldi-style data directory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--no-audio", action="store_true", help="do not open the audio files")
    options = parser.parse_args(arguments)
    try:
        problems = validate(options.directory, audio=not options.no_audio)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        sys.stderr.write(f"error: {options.directory}: {len(problems)} problems\n")
        return 2
    sys.stdout.write(f"{options.directory}: valid\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
