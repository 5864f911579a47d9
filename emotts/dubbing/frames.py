"""Pictures of a stretch of a video at 25 frames a second, whatever its own rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from emotts.dubbing.optional import optional_import
from emotts.dubbing.video import Media, open_media, picture
from emotts.timebase import TOKEN_RATE

_LEAD_SECONDS = 1.0

_ROUNDING = 1e-4
"""At 50 frames a second a frame begins in the middle of 40 ms, give or take the rounding of its time."""


def read_frames(
    media: Media, first: int, last: int, gray: bool = True, longest: int | None = None
) -> tuple[np.ndarray, float]:
    """Decodes frames first to last (exclusive) of a video that is thought of as 25 frames a second.

    A frame is what is seen in its middle. What cannot be decoded shows the picture before it.

    Args:
        media: the video.
        first: number of the first frame, counted from `media.origin`.
        last: the frame after the last.
        gray: one channel instead of RGB.
        longest: pixels of the longer side that pictures are shrunk to, where they are larger.

    Returns:
        uint8, shape (frames, height, width) or (frames, height, width, 3), with no frames where nothing could
        be decoded; and the factor by which they were shrunk.
    """
    factor = min(1.0, longest / max(media.width, media.height, 1)) if longest else 1.0
    size = [max(2, round(side * factor)) for side in (media.height, media.width)]
    wanted = [(index + 0.5) / TOKEN_RATE + _ROUNDING for index in range(max(first, 0), last)]
    shown: list[np.ndarray] = []
    latest: np.ndarray | None = None
    pictures = _decode(media, wanted[0], size, gray) if wanted else iter(())
    for time, values in pictures:
        while latest is not None and len(shown) < len(wanted) and wanted[len(shown)] < time:
            shown.append(latest)
        if len(shown) == len(wanted):
            break
        latest = values
    if latest is None:
        return np.zeros((0, *size) if gray else (0, *size, 3), dtype=np.uint8), factor
    shown += [latest] * (len(wanted) - len(shown))
    return np.stack(shown), factor


def _decode(media: Media, start: float, size: list[int], gray: bool) -> Iterator[tuple[float, np.ndarray]]:
    """Time in seconds and values of each picture, beginning somewhere before `start`."""
    av = optional_import("av")
    with open_media(media.path) as container:
        stream = picture(container)
        stream.thread_type = "AUTO"
        target = float(media.origin) + start - _LEAD_SECONDS
        if target > 0:
            container.seek(int(target * 1_000_000), backward=True)
        skip = start - _LEAD_SECONDS
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue
                for frame in frames:
                    if frame.time is not None and frame.time - float(media.origin) >= skip:
                        yield frame.time - float(media.origin), _values(frame, size, gray)
        except OSError:
            return


def _values(frame: Any, size: list[int], gray: bool) -> np.ndarray:
    wanted = "gray" if gray else "rgb24"
    shrunk = frame.reformat(width=size[1], height=size[0], format=wanted)
    return shrunk.to_ndarray()
