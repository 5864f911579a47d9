"""`emotts.dub` from files to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from dub_helpers import SineEngine, decode_sound, make_video, packets, write_srt

import emotts
from emotts.errors import EmottsError, InputError, ModelError, OutputError
from emotts.timing import TimingPlan

pytest.importorskip("av")

LINES = [
    (0.2, 1.0, "Anna: Hello there you."),
    (1.1, 1.6, "[Bob, angry:0.5] What is this thing?"),
    (2.0, 2.6, "Anna: Go home now."),
    (3.0, 3.9, "Bob: I will not go."),
]
CAST = {"Anna": "low", "Bob": {"voice": "high", "emotion": "sad:0.2"}}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "original.mp4")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write_srt(tmp_path / "lines.srt", LINES)


Run = Callable[..., Any]


@pytest.fixture
def run(video: Path, script: Path, tmp_path: Path) -> Run:
    def start(engine: SineEngine | None = None, output: str | None = "out.mp4", **options):
        target = tmp_path / output if output else None
        return emotts.dub(video, script, CAST, target, engine=engine or SineEngine(), **options)

    return start


def test_lines_come_in_order_each_at_its_own_sample(run: Run, video: Path, tmp_path: Path) -> None:
    job = run()
    lines = list(job)
    assert [line.number for line in lines] == [1, 2, 3, 4]
    # 20 ms of the silence at the edge are kept, and lie before the window.
    assert [line.start + 480 for line in lines] == [4800, 26_400, 48_000, 72_000]
    assert [line.planned.placement.start for line in lines] == [4800, 26_400, 48_000, 72_000]
    for line in lines:
        assert line.audio.dtype == np.float32
        assert line.checks.requested == line.planned.placement.tokens * 960
        assert abs(line.onset_error) < 1e-6
    assert lines[1].speech.emotion.as_mapping() == {"angry": 0.5}
    assert lines[3].speech.emotion.as_mapping() == {"sad": 0.2}
    assert packets(tmp_path / "out.mp4") == packets(video)
    assert job.faults == {}
    assert job.record["summary"]["lines"] == 4


def test_the_track_holds_every_line_and_no_drift(run: Run, tmp_path: Path) -> None:
    lines = list(run(output="out.wav", audio_only=True))
    mix, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert rate == 48_000
    assert len(mix) == 4 * 48_000
    rest = mix[:, 0].copy()
    for line in lines:
        place = slice(2 * line.start, 2 * line.end, 2)
        assert np.corrcoef(mix[place, 0], line.audio)[0, 1] > 0.999
        rest[2 * line.start - 4 : 2 * line.end + 4] = 0.0
    assert np.abs(rest).max() < 1e-3


def test_all_side_outputs(run: Run, tmp_path: Path) -> None:
    names = {name: tmp_path / f"side.{name}" for name in ("edl", "csv")}
    job = run(stems=tmp_path / "stems", report=tmp_path / "r.html", subtitles=tmp_path / "s.vtt", **names)
    lines = list(job)
    stems = sorted(path.name for path in (tmp_path / "stems").iterdir())
    assert stems == ["0001_Anna.wav", "0002_Bob.wav", "0003_Anna.wav", "0004_Bob.wav"]
    stem, _ = soundfile.read(tmp_path / "stems" / stems[0], dtype="float32")
    assert stem == pytest.approx(lines[0].audio, abs=1e-4)
    record = json.loads((tmp_path / "r.json").read_text())
    assert [line["number"] for line in record["lines"]] == [1, 2, 3, 4]
    assert record["lines"][1]["mouth"] == "original dialogue"
    page = (tmp_path / "r.html").read_text()
    assert "<svg" in page
    assert page.count("<tr id=") == 4
    assert "00:00:00.180 --> " in (tmp_path / "s.vtt").read_text()
    assert (tmp_path / "side.csv").read_text().count("\n") == 5
    assert "00:00:02:00" in (tmp_path / "side.edl").read_text()


def test_nothing_is_made_twice_and_an_edited_line_alone_again(run: Run, script: Path, tmp_path: Path) -> None:
    engine = SineEngine()
    run(engine).finish()
    first = (tmp_path / "out.mp4").read_bytes()
    assert len(engine.calls) == 4
    run(engine, force=True).finish()
    assert len(engine.calls) == 4
    assert (tmp_path / "out.mp4").read_bytes() == first
    write_srt(script, [*LINES[:2], (2.0, 2.6, "Anna: Stay here now."), LINES[3]])
    again = run(engine, force=True)
    again.finish()
    assert [text for text, *_ in engine.calls[4:]] == ["Stay here now."]
    assert [line.cached for line in again.lines] == [True, True, False, True]


def test_only_some_lines_with_another_seed(run: Run, tmp_path: Path) -> None:
    engine = SineEngine()
    run(engine).finish()
    job = run(engine, only="2,4-4", seed=9, force=True)
    assert [line.speech.seed for line in job] == [0, 9, 0, 9]
    assert [line.speech.seed for line in run(engine, force=True)] == [0, 9, 0, 9]
    assert len(engine.calls) == 6
    fresh = run(engine, output="fresh.mp4", only=[2])
    assert [line.number for line in fresh] == [2]
    assert "left silent: lines 1, 3, 4" in fresh.warnings[-1]


def test_a_run_cut_off_anywhere_goes_on_to_the_same_file(run: Run, tmp_path: Path) -> None:
    run(output="whole.mp4").finish()
    whole = (tmp_path / "whole.mp4").read_bytes()

    class Failing(SineEngine):
        def synthesize(self, *arguments, **wishes):
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().synthesize(*arguments, **wishes)

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(Failing()).finish()
        assert not (tmp_path / "out.mp4").exists()
    job = run()
    assert [line.cached for line in job] == [True, True, True, False]
    assert (tmp_path / "out.mp4").read_bytes() == whole
    assert not list(tmp_path.glob("*/unfinished.json"))


def test_files_of_a_cut_off_run_are_replaced_without_force(run: Run, tmp_path: Path, monkeypatch) -> None:
    def cut_off(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("emotts.dubbing.dub.write_tables", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(csv=tmp_path / "lines.csv").finish()
    assert (tmp_path / "out.mp4").exists()
    (tmp_path / ".out.mp4.0123abcd.part").write_bytes(b"left over by a kill")
    run(csv=tmp_path / "lines.csv").finish()
    assert (tmp_path / "lines.csv").exists()
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(OutputError, match="exists already"):
        run(csv=tmp_path / "lines.csv")


def test_a_damaged_cache_is_made_again(run: Run, tmp_path: Path) -> None:
    engine = SineEngine()
    run(engine).finish()
    first = (tmp_path / "out.mp4").read_bytes()
    kept = sorted((tmp_path / "out.emotts-cache").glob("*.npz"))
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    kept[1].write_bytes(b"")
    run(engine, force=True).finish()
    assert len(engine.calls) == 6
    assert (tmp_path / "out.mp4").read_bytes() == first


@pytest.mark.parametrize("fault", ["silent", "clipped"])
def test_a_line_that_fails_is_tried_with_another_seed(run: Run, fault: str) -> None:
    job = run(SineEngine(faults={0: fault}))
    assert [line.speech.seed for line in job] == [1, 1, 1, 1]
    assert job.faults == {}
    job = run(SineEngine(faults=dict.fromkeys(range(9), fault)), output="bad.mp4")
    job.finish()
    assert len(job.faults) == 4
    assert job.lines[0].attempts == 3


def test_speech_too_long_is_reported_with_what_would_do(video: Path, tmp_path: Path) -> None:
    lines = [(0.5, 0.8, "Anna: This is much too long to say in that little time, is it not?"),
             (0.9, 1.6, "Anna: And this comes after."), (2.5, 3.0, "Anna: This is in time.")]  # fmt: skip
    script = write_srt(tmp_path / "tight.srt", lines)
    job = emotts.dub(video, script, CAST, tmp_path / "out.mp4", engine=SineEngine())
    job.finish()
    assert "too long for its window of 0.30 s" in job.faults[1][0]
    assert "would do, or about" in job.faults[1][0]
    assert "late: Anna still spoke" in job.faults[2][0]
    assert 3 not in job.faults
    for before, after in pairwise(job.lines):
        assert before.end <= after.start
    assert job.lines[0].stretch <= 1.15 + 1e-6


def test_a_line_is_sped_up_without_losing_its_end(video: Path, tmp_path: Path) -> None:
    script = write_srt(tmp_path / "tight.srt", [(1.0, 1.7, "Anna: A line of just about this length.")])
    engine = SineEngine(lead=0, tail=0)
    options = {"borrow_after": 0, "borrow_before": 0, "cache": False}
    (line,) = emotts.dub(video, script, CAST, tmp_path / "out.mp4", engine=engine, **options)
    assert 1.0 < line.stretch <= 1.15
    assert len(line.audio) == 16_800
    assert line.overflow == 0
    assert line.attempts == 3  # other seeds first: their edges might have been silent
    assert np.abs(line.audio[-2400:-480]).max() > 0.02


def test_a_timing_plan_of_the_caller_times_the_line(run: Run) -> None:
    seen = []

    def lips(role, track, tokens):
        seen.append((role.line.number, track is not None, tokens))
        return TimingPlan((1, tokens - 1)) if role.line.number == 1 else None

    lips.name = "lips"
    job = run(plan=lips)
    first, second, *_ = list(job)
    assert seen[0] == (1, False, 20) or seen[0] == (1, True, 20)
    assert (first.planned.timing, second.planned.timing) == ("lips", "window")
    assert len(first.audio) == 20 * 960


def test_a_line_that_begins_off_its_plan_is_tried_with_another_seed(run: Run) -> None:
    def plan(role, track, tokens):
        return TimingPlan((1, tokens - 1)) if role.line.number == 1 else None

    first, second, *_ = run(SineEngine(faults={0: "late"}), plan=plan)
    assert (first.speech.seed, first.attempts) == (1, 2) and abs(first.onset_error) <= 0.04
    assert second.speech.seed == 0  # without a plan a line is placed by its onset
    job = run(SineEngine(faults=dict.fromkeys(range(9), "late")), plan=plan, output="late.mp4")
    job.finish()
    assert (job.lines[0].attempts, job.lines[0].onset_error) == (3, pytest.approx(0.16, abs=0.01))
    assert "late" in job.faults[1][0]


def test_apertures_serve_before_the_original_dialogue(run: Run, tmp_path: Path) -> None:
    rows = [f"{n / 25},{abs(np.sin(n / 3)):.3f},{int(n < 50)}" for n in range(100)]
    (tmp_path / "track.csv").write_text("time,aperture,visible\n" + "\n".join(rows))
    job = run(aperture=tmp_path / "track.csv")
    job.finish()
    assert [line.mouth for line in job.plan] == [
        "aperture table",
        "aperture table",
        "original dialogue",
        "original dialogue",
    ]
    assert job.lines[0].sync is not None


def test_bed_and_original_lie_under_the_lines(run: Run, video: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bed.wav", 0.1 * np.ones((2 * 44_100, 2)), 44_100)
    run(output="bed.wav.flac", audio_only=True, bed=tmp_path / "bed.wav", duck=-20.0).finish()
    mix, _ = soundfile.read(tmp_path / "bed.wav.flac")
    assert mix[:2000, 0].mean() == pytest.approx(0.1, abs=0.02)
    assert abs(mix[round(0.3 * 48_000) : round(0.4 * 48_000), 0].mean()) < 0.03
    assert abs(mix[round(2.8 * 48_000) : round(2.9 * 48_000), 0].mean()) < 1e-3
    run(output="kept.mp4", keep_original=-6.0).finish()
    sound = decode_sound(tmp_path / "kept.mp4")
    quiet = sound[round(1.75 * 48_000) : round(1.95 * 48_000)]
    assert np.abs(quiet).max() == pytest.approx(0.15, abs=0.03)


def test_bad_inputs_are_refused_before_anything_is_written(video: Path, script: Path, tmp_path: Path) -> None:
    mute = make_video(tmp_path / "mute.mp4", 4.0, sound=False)
    blind = make_video(tmp_path / "blind.m4a", 4.0, picture=False)
    short = make_video(tmp_path / "short.mp4", 1.0)
    (tmp_path / "bed.txt").write_text("no sound")
    cases: list[tuple[dict, str]] = [
        ({"video": mute}, "no audio stream.*--allow-silent"),
        ({"video": blind}, "no video stream"),
        ({"video": short}, "3 lines start after the end of the video"),
        ({"video": mute, "keep_original": -20, "allow_silent": True}, "could be kept"),
        ({"cast": {"Eve": "low"}}, r"'Anna' \(lines 1, 3\); 'Bob' \(lines 2, 4\); .* has 'Eve'"),
        ({"cast": {**CAST, "Bob": "nobody"}}, r"line 2 \(row 6\): unknown voice"),
        ({"bed": tmp_path / "bed.txt"}, "cannot read .*bed.txt as bed"),
        ({"only": "7"}, "not spoken: 7"),
        ({"only": "4-2"}, "cannot read '4-2'"),
        ({"max_rate": 9}, "max_rate"),
        ({"max_speed": 9}, "unknown key 'max_speed'"),
        ({"checks": ("taste",)}, "unknown check 'taste'"),
        ({"output": tmp_path / "out.avi"}, "cannot write video as"),
        ({"output": tmp_path / "none" / "out.mp4"}, "does not exist"),
        ({"output": tmp_path / "out.mp3", "audio_only": True}, "written as .wav or .flac"),
        ({"report": tmp_path / "report.pdf"}, "must end in"),
    ]
    before = set(tmp_path.iterdir())
    for change, said in cases:
        arguments = {"video": video, "script": script, "cast": CAST, "output": tmp_path / "out.mp4", **change}
        with pytest.raises(EmottsError, match=said) as caught:
            emotts.dub(engine=SineEngine(), **arguments)
        assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_a_silent_video_is_dubbed_when_it_is_meant_so(script: Path, tmp_path: Path) -> None:
    mute = make_video(tmp_path / "mute.mp4", 4.0, sound=False)
    job = emotts.dub(mute, script, CAST, tmp_path / "o.mkv", engine=SineEngine(), allow_silent=True)
    assert any("no audio stream" in warning for warning in job.warnings)
    job.finish()
    assert len(decode_sound(tmp_path / "o.mkv")) >= 4 * 48_000


def test_sound_alone_needs_no_video(script: Path, tmp_path: Path) -> None:
    job = emotts.dub(None, script, CAST, tmp_path / "o.wav", engine=SineEngine(), audio_only=True)
    last = list(job)[-1]
    assert len(soundfile.read(tmp_path / "o.wav")[0]) == 2 * last.end


def test_an_engine_of_inexact_length_is_an_error(run: Run) -> None:
    class Sloppy(SineEngine):
        def tone(self, text, voice, samples, seed):
            return super().tone(text, voice, samples + 1, seed)

    with pytest.raises(ModelError, match="line 1: the model gave"):
        run(Sloppy()).finish()


def test_a_full_disk_is_one_line_and_leaves_no_output(run: Run, tmp_path: Path, monkeypatch) -> None:
    import os

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        run(cache=False).finish()
    assert not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_an_emotts_of_the_package_is_an_engine(tiny_tts, video: Path, tmp_path: Path) -> None:
    script = write_srt(tmp_path / "one.srt", [(1.0, 3.0, "We have to leave.")])
    job = emotts.dub(video, script, None, tmp_path / "o.mp4", engine=tiny_tts)
    (line,) = job
    assert len(line.speech.audio) == line.planned.placement.tokens * 960
    assert 24_000 - 2_400 <= line.start <= 24_000


def test_checks_by_the_recogniser(run: Run) -> None:
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("jiwer")
    job = run(checks=("wer",), only=[1], retries=0)
    (line,) = job
    assert line.checks.wer is not None
    assert "word errors" in job.faults[1][0]


def test_options_are_in_the_report(run: Run) -> None:
    job = run(fade_ms=5, retries=0)
    job.finish()
    assert job.record["options"]["fade_ms"] == 5
    with pytest.raises(InputError, match="fade_ms"):
        run(fade_ms=50)


def test_the_embedded_model_dubs_a_line(video: Path, tmp_path: Path) -> None:
    script = write_srt(tmp_path / "one.srt", [(1.0, 2.2, "[afraid:0.8] We have to leave.")])
    job = emotts.dub(video, script, None, tmp_path / "o.mp4", device="cpu")
    (line,) = job
    assert not line.checks.silent
    assert abs(line.onset_error) <= 0.04
    assert line.end <= 2.2 * 24_000 + 0.75 * 24_000
    assert packets(tmp_path / "o.mp4") == packets(video)
