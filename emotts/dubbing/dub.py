"""The dub as a whole: `emotts.dub` gives finished lines as they come, and writes the files at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotts.dubbing import report as reports
from emotts.dubbing.cache import LineCache
from emotts.dubbing.engine import Engine, as_engine
from emotts.dubbing.job import Inputs, PlanHook, choose, gather, make_plan
from emotts.dubbing.lines import DubbedLine, LineMaker, PlannedLine
from emotts.dubbing.loudness import LoudnessMatcher, fade
from emotts.dubbing.mouth import MouthSource, Sync, compare, envelope
from emotts.dubbing.mux import Track
from emotts.dubbing.optional import optional_import
from emotts.dubbing.options import DubOptions
from emotts.dubbing.outputs import (
    Outputs,
    Resume,
    check_outputs,
    keep_inputs,
    write_main,
    write_stems,
    write_tables,
)
from emotts.dubbing.qc import require
from emotts.dubbing.stages import Clock
from emotts.errors import InputError
from emotts.files import write_atomically
from emotts.lips.box import Box
from emotts.timebase import SAMPLE_RATE, seconds_to_samples

Told = Callable[[str, int, int], None]
"""Called with the stage, and the number of lines done and in all."""


_LONGEST_LEAD = SAMPLE_RATE // 5
"""Samples of soft sound ahead of speech that may lie before a window (200 ms): breath, or a weak "w"."""


class Dub(Iterator[DubbedLine]):
    """A dub under way: iterate over it for the finished lines, in order of time.

    The files are written after the last line, before the iteration ends.

    Attributes:
        plan: what is to be spoken, where and how fast; known before anything is synthesised.
        warnings: sentences about what is doubtful in the script.
        lines: finished lines so far.
        record: the report; complete when the iteration has ended.
    """

    def __init__(
        self,
        inputs: Inputs,
        outputs: Outputs,
        options: DubOptions,
        engine: Callable[[], Any],
        cache: Path | None,
        told: Told | None = None,
    ) -> None:
        for module in ("av", "pysubs2", "pyloudnorm"):
            optional_import(module)
        self._watch = Clock()
        self._resume = Resume(cache, outputs)
        if self._resume.unfinished():
            outputs = replace(outputs, force=True)
        check_outputs(outputs, inputs.video is not None)
        self.options, self._outputs, self._told = options, outputs, told
        self._material = gather(inputs, options, self._watch)
        keep_inputs(outputs, self._material.files())
        require(options.checks)
        with self._watch.stage("model"):
            self._engine: Engine = as_engine(engine())
        self._maker = LineMaker(self._engine, LineCache(cache), options)
        with self._watch.stage("plan"):
            self.plan: Sequence[PlannedLine] = make_plan(self._material, self._engine, self._maker, options)
        self._sources = {source.name: source for source in reversed(self._material.mouths)}
        self._only = choose(inputs.only, self.plan)
        self.warnings = self._material.warnings
        self.lines: list[DubbedLine] = []
        self.record: dict[str, Any] = {}
        self._matcher: LoudnessMatcher | None = None
        self._running = self._run()

    def __iter__(self) -> Iterator[DubbedLine]:
        return self

    def __next__(self) -> DubbedLine:
        return next(self._running)

    def __len__(self) -> int:
        return len(self.plan)

    @property
    def seconds(self) -> dict[str, float]:
        """Of each stage so far: probe, decode, mouths, lips, model, plan, speech, fit, mix, mux, report."""
        return dict(self._watch.seconds)

    @property
    def faults(self) -> dict[int, list[str]]:
        """What is wrong with each finished line that is not good enough; its threshold is an option."""
        found = {line.number: reports.line_faults(line, self.options) for line in self.lines}
        return {number: texts for number, texts in found.items() if texts}

    def finish(self) -> dict[str, Any]:
        """Makes all lines that are left, writes the files, and gives the report."""
        for _ in self:
            pass
        return self.record

    def _run(self) -> Iterator[DubbedLine]:
        self._resume.begin()
        started = time.perf_counter()
        left_out = []
        for done, planned in enumerate(self.plan):
            self._tell("speaking", done)
            keep = self._only is not None and planned.number not in self._only
            if keep and not self._maker.known(planned):
                left_out.append(planned.number)
                continue
            line = self._line(planned, keep)
            self.lines.append(line)
            yield line
        if left_out:
            numbers = ", ".join(map(str, left_out[:10]))
            self.warnings.append(f"not made before and not in --only, so left silent: lines {numbers}")
        self._tell("writing", len(self.plan))
        self._write(started)
        self._resume.end()

    def _line(self, planned: PlannedLine, keep: bool) -> DubbedLine:
        with self._watch.stage("speech"):
            take, audio, attempts = self._maker.make(planned, keep)
        with self._watch.stage("fit"):
            checks = replace(take.checks, achieved=len(audio))
            if len(audio) != len(take.audio):
                ratio = len(audio) / max(1, len(take.audio))
                checks = replace(checks, onset=checks.onset * ratio, offset=checks.offset * ratio)
            gain = self._gain(planned, audio)
            finished = fade(audio, self.options.fade_ms) * gain
            start = self._start(planned, checks.onset)
            return DubbedLine(
                planned=planned,
                start=start,
                audio=finished.astype("float32"),
                speech=take.speech,
                checks=checks,
                gain=float(gain),
                stretch=len(take.audio) / max(1, len(audio)),
                attempts=attempts,
                cached=take.cached,
                overflow=max(0, len(audio) - planned.placement.available),
                sync=self._sync(planned, finished, start),
            )

    def _start(self, planned: PlannedLine, onset: float) -> int:
        """First sample of a line: the beginning of speech has to be on time, not a soft lead to it.

        The lead may lie before the window, as long as the speaker is silent there. A timing plan says itself
        where speech begins.
        """
        start = planned.placement.start
        if planned.plan is not None:
            return planned.start
        speaker = planned.role.line.speaker
        before = max((line.end for line in self.lines if line.speaker == speaker), default=0)
        return max(start - min(seconds_to_samples(onset), _LONGEST_LEAD), min(before, start), 0)

    def _gain(self, planned: PlannedLine, audio: Any) -> float:
        if self._matcher is None:
            windows = [(line.request.start, line.request.end) for line in self.plan]
            self._matcher = LoudnessMatcher(self.options, self._material.original, windows)
        return self._matcher.gain(audio, planned.request.start, planned.request.end, planned.role.gain)

    def _sync(self, planned: PlannedLine, audio: Any, start: int) -> Sync | None:
        source = self._sources.get(planned.mouth)
        script = planned.role.line
        track = source.track(script.start, script.end) if source else None
        if track is None:
            return None
        shift = start - seconds_to_samples(script.start)
        return compare(track, envelope(audio, len(track.aperture), shift))

    def _write(self, started: float) -> None:
        if "similarity" in self.options.checks:
            self.lines = reports.with_similarity(self.lines)
        outputs, material = self._outputs, self._material
        if outputs.stems is not None:
            write_stems(outputs.stems, self.lines)
        with self._watch.stage("mux"):
            write_main(outputs, self.lines, material.media, material.inputs.bed, self.options, self._watch)
            write_tables(outputs, self.lines, material.media)
        with self._watch.stage("report"):
            self.record = self._record(started)
            self._write_report()

    def _record(self, started: float) -> dict[str, Any]:
        material = self._material
        summary = reports.summarize(self.lines, self.options)
        summary["sync_shuffled"] = reports.shuffled_sync(self.lines, self._sources)
        worst = sorted(self.lines, key=lambda line: -reports.severity(line, self.options))
        return {
            "output": str(self._outputs.output) if self._outputs.output else None,
            "video": str(material.inputs.video) if material.inputs.video else None,
            "script": str(material.inputs.script),
            "duration": material.duration,
            "loudness_target": round(self._matcher.target, 2) if self._matcher else None,
            "options": self.options.model_dump(),
            "summary": summary,
            "warnings": list(self.warnings),
            "seconds": {name: round(value, 4) for name, value in self._watch.seconds.items()},
            "elapsed": round(time.perf_counter() - started, 4),
            "worst": [line.number for line in worst[:10]],
            "lines": [reports.line_record(line, self.options) for line in self.lines],
        }

    def _write_report(self) -> None:
        from emotts.dubbing.page import render_page

        if not self._outputs.reports():
            return
        as_json, as_html = self._outputs.reports()
        page = render_page(self.record, self.lines, self._sources, self.options)
        write_atomically(as_json, reports.as_json(self.record).encode(), self._outputs.force)
        write_atomically(as_html, page.encode(), self._outputs.force)

    def _tell(self, stage: str, done: int) -> None:
        if self._told is not None:
            self._told(stage, done, len(self.plan))


def dub(
    video: Path | str | None,
    script: Path | str,
    cast: Path | str | Mapping[str, Any] | None = None,
    output: Path | str | None = None,
    *,
    engine: Any = None,
    model: Path | str = "embedded",
    device: str = "auto",
    bed: Path | str | None = None,
    aperture: Path | str | None = None,
    mouth_box: Box | str | None = None,
    landmarks: Path | str | bool | None = None,
    mouths: Sequence[MouthSource] = (),
    vad: bool = False,
    lips: bool = True,
    plan: PlanHook | None = None,
    only: str | Iterable[int] | None = None,
    cache: Path | str | bool = True,
    encoding: str | None = None,
    allow_silent: bool = False,
    audio_only: bool = False,
    stems: Path | str | None = None,
    edl: Path | str | None = None,
    csv: Path | str | None = None,
    report: Path | str | None = None,
    subtitles: Path | str | None = None,
    embed_subtitles: bool = True,
    track: Track | None = None,
    force: bool = False,
    progress: Told | None = None,
    **options: Any,
) -> Dub:
    """Dubs a video: gives each finished line as it comes, and writes the files after the last.

    All inputs are checked, and the whole plan is made, before the call returns.

    Args:
        video: path of the original; None for sound alone.
        script: path of an .srt, .vtt, .ass, .csv or .jsonl file.
        cast: path of a cast file, or speaker -> voice; None where no line names a speaker.
        output: path of the dubbed video, or of a .wav or .flac with `audio_only`; None writes no video.
        engine: an `EmoTTS` (or an `Engine`) that is loaded already.
        model: what to load otherwise; see `EmoTTS.from_pretrained`.
        device: where to.
        bed: music and effects, laid under the lines.
        aperture: CSV of the columns time, aperture, visible.
        mouth_box: where the mouth is, "x,y,w,h" in pixels, or "auto" to find it by its motion.
        landmarks: True finds faces with mediapipe; a path is a FaceLandmarker model file for it; left out,
            they are looked for where mediapipe is installed and no `mouth_box` is given.
        mouths: sources of mouth movement, before those that emotts has itself.
        vad: tell speech from other sounds of the original by silero-vad.
        lips: time lines by the lips where a source shows them.
        plan: makes a `TimingPlan` for a line; see `emotts.dubbing.job.PlanHook`.
        only: numbers of lines to make ("12,40-44"); the others come from the cache, or stay silent.
        cache: folder of spoken lines; True is `<output>.emotts-cache` beside the output, False none.
        encoding: of the script; UTF-8 when left out.
        allow_silent: accept a video without sound.
        audio_only: write the mix alone.
        stems: folder for a WAV of each line.
        edl: path of an edit list (CMX 3600).
        csv: path of a table of the lines.
        report: path of a report, .html or .json; both are written.
        subtitles: path of subtitles timed to the speech.
        embed_subtitles: put them into the video too.
        track: language, title and codec of the track.
        force: overwrite what exists.
        progress: called as lines are finished.
        **options: limits and levels; see `emotts.dubbing.options.DubOptions`.

    Raises:
        EmottsError: the first thing that is wrong with the inputs; nothing has been written.
    """
    chosen = DubOptions.parse({key: value for key, value in options.items() if value is not None}, "option")
    target = _path(output)
    if target is None and audio_only:
        raise InputError("audio_only needs an output, a .wav or .flac file")
    outputs = Outputs(
        output=target,
        audio_only=audio_only,
        stems=_path(stems),
        edl=_path(edl),
        csv=_path(csv),
        report=_path(report),
        subtitles=_path(subtitles),
        track=track or Track(),
        embed=embed_subtitles,
        force=force,
    )
    inputs = Inputs(
        video=_path(video),
        script=Path(script),
        cast=cast if cast is None or isinstance(cast, Mapping) else Path(cast),
        bed=_path(bed),
        aperture=_path(aperture),
        mouth_box=mouth_box,
        landmarks=landmarks,
        vad=vad,
        lips=lips,
        mouths=tuple(mouths),
        plan=plan,
        only=only,
        encoding=encoding,
        allow_silent=allow_silent,
    )
    return Dub(inputs, outputs, chosen, _loader(engine, model, device), _folder(cache, target), progress)


def _path(value: Path | str | None) -> Path | None:
    return None if value is None else Path(value)


def _folder(cache: Path | str | bool, output: Path | None) -> Path | None:
    if cache is True:
        return output.with_name(f"{output.stem}.emotts-cache") if output is not None else None
    return None if cache is False else Path(cache)


def _loader(engine: Any, model: Path | str, device: str) -> Callable[[], Any]:
    def load() -> Any:
        if engine is not None:
            return engine
        from emotts.tts import EmoTTS

        return EmoTTS.from_pretrained(model, device)

    return load


__all__ = ["Dub", "DubbedLine", "dub"]
