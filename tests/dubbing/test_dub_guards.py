"""What a dub must never do: overwrite an input, lose a file of others, keep a take that failed its checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from dub_helpers import SineEngine, make_video, write_srt

import emotts
from emotts.errors import InputError, OutputError

pytest.importorskip("av")

CAST = {"Anna": "low", "Bob": "high"}

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "original.mp4")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    lines = [(0.2, 1.0, "Anna: Hello there you."), (1.1, 1.6, "Bob: What is this thing?"),
             (2.0, 2.6, "Anna: Go home now."), (3.0, 3.9, "Bob: I will not go.")]  # fmt: skip
    return write_srt(tmp_path / "lines.srt", lines)


@pytest.fixture
def run(video: Path, script: Path, tmp_path: Path) -> Run:
    def start(**options):
        return emotts.dub(video, script, CAST, tmp_path / "out.mp4", engine=SineEngine(), **options)

    return start


def test_no_output_takes_the_place_of_an_input(video: Path, script: Path, tmp_path: Path) -> None:
    recording = tmp_path / "anna.wav"
    soundfile.write(recording, np.zeros(100), 24_000)
    cast = {"Anna": str(recording), "Bob": "high"}
    (tmp_path / "bed.wav").write_bytes(recording.read_bytes())
    (tmp_path / "link.mp4").symlink_to(video)
    kept = {path: path.read_bytes() for path in (video, script, recording, tmp_path / "bed.wav")}
    for change in (
        {"output": video}, {"output": tmp_path / "link.mp4"}, {"subtitles": script}, {"csv": recording},
        {"edl": tmp_path / "bed.wav", "bed": tmp_path / "bed.wav"},
    ):  # fmt: skip
        arguments = {"output": tmp_path / "out.mp4", "force": True, "engine": SineEngine(), **change}
        with pytest.raises(InputError, match="is an input of this dub"):
            emotts.dub(video, script, cast, **arguments)
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_stems_replace_nothing_but_stems(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "stems"
    run(stems=folder, only=[1, 2]).finish()
    assert len(list(folder.iterdir())) == 2
    run(stems=folder, force=True).finish()
    assert len(list(folder.iterdir())) == 4
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"other files than stems \(notes.txt\)"):
        run(stems=folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine"


def test_events_of_the_edit_list_span_the_same_frames(run: Run, tmp_path: Path) -> None:
    run(edl=tmp_path / "dub.edl").finish()
    rows = [line.split()[-4:] for line in (tmp_path / "dub.edl").read_text().splitlines() if " AX " in line]
    assert len(rows) == 4

    def frames(code: str) -> int:
        hours, minutes, seconds, frame = map(int, code.split(":"))
        return ((hours * 60 + minutes) * 60 + seconds) * 25 + frame

    for source_in, source_out, record_in, record_out in rows:
        assert frames(source_out) - frames(source_in) == frames(record_out) - frames(record_in) > 0


def test_a_take_in_another_voice_is_tried_again(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hoarse(SineEngine):
        """Speaks line 4 with seed 0 in a voice that is not Bob's."""

        def tone(self, text, voice, samples, seed):
            return (
                2.0
                * super().tone("same", voice, samples, 0)
                * (-1.0 if (text[:3], seed) == ("No ", 0) else 1)
            )

    def stand_in(audio: np.ndarray) -> np.ndarray:
        return np.array([np.sign(audio[np.abs(audio).argmax()]), 0.1])

    monkeypatch.setattr("emotts.dubbing.qc._encoder", lambda: None)
    monkeypatch.setattr("emotts.dubbing.lines.voiceprint", stand_in)
    monkeypatch.setattr("emotts.dubbing.report.voiceprint", stand_in)
    lines = [
        (0.2, 1.0, "Bob: One and two."),
        (1.2, 2.0, "Bob: Two and three."),
        (2.4, 3.2, "Bob: No and no."),
    ]
    script = write_srt(tmp_path / "bob.srt", lines)
    wishes = {"engine": Hoarse(), "checks": ("similarity",)}
    job = emotts.dub(video, script, CAST, tmp_path / "good.mp4", **wishes)
    assert [line.speech.seed for line in job] == [0, 0, 1]
    assert job.lines[2].checks.similarity > 0.9 and not job.faults
    job = emotts.dub(video, script, CAST, tmp_path / "bad.mp4", retries=0, **wishes)
    job.finish()
    assert "sounds unlike Bob's other lines (cosine -" in job.faults[3][0]
