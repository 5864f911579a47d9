"""Looks at a picture are dear, and one line is looked at several times: what was seen is remembered."""

from __future__ import annotations

from collections.abc import Callable

from emotts.dubbing.mouth import MouthTrack
from emotts.lips.aligner import FRAMES_AROUND

MOST = 64
"""Looks that are remembered."""


class Looks:
    """Remembers looks, each a little wider than it was asked for, and cuts later ones out of them.

    Args:
        look: the mouth from a frame to another (exclusive); may end earlier, where the video does.
        around: frames that are looked at before and after: as many as the lip aligner asks for.
    """

    def __init__(self, look: Callable[[int, int], MouthTrack | None], around: int = FRAMES_AROUND) -> None:
        self._look, self._around = look, around
        self._known: dict[tuple[int, int], MouthTrack | None] = {}

    def __call__(self, first: int, last: int) -> MouthTrack | None:
        """The mouth in frames `first` to `last` (exclusive); None where it is not seen."""
        if last <= first:
            return None
        found = next((span for span in self._known if span[0] <= first and last <= span[1]), None)
        if found is None:
            found = max(0, first - self._around), last + self._around
            while len(self._known) >= MOST:
                self._known.pop(next(iter(self._known)))
            self._known[found] = self._look(*found)
        track = self._known[found]
        return None if track is None else _cut(track, first - found[0], last - found[0])


def _cut(track: MouthTrack, first: int, last: int) -> MouthTrack | None:
    visible = track.visible[first:last]
    if not visible.any():
        return None
    pictures = None if track.pictures is None else track.pictures[first:last]
    return MouthTrack(track.aperture[first:last], visible, track.source, pictures)
