"""The manifest: one JSON object for each line, in the order of the lines, written whole or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from emotts.files import write_atomically

_SECONDS_BETWEEN_WRITES = 5.0


def manifest_name(shard: int, shards: int) -> str:
    """File name of the manifest of a shard (from 1) of some."""
    return "manifest.jsonl" if shards == 1 else f"manifest.{shard}-of-{shards}.jsonl"


def read_manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """Records of all manifests in a folder by the id of their lines; what is no record is left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("manifest*.jsonl")):
        for row in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(row)
                found[record["id"]] = record
            except (ValueError, TypeError, KeyError):
                continue
    return found


class Manifest:
    """Collects records, and keeps the file on disk no more than some seconds behind.

    Args:
        path: of the file; one that is there is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[int, dict[str, Any]] = {}
        self._written = time.monotonic()

    def add(self, record: dict[str, Any]) -> None:
        """Adds the record of a line, or replaces it."""
        self.records[record["line"]] = record
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Writes the file.

        Raises:
            OutputError: it cannot be written.
        """
        rows = [json.dumps(self.records[number], ensure_ascii=False) for number in sorted(self.records)]
        write_atomically(self.path, "".join(f"{row}\n" for row in rows).encode(), force=True)
        self._written = time.monotonic()
