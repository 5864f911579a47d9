"""Print the command that README shows under a marker `<!-- ci: NAME -->`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

_BLOCK = r"<!--\s*ci:\s*{name}\s*-->\s*\n```[a-z]*\n(.*?)\n```"


def find_command(readme: str, name: str) -> str:
    """The text of the fenced block right after a marker.

    Raises:
        ValueError: there is not exactly one.
    """
    found = re.findall(_BLOCK.format(name=re.escape(name)), readme, flags=re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{len(found)} fenced blocks under <!-- ci: {name} -->; there should be one")
    return found[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the command; returns the exit status (2 if there is none)."""
    parser = argparse.ArgumentParser(description="Print a command of README.")
    parser.add_argument("readme", type=Path)
    parser.add_argument("name")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(find_command(options.readme.read_text(encoding="utf-8"), options.name) + "\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {options.readme}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
