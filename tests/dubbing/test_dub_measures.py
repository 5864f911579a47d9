"""What measures a dub: scenes of held-out clips, sync beside lips, seconds of the stages, and the recipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dub_helpers import SineEngine, make_video, write_srt

import emotts
from emotts.dubbing.looks import MOST, Looks
from emotts.dubbing.mouth import MouthTrack
from emotts.dubbing.stages import Clock, TimedSource
from emotts.dubbing.video import probe
from emotts.errors import DataError
from emotts.evaluate.scene import held_out, join
from emotts.evaluate.sync import SyncCase, overlap, pooled_correlation, shuffle, summarize

pytest.importorskip("av")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of which two are held out, and one without an alignment."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "s1").mkdir()
    (folder / "align" / "s1").mkdir(parents=True)
    for index in range(12):
        make_video(folder / "s1" / f"clip{index:02d}.mp4", 1.0 + index / 25)
        rows = "0 5000 sil\n5000 10000 bin\n10000 20000 f\n20000 25000 sil\n"
        (folder / "align" / "s1" / f"clip{index:02d}.align").write_text(rows)
    make_video(folder / "s1" / "unaligned.mp4", 1.0)
    return folder


def test_held_out_clips_are_joined_to_a_scene(grid: Path, tmp_path: Path) -> None:
    clips = held_out(grid, 99)
    assert [clip.name for _, clip in clips] == ["clip00", "clip10"]
    assert [clip.name for _, clip in held_out(grid, 1)] == ["clip00"]
    lines = join(tmp_path / "scene.mp4", clips)
    assert [line.text for line in lines] == ["Bin F.", "Bin F."]
    assert lines[1].words == (("bin", pytest.approx(1.2), pytest.approx(1.4)), ("f", 1.4, 1.8))
    media = probe(tmp_path / "scene.mp4")
    assert media.has_audio and media.duration == pytest.approx(1.0 + 1.4, abs=0.001)


def test_a_corpus_without_clips_or_words_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no s1/"):
        held_out(tmp_path, 3)
    (tmp_path / "s1").mkdir()
    (tmp_path / "align" / "s1").mkdir(parents=True)
    (tmp_path / "s1" / "a.mp4").write_bytes(b"")
    for content, said in (("0 5 sil\n", "no words"), ("0 word\n", "start end word")):
        (tmp_path / "align" / "s1" / "a.align").write_text(content)
        with pytest.raises(DataError, match=said):
            held_out(tmp_path, 3)


def case(seed: int, lag: int = 0, noise: float = 0.0) -> SyncCase:
    """A line of random syllables whose sound comes `lag` frames after the mouth."""
    random = np.random.default_rng(seed)
    motion = np.clip(np.convolve(random.normal(0.5, 1.0, 64), np.ones(3) / 3, "same"), 0, 1)
    sound = np.roll(motion, lag) + noise * random.normal(size=64)
    mouth = MouthTrack(motion.astype(np.float32), np.ones(64, bool), "test")
    return SyncCase(mouth, sound, motion, (20.0, -40.0, 100.0))


def test_the_lag_of_all_lines_is_found_and_chance_is_lower() -> None:
    cases = [case(seed, lag=2, noise=0.2) for seed in range(8)]
    value, lag = pooled_correlation(cases)
    assert lag == pytest.approx(0.08) and value > 0.7
    assert pooled_correlation(shuffle(cases))[0] < 0.4
    found = summarize(cases)
    assert found["lag"] == pytest.approx(80.0)
    assert found["onset"] == pytest.approx(160 / 3) and found["within_80"] == pytest.approx(2 / 3)
    assert found["correlation"] > summarize(shuffle(cases))["correlation"] + 0.2


def test_overlap_counts_frames_in_which_either_is_active() -> None:
    one, other = np.array([0.0, 0.9, 0.9, 0.0]), np.array([0.0, 0.0, 0.9, 0.9])
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert np.isnan(overlap(np.zeros(4), np.zeros(4)))
    assert np.isnan(summarize([])["pooled"])


def test_every_second_counts_for_the_innermost_stage() -> None:
    clock = Clock()
    with clock.stage("outer"):
        with clock.stage("inner"):
            time.sleep(0.03)
        time.sleep(0.01)
    assert clock.seconds["inner"] >= 0.03
    assert 0.01 <= clock.seconds["outer"] < 0.03

    class Source:
        name = "slow"

        def track(self, start, end):
            time.sleep(0.01)

    assert TimedSource(Source(), clock).track(0, 1) is None
    assert list(clock.each("items", iter([1, 2]))) == [1, 2]
    assert clock.seconds["mouths"] >= 0.01 and "items" in clock.seconds


def test_a_line_is_looked_at_once() -> None:
    asked = []

    def look(first: int, last: int) -> MouthTrack | None:
        asked.append((first, last))
        frames = np.arange(first, min(last, 40))
        shown = frames < 30
        return MouthTrack(frames.astype(np.float32), shown, "test") if shown.any() else None

    looks = Looks(look)
    assert looks(10, 20).aperture.tolist() == list(range(10, 20))
    assert looks(5, 25).aperture.tolist() == list(range(5, 25))
    assert looks(12, 20).aperture[0] == 12 and asked == [(5, 25)]
    assert looks(2, 6).aperture.tolist() == [2, 3, 4, 5] and asked[1] == (0, 11)
    assert looks(28, 38).visible.sum() == 2 and looks(31, 38) is None
    assert looks(36, 60) is None and looks(36, 60) is None and looks(7, 7) is None
    assert asked[2:] == [(23, 43), (31, 65)]
    for first in range(100, 2000, 20):
        looks(first, first + 3)
    assert len(looks._known) == MOST


def test_a_dub_tells_where_its_time_went(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4")
    script = write_srt(tmp_path / "lines.srt", [(1.0, 2.0, "Go home now.")])
    job = emotts.dub(video, script, {"*": "low"}, tmp_path / "o.mp4", engine=SineEngine())
    job.finish()
    stages = {"probe", "decode", "mouths", "plan", "speech", "fit", "mix", "mux", "report"}
    assert stages <= set(job.seconds)
    assert stages - {"report"} <= set(job.record["seconds"])


def test_the_scene_recipe_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "recipes" / "dub_scene.py"), "make"]
    result = subprocess.run(
        [*command, "--grid", str(tmp_path), "--scene", str(tmp_path / "scene")],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("dub_scene: ") and result.stderr.count("\n") == 1
