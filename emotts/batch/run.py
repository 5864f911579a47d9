"""A batch from its lines to audio files and a manifest.

Lines pass the models in groups of neighbours. Groups, not lines, are dealt to shards and to machines, so
that a line keeps its company, and its samples, however the work is spread or resumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emotts.batch.lines import BadLine, Line
from emotts.batch.manifest import Manifest, manifest_name, read_manifests
from emotts.batch.render import EngineSettings, Renderer, Result
from emotts.errors import InputError, OutputError
from emotts.files import write_atomically
from emotts.model import model_digest

Report = Callable[[dict[str, Any]], None]
"""Called with the record of each line when it is done."""


@dataclass(frozen=True)
class Task:
    """A group of lines that waits to be spoken.

    Attributes:
        lines: that pass the models.
        wanted: ids of those whose files are written.
        together: whether they pass the models at once.
    """

    lines: tuple[Line, ...]
    wanted: frozenset[str]
    together: bool = True


Spread = Callable[[EngineSettings, Sequence[Task]], Iterable[list[Result]]]
"""Speaks tasks somewhere, in whatever order they are done."""


@dataclass(frozen=True)
class BatchPlan:
    """What is to be done.

    Attributes:
        folder: of the audio files and the manifest.
        settings: of the engine.
        size: lines in a group.
        shard: which part of the groups, from 1.
        shards: number of parts.
        resume: leave out what is done.
        force: overwrite what is there.
    """

    folder: Path
    settings: EngineSettings
    size: int = 8
    shard: int = 1
    shards: int = 1
    resume: bool = False
    force: bool = False


def parse_shard(text: str) -> tuple[int, int]:
    """Part and number of parts of "2/8".

    Raises:
        InputError: it is not that.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(f"shard {text!r} is not i/n with i from 1 to n, such as 2/8")
    return int(found[1]), int(found[2])


def shard_of(lines: Sequence[Line | BadLine], plan: BatchPlan) -> list[list[Line | BadLine]]:
    """The groups of the plan's shard."""
    groups = [list(lines[start : start + plan.size]) for start in range(0, len(lines), plan.size)]
    return groups[plan.shard - 1 :: plan.shards]


def run_batch(
    lines: Sequence[Line | BadLine],
    plan: BatchPlan,
    report: Report | None = None,
    spread: Spread | None = None,
) -> list[dict[str, Any]]:
    """Speaks the lines of a shard; a line that fails does not stop the others.

    Args:
        lines: of the whole file, bad ones too: they count for the groups, and fail.
        plan: what to do.
        report: called for each line.
        spread: where the work is done; in this process when left out.

    Returns:
        the records of the shard, in the order of the lines.

    Raises:
        OutputError: a file is there and neither `resume` nor `force` is set, or cannot be written.
        ModelError: the model cannot be loaded.
    """
    groups = shard_of(lines, plan)
    manifest = Manifest(_prepare_folder(groups, plan))
    digests = _digests(groups, plan.settings)
    known = read_manifests(plan.folder) if plan.resume else {}
    tell = report or (lambda record: None)

    def add(record: dict[str, Any]) -> None:
        manifest.add(record)
        tell(record)

    tasks = []
    for group in groups:
        for line in group:
            if isinstance(line, BadLine):
                add({"id": line.id, "line": line.number, "status": "failed", "error": line.error})
        good = [line for line in group if isinstance(line, Line)]
        task, done = _task(good, known, digests, plan)
        for line in done:
            add({**known[line.id], "line": line.number})
        tasks += [task] if task else []
    wanted = frozenset(name for task in tasks for name in task.wanted)
    try:
        for results in (spread or speak_here)(plan.settings, tasks) if tasks else []:
            for result in results:
                if result.line.id in wanted:
                    add(_keep(result, plan, digests))
    finally:
        manifest.write()
    return [manifest.records[number] for number in sorted(manifest.records)]


def speak_here(settings: EngineSettings, tasks: Sequence[Task]) -> Iterator[list[Result]]:
    """Speaks tasks in this process, one after the other."""
    renderer = Renderer(settings)
    for task in tasks:
        yield renderer.render(task.lines, task.together)


def _prepare_folder(groups: Sequence[Sequence[Line | BadLine]], plan: BatchPlan) -> Path:
    """Makes the folder, and returns the path of the manifest.

    Raises:
        OutputError: see `run_batch`.
    """
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {plan.folder}: {error.strerror}") from None
    manifest = plan.folder / manifest_name(plan.shard, plan.shards)
    if plan.resume or plan.force:
        return manifest
    names = [
        f"{line.id}.{plan.settings.format}" for group in groups for line in group if isinstance(line, Line)
    ]
    for path in (manifest, *(plan.folder / name for name in names)):
        if path.exists():
            raise OutputError(f"{path} exists already; go on with --resume, or overwrite with --force")
    return manifest


def _digests(groups: Iterable[Iterable[Line | BadLine]], settings: EngineSettings) -> dict[str, str]:
    # Device and threads change how fast a line is spoken, not what is said.
    known = {key: value for key, value in asdict(settings).items() if key not in ("device", "threads")}
    known["model"] = model_digest(settings.model)
    return {line.id: line.digest(known) for group in groups for line in group if isinstance(line, Line)}


def _task(
    lines: list[Line], known: dict[str, dict[str, Any]], digests: dict[str, str], plan: BatchPlan
) -> tuple[Task | None, list[Line]]:
    """What is left to do of a group, and the lines that are done.

    A line that was never reached is spoken with its whole group again: its company is part of how its
    sums round. One that failed had been tried alone, and is tried alone again.
    """
    same = {line.id: known.get(line.id, {}) for line in lines}
    same = {name: record for name, record in same.items() if record.get("digest") == digests[name]}
    done = [
        line
        for line in lines
        if same.get(line.id, {}).get("status") == "ok"
        and (plan.folder / f"{line.id}.{plan.settings.format}").is_file()
    ]
    left = [line for line in lines if line not in done]
    if not left:
        return None, done
    wanted = frozenset(line.id for line in left)
    if all(same.get(line.id, {}).get("status") == "failed" for line in left):
        return Task(tuple(left), wanted, together=False), done
    return Task(tuple(lines), wanted), done


def _keep(result: Result, plan: BatchPlan, digests: dict[str, str]) -> dict[str, Any]:
    """Writes the audio of a result and returns its record."""
    if result.content is not None:
        write_atomically(plan.folder / result.record["path"], result.content, force=True)
    return {**result.record, "digest": digests[result.line.id]}
