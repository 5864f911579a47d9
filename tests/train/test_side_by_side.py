from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from emotts.train.recipe import RecipeConfig, Run
from emotts.train.side_by_side import StageFailedError, run_side_by_side
from emotts.train.stages import STAGES, UnfinishedError, find_stage

NEEDS = {stage.name: stage.needs for stage in STAGES}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(RecipeConfig.parse({"corpora": {"mini": {}}}), tmp_path / "exp")


def program(folder: Path, body: str = "pass", seconds: float = 0.15):
    """A command that notes when it began and ended, and does something in between."""

    def command(stage: str) -> list[str]:
        code = (
            "import sys, time, pathlib\n"
            f"folder, stage = pathlib.Path({str(folder)!r}), {stage!r}\n"
            "begin = time.time(); print('hello from', stage, flush=True)\n"
            f"time.sleep({seconds})\n{body}\n"
            "(folder / stage).write_text(f'{begin} {time.time()}')\n"
        )
        return [sys.executable, "-c", code]

    return command


def times(folder: Path) -> dict[str, tuple[float, float]]:
    return {path.name: tuple(map(float, path.read_text().split())) for path in folder.iterdir()}


def test_a_stage_begins_when_what_it_needs_is_done_and_not_before(tmp_path: Path, run: Run) -> None:
    notes, lines = tmp_path / "notes", []
    notes.mkdir()
    first, last = find_stage("voice"), find_stage("pack")
    run_side_by_side(run, program(notes), first, last, tell=lines.append)
    found = times(notes)
    assert set(found) == {stage.name for stage in STAGES[first - 1 : last]}
    for name, (begin, _) in found.items():
        assert all(found[need][1] <= begin for need in NEEDS[name] if need in found), name
    together = found["voice"], found["vocoder"]
    assert max(begin for begin, _ in together) < min(end for _, end in together)
    assert "hello from lm" in (run.exp / "logs" / f"{find_stage('lm'):02d}-lm.log").read_text()
    assert any(line.startswith("stage lm: hello from lm (") for line in lines)


def test_a_stage_that_waits_indirectly_waits_too(tmp_path: Path, run: Run) -> None:
    from emotts.train.side_by_side import _ready

    stages = {stage.name: stage for stage in STAGES}
    waiting = [stages["tokenizer"], stages["lm"], stages["vocoder"]]
    assert [stage.name for stage in _ready(waiting, [])] == ["tokenizer", "vocoder"]


def test_after_a_failure_nothing_more_is_started(tmp_path: Path, run: Run) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    body = "if stage == 'voice': sys.stderr.write('no such file'); sys.exit(2)"
    with pytest.raises(
        StageFailedError, match=r"stage voice ended with status 2, see .*voice\.log: .*no such file"
    ):
        run_side_by_side(run, program(notes, body), find_stage("voice"), find_stage("vocoder"))
    assert set(times(notes)) == {"vocoder"}, "what ran beside it was let finish"


def test_a_training_that_can_be_resumed_is_told_from_a_failure(tmp_path: Path, run: Run) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with pytest.raises(UnfinishedError, match="status 3"):
        run_side_by_side(run, program(notes, "sys.exit(3)"), find_stage("voice"), find_stage("voice"))


def test_a_signal_is_passed_on(tmp_path: Path, run: Run) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()

    def interrupt() -> None:
        log = run.exp / "logs" / f"{find_stage('voice'):02d}-voice.log"
        while not (log.is_file() and "hello" in log.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="SIGTERM"):
        run_side_by_side(run, program(notes, seconds=60), find_stage("voice"), find_stage("voice"))
    assert time.monotonic() - started < 30
