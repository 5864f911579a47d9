"""A little scene to dub: two faces whose mouths move, drawn here, so that the example needs no network."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from emotts.dubbing.optional import optional_import
from emotts.dubbing.script import clock
from emotts.timebase import SAMPLE_RATE

VIDEO, SCRIPT = "station.mp4", "station.srt"
"""Names of the files."""

SECONDS = 11.0
LINES = (
    (0.6, 2.2, "Anna", "angry:0.6", "Where were you?"),
    (2.8, 5.0, "Tom", "sad:0.5", "I waited for an hour at the station."),
    (5.6, 7.4, "Anna", "", "I am so sorry."),
    (8.0, 10.4, "Tom", "happy:0.4", "Never mind. Let us go home."),
)
"""Start, end, speaker, emotion and text."""

_SIZE, _RATE = (480, 270), 25
_PEOPLE = {"Anna": (150, (236, 190, 160), 210.0), "Tom": (330, (205, 150, 115), 120.0)}
_SYLLABLES = 4.5  # a second


def make_example(folder: Path) -> tuple[Path, Path]:
    """Writes the video and its script.

    Returns:
        paths of the .mp4 and the .srt file.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / SCRIPT
    script.write_text("".join(_cue(*entry) for entry in enumerate(LINES, 1)), encoding="utf-8")
    return _write_video(folder / VIDEO), script


def _cue(number: int, line: tuple[float, float, str, str, str]) -> str:
    start, end, speaker, emotion, text = line
    times = f"{clock(start)} --> {clock(end)}".replace(".", ",")
    tag = f"[{speaker}, {emotion}]" if emotion else f"[{speaker}]"
    return f"{number}\n{times}\n{tag} {text}\n\n"


def opening(speaker: str, time: np.ndarray) -> np.ndarray:
    """How far a mouth is open, 0 to 1, at each time in seconds."""
    result = np.zeros_like(time, dtype=np.float64)
    for start, end, name, *_ in LINES:
        if name == speaker:
            inside = (time >= start) & (time < end)
            result = np.where(inside, 0.5 - 0.5 * np.cos(2 * np.pi * _SYLLABLES * (time - start)), result)
    return result


def _write_video(path: Path) -> Path:
    av = optional_import("av")
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        picture = file.add_stream("libx264", rate=_RATE, options={"crf": "26", "preset": "veryfast"})
        picture.width, picture.height = _SIZE
        picture.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index in range(round(SECONDS * _RATE)):
            frame = av.VideoFrame.from_image(_frame(index / _RATE))
            frame.pts, frame.time_base = index, Fraction(1, _RATE)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        samples = _murmur()
        for start in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            file.mux(sound.encode(block))
        file.mux(sound.encode(None))
    return path


def _frame(time: float) -> Image.Image:
    width, height = _SIZE
    image = Image.new("RGB", _SIZE, (38, 48, 74))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height - 60, width, height), fill=(58, 52, 60))
    for name, (x, skin, _) in _PEOPLE.items():
        aperture = float(opening(name, np.array([time]))[0])
        y = 140 - round(3 * aperture)
        draw.rounded_rectangle((x - 62, y + 62, x + 62, height + 40), 36, fill=(96, 112, 160))
        draw.ellipse((x - 54, y - 66, x + 54, y + 62), fill=skin)
        for eye in (-20, 20):
            draw.ellipse((x + eye - 6, y - 22, x + eye + 6, y - 10), fill=(30, 30, 40))
        gap = 2 + round(13 * aperture)
        draw.ellipse((x - 18, y + 26 - gap, x + 18, y + 26 + gap), fill=(120, 40, 50))
    return image


def _murmur() -> np.ndarray:
    """The original dialogue: a hum that swells as the mouths open. float32 (samples,) at 24 kHz."""
    time = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    mix = np.zeros_like(time)
    for name, (_, _, pitch) in _PEOPLE.items():
        tone = sum(np.sin(2 * np.pi * pitch * k * time) / k**1.5 for k in range(1, 9))
        mix += 0.12 * tone * opening(name, time)
    return mix.astype(np.float32)
