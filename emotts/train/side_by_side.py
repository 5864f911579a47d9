"""Stages that do not wait for each other, at the same time: each in a process of its own.

One small training leaves much of a GPU idle, and a vocoder has no need to wait for a voice encoder.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from emotts.errors import InputError
from emotts.train.recipe import Run
from emotts.train.signals import signal_name, watch_signals
from emotts.train.stages import STAGES, Stage, UnfinishedError, find_stage, is_done

_POLL_SECONDS = 0.2


class StageFailedError(InputError):
    """A stage's process ended with an error; its log says which."""


@dataclass
class _Job:
    stage: Stage
    process: subprocess.Popen[bytes]
    file: IO[bytes]
    log: Path
    started: float

    def end(self) -> tuple[int, str]:
        """Exit status, and the last line of the log."""
        self.file.close()
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return self.process.returncode, lines[-1] if lines else ""


def run_side_by_side(
    run: Run,
    command: Callable[[str], Sequence[str]],
    first: int = 1,
    last: int = len(STAGES),
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Runs stages, each as soon as those that it needs are done; logs go to `logs/` of the recipe's folder.

    After a failure no stage is started any more; those that run may finish. A signal is passed on to all of
    them, so that trainings write their checkpoints.

    Args:
        run: the recipe and its folder.
        command: words of the command that runs one stage, given its name.
        first: number of the first stage, from 1.
        last: number of the last.
        force: run stages that are done as well.
        tell: called with a line when a stage begins and ends.

    Raises:
        InputError: first and last do not fit.
        StageFailedError: a stage failed.
        UnfinishedError: a signal, or a training that left before its end and can be resumed.
    """
    if not 1 <= first <= last <= len(STAGES):
        raise InputError(f"stages {first} to {last}: give 1 <= first <= last <= {len(STAGES)}")
    waiting = [stage for stage in STAGES[first - 1 : last] if force or not is_done(run, stage)]
    running: list[_Job] = []
    failures: list[str] = []
    resumable = True
    with watch_signals() as wish:
        while running or (waiting and not failures):
            if wish.number and not failures:
                failures.append(f"stopped by {signal_name(wish.number)}")
                for job in running:
                    job.process.send_signal(signal.SIGTERM)
            if not failures:
                for stage in _ready(waiting, running):
                    waiting.remove(stage)
                    running.append(_start(run, stage, command(stage.name)))
                    tell(f"stage {find_stage(stage.name)} {stage.name}")
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                status, line = job.end()
                tell(f"stage {job.stage.name}: {line} ({time.monotonic() - job.started:.1f} s)")
                if status:
                    resumable = resumable and status == UnfinishedError.exit_code
                    failures.append(
                        f"stage {job.stage.name} ended with status {status}, see {job.log}: {line}"
                    )
            time.sleep(_POLL_SECONDS)
    if failures:
        raise (UnfinishedError if resumable else StageFailedError)("; ".join(failures))


def _ready(waiting: Sequence[Stage], running: Sequence[_Job]) -> list[Stage]:
    """Waiting stages of which no need, direct or not, is waiting or running."""
    blocked = {stage.name for stage in waiting} | {job.stage.name for job in running}
    ready, closed = [], set()
    for stage in STAGES:  # in their order, so that what an earlier one needs is known
        if any(need in blocked or need in closed for need in stage.needs):
            closed.add(stage.name)
        elif stage in waiting:
            ready.append(stage)
    return ready


def _start(run: Run, stage: Stage, words: Sequence[str]) -> _Job:
    log = run.exp / "logs" / f"{find_stage(stage.name):02d}-{stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    file = log.open("ab")
    process = subprocess.Popen(
        list(words),
        stdout=file,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # or a terminal's interrupt would reach it twice, and the second one kills
    )
    return _Job(stage, process, file, log, time.monotonic())
