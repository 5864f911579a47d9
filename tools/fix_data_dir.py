"""Mend a data directory in place, keeping a backup; exit status 0, or 2 if it cannot be mended."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emotts.data.fix import fix
from emotts.errors import EmottsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the mending; returns the exit status."""
    parser = argparse.ArgumentParser(description="Sort and mend a Kaldi-style data directory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--no-audio", action="store_true", help="do not open the audio files")
    options = parser.parse_args(arguments)
    try:
        report = fix(options.directory, audio=not options.no_audio)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for action in report.actions:
        sys.stdout.write(f"{action}\n")
    backup = f"; tables as they were: {report.backup}" if report.backup else "; nothing to mend"
    counts = f"{report.kept} utterances kept, {report.dropped} dropped"
    sys.stdout.write(f"{options.directory}: {counts}{backup}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
