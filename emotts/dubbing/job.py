"""From what a user names to a plan: files are read and checked, lines get voices, times and lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emotts.dubbing.cast import Cast, Role, load_cast, make_cast
from emotts.dubbing.engine import Engine
from emotts.dubbing.faces import installed, open_finder
from emotts.dubbing.fit import Request, fit
from emotts.dubbing.lines import LineMaker, PlannedLine
from emotts.dubbing.lip_plan import NAME as LIPS
from emotts.dubbing.lip_plan import LipPlanner, Timed
from emotts.dubbing.mouth import ApertureTable, DialogueActivity, MouthSource, MouthTrack
from emotts.dubbing.mouth_landmarks import Landmarks
from emotts.dubbing.mouth_video import MouthBox
from emotts.dubbing.options import CHECKS, DubOptions
from emotts.dubbing.script import Script, clock, load_script
from emotts.dubbing.stages import Clock, TimedSource
from emotts.dubbing.video import Media, SoundReader, probe, read_sound
from emotts.dubbing.voice_activity import VoiceActivity
from emotts.errors import EmottsError, InputError
from emotts.lips.box import Box
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN, TOKEN_RATE, seconds_to_samples
from emotts.timing import TimingPlan

PlanHook = Callable[[Role, MouthTrack | None, int], TimingPlan | None]
"""Times the phonemes of a line: takes the line, the mouth in its window (None where none is seen) and the
whole tokens of the window, and gives a plan, or None to leave the line to its window. An attribute `name`
names it in the report."""


@dataclass(frozen=True)
class Inputs:
    """What a dub is made of.

    Attributes:
        video: path of the original; None makes sound alone.
        script: path of the script.
        cast: path of the cast file, or speaker -> voice or entry, or None.
        bed: path of music and effects, or None.
        aperture: path of a table of apertures, or None.
        mouth_box: place of the mouth in the picture, or "auto"; None looks for none.
        landmarks: whether mediapipe looks for faces; a path is its model file, and None asks it where it is
            installed and no `mouth_box` is given.
        mouths: further sources of mouths; the first that sees a line serves it.
        vad: whether silero-vad tells speech from other sounds of the original.
        lips: whether lips time the lines, where a source shows them and there is no `plan`.
        plan: times phonemes.
        only: numbers of lines to make; the others come from the cache.
        encoding: of the script.
        allow_silent: whether the video may lack sound.
    """

    video: Path | None
    script: Path
    cast: Path | Mapping[str, Any] | None = None
    bed: Path | None = None
    aperture: Path | None = None
    mouth_box: Box | str | None = None
    landmarks: Path | str | bool | None = None
    mouths: Sequence[MouthSource] = ()
    vad: bool = False
    lips: bool = True
    plan: PlanHook | None = None
    only: str | Iterable[int] | None = None
    encoding: str | None = None
    allow_silent: bool = False


@dataclass
class Material:
    """Everything that was read, before any model is loaded.

    Attributes:
        inputs: as they were given.
        media: what is in the video, or None.
        script: its lines and warnings.
        roles: what each line is spoken with.
        original: the original sound, mono at 24 kHz, or None.
        mouths: sources of mouths in order of preference.
        warnings: sentences for the user.
        watch: times the stages.
    """

    inputs: Inputs
    media: Media | None
    script: Script
    roles: list[Role]
    original: np.ndarray | None
    mouths: Sequence[MouthSource]
    warnings: list[str]
    watch: Clock

    @property
    def duration(self) -> float | None:
        """Of the video in seconds."""
        return self.media.duration if self.media else None

    def files(self) -> list[Path]:
        """All files that the dub reads."""
        inputs = self.inputs
        named = [inputs.video, inputs.script, inputs.cast, inputs.bed, inputs.aperture, inputs.landmarks]
        paths = [Path(name) for name in named if isinstance(name, str | Path)]
        voices = {Path(role.voice) for role in self.roles if role.voice}
        return [*paths, *(path for path in voices if path.is_file())]


def gather(inputs: Inputs, options: DubOptions, watch: Clock) -> Material:
    """Reads and checks all inputs.

    Raises:
        EmottsError: the first thing that is wrong with them.
    """
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        raise InputError(f"unknown check {unknown[0]!r}; valid checks: {', '.join(CHECKS)}")
    if options.min_rate > options.max_rate:
        raise InputError(f"min_rate {options.min_rate:g} is over max_rate {options.max_rate:g}")
    cast = read_cast(inputs.cast)
    script = load_script(inputs.script, cast.names, inputs.encoding)
    roles = cast.roles(script.lines)
    warnings = list(script.warnings)
    with watch.stage("probe"):
        media = probe(inputs.video) if inputs.video is not None else None
        _check_media(media, inputs, options, warnings)
    _check_times(script, media, warnings)
    if inputs.bed is not None:
        SoundReader(inputs.bed, what="bed").close()
    with watch.stage("decode"):
        original = None
        if media is not None and media.has_audio:
            original = read_sound(media.path, media.duration, media.origin)
    with watch.stage("mouths"):
        mouths = [TimedSource(source, watch) for source in make_sources(inputs, media, original)]
    return Material(inputs, media, script, roles, original, mouths, warnings, watch)


def make_sources(inputs: Inputs, media: Media | None, original: np.ndarray | None) -> list[MouthSource]:
    """Sources of mouths, the best first.

    Raises:
        EmottsError: one that was asked for cannot be had.
    """
    mouths: list[MouthSource] = [*inputs.mouths]
    if inputs.aperture is not None:
        mouths.append(ApertureTable(inputs.aperture))
    sound: MouthSource | None = None
    if original is not None:
        sound = VoiceActivity(original) if inputs.vad else DialogueActivity(original)
    if media is not None:
        mouths += _in_picture(inputs, media, sound)
    elif inputs.mouth_box is not None or inputs.landmarks:
        raise InputError("there is no video in which a mouth could be seen")
    return mouths if sound is None else [*mouths, sound]


def _in_picture(inputs: Inputs, media: Media, sound: MouthSource | None) -> Iterator[MouthSource]:
    """Sources that look at the video."""
    box, wanted = inputs.mouth_box, inputs.landmarks
    if box is not None:
        if isinstance(box, str):
            box = None if box == "auto" else Box.parse(box)
        yield MouthBox(media, box, sound)
    if wanted is None:
        wanted = inputs.mouth_box is None and installed()
    if wanted:
        model = None if isinstance(wanted, bool) else Path(wanted)
        open_finder(model).close()  # what is missing is told now
        yield Landmarks(media, partial(open_finder, model), sound)


def read_cast(cast: Path | Mapping[str, Any] | None) -> Cast:
    """The cast of a path or of plain values."""
    if cast is None:
        return Cast()
    return make_cast(cast) if isinstance(cast, Mapping) else load_cast(cast)


def _check_media(media: Media | None, inputs: Inputs, options: DubOptions, warnings: list[str]) -> None:
    if media is None:
        if options.keep_original is not None:
            raise InputError("there is no video whose sound could be kept under the dub")
        return
    if not media.has_video:
        raise InputError(f"{media.path} has no video stream; for sound alone, leave the video out")
    if media.has_audio:
        return
    if options.keep_original is not None:
        raise InputError(f"{media.path} has no audio stream that could be kept under the dub")
    if not inputs.allow_silent:
        raise InputError(
            f"{media.path} has no audio stream; if it is meant to be silent, dub it with --allow-silent"
        )
    warnings.append(f"{media.path} has no audio stream: the dub is its only sound")


def _check_times(script: Script, media: Media | None, warnings: list[str]) -> None:
    if media is None:
        return
    beyond = [line for line in script.lines if line.start >= media.duration]
    if beyond:
        raise InputError(
            f"{len(beyond)} lines start after the end of the video ({clock(media.duration)}), the first is "
            f"{beyond[0].place} at {clock(beyond[0].start)}; is this the script of this video?"
        )
    warnings.extend(
        f"{line.place}: its window ends at {clock(line.end)}, after the video ({clock(media.duration)})"
        for line in script.lines
        if line.end > media.duration + 0.5
    )


def make_plan(material: Material, engine: Engine, maker: LineMaker, options: DubOptions) -> list[PlannedLine]:
    """Plans all lines.

    Returns:
        planned lines in order of time.

    Raises:
        EmottsError: a voice that does not exist, a text that cannot be pronounced; names the line.
    """
    lips = LipPlanner(engine, options.language)
    asked = [_ask(role, material, engine, options, lips) for role in material.roles]
    total = None if material.duration is None else seconds_to_samples(material.duration)
    numbered = {one.request.number: one for one in asked}
    lines = []
    for place in fit([one.request for one in asked], options, total):
        role, track, plan = (one := numbered[place.number]).role, one.track, one.timed.plan
        if plan is not None and not place.planned:
            material.warnings.append(
                f"{role.line.place}: its timing plan of {plan.seconds:.2f} s does not fit; its window is used"
            )
            plan = None
        timing = one.timing if plan is not None else "window"
        key = maker.key(role, place.tokens, plan)
        seen = track.source if track is not None else ""
        line = PlannedLine(role, one.request, place, plan, timing, seen, key)
        if plan is not None:
            onset = (plan.durations[0] - one.timed.lead) / TOKEN_RATE
            line = replace(line, lead=one.timed.lead, onset=onset, closure=one.timed.closure)
        lines.append(line)
    return lines


@dataclass(frozen=True)
class _Asked:
    """A line with its mouth and its timing plan, before it has a place."""

    role: Role
    request: Request
    track: MouthTrack | None
    timed: Timed
    timing: str


def _ask(role: Role, material: Material, engine: Engine, options: DubOptions, lips: LipPlanner) -> _Asked:
    try:
        engine.voice_key(role.voice)
        lengths = engine.lengths(role.text, role.voice, role.emotion, options.language)
        start, end = seconds_to_samples(role.line.start), seconds_to_samples(role.line.end)
        source, track = _mouth(role, material.mouths)
        rate = role.rate or (options.min_rate, options.max_rate)
        tokens, hook = (end - start) // SAMPLES_PER_TOKEN, material.inputs.plan
        timed, timing = Timed(None), LIPS
        if hook is not None:
            timed, timing = Timed(hook(role, track, tokens)), getattr(hook, "name", "timing plan")
        elif material.inputs.lips and source is not None:
            with material.watch.stage("lips"):
                timed = lips.plan(role, source, tokens, rate[1], _silence_before(role, material.roles))
    except EmottsError as error:
        raise type(error)(f"{role.line.place}: {error}") from None
    if timed.note:
        material.warnings.append(f"{role.line.place}: {timed.note}")
    fixed = timed.plan.total if timed.plan is not None else None
    request = Request(role.line.number, role.line.speaker, start, end, *lengths, rate=rate, fixed=fixed)
    return _Asked(role, request, track, timed, timing)


def _silence_before(role: Role, roles: Sequence[Role]) -> float:
    """Seconds before a line in which its speaker is silent."""
    start = role.line.start
    ends = (
        other.line.end
        for other in roles
        if other.line.speaker == role.line.speaker and other is not role and other.line.start <= start
    )
    return max(0.0, start - max(ends, default=0.0))


def _mouth(role: Role, sources: Sequence[MouthSource]) -> tuple[MouthSource | None, MouthTrack | None]:
    """The mouth of a line, by the first source that sees it; none for a line off screen."""
    if role.line.on_screen is False:
        return None, None
    for source in sources:
        track = source.track(role.line.start, role.line.end)
        if track is not None:
            return source, track
    return None, None


def choose(only: str | Iterable[int] | None, lines: Sequence[PlannedLine]) -> set[int] | None:
    """Numbers of the lines to make, of a text like "12,40-44"; None for all.

    Raises:
        InputError: not of this form, or no such line.
    """
    if only is None:
        return None
    wanted = set(parse_numbers(only)) if isinstance(only, str) else {int(number) for number in only}
    known = {line.number for line in lines}
    missing = sorted(wanted - known)
    if missing or not wanted:
        last = max(known, default=0)
        named = ", ".join(map(str, missing[:5])) or "none"
        raise InputError(f"--only names lines that are not spoken: {named}; the last line is {last}")
    return wanted


def parse_numbers(text: str) -> list[int]:
    """Numbers of "12,40-44".

    Raises:
        InputError: not of this form.
    """
    numbers: list[int] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first > 100_000:
            raise InputError(f"cannot read {item!r} as lines; write numbers and ranges like 12,40-44")
        numbers += range(first, last + 1)
    return numbers


def plan_record(line: PlannedLine) -> dict[str, Any]:
    """Plain values of a planned line, for `--dry-run --json`."""
    place, script = line.placement, line.role.line
    return {
        "number": line.number,
        "speaker": script.speaker,
        "window": [script.start, script.end],
        "start": place.start / SAMPLE_RATE,
        "end": place.end / SAMPLE_RATE,
        "tokens": place.tokens,
        "rate": round(place.rate, 4),
        "stretch": round(place.stretch, 4),
        "steps": list(place.steps),
        "overflow": round(place.overflow / SAMPLE_RATE, 4),
        "voice": line.role.voice,
        "emotion": line.role.emotion.as_mapping(),
        "timing": line.timing,
        "mouth": line.mouth or None,
        "text": script.text,
    }
