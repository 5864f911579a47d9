"""`emotts batch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotts.errors import DataError, InputError

if TYPE_CHECKING:
    from emotts.batch.lines import BadLine, Line
    from emotts.batch.run import BatchPlan

_MOST_ERRORS = 20


def batch(
    lines: Annotated[
        Path, typer.Argument(help='JSON Lines: {"text": ..., "id": ..., "emotion": ..., ...} in each.')
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the audio and the manifest.")],
    shard: Annotated[
        str, typer.Option(help="i/n: only the i-th of n parts, the same for all machines.")
    ] = "1/1",
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what is done already.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the lines.")] = False,
    voice: Annotated[str | None, typer.Option(help="Voice of lines that name none.")] = None,
    emotion: Annotated[str | None, typer.Option(help="Emotion of lines that name none.")] = None,
    speed: Annotated[float | None, typer.Option(help="Speed of lines without any length.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of lines that have none.")] = 0,
    language: Annotated[str | None, typer.Option(help="Language of lines that name none.")] = None,
    markup: Annotated[bool, typer.Option("--markup", help="Read markup in all lines.")] = False,
    lexicon: Annotated[
        Path | None, typer.Option(help="File of pronunciations: word, tab, IPA in each line.")
    ] = None,
    format: Annotated[str, typer.Option(help="wav, flac, ogg or mp3.")] = "wav",
    size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Lines that pass the models together.")
    ] = 8,
    steps: Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")] = None,
    cfg: Annotated[float | None, typer.Option(help="Strength of classifier-free guidance.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Randomness of the delivery.")] = None,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of each engine.")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Spread the work over a Ray cluster.")] = False,
    ray_address: Annotated[
        str | None, typer.Option(help="Of the cluster, such as auto; a new one here when left out.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Engines on the cluster; one a node.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Speak every line of a file into a folder."""
    from emotts.batch.lines import BadLine
    from emotts.batch.render import EngineSettings
    from emotts.batch.run import BatchPlan, parse_shard, shard_of
    from emotts.files import audio_format
    from emotts.request import check_option

    options = {"steps": steps, "cfg": cfg, "temperature": temperature}
    for name, value in options.items():
        check_option(name, value)
    part, parts = parse_shard(shard)
    if resume and force:
        raise InputError("--resume keeps what is done and --force overwrites it; give one of the two")
    general = {
        "voice": voice,
        "emotion": emotion,
        "speed": speed,
        "seed": seed,
        "language": language,
        "markup": markup,
    }
    words = _lexicon_entries(lexicon)
    found = check_lines(lines, model, {k: v for k, v in general.items() if v is not None})
    settings = EngineSettings(model, device, threads, audio_format(output, format), options, words)
    plan = BatchPlan(output, settings, size, part, parts, resume, force)
    if check:
        if any(isinstance(line, BadLine) for line in found):
            raise typer.Exit(2)
        typer.echo(f"{lines}: {len(found)} lines, all good", err=True)
        return
    total = sum(map(len, shard_of(found, plan)))
    raise typer.Exit(_run(found, plan, total, _spread(ray, ray_address, workers), quiet))


def check_lines(path: Path, model: str, general: dict[str, Any]) -> list[Line | BadLine]:
    """Reads the lines and says what is wrong with them, before the model is loaded.

    Raises:
        DataError: no line can be spoken.
    """
    from emotts.batch.lines import BadLine, Defaults, read_lines
    from emotts.model import find_model, list_voices
    from emotts.text.espeak import canonical_language

    voices = list_voices(find_model(model))
    found = read_lines(path, Defaults(general, voices, path.parent, canonical_language))
    bad = [line for line in found if isinstance(line, BadLine)]
    for line in bad[:_MOST_ERRORS]:
        typer.echo(f"{path}, line {line.number}: {' '.join(line.error.split())}", err=True)
    if len(bad) > _MOST_ERRORS:
        typer.echo(f"{path}: {len(bad) - _MOST_ERRORS} more lines are wrong", err=True)
    if len(bad) == len(found):
        raise DataError(f"{path}: no line can be spoken")
    return found


def _lexicon_entries(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    from emotts.markup import Lexicon

    return Lexicon.load(path).entries


def _spread(ray: bool, address: str | None, workers: int | None) -> Any:
    if not ray:
        if address or workers:
            raise InputError("--ray-address and --workers need --ray")
        return None
    from emotts.batch.on_ray import RaySpread

    return RaySpread(address, workers)


def _run(found: list[Line | BadLine], plan: BatchPlan, total: int, spread: Any, quiet: bool) -> int:
    from emotts.batch.manifest import manifest_name
    from emotts.batch.run import run_batch

    started = time.perf_counter()
    bad = {line.number for line in found if not hasattr(line, "text")}
    with _progress(total, quiet) as step:

        def report(record: dict[str, Any]) -> None:
            step()
            # What was wrong before the model was loaded has been said already.
            if record["status"] == "failed" and record["line"] not in bad:
                typer.echo(f"line {record['line']} ({record['id']}): {record['error']}", err=True)

        records = run_batch(found, plan, report, spread)
    spoken = [record for record in records if record["status"] == "ok"]
    if not quiet:
        seconds = sum(record["seconds"] for record in spoken)
        manifest = plan.folder / manifest_name(plan.shard, plan.shards)
        typer.echo(
            f"{manifest}  {len(spoken)} of {len(records)} lines  {seconds:.1f} s of speech  "
            f"{time.perf_counter() - started:.1f} s",
            err=True,
        )
    return 0 if len(spoken) == len(records) else 1


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    """Yields what is called after each line: a bar on a terminal, nothing in a pipe."""
    import sys

    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("lines"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("lines", total=total)
        yield lambda: bar.advance(task)
