"""The mouth in a box of the picture: how it moves, and its pictures for the lip aligner."""

from __future__ import annotations

import numpy as np

from emotts.dubbing.frames import read_frames
from emotts.dubbing.looks import Looks
from emotts.dubbing.mouth import MouthSource, MouthTrack
from emotts.dubbing.video import Media
from emotts.errors import InputError
from emotts.lips.box import Box, find_mouth
from emotts.lips.features import crop, opening
from emotts.timebase import TOKEN_RATE

LONGEST_SIDE = 640
"""Pictures are shrunk to this many pixels before a mouth is looked for."""

_AROUND = 0.4
"""Seconds before and after a line in which its mouth is looked for too."""

_FEWEST_LISTENED = 0.05


class MouthBox:
    """Motion and pictures of the mouth in a box.

    Args:
        media: the video.
        box: in pixels of the video; None finds it anew for every line, as what moves with the sound.
        sound: the original dialogue, without which no box can be found.

    Raises:
        InputError: the box lies outside of the picture, or there is neither box nor sound.
    """

    def __init__(self, media: Media, box: Box | None, sound: MouthSource | None = None) -> None:
        if box is None and sound is None:
            raise InputError("without sound no mouth can be found; give its place: --mouth-box x,y,w,h")
        if box is not None and not _inside(box, media):
            raise InputError(
                f"the mouth box {box.x:g},{box.y:g},{box.width:g},{box.height:g} lies outside of the picture "
                f"of {media.width} by {media.height} pixels"
            )
        self.name = "mouth box" if box is not None else "mouth box (found by its motion)"
        self._media, self._box, self._sound = media, box, sound
        self._look = Looks(self._look_anew)

    def track(self, start: float, end: float) -> MouthTrack | None:
        """See `MouthSource`."""
        return self._look(max(0, round(start * TOKEN_RATE)), round(end * TOKEN_RATE))

    def _look_anew(self, first: int, last: int) -> MouthTrack | None:
        last = min(last, round(self._media.duration * TOKEN_RATE))
        if last <= first:
            return None
        around = round(_AROUND * TOKEN_RATE) if self._box is None else 0
        before = min(around, first)
        frames, factor = read_frames(self._media, first - before, last + around, longest=LONGEST_SIDE)
        box = self._box or self._find(frames, first - before)
        if box is None or not len(frames):
            return None
        if self._box is not None:
            box = Box(box.x * factor, box.y * factor, box.width * factor, box.height * factor)
        pictures = crop(frames, [box] * len(frames))
        aperture = opening(pictures)
        inside = slice(before, before + last - first)
        visible = np.ones(last - first, dtype=bool)
        return MouthTrack(aperture[inside], visible, self.name, pictures[inside])

    def _find(self, frames: np.ndarray, first: int) -> Box | None:
        assert self._sound is not None
        heard = self._sound.track(first / TOKEN_RATE, (first + len(frames)) / TOKEN_RATE)
        if heard is None:
            return None
        count = min(len(heard.aperture), len(frames))
        level = heard.aperture[:count]
        if count < 2 or (level > 0.5).mean() < _FEWEST_LISTENED:
            return None
        return find_mouth(frames[:count], level)


def _inside(box: Box, media: Media) -> bool:
    x, y = box.center
    return 0 <= x < media.width and 0 <= y < media.height
