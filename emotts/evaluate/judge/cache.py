"""Features of many recordings: measured once, in several processes, and kept."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from emotts.errors import AudioError
from emotts.evaluate.judge.features import FEATURES, FEATURES_VERSION, features_of_file
from emotts.files import write_atomically

Progress = Callable[[float], None]
"""Called with the share that is done."""

_SAVE_EVERY = 200


@dataclass(frozen=True)
class Clip:
    """A recording, or a part of one.

    Attributes:
        path: audio file.
        start: seconds from the file's beginning.
        end: seconds, or None for the rest of the file.
    """

    path: Path
    start: float = 0.0
    end: float | None = None

    @property
    def key(self) -> str:
        """Names the recording as it is now: a file that changed has another."""
        status = self.path.stat()
        name = f"{self.path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{self.start}|{self.end}"
        return hashlib.sha256(name.encode()).hexdigest()[:24]


def measure_clips(
    clips: Sequence[Clip],
    cache: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[np.ndarray | None]:
    """Features of every clip, in their order; None where a recording is silent or too short.

    Args:
        clips: what to measure.
        cache: file (.npz) that keeps the features; an interrupted call goes on where it stopped.
        jobs: processes.
        progress: told the share that is done.

    Raises:
        AudioError: a file is missing or unreadable.
        MissingDependencyError: pyworld is not installed.
    """
    from emotts.evaluate.optional import optional_import

    optional_import("pyworld")  # one clear error before processes start
    for clip in clips:
        if not clip.path.is_file():
            raise AudioError(f"audio file {clip.path} does not exist")
    keys = [clip.key for clip in clips]
    known = {} if cache is None else _load(cache)
    todo = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in known}
    total = max(len(todo), 1)
    for number, (key, vector) in enumerate(zip(todo, _measure_all(list(todo.values()), jobs), strict=True)):
        known[key] = vector
        if progress is not None:
            progress((number + 1) / total)
        if cache is not None and (number + 1) % _SAVE_EVERY == 0:
            _save(cache, known)
    if cache is not None and todo:
        _save(cache, known)
    return [vector if np.isfinite(vector).all() else None for vector in (known[key] for key in keys)]


def _measure_all(clips: list[Clip], jobs: int) -> Iterator[np.ndarray]:
    if jobs <= 1 or len(clips) < 2:
        yield from map(_measure, clips)
        return
    with ProcessPoolExecutor(min(jobs, len(clips)), get_context("spawn"), _start) as pool:
        yield from pool.map(_measure, clips, chunksize=8)


def _start() -> None:
    import torch

    torch.set_num_threads(1)


def _measure(clip: Clip) -> np.ndarray:
    """Features, or NaN for a recording that has none (CREMA-D holds a silent one)."""
    try:
        return features_of_file(clip.path, clip.start, clip.end)
    except AudioError as error:
        if "silent" not in str(error):
            raise
        return np.full(len(FEATURES), np.nan)


def _load(path: Path) -> dict[str, np.ndarray]:
    """What an earlier call has kept; nothing where the file is of another version or broken."""
    try:
        with np.load(path, allow_pickle=False) as content:
            if int(content["version"]) != FEATURES_VERSION:
                return {}
            return dict(zip(content["keys"].tolist(), content["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError):
        return {}


def _save(path: Path, known: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    rows = np.stack(list(known.values()))
    np.savez_compressed(buffer, version=FEATURES_VERSION, keys=np.array(list(known)), features=rows)
    write_atomically(path, buffer.getvalue(), force=True)
