"""The mouth by landmarks of the faces in the picture: of several, the one that moves with what is heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from emotts.dubbing.faces import FaceFinder
from emotts.dubbing.frames import read_frames
from emotts.dubbing.looks import Looks
from emotts.dubbing.mouth import MouthSource, MouthTrack
from emotts.dubbing.video import Media
from emotts.lips.box import Box
from emotts.lips.features import crop, scaled
from emotts.timebase import TOKEN_RATE

LONGEST_SIDE = 640

BOX_WIDTH = 1.8
"""Width of the mouth's box, as a multiple of the distance between its corners."""

BOX_DOWN = 0.11
"""How far the box lies under the middle of the lips, in the same measure: the lower lip moves more, and the
boxes that the aligner was trained on were found by motion."""

LEAST_SEEN = 0.3
"""Share of a line's frames in which a face has to be seen."""

_JUMP = 0.5
"""A face is another one if its mouth moves by more than this part of the face's height in a frame."""

_SMOOTHED = 5

_AROUND = 8
"""Frames before and after a line in which its speaker is looked for too: who is still there?"""

_TREMOR = 0.005
"""Movement of lips, over the height of the face, that a still face shows too."""


class FaceTrack:
    """One face over a stretch of frames.

    Attributes:
        points: x and y of the points of `emotts.dubbing.faces`, NaN where it is not seen; (frames, 6, 2).
    """

    def __init__(self, frames: int) -> None:
        self.points = np.full((frames, 6, 2), np.nan)
        self.latest: np.ndarray | None = None

    def add(self, frame: int, points: np.ndarray) -> None:
        """The face in a frame."""
        self.points[frame] = self.latest = points

    @property
    def seen(self) -> np.ndarray:
        """Frames in which it is seen, bool, shape (frames,)."""
        return np.isfinite(self.points[:, 0, 0])

    @property
    def aperture(self) -> np.ndarray:
        """Distance of the inner lips over the height of the face, NaN where it is not seen; (frames,)."""
        return _distance(self.points, 0, 1) / np.maximum(_distance(self.points, 4, 5), 1e-6)

    def boxes(self) -> list[Box]:
        """A box around the mouth in every frame, of one size, smoothed over time."""
        good = np.flatnonzero(self.seen)
        middle = self.points[:, :4].mean(axis=1)
        filled = [np.interp(np.arange(len(middle)), good, middle[good, axis]) for axis in (0, 1)]
        lips = float(np.median(_distance(self.points[good], 2, 3)))
        width, down = float(np.clip(BOX_WIDTH * lips, 8.0, LONGEST_SIDE)), BOX_DOWN * lips
        smooth = [_smoothed(axis) for axis in filled]
        return [Box.around(x, y + down, width) for x, y in zip(*smooth, strict=True)]


class Landmarks:
    """Apertures and pictures of the mouth of the face that speaks.

    Args:
        media: the video.
        open_finder: makes a finder for each shot that is looked at.
        sound: the original dialogue, which tells who speaks; without it, who moves the lips most does.
    """

    name = "landmarks"

    def __init__(
        self, media: Media, open_finder: Callable[[], FaceFinder], sound: MouthSource | None = None
    ) -> None:
        self._media, self._open, self._sound = media, open_finder, sound
        self._look = Looks(self._look_anew)

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        first, last = max(0, round(start * TOKEN_RATE)), round(end * TOKEN_RATE)
        return self._look(first, min(last, round(self._media.duration * TOKEN_RATE)))

    def _look_anew(self, first: int, last: int) -> MouthTrack | None:
        last = min(last, round(self._media.duration * TOKEN_RATE))
        before = min(_AROUND, first)
        pictures, _ = read_frames(
            self._media, first - before, last + _AROUND, gray=False, longest=LONGEST_SIDE
        )
        if not len(pictures):
            return None
        finder = self._open()
        try:
            found = [
                finder.faces(picture, index * 1000 // TOKEN_RATE) for index, picture in enumerate(pictures)
            ]
        finally:
            finder.close()
        inside = slice(before, before + last - first)
        tracks = [track for track in follow(found) if track.seen[inside].mean() >= LEAST_SEEN]
        if not tracks:
            return None
        face = speaking(tracks, self._level(first - before, len(pictures)))
        seen = face.seen
        aperture = np.interp(np.arange(len(seen)), np.flatnonzero(seen), face.aperture[seen])[inside]
        gray = np.stack([_gray(picture) for picture in pictures[inside]])
        shown = seen[inside]
        return MouthTrack(scaled(aperture, shown), shown, self.name, crop(gray, face.boxes()[inside]))

    def _level(self, first: int, count: int) -> np.ndarray | None:
        if self._sound is None:
            return None
        heard = self._sound.track(first / TOKEN_RATE, (first + count) / TOKEN_RATE)
        if heard is None or not 0 <= count - len(heard.aperture) <= _AROUND:
            return None
        return np.pad(heard.aperture, (0, count - len(heard.aperture)))  # the video ends before the frames


def follow(found: Sequence[np.ndarray]) -> list[FaceTrack]:
    """Joins the faces of each frame, shape (faces, 6, 2), to faces over time: the nearest goes on."""
    tracks: list[FaceTrack] = []
    for frame, faces in enumerate(found):
        free = list(range(len(tracks)))
        for points in faces:
            height = max(1.0, float(_distance(points[None], 4, 5)[0]))
            moves = [(_moved(tracks[index], points), index) for index in free]
            nearest = min(moves, default=(np.inf, -1))
            if nearest[0] > _JUMP * height:
                tracks.append(FaceTrack(len(found)))
                tracks[-1].add(frame, points)
            else:
                tracks[nearest[1]].add(frame, points)
                free.remove(nearest[1])
    return tracks


def speaking(tracks: Sequence[FaceTrack], level: np.ndarray | None) -> FaceTrack:
    """The face whose lips move with the sound, or move most where there is none.

    Args:
        tracks: at least one.
        level: of the original dialogue in each frame, 0 to 1, or None.
    """
    return max(tracks, key=lambda track: _likeness(track, level))


def _likeness(track: FaceTrack, level: np.ndarray | None) -> tuple[float, float]:
    """How the opening of the lips goes with the level, and how much they move.

    The opening, not its motion: of two who talk at the same time, it tells the voice that is heard apart.
    """
    aperture = np.nan_to_num(track.aperture, nan=float(np.nanmedian(track.aperture)))
    motion = float(np.abs(np.diff(aperture)).mean()) if len(aperture) > 1 else 0.0
    if level is None or level.std() < 1e-3 or len(level) < 3:
        return -1.0, motion
    together = [_together(aperture[ahead:], level[: len(level) - ahead]) for ahead in (0, 1)]
    return float(np.mean(together)), motion


def _together(aperture: np.ndarray, level: np.ndarray) -> float:
    """A correlation, in which a tremor counts for as little as it moves."""
    covariance = ((aperture - aperture.mean()) * (level - level.mean())).mean()
    return float(covariance / np.sqrt((aperture.var() + _TREMOR**2) * max(level.var(), 1e-9)))


def _moved(track: FaceTrack, points: np.ndarray) -> float:
    if track.latest is None:
        return float("inf")
    return float(np.linalg.norm(track.latest[:4].mean(axis=0) - points[:4].mean(axis=0)))


def _distance(points: np.ndarray, first: int, second: int) -> np.ndarray:
    return np.linalg.norm(points[:, first] - points[:, second], axis=-1)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Running mean of up to five frames."""
    padded = np.pad(values, _SMOOTHED // 2, mode="edge")
    return np.convolve(padded, np.full(_SMOOTHED, 1.0 / _SMOOTHED), mode="valid")


def _gray(picture: np.ndarray) -> np.ndarray:
    return (picture @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
