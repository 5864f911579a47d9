"""Finding and showing a mouth."""

from __future__ import annotations

import numpy as np
import pytest

from emotts.errors import InputError
from emotts.lips.box import Box, find_mouth
from emotts.lips.features import crop, opening, scaled


def scene(still: bool = False, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A picture in which a mouth of 40 pixels at (130, 90) moves with the level, and eyes do not."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.random(15), 4)
    frames = np.full((60, 160, 200), 120.0) + random.normal(0, 1.0, (60, 160, 200))
    for index, value in enumerate(level):
        if not still:
            swing = np.sin(2.2 * index) * 60.0 * value
            frames[index, 80:100, 110:150] += swing
        frames[index, 40:50, 60:80] += 60.0 * (index % 9 == 0)
    return frames.clip(0, 255).astype(np.uint8), level


def test_the_mouth_is_what_moves_with_the_sound() -> None:
    box = find_mouth(*scene())
    assert box is not None
    x, y = box.center
    assert abs(x - 130) < 10 and abs(y - 90) < 6
    assert 30 < box.width < 80


def test_a_cut_does_not_hide_the_mouth() -> None:
    frames, level = scene()
    frames = (0.1 * (frames.astype(float) - 120.0) + 120.0).astype(np.uint8)
    frames[:30, 20:60, 20:80] = 0  # another shot, from which it is cut as somebody shouts
    level[30] = 1.0
    box = find_mouth(frames, level)
    assert box is not None
    x, y = box.center
    assert abs(x - 130) < 10 and abs(y - 90) < 6


def test_nothing_is_found_where_nothing_speaks() -> None:
    frames, level = scene(still=True)
    assert find_mouth(frames, level) is None
    assert find_mouth(scene()[0], np.ones(60)) is None
    assert find_mouth(frames[:5], level[:5]) is None


def test_pictures_and_levels_of_other_lengths_are_an_error() -> None:
    with pytest.raises(InputError, match="60 pictures and 59 levels"):
        find_mouth(scene()[0], np.zeros(59))


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "1,2,3,4,5", "0,0,2,9", "nan,0,20,20"])
def test_a_wrong_box_says_what_is_right(text: str) -> None:
    with pytest.raises(InputError, match="x,y,width,height in pixels"):
        Box.parse(text)


def test_a_box_is_read() -> None:
    assert Box.parse("120, 180,72,36") == Box(120, 180, 72, 36)


def test_a_crop_shows_its_box_and_goes_on_at_the_edge() -> None:
    frame = np.zeros((1, 50, 100), dtype=np.uint8)
    frame[0, 10:26, 20:52] = 200
    assert (crop(frame, [Box(20, 10, 32, 16)]) == 200).all()
    assert crop(frame, [Box(20, 10, 64, 32)])[0, :8, :16].mean() > 190
    assert crop(frame + 7, [Box(-40, -40, 20, 20)]).tolist() == np.full((1, 16, 32), 7).tolist()


def test_opening_follows_a_mouth() -> None:
    pictures = np.full((40, 16, 32), 100, dtype=np.uint8)
    size = [0] * 12 + [1, 2, 4, 6, 6, 4, 2, 1] + [0] * 20
    for frame, high in zip(pictures, size, strict=True):
        frame[8 - high : 8 + high, 6:26] = 30
    aperture = opening(pictures)
    assert np.corrcoef(aperture, size)[0, 1] > 0.95
    assert aperture.min() == 0.0 and aperture.max() == 1.0


def test_a_curve_is_scaled_by_what_is_seen() -> None:
    values = np.array([0.0, 1.0, 2.0, 99.0])
    assert scaled(values, np.array([True, True, True, False]))[1] == pytest.approx(0.5)
    assert scaled(np.zeros(3)).tolist() == [0, 0, 0]
