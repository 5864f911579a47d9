"""Make the API reference out of the docstrings: `python tools/api_reference.py [--output site]`.

`pdoc emotts` alone would leave it empty: the public names are loaded on first use, and pdoc takes the
names in `__all__` for the only modules of a package. Here both are looked up. Needs pdoc (extra `docs`).
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def modules() -> tuple[list[str], list[str]]:
    """Names of the package's modules that can be imported, and what keeps the others from it."""
    import emotts

    found, missing = ["emotts"], []
    for module in pkgutil.walk_packages(emotts.__path__, "emotts.", onerror=lambda name: None):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            missing.append(f"{module.name} ({error})")
        else:
            found.append(module.name)
    return found, missing


def write(output: Path) -> int:
    """Writes the pages into a folder, whole or not at all; returns their number."""
    import pdoc

    from emotts import __version__

    names, missing = modules()
    for module in map(sys.modules.__getitem__, names):
        for name in getattr(module, "__all__", ()):
            setattr(module, name, getattr(module, name))
    for line in missing:
        sys.stderr.write(f"left out: {line}\n")
    pdoc.render.configure(docformat="google", footer_text=f"emotts {__version__}")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        pdoc.pdoc(*names, output_directory=Path(folder) / "site")
        if output.exists():
            shutil.rmtree(output)
        (Path(folder) / "site").rename(output)
    return len(names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the reference; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the API reference out of the docstrings.")
    parser.add_argument(
        "--output", type=Path, default=Path("site"), help="a new folder, or an older reference"
    )
    output = parser.parse_args(arguments).output
    if output.exists() and not (output / "emotts.html").is_file():
        sys.stderr.write(f"error: {output} exists and is no reference; choose another folder\n")
        return 2
    try:
        count = write(output)
    except ModuleNotFoundError as error:
        if error.name != "pdoc":
            raise
        sys.stderr.write('error: pdoc is missing; install it with: pip install "emotts[docs]"\n')
        return 2
    sys.stdout.write(f"{output / 'index.html'}: {count} modules\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
