"""`emotts dub`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from emotts.dubbing.dub import Dub

_SHOWN = 20


def dub(
    video: Annotated[
        Path | None, typer.Argument(help="The original video; left out, the sound alone is made.")
    ] = None,
    script: Annotated[
        Path, typer.Option("--script", "-s", help="Lines: .srt, .vtt, .ass, .csv or .jsonl.")
    ] = ...,  # type: ignore[assignment]
    cast: Annotated[Path | None, typer.Option("--cast", "-c", help="YAML: speaker to voice.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Dubbed video, or .wav or .flac with --audio-only.")
    ] = None,
    bed: Annotated[Path | None, typer.Option(help="Music and effects, ducked under the lines.")] = None,
    keep_original: Annotated[
        float | None, typer.Option(help="Keep the original sound at this level in dB, such as -20.")
    ] = None,
    audio_only: Annotated[
        bool, typer.Option("--audio-only", help="Write the mix without the picture.")
    ] = False,
    stems: Annotated[Path | None, typer.Option(help="Folder for a WAV of each line.")] = None,
    edl: Annotated[Path | None, typer.Option(help="Edit list (CMX 3600).")] = None,
    csv: Annotated[Path | None, typer.Option(help="Table of the lines as placed.")] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="Subtitles timed to the speech: .srt, .vtt or .ass.")
    ] = None,
    embed_subtitles: Annotated[
        bool, typer.Option("--embed-subtitles/--no-embed-subtitles", help="Put subtitles into the video.")
    ] = True,
    report: Annotated[Path | None, typer.Option(help="Report: .html or .json; both are written.")] = None,
    track_language: Annotated[str, typer.Option(help="Language tag of the track, three letters.")] = "eng",
    codec: Annotated[str | None, typer.Option(help="aac, flac, libopus or pcm_s16le.")] = None,
    original_track: Annotated[
        bool, typer.Option("--original-track", help="Keep the original sound as a second track.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; make nothing.")] = False,
    only: Annotated[str | None, typer.Option(help="Lines to make, like 12,40-44; others as before.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all lines made; left out, takes are kept.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of spoken lines; <output>.emotts-cache when left out.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no spoken lines.")] = False,
    aperture: Annotated[
        Path | None, typer.Option(help="Mouth: CSV of the columns time, aperture, visible.")
    ] = None,
    mouth_box: Annotated[
        str | None, typer.Option(help="Mouth: its place in pixels, x,y,w,h, or auto to find it.")
    ] = None,
    landmarks: Annotated[
        bool | None,
        typer.Option("--landmarks/--no-landmarks", help="Mouth: by mediapipe; on where it is installed."),
    ] = None,
    landmarks_model: Annotated[
        Path | None, typer.Option(help="FaceLandmarker model file (.task) for it.")
    ] = None,
    vad: Annotated[
        bool, typer.Option("--vad", help="Mouth: tell speech in the original sound by silero-vad.")
    ] = False,
    lips: Annotated[
        bool, typer.Option("--lips/--no-lips", help="Time lines by the lips that are seen.")
    ] = True,
    encoding: Annotated[str | None, typer.Option(help="Of the script; UTF-8 when left out.")] = None,
    language: Annotated[str | None, typer.Option(help="Language code of the text, such as en-us.")] = None,
    allow_silent: Annotated[
        bool, typer.Option("--allow-silent", help="Accept a video that has no sound.")
    ] = False,
    check: Annotated[str | None, typer.Option(help="More checks of each line: wer, similarity.")] = None,
    min_rate: Annotated[float | None, typer.Option(help="Slowest speaking rate; 1 is natural.")] = None,
    max_rate: Annotated[float | None, typer.Option(help="Fastest speaking rate; 1.2 when left out.")] = None,
    max_stretch: Annotated[float | None, typer.Option(help="Most that samples are sped up; 1.15.")] = None,
    borrow_after: Annotated[float | None, typer.Option(help="Seconds to borrow after a line; 0.75.")] = None,
    borrow_before: Annotated[
        float | None, typer.Option(help="Seconds to borrow before a line; 0.25.")
    ] = None,
    retries: Annotated[int | None, typer.Option(help="Other seeds for a line that fails; 2.")] = None,
    loudness: Annotated[float | None, typer.Option(help="LUFS; that of the original when left out.")] = None,
    duck: Annotated[float | None, typer.Option(help="Level of the bed under speech in dB; -9.")] = None,
    fade_ms: Annotated[
        float | None, typer.Option(help="Fade of both edges of a line, 5 to 20 ms; 10.")
    ] = None,
    max_onset: Annotated[
        float | None, typer.Option(help="Seconds off its time at which a line fails; 0.04.")
    ] = None,
    max_overflow: Annotated[
        float | None, typer.Option(help="Seconds beyond its room at which a line fails; 0.04.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other limit, such as rate_jump=1.2 or max_wer=0.3; repeatable."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite what exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the report as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors and faults.")
    ] = False,
) -> None:
    """Dub a video by a script; exit status 1 says that a line is not good enough."""
    from emotts.dubbing.dub import dub as start
    from emotts.dubbing.mux import Track
    from emotts.errors import InputError

    if output is None and not dry_run:
        raise InputError("say where to write with --output dubbed.mp4, or see the plan with --dry-run")
    limits = {
        "seed": seed, "language": language, "min_rate": min_rate, "max_rate": max_rate,
        "max_stretch": max_stretch, "borrow_after": borrow_after, "borrow_before": borrow_before,
        "retries": retries, "loudness": loudness, "duck": duck, "fade_ms": fade_ms,
        "keep_original": keep_original, "max_onset": max_onset, "max_overflow": max_overflow,
        "checks": tuple(part.strip() for part in check.split(",")) if check else None,
    }  # fmt: skip
    limits |= _settings(settings or [], {name for name, value in limits.items() if value is not None})
    with _progress(quiet) as told:
        job = start(
            video, script, cast, output, model=model, device=device, bed=bed, aperture=aperture, only=only,
            mouth_box=mouth_box, landmarks=landmarks_model or landmarks, vad=vad, lips=lips,
            cache=False if no_cache else (cache or True), encoding=encoding, allow_silent=allow_silent,
            audio_only=audio_only, stems=stems, edl=edl, csv=csv, report=report, subtitles=subtitles,
            embed_subtitles=embed_subtitles, force=force, progress=told,
            track=Track(language=track_language, codec=codec, with_original=original_track), **limits,
        )  # fmt: skip
        _warn(job.warnings, quiet)
        if dry_run:
            raise typer.Exit(_print_plan(job, as_json))
        record = job.finish()
    raise typer.Exit(_print_result(job, record, as_json, quiet))


def _settings(texts: list[str], given: set[str]) -> dict[str, str]:
    """Limits of texts like "rate_jump=1.2"; unknown names and wrong values are told where they are read."""
    from emotts.errors import InputError

    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if not (name and separator and value):
            raise InputError(f"cannot read --set {text!r}; write name=value, like rate_jump=1.2")
        if name in found or name in given:
            raise InputError(f"{name} is set twice")
        found[name] = value
    return found


def _warn(warnings: list[str], quiet: bool) -> None:
    if quiet:
        return
    for warning in warnings[:_SHOWN]:
        typer.echo(f"emotts: warning: {warning}", err=True)
    if len(warnings) > _SHOWN:
        typer.echo(f"emotts: warning: and {len(warnings) - _SHOWN} more; --report lists them", err=True)


def _print_plan(job: Dub, as_json: bool) -> int:
    """Prints the plan; 1 when a line will not fit."""
    from emotts.dubbing.job import plan_record
    from emotts.timebase import SAMPLE_RATE

    records = [plan_record(line) for line in job.plan]
    if as_json:
        typer.echo(json.dumps(records, ensure_ascii=False, indent=1))
    else:
        typer.echo(f"{'line':>4}  {'window':<19} {'start':>8} {'end':>8} {'rate':>5}  fit, speaker, text")
        for one in records:
            low, high = one["window"]
            window = f"{low:.2f}-{high:.2f}"
            steps = "+".join(one["steps"]) or "window"
            said = " ".join(filter(None, (one["speaker"] and f"{one['speaker']}:", one["text"])))
            wanted = high - low + one["overflow"]
            over = f" OVERFLOW {one['overflow']:.2f} s: {wanted:.2f} s would do;" if one["overflow"] else ""
            typer.echo(
                f"{one['number']:>4}  {window:<19} {one['start']:>8.2f} {one['end']:>8.2f} "
                f"{one['rate'] * 1.0:>5.2f}  [{steps}]{over} {said[:60]}"
            )
    limit = job.options.max_overflow
    unfit = [
        line for line in job.plan
        if line.placement.overflow / SAMPLE_RATE > limit or line.placement.late > 0
    ]  # fmt: skip
    return 1 if unfit else 0


def _print_result(job: Dub, record: dict[str, Any], as_json: bool, quiet: bool) -> int:
    """Prints the report or a line about it, and every fault; 1 when there are any."""
    if as_json:
        typer.echo(json.dumps(record, ensure_ascii=False, default=float))
    faults = job.faults
    for number, texts in list(faults.items())[:_SHOWN]:
        typer.echo(f"emotts: line {number} {'; '.join(texts)}", err=True)
    if len(faults) > _SHOWN:
        typer.echo(f"emotts: and {len(faults) - _SHOWN} more lines; --report lists them", err=True)
    if not quiet:
        summary = record["summary"]
        made = sum(not line.cached for line in job.lines)
        typer.echo(
            f"{record['output']}  {summary['lines']} lines ({made} made), "
            f"{summary['faulty']} not good enough, "
            f"{summary['ending_after_window']} end in the silence after their window, "
            f"onset error {summary['onset_error_mean'] * 1000:.0f} ms mean, "
            f"{summary['onset_error_max'] * 1000:.0f} ms worst",
            err=True,
        )
    return 1 if faults else 0


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    from emotts.cli.progress import progress_bar

    with progress_bar(quiet or not sys.stderr.isatty()) as show:
        if show is None:
            yield None
        else:
            yield lambda stage, done, total: show(f"{stage} {done}/{total}", done / max(total, 1))
