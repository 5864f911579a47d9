"""One user's dub: files, cast, lines and what became of them; nothing here knows of Gradio."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import emotts
from emotts.dubbing.cast import EVERYONE
from emotts.dubbing.lines import DubbedLine
from emotts.dubbing.qc import edges
from emotts.dubbing.report import line_faults
from emotts.dubbing.script import load_script
from emotts.emotion import Emotion
from emotts.errors import InputError
from emotts.speech import Speech, Timed
from emotts.timebase import SAMPLE_RATE

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

WAITING, SPEAKING, DONE, DOUBTFUL, CHANGED = "waiting", "speaking", "done", "look at it", "changed"

Told = Callable[[str, int, int], None]
"""Called with what is done, and the lines that are done and that there are."""

_SILENT = "♪"  # stands for a cue that is not spoken, so that the numbers are those of the subtitle file


@dataclass
class LineState:
    """A line of the script, and what became of it.

    Attributes:
        number: as in the subtitle file.
        start: of its window in seconds.
        end: of its window.
        speaker: or empty.
        text: as it is to be spoken.
        fields: what else the script says of it: emotion, intensity, instruct, on_screen, voice.
        status: one of the names above.
        faults: sentences about what is wrong with it.
        placed: start and end of the speech in seconds, once it is made.
        audio: as it goes into the track, once it is made; float32 at 24 kHz.
        speech: what the model gave, cut and timed as it goes into the track.
    """

    number: int
    start: float
    end: float
    speaker: str
    text: str
    fields: dict[str, Any]
    status: str = WAITING
    faults: Sequence[str] = ()
    placed: tuple[float, float] | None = None
    audio: np.ndarray | None = field(default=None, repr=False)
    speech: Speech | None = field(default=None, repr=False)

    def record(self) -> dict[str, Any]:
        """A row of the script."""
        given = {name: value for name, value in self.fields.items() if value not in ("", None)}
        return {
            "start": self.start, "end": self.end, "text": self.text, "speaker": self.speaker, **given
        }  # fmt: skip


@dataclass(frozen=True)
class DubSettings:
    """What the user may choose for the whole dub.

    Attributes:
        max_rate: fastest speaking rate.
        keep_original: level of the original sound under the dub in dB, or None for none of it.
        bed: path of music and effects, or None.
    """

    max_rate: float = 1.2
    keep_original: float | None = None
    bed: str | None = None

    def options(self) -> dict[str, Any]:
        """Arguments of `emotts.dub`."""
        return {"max_rate": self.max_rate, "keep_original": self.keep_original, "bed": self.bed or None}


class DubSession:
    """A video and its script on the way to a dub.

    Args:
        tts: the loaded model.
        folder: for the working script, the spoken lines and the results; belongs to this session alone.
        video: path of the original.
        script: path of the script.

    Raises:
        EmottsError: the script cannot be read, or names a voice that the page does not offer.
    """

    def __init__(self, tts: EmoTTS, folder: Path, video: Path | str, script: Path | str) -> None:
        self.folder, self.video = Path(folder), Path(video)
        self._tts = tts
        found = load_script(script)
        named = {line.speaker for line in found.lines if line.speaker}
        if named:  # "[Anna] ..." names a speaker only where one of that name is known
            found = load_script(script, sorted(named))
        self.warnings = list(found.warnings)
        self.lines = [
            LineState(
                line.number, line.start, line.end, line.speaker, line.text,
                {
                    "emotion": line.emotion,
                    "intensity": line.intensity,
                    "instruct": line.instruct,
                    "on_screen": line.on_screen,
                    "voice": line.voice,
                },
            )
            for line in found.lines
        ]  # fmt: skip
        self._check_voices()
        self.voices: dict[str, str] = {name: name for name in tts.voices}
        self.cast: dict[str, str] = {}
        self.settings = DubSettings()
        self.output: Path | None = None
        self.record: dict[str, Any] = {}
        self._cast_anew()

    def _check_voices(self) -> None:
        """A script comes from anywhere: the voices in it are names, never files of this machine."""
        for line in self.lines:
            voice = line.fields["voice"]
            if voice and voice not in self._tts.voices:
                raise InputError(
                    f"line {line.number}: the script's voice {voice!r} is none of the built-in ones "
                    f"({', '.join(self._tts.voices)}); leave it out, and cast the speaker on the page"
                )

    def _cast_anew(self) -> None:
        names = list(self._tts.voices)
        first = self._tts.model.config.default_voice
        ordered = sorted(names, key=lambda name: name != first)
        for index, speaker in enumerate(self.speakers):
            self.cast[speaker] = ordered[index % len(ordered)] if ordered else ""

    @property
    def speakers(self) -> list[str]:
        """Names in the order in which they speak; `EVERYONE` for lines without one."""
        return list(dict.fromkeys(line.speaker or EVERYONE for line in self.lines))

    @property
    def duration(self) -> float:
        """Seconds that the timeline shows."""
        ends = [line.end for line in self.lines] + [line.placed[1] for line in self.lines if line.placed]
        return max([*ends, float(self.record.get("duration") or 0.0)])

    @property
    def finished(self) -> bool:
        """Whether the video holds all lines as they are now."""
        return self.output is not None and all(line.audio is not None for line in self.lines)

    def line(self, number: int) -> LineState:
        """The line of a number.

        Raises:
            InputError: there is none.
        """
        for line in self.lines:
            if line.number == number:
                return line
        raise InputError(f"there is no line {number}; choose one from the list")

    def add_voices(self, recordings: Sequence[str]) -> None:
        """Offers recordings as voices, by the names of their files."""
        for path in recordings:
            self.voices[Path(path).name] = path

    def choose(self, speaker: str, voice: str) -> None:
        """Casts a speaker.

        Raises:
            InputError: no such speaker, or no such voice.
        """
        if speaker not in self.speakers:
            raise InputError(f"nobody in the script is called {speaker!r}")
        if voice not in self.voices:
            raise InputError(f"there is no voice {voice!r}; the voices are {', '.join(self.voices)}")
        self.cast[speaker] = voice

    def dub(self, told: Told | None = None) -> Iterator[LineState]:
        """Makes every line that is not made yet, then writes the files; gives each line as it changes.

        Raises:
            EmottsError: see `emotts.dub`.
        """
        job = self._job(self._target(), told, report=self.folder / "report.html",
                        subtitles=self.folder / "dubbed.srt", csv=self.folder / "lines.csv")  # fmt: skip
        for state in [self.line(planned.number) for planned in job.plan]:
            if state.audio is None:
                state.status = SPEAKING
            yield state
            self._take(next(job), job.options)
        yield self.lines[-1]
        self.record = job.finish()
        self.output = self._target()
        self._note(job.warnings)

    def speak(self, number: int, seed: int | None = None, told: Told | None = None) -> LineState:
        """Makes one line alone, for listening; all others stay as they are.

        Args:
            number: of the line.
            seed: of the take; None keeps the take that there is, or makes the first.
            told: called as it goes on.

        Raises:
            EmottsError: see `emotts.dub`.
        """
        state = self.line(number)
        job = self._job(None, told, only=[number], seed=seed)
        for line in job:
            if line.number == number:
                self._take(line, job.options)
        return state

    def edit(self, number: int, text: str, emotion: str = "") -> LineState:
        """Changes what a line says and how.

        Raises:
            InputError: an empty text, or no emotion.
        """
        state = self.line(number)
        text, emotion = " ".join((text or "").split()), (emotion or "").strip()
        if not any(character.isalnum() for character in text):
            raise InputError(f"line {number} has no word to speak; give it one, or leave it as it was")
        if emotion:
            Emotion.parse(emotion)
        before = (state.text, state.fields["emotion"])
        state.text, state.fields["emotion"] = text, emotion
        if emotion:
            state.fields.update(instruct="", intensity=None)
        if before != (text, emotion):
            state.status, state.audio, state.speech, state.placed, state.faults = (
                CHANGED,
                None,
                None,
                None,
                (),
            )
        return state

    def rest(self) -> None:
        """Takes back what was under way when the work was stopped."""
        for line in self.lines:
            if line.status == SPEAKING:
                line.status = WAITING

    @property
    def files(self) -> list[str]:
        """Everything that was written, for download."""
        names = ["dubbed.srt", "lines.csv", "report.html", "report.json"]
        paths = [self.output, *(self.folder / name for name in names)] if self.output else []
        return [str(path) for path in paths if path is not None and path.is_file()]

    def close(self) -> None:
        """Deletes everything that the session has on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _job(self, output: Path | None, told: Told | None, **more: Any) -> Any:
        script = self.folder / "script.jsonl"
        script.write_text(self._script(), encoding="utf-8")
        cast = {speaker: self.voices[voice] for speaker, voice in self.cast.items()}
        given: Mapping[str, Any] = {**self.settings.options(), **more}
        return emotts.dub(
            self.video, script, cast, output, engine=self._tts, cache=self.folder / "cache",
            allow_silent=True, force=True, progress=told, **given,
        )  # fmt: skip

    def _script(self) -> str:
        rows = {line.number: line.record() for line in self.lines}
        silent = {"start": 0.0, "end": 0.0, "text": _SILENT}
        count = max(rows)
        return "".join(
            json.dumps(rows.get(number, silent), ensure_ascii=False) + "\n" for number in range(1, count + 1)
        )

    def _target(self) -> Path:
        suffix = self.video.suffix.lower()
        known = suffix if suffix in (".mp4", ".mkv", ".mov", ".webm") else ".mkv"
        return self.folder / f"{self.video.stem[:60]}-dubbed{known}"

    def _take(self, line: DubbedLine, options: Any) -> None:
        state = self.line(line.number)
        state.faults = line_faults(line, options)
        state.status = DOUBTFUL if state.faults else DONE
        state.placed = (line.start / SAMPLE_RATE, line.end / SAMPLE_RATE)
        state.audio, state.speech = line.audio, as_placed(line)

    def _note(self, warnings: Sequence[str]) -> None:
        """Keeps warnings about the video; those about cues stand in the words of the user's own script."""
        known = load_script(self.folder / "script.jsonl", list(self.cast)).warnings
        new = [text for text in warnings if text not in known and text not in self.warnings]
        self.warnings += [text.replace(f"{self.video.parent}/", "") for text in new]


def as_placed(line: DubbedLine) -> Speech:
    """The speech of a line with the sound and the times that it has in the track, where it is trimmed."""
    raw, placed = edges(line.speech.audio), edges(line.audio)
    lead = (raw[0] - line.stretch * placed[0]) / SAMPLE_RATE if raw and placed else 0.0
    end = len(line.audio) / SAMPLE_RATE

    def moved(timed: Sequence[Timed]) -> tuple[Timed, ...]:
        at = [(name, *((time - lead) / line.stretch for time in times)) for name, *times in timed]
        return tuple((name, min(max(a, 0.0), end), min(max(b, 0.0), end)) for name, a, b in at)

    speech = line.speech
    return replace(
        speech, audio=line.audio, alignment=moved(speech.alignment), word_timings=moved(speech.word_timings)
    )
