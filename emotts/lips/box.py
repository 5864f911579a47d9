"""Where the mouth is, without a face library: it is what moves when the sound does.

Of everything in a picture, the mouth's motion goes with the level of the speech best; blinks, shoulders and
the camera do not. So the covariance of each pixel's motion with the level is summed over boxes of several
sizes, and the box wins whose sum is largest for its size (a matched filter). It needs one speaker at a time,
a picture that hardly moves for a second or two, and the sound of what is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotts.errors import InputError

GRID_WIDTH = 90
"""Pixels to which a picture's width is brought for the search."""

WIDTHS = (10, 14, 20)
"""Widths of the boxes that are tried, in those pixels; heights are half of them."""

MARGIN = 1.3
"""The box that is used is larger by this than the one that won, for lips open further than they move."""

LEAST_CORRELATION = 0.15
"""Correlation of the motion in the box with the level, below which nothing there speaks."""

LEAST_MOTION = 0.3
"""Spread of the motion in the box, in levels of grey, below which it is the camera's noise."""

FEWEST_FRAMES = 12

CUT, LEAST_CUT = 6.0, 4.0
"""A step whose mean motion is over this multiple of the median's, and over these levels of grey, is a cut."""


@dataclass(frozen=True)
class Box:
    """A box around a mouth, in pixels of the picture.

    Attributes:
        x: left edge.
        y: upper edge.
        width: at least 4.
        height: at least 4.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not (self.width >= 4 and self.height >= 4 and np.isfinite([self.x, self.y]).all()):
            raise InputError(
                "a mouth box is x,y,width,height in pixels, with a width and height of 4 or more"
            )

    @classmethod
    def parse(cls, text: str) -> Box:
        """The box of a text like "120,180,72,36".

        Raises:
            InputError: not four numbers, or too small.
        """
        try:
            x, y, width, height = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(
                f"cannot read {text!r} as a mouth box; write x,y,width,height in pixels"
            ) from None
        return cls(x, y, width, height)

    @classmethod
    def around(cls, x: float, y: float, width: float) -> Box:
        """A box twice as wide as high around a point."""
        return cls(x - width / 2, y - width / 4, width, width / 2)

    @property
    def center(self) -> tuple[float, float]:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2


def find_mouth(frames: np.ndarray, level: np.ndarray) -> Box | None:
    """The box of the mouth that says what is heard.

    Args:
        frames: grey pictures at 25 frames a second, uint8, shape (frames, height, width).
        level: of the speech in each frame, 0 to 1, shape (frames,).

    Returns:
        the box, or None where nothing moves with the sound.

    Raises:
        InputError: the two differ in length.
    """
    if len(frames) != len(level):
        raise InputError(f"{len(frames)} pictures and {len(level)} levels; one for each is needed")
    if len(frames) < FEWEST_FRAMES:
        return None
    scale = max(1, frames.shape[2] // GRID_WIDTH)
    motion = np.abs(np.diff(shrink(frames, scale), axis=0))
    steady = _steady(motion)
    motion, heard = motion[steady], level[1:][steady]
    sound = heard - heard.mean()
    if sound.std() < 1e-3:
        return None
    covariance = np.tensordot(sound, motion, 1) / len(sound)
    found = [_best_box(np.maximum(covariance, 0.0), width) for width in WIDTHS]
    score, width, top, left = max(found)
    if score <= 0.0:
        return None
    inside = slice(top, top + width // 2), slice(left, left + width)
    total = motion[:, inside[0], inside[1]].mean(axis=(1, 2))
    spread = float(total.std())
    if spread < LEAST_MOTION or covariance[inside].mean() < LEAST_CORRELATION * spread * sound.std():
        return None
    weight = np.maximum(covariance[inside], 0.0)
    row, column = np.mgrid[inside]
    middle = [(axis * weight).sum() / weight.sum() + 0.5 for axis in (column, row)]
    return Box.around(middle[0] * scale, middle[1] * scale, max(MARGIN * width * scale, 8.0))


def _steady(motion: np.ndarray) -> np.ndarray:
    """Steps between frames that are no cut: there the whole picture changes, and drowns the mouth.

    Args:
        motion: shape (steps, rows, columns).

    Returns:
        bool, shape (steps,).
    """
    whole = motion.mean(axis=(1, 2))
    return whole <= np.maximum(CUT * np.median(whole), LEAST_CUT)


def shrink(frames: np.ndarray, scale: int) -> np.ndarray:
    """Means of blocks of `scale` · `scale` pixels, float32; what is left at the edges is dropped."""
    count, height, width = frames.shape
    height, width = height // scale, width // scale
    blocks = frames[:, : height * scale, : width * scale].reshape(count, height, scale, width, scale)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _best_box(values: np.ndarray, width: int) -> tuple[float, int, int, int]:
    """Score, width, and upper left corner of the best box of a width."""
    height = width // 2
    rows, columns = values.shape[0] - height + 1, values.shape[1] - width + 1
    if rows < 1 or columns < 1:
        return 0.0, width, 0, 0
    total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    )
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return float(sums[top, left] / np.sqrt(width * height)), width, int(top), int(left)
