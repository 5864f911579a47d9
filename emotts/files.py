"""Writing files and folders whole or not at all; checks that need no model and no tensor library."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from emotts.errors import InputError, OutputError

AUDIO_FORMATS = ("wav", "flac", "ogg", "mp3")
"""Formats that speech can be written in."""


def audio_format(path: Path | str, format: str | None = None) -> str:
    """Name of the format to write: the one asked for, or else the extension of the path.

    Raises:
        InputError: it is not one of `AUDIO_FORMATS`.
    """
    name = (format or Path(path).suffix).lower().lstrip(".")
    if name in AUDIO_FORMATS:
        return name
    valid = ", ".join(AUDIO_FORMATS)
    if format:
        raise InputError(f"unknown format {format!r}; valid formats: {valid}")
    if not name:
        raise InputError(f"{path} has no extension to tell the format from; valid formats: {valid}")
    raise InputError(f"unknown format {name!r} of {path}; valid formats: {valid}")


def check_writable(path: Path | str, force: bool = False) -> Path:
    """Tells before any work is done whether a file could be written at `path`.

    Raises:
        OutputError: the path exists and `force` is not set, is a folder, or its folder is missing or
            cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the path of a file")
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; overwrite it with --force (force=True) or choose another")
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {path}: no permission to write in the folder {folder}")
    return path


def check_output(path: Path | str, force: bool = False, format: str | None = None) -> Path:
    """Checks the path and the format of an audio file that is to be written.

    Raises:
        InputError: unknown format; OutputError: see `check_writable`.
    """
    audio_format(path, format)
    return check_writable(path, force)


def temporary_sibling(path: Path) -> Path:
    """Unused hidden name in the same folder, so that a rename to `path` is atomic."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def write_atomically(path: Path | str, content: bytes, force: bool = False) -> Path:
    """Writes a file that is either complete or not there.

    Raises:
        OutputError: see `check_writable`; or the disk is full or fails, after the part that was
            written is removed.
    """
    path = check_writable(path, force)
    part = temporary_sibling(path)
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return path
