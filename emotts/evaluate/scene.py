"""Scenes for the evaluation of dubbing: held-out clips of GRID, joined into one video."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from emotts.dubbing.optional import optional_import
from emotts.dubbing.video import probe, read_sound
from emotts.errors import DataError
from emotts.lips.corpus import Clip, TimedWords
from emotts.timebase import SAMPLE_RATE, TOKEN_RATE

UNITS = 25_000
"""GRID's alignments count in units of 1/25000 s."""

HELD_OUT = 10
"""One clip in so many, by name, is kept from the aligner's training (`emotts.lips.corpus.split`)."""

_SILENCES = ("sil", "sp")
_AUDIO_FRAME = 1024


def held_out(grid: Path, count: int, speaker: str = "s1") -> list[tuple[Path, Clip]]:
    """Clips that the lip aligner never learned from, spread evenly over the names.

    Args:
        grid: folder with `SPEAKER/*.mp4` (or .mpg) and `align/SPEAKER/*.align`.
        count: of the clips, at most all of them.
        speaker: folder of the speaker.

    Returns:
        video, and words without pictures, in order of the names.

    Raises:
        DataError: there are none.
    """
    folder, aligned = grid / speaker, grid / "align" / speaker
    videos = sorted(folder.iterdir()) if folder.is_dir() else []
    pairs = [(path, aligned / f"{path.stem}.align") for path in videos if path.suffix in (".mp4", ".mpg")]
    kept = [(path, table) for path, table in pairs if table.is_file()][::HELD_OUT]
    if not kept:
        raise DataError(f"{grid} holds no {speaker}/*.mp4 (or .mpg) with align/{speaker}/*.align")
    chosen = np.unique(np.linspace(0, len(kept) - 1, min(count, len(kept))).round().astype(int))
    return [(kept[index][0], read_clip(*kept[index])) for index in chosen]


def read_clip(video: Path, table: Path) -> Clip:
    """The words of a clip.

    Raises:
        DataError: the table holds none.
    """
    rows = [row.split() for row in table.read_text(encoding="utf-8").splitlines() if row.strip()]
    try:
        words = tuple((w, int(a) / UNITS, int(b) / UNITS) for a, b, w in rows if w not in _SILENCES)
    except ValueError:
        raise DataError(f"{table} is not of rows 'start end word'") from None
    if not words:
        raise DataError(f"{table} holds no words")
    return Clip(video.stem, words, np.zeros((0, 0, 0), np.uint8))


def join(path: Path, clips: Sequence[tuple[Path, Clip]]) -> list[TimedWords]:
    """Writes one video of many clips, and tells when each of them speaks in it."""
    lines, start = [], 0.0
    with _Joiner(path) as joiner:
        for video, clip in clips:
            words = tuple((word, start + begin, start + end) for word, begin, end in clip.words)
            lines.append(TimedWords(clip.name, words))
            start += joiner.add(video)
    return lines


class _Joiner:
    """Picture as H.264, sound as AAC; each clip fills whole frames."""

    def __init__(self, path: Path) -> None:
        self._av = optional_import("av")
        self._file = self._av.open(str(path), "w")
        options = {"crf": "23", "preset": "veryfast"}
        self._video = self._file.add_stream("libx264", rate=TOKEN_RATE, options=options)
        self._audio = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._frames = self._samples = 0
        self._pending = np.zeros(0, dtype=np.float32)

    def __enter__(self) -> _Joiner:
        return self

    def __exit__(self, *details: object) -> None:
        self._sound(np.zeros(-len(self._pending) % _AUDIO_FRAME, dtype=np.float32))
        for stream in (self._video, self._audio):
            self._file.mux(stream.encode(None))
        self._file.close()

    def add(self, path: Path) -> float:
        """Appends a clip and tells its length in seconds."""
        first = self._frames
        with self._av.open(str(path)) as clip:
            for frame in clip.decode(video=0):
                if not self._frames:
                    self._video.width, self._video.height = frame.width, frame.height
                    self._video.pix_fmt = "yuv420p"
                picture = frame.reformat(format="yuv420p")
                picture.pts, picture.time_base = self._frames, Fraction(1, TOKEN_RATE)
                picture.pict_type = 0
                self._file.mux(self._video.encode(picture))
                self._frames += 1
        seconds = (self._frames - first) / TOKEN_RATE
        self._sound(read_sound(path, seconds, probe(path).origin))
        return seconds

    def _sound(self, samples: np.ndarray) -> None:
        self._pending = np.concatenate([self._pending, samples])
        while len(self._pending) >= _AUDIO_FRAME:
            piece, self._pending = self._pending[None, :_AUDIO_FRAME], self._pending[_AUDIO_FRAME:]
            frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", "mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts = self._samples
            self._file.mux(self._audio.encode(frame))
            self._samples += _AUDIO_FRAME
