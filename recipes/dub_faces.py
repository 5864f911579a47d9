"""Of two faces, is the one that speaks taken? Measured on real faces by mediapipe, and how long it looks.

    python recipes/dub_faces.py --grid GRID --clips 48

`GRID` holds `s1/*.mp4` (or .mpg) and `align/s1/*.align`. Every clip's face is put beside the face of every
other clip, which either says another sentence at the same time, or is still (that clip's silence before it
speaks, to and fro). The sound is that of the first. Needs a mediapipe that carries its own model, or
--landmarks-model.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotts.dubbing.faces import open_finder
from emotts.dubbing.frames import read_frames
from emotts.dubbing.mouth import DialogueActivity
from emotts.dubbing.mouth_landmarks import FaceTrack, follow, speaking
from emotts.dubbing.video import probe, read_sound
from emotts.errors import EmottsError
from emotts.evaluate.scene import held_out
from emotts.timebase import TOKEN_RATE

AROUND = 8
"""Frames before and after the words, as a dub looks at them."""


@dataclass
class Face:
    """A clip: points of its face, level of its sound, frames of its words, and what looking cost."""

    points: np.ndarray
    level: np.ndarray
    first: int
    last: int
    seen: int
    seconds: float


def look(video: Path, start: float, end: float, model: Path | None) -> Face:
    """The face of a clip, by mediapipe."""
    media = probe(video)
    pictures, _ = read_frames(media, 0, round(media.duration * TOKEN_RATE), gray=False)
    finder, began = open_finder(model), time.perf_counter()
    found = [finder.faces(picture, 1000 * index // TOKEN_RATE) for index, picture in enumerate(pictures)]
    seconds = time.perf_counter() - began
    finder.close()
    heard = DialogueActivity(read_sound(video, media.duration, media.origin)).track(0.0, media.duration)
    if heard is None or not any(map(len, found)):
        raise EmottsError(f"{video} shows no face, or is silent")
    face = max(follow(found), key=lambda track: track.seen.sum())
    count = min(len(pictures), len(heard.aperture))
    first, last = max(0, round(start * TOKEN_RATE) - AROUND), round(end * TOKEN_RATE) + AROUND
    return Face(face.points[:count], heard.aperture[:count], first, min(last, count), len(pictures), seconds)


def right(faces: list[Face], still: bool) -> float:
    """Share of pairs in which the face whose sound is heard is taken."""
    good = []
    for one in faces:
        inside = slice(one.first, one.last)
        for other in faces:
            if other is one:
                continue
            points = other.points
            if still:
                seen = points[np.isfinite(points[:, 0, 0])]
                quiet = seen[: max(AROUND, other.first)]
                points = np.concatenate([quiet, quiet[::-1]] * (1 + len(one.points) // len(quiet)))
            size = min(one.last, len(points)) - one.first
            pair = [_track(one.points[inside][:size]), _track(points[inside][:size])]
            good.append(speaking(pair, one.level[inside][:size]) is pair[0])
    return float(np.mean(good))


def _track(points: np.ndarray) -> FaceTrack:
    track = FaceTrack(len(points))
    track.points = points
    return track


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--landmarks-model", type=Path)
    options = parser.parse_args()
    try:
        clips = held_out(options.grid, options.clips)
        faces = [look(video, clip.start, clip.end, options.landmarks_model) for video, clip in clips]
    except EmottsError as error:
        sys.stderr.write(f"dub_faces: {error}\n")
        return error.exit_code
    frames = sum(face.seen for face in faces)
    shown = sum(int(np.isfinite(face.points[:, 0, 0]).sum()) for face in faces)
    print(
        f"{len(faces)} clips; a face in {shown} of {sum(len(face.points) for face in faces)} frames;", end=" "
    )
    print(f"{1000 * sum(face.seconds for face in faces) / frames:.1f} ms a frame.\n")
    print("| the other face | the one that is heard is taken |\n|---|---|")
    for name, still in (("says another sentence at the same time", False), ("is still", True)):
        print(f"| {name} | {right(faces, still):.1%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
