"""egs/grid: a corpus in GRID's layout is read, and the stages go through."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from emotts.lips.corpus import load_clips

av = pytest.importorskip("av")

ROOT = Path(__file__).parents[2]
SENTENCES = ("bin blue at f two now", "set red by a one soon", "lay green in z six please")


def make_clip(video: Path, align: Path, sentence: str, seed: int) -> None:
    """A still face whose mouth moves where words are said, with a tone there, and its alignment."""
    random = np.random.default_rng(seed)
    marks = [15_000 + 5_000 * index + int(random.integers(0, 2_000)) for index in range(7)]
    rows = [f"0 {marks[0]} sil"]
    rows += [f"{a} {b} {word}" for a, b, word in zip(marks, marks[1:], sentence.split(), strict=False)]
    align.write_text("\n".join([*rows, f"{marks[-1]} 75000 sil", ""]))
    with av.open(str(video), "w") as file:
        picture = file.add_stream("mpeg1video" if video.suffix == ".mpg" else "mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt, picture.bit_rate = 180, 144, "yuv420p", 2_000_000
        sound = file.add_stream("mp2" if video.suffix == ".mpg" else "aac", rate=48_000)
        time = np.arange(3 * 48_000) / 48_000
        loud = (time > marks[0] / 25_000) & (time < marks[-1] / 25_000)
        samples = (0.4 * loud * (0.6 + 0.4 * np.sin(25 * time)) * np.sin(1500 * time)).astype(np.float32)
        for index in range(75):
            values = np.full((144, 180), 120, dtype=np.uint8)
            if loud[index * 1920]:
                high = 2 + round(5 * abs(np.sin(index)))
                values[100 - high : 100 + high, 70:110] = 30
            frame = av.VideoFrame.from_ndarray(np.stack([values] * 3, axis=-1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        resampler = av.AudioResampler(format=sound.codec_context.format, layout=sound.layout, rate=48_000)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(sound.encode(part))
        file.mux(sound.encode(None))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    for part in ("s1", "align/s1"):
        (folder / part).mkdir(parents=True)
    for index in range(10):
        suffix = ".mpg" if index % 3 == 0 else ".mp4"
        make_clip(
            folder / "s1" / f"clip{index}{suffix}", folder / "align" / "s1" / f"clip{index}.align",
            SENTENCES[index % 3], index,
        )  # fmt: skip
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [str(ROOT / "egs" / "grid" / "run.sh"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_recipe_reads_trains_tunes_and_scores(grid: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text("{steps: 3, batch: 2, network: {channels: [4, 4], dim: 8, layers: 1, space: 8}}")
    result = run("--grid", str(grid), "--exp", str(tmp_path / "exp"), "--config", str(config))
    assert result.returncode == 0, result.stderr
    clips = load_clips(tmp_path / "exp" / "clips.npz")
    assert len(clips) == 10 and clips[0].text == "Bin blue at F two now."
    assert all(clip.pictures.shape[1:] == (24, 48) for clip in clips)
    # The mouth is in the middle of what was cut out.
    moving = clips[1].pictures.astype(float).std(axis=0)
    row, column = np.unravel_index(moving.argmax(), moving.shape)
    assert 5 < row < 19 and 8 < column < 40
    table = (tmp_path / "exp" / "RESULTS.md").read_text()
    assert table.startswith("1 clips") and "| even spreading |" in table and "auto" in table


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    result = run("--grid", str(tmp_path), "--exp", str(tmp_path / "exp"))
    assert result.returncode == 2
    assert result.stderr.strip().endswith("holds no s1/*.mpg with align/s1/*.align")
