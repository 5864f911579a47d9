"""Stage 1: pictures of the mouth and word times of GRID's clips, in one file.

    python egs/grid/local/prepare.py --grid GRID --output clips.npz [--speaker s1] [--mouth-box x,y,w,h]

GRID holds SPEAKER/*.mpg (or .mp4) and align/SPEAKER/*.align, in which 25,000 units are a second; folders
named `video` and `align` inside of the speaker's, as some mirrors have them, are read too.
Exit status: 0 done, 2 bad input (one line says what).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from emotts.dubbing.frames import read_frames
from emotts.dubbing.mouth import DialogueActivity
from emotts.dubbing.video import Media, probe, read_sound
from emotts.errors import DataError, EmottsError
from emotts.lips.box import Box, find_mouth
from emotts.lips.corpus import REGION, REGION_HEIGHT, REGION_WIDTH, Clip, save_clips
from emotts.lips.features import crop
from emotts.timebase import TOKEN_RATE

UNITS = 25_000
SILENCES = ("sil", "sp")
AROUND = 0.4
"""Seconds before and after the words in which the mouth is looked for too."""

SAMPLE = 60
"""Clips that tell where the speaker's mouth usually is."""

Words = tuple[tuple[str, float, float], ...]
VIDEOS = (".mpg", ".mp4", ".mpeg")


def find_files(grid: Path, speaker: str) -> list[tuple[Path, Path]]:
    """Videos with their alignments.

    Raises:
        DataError: there are none.
    """
    folders = [grid / speaker, grid / speaker / "video", grid / "video" / speaker]
    aligned = [grid / "align" / speaker, grid / speaker / "align", grid / "alignments" / speaker]
    videos = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    pairs = []
    for video in sorted(path for path in videos if path.suffix.lower() in VIDEOS):
        tables = (folder / f"{video.stem}.align" for folder in aligned)
        table = next((path for path in tables if path.is_file()), None)
        if table is not None:
            pairs.append((video, table))
    if not pairs:
        raise DataError(f"{grid} holds no {speaker}/*.mpg with align/{speaker}/*.align")
    return pairs


def read_words(path: Path) -> Words:
    """Word, start and end in seconds; silences are left out.

    Raises:
        DataError: a line is not "start end word", or there is no word.
    """
    words = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            start, end, word = int(parts[0]), int(parts[1]), parts[2]
        except (ValueError, IndexError):
            raise DataError(f"{path} line {number} is not 'start end word'") from None
        if word not in SILENCES:
            words.append((word, start / UNITS, end / UNITS))
    if not words:
        raise DataError(f"{path} holds no words")
    return tuple(words)


def read_pictures(media: Media) -> np.ndarray:
    """All frames of a clip, grey."""
    return read_frames(media, 0, round(media.duration * TOKEN_RATE))[0]


def look(media: Media, frames: np.ndarray, words: Words) -> Box | None:
    """The box of a clip's mouth, if it is found."""
    heard = DialogueActivity(read_sound(media.path, media.duration, media.origin))
    first = max(0, round((words[0][1] - AROUND) * TOKEN_RATE))
    last = min(len(frames), round((words[-1][2] + AROUND) * TOKEN_RATE))
    track = heard.track(first / TOKEN_RATE, last / TOKEN_RATE)
    if track is None or len(track.aperture) != last - first:
        return None
    return find_mouth(frames[first:last], track.aperture)


def usual(boxes: list[Box]) -> Box:
    """The median box of a speaker, who sits in one place."""
    return Box(*np.median([[box.x, box.y, box.width, box.height] for box in boxes], axis=0).tolist())


def settle(found: Box | None, median: Box) -> Box:
    """A clip's box: its own centre where it is near the usual one, and the usual size."""
    if found is None:
        return median
    x, y = found.center
    middle_x, middle_y = median.center
    if abs(x - middle_x) > 0.5 * median.width or abs(y - middle_y) > 0.8 * median.height:
        return median
    return Box.around(x, y, median.width)


def sample_box(files: list[tuple[Path, Path]]) -> Box:
    """The usual box, of some clips of the speaker.

    Raises:
        DataError: no mouth is found in them.
    """
    found = []
    for video, table in files[:: max(1, len(files) // SAMPLE)]:
        media = probe(video)
        found.append(look(media, read_pictures(media), read_words(table)))
    boxes = [box for box in found if box is not None]
    if not boxes:
        raise DataError("no mouth was found by its motion; give its place with --mouth-box x,y,w,h")
    return usual(boxes)


def prepare(grid: Path, output: Path, speaker: str, box: Box | None) -> str:
    """Reads all clips and writes them; tells what was read."""
    files = find_files(grid, speaker)
    median = box or sample_box(files)
    clips, strays = [], 0
    for video, table in files:
        try:
            words, media = read_words(table), probe(video)
            frames = read_pictures(media)
            chosen = box or settle(look(media, frames, words), median)
        except EmottsError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        strays += chosen == median and box is None
        region = Box.around(*chosen.center, chosen.width * REGION)
        pictures = crop(frames, [region] * len(frames), REGION_HEIGHT, REGION_WIDTH)
        clips.append(Clip(video.stem, words, pictures))
    save_clips(output, clips)
    return f"{len(clips)} clips; usual box {median}; in {strays} clips the mouth was not found near it"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--speaker", default="s1")
    parser.add_argument("--mouth-box", help="x,y,w,h in pixels; found by its motion when left out")
    options = parser.parse_args()
    try:
        box = Box.parse(options.mouth_box) if options.mouth_box else None
        told = prepare(options.grid, options.output, options.speaker, box)
    except EmottsError as error:
        sys.stderr.write(f"prepare: {error}\n")
        return error.exit_code
    sys.stderr.write(told + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
