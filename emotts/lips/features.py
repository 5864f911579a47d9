"""What a mouth looks like in each video frame: small grey pictures, and how open it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emotts.lips.box import Box

HEIGHT, WIDTH = 16, 32
"""Pixels of a mouth's picture."""

CHANNELS = 3
"""Channels of `standardize`."""


def crop(frames: np.ndarray, boxes: Sequence[Box], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The mouth of each frame, brought to one size.

    Args:
        frames: grey, uint8, shape (frames, rows, columns).
        boxes: one for each frame; beyond the picture's edge its last pixels go on.
        height: of the result.
        width: of the result.

    Returns:
        uint8, shape (frames, height, width).
    """
    result = np.empty((len(frames), height, width), dtype=np.uint8)
    for index, (frame, box) in enumerate(zip(frames, boxes, strict=True)):
        left, top = round(box.x), round(box.y)
        columns = np.clip(np.arange(left, left + round(box.width)), 0, frame.shape[1] - 1)
        rows = np.clip(np.arange(top, top + round(box.height)), 0, frame.shape[0] - 1)
        piece = torch.from_numpy(frame[np.ix_(rows, columns)].astype(np.float32))[None, None]
        small = torch.nn.functional.interpolate(
            piece, (height, width), mode="bilinear", antialias=True, align_corners=False
        )
        result[index] = small[0, 0].round().clamp(0, 255).byte().numpy()
    return result


def standardize(pictures: Tensor) -> Tensor:
    """Three views of a mouth that know neither the light nor the camera.

    The first is the picture less the stretch's mean and over its spread, the second what differs from the
    mouth's mean picture, the third what changed since the frame before; these two over their own spreads.

    Args:
        pictures: shape (frames, height, width), any scale.

    Returns:
        float32, shape (frames, 3, height, width).
    """
    x = pictures.float()
    whole = (x - x.mean()) / x.std(unbiased=False).clamp_min(1.0)
    moved = x - x.mean(dim=0, keepdim=True)
    changed = torch.diff(x, dim=0, prepend=x[:1])
    views = [whole, *(view / view.std(unbiased=False).clamp_min(0.5) for view in (moved, changed))]
    return torch.stack(views, dim=1)


def opening(pictures: np.ndarray) -> np.ndarray:
    """How far a mouth differs from its rest, 0 to 1: a stand-in for its aperture.

    Rest is the median picture of the stillest quarter of the frames.

    Args:
        pictures: uint8, shape (frames, height, width).

    Returns:
        float32, shape (frames,).
    """
    x = pictures.astype(np.float32)
    change = np.abs(np.diff(x, axis=0, prepend=x[:1])).mean(axis=(1, 2))
    still = np.argsort(np.convolve(change, np.ones(3), mode="same"), kind="stable")[: max(1, len(x) // 4)]
    away = np.abs(x - np.median(x[still], axis=0)).mean(axis=(1, 2))
    return scaled(away)


def scaled(values: np.ndarray, shown: np.ndarray | None = None) -> np.ndarray:
    """Brings a curve to 0-1 by its 2nd and 98th percentiles where it is `shown` (bool); float32."""
    seen = values if shown is None else values[shown]
    if not len(seen):
        return np.zeros(len(values), dtype=np.float32)
    low, high = np.percentile(seen, [2, 98])
    return np.clip((values - low) / max(float(high - low), 1e-6), 0.0, 1.0).astype(np.float32)
