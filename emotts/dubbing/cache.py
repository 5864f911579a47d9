"""Spoken lines on disk, each named by the digest of everything it was made of.

An edited line has another digest and is made again; all others are found. A run that was killed finds all
lines that it had finished. A file is complete or not there, and one that cannot be read counts as not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emotts.emotion import Emotion
from emotts.errors import OutputError
from emotts.files import write_atomically
from emotts.speech import Speech

VERSION = 1
"""Of the layout; part of every key."""


def digest(values: Mapping[str, Any]) -> str:
    """Digest of plain values; the order of keys does not matter, and neither does 1 or 1.0."""
    plain = json.dumps({"version": VERSION, **_plain(values)}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class LineCache:
    """A folder of spoken lines.

    Args:
        folder: is made when the first line is kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, key: str) -> Speech | None:
        """The speech of a key, or None."""
        if self.folder is None:
            return None
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as file:
                record = json.loads(str(file["record"]))
                return _speech(file["audio"], file["tokens"], record)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.error):
            return None

    def put(self, key: str, speech: Speech) -> None:
        """Keeps the speech of a key.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        if self.folder is None:
            return
        record = {
            "alignment": speech.alignment,
            "words": speech.word_timings,
            "seed": speech.seed,
            "text": speech.text,
            "voice": speech.voice,
            "emotion": speech.emotion.vector,
        }
        buffer = io.BytesIO()
        text = np.array(json.dumps(record, ensure_ascii=False))
        np.savez(buffer, audio=speech.audio, tokens=speech.tokens, record=text)
        self._write(f"{key}.npz", buffer.getvalue())

    def take(self, key: str) -> int | None:
        """Seed that a line (its key without the seed) was last made with, or None."""
        if self.folder is None:
            return None
        try:
            return int(json.loads((self.folder / f"{key}.take").read_text(encoding="utf-8"))["seed"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_take(self, key: str, seed: int) -> None:
        """Remembers the seed that a line was made with."""
        if self.folder is not None and self.take(key) != seed:
            self._write(f"{key}.take", json.dumps({"seed": seed}).encode())

    def _write(self, name: str, content: bytes) -> None:
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the cache {self.folder}: {error.strerror}") from None
        write_atomically(self.folder / name, content, force=True)


def _speech(audio: np.ndarray, tokens: np.ndarray, record: Mapping[str, Any]) -> Speech:
    return Speech(
        audio=audio,
        tokens=tokens,
        alignment=tuple((name, start, end) for name, start, end in record["alignment"]),
        word_timings=tuple((word, start, end) for word, start, end in record["words"]),
        seed=record["seed"],
        text=record["text"],
        voice=record["voice"],
        emotion=Emotion(tuple(record["emotion"])),
        timings={},
    )
