"""Scripts: SRT, VTT, ASS, CSV and JSONL become lines with a speaker, a text and a window of time."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emotts.dubbing.markup import clean, prefix_name
from emotts.errors import InputError
from emotts.request import shorten

FORMATS = ("srt", "vtt", "ass", "ssa", "csv", "jsonl")
"""Extensions of the scripts that can be read."""


@dataclass(frozen=True)
class Cue:
    """A line as its file gives it; times in seconds, `row` is the row of the file it begins in."""

    start: float
    end: float
    text: str
    row: int
    speaker: str = ""
    emotion: str = ""
    intensity: float | None = None
    instruct: str = ""
    on_screen: bool | None = None
    voice: str = ""


@dataclass(frozen=True)
class ScriptLine(Cue):
    """A line that is to be spoken.

    Attributes:
        number: position in the script from 1, by which warnings, reports and `--only` name the line. Cues
            that are not spoken count too, so that the numbers are those of the subtitle file.
        start: seconds from the start of the video.
        end: the same; equal to the start where the script gives no window.
        text: as it is shown and spoken, without tags and sounds.
        speaker: name, or empty where the script names none.
        emotion: as in `Emotion.parse`, or empty.
        intensity: factor of the emotion, 0 to 1.
        instruct: the emotion in words.
        on_screen: whether a mouth is seen; None when the script does not say.
        voice: overrides the cast's.
    """

    number: int = 0

    @property
    def place(self) -> str:
        """The line's name in messages."""
        return f"line {self.number} (row {self.row})"


@dataclass(frozen=True)
class Script:
    """Lines in the order of the file, and one sentence for everything doubtful."""

    lines: tuple[ScriptLine, ...]
    warnings: tuple[str, ...] = ()


def load_script(
    path: Path | str, speakers: Iterable[str] = (), encoding: str | None = None, format: str | None = None
) -> Script:
    """Reads a script.

    Args:
        path: its extension tells the format unless `format` does.
        speakers: names that are known; a line may begin with one ("Anna: ...", "[Anna, sad:0.4] ...").
        encoding: of the file; UTF-8 unless a byte order mark says otherwise.
        format: one of `FORMATS`.

    Raises:
        InputError: missing, of an unknown format, not in its encoding, no line to speak, a row that cannot be
            read, cues that end before they start (all are named).
    """
    path = Path(path)
    name = (format or path.suffix).lower().lstrip(".")
    if name not in FORMATS:
        raise InputError(f"unknown script format {name!r} of {path}; valid formats: {', '.join(FORMATS)}")
    return parse_script(read_text(path, encoding), name, speakers, str(path))


def parse_script(text: str, format: str, speakers: Iterable[str] = (), source: str = "script") -> Script:
    """Reads the text of a script; see `load_script`."""
    from emotts.dubbing import subtitles, tables

    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if format in ("csv", "jsonl"):
        cues, warnings = tables.parse(text, format, source)
    else:
        cues, warnings = subtitles.parse(text, format, source)
    return build(cues, tuple(speakers), source, warnings)


def read_text(path: Path, encoding: str | None = None) -> str:
    """Text of a file.

    Raises:
        InputError: it cannot be read, or is not in its encoding; names the row.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read script {path}: {error.strerror}") from None
    chosen = encoding or _of_mark(content)
    try:
        text = codecs.decode(content, chosen)
    except LookupError:
        raise InputError(f"unknown encoding {chosen!r}; give e.g. utf-8, cp1252, utf-16") from None
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"script {path} is not {chosen.upper().removesuffix('-SIG')} (byte "
            f"0x{content[error.start]:02x} in row {row}); save it as UTF-8, or name "
            "its encoding with --encoding, e.g. cp1252"
        ) from None
    if "\0" in text:
        guess = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
        raise InputError(
            f"script {path} holds zero bytes, so it is not {chosen.upper().removesuffix('-SIG')}; "
            f"if it is UTF-16 without a byte order mark, say --encoding {guess}"
        )
    return text


def _of_mark(content: bytes) -> str:
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            return name
    return "utf-8-sig"


def build(cues: Sequence[Cue], speakers: Sequence[str], source: str, warnings: Iterable[str] = ()) -> Script:
    """Numbers and cleans the cues, and looks for what is doubtful in them."""
    notes = list(warnings)
    lines = []
    backward = []
    prefixed = _prefixed(cues, speakers)
    for number, cue in enumerate(cues, 1):
        line = ScriptLine(**{**vars(cue), "number": number})
        if line.end < line.start:
            backward.append(f"{line.place}: {clock(line.start)} to {clock(line.end)}")
            continue
        found = clean(line.text, speakers, line.place, prefixed)
        notes += [f"{line.place}: {note}" for note in found.notes]
        if not found.text:
            notes.append(f"{line.place}: nothing to speak in {shorten(line.text)!r}; left out")
            continue
        lines.append(
            replace(
                line,
                text=found.text,
                speaker=line.speaker or found.speaker,
                emotion=line.emotion or found.emotion,
            )
        )
    if backward:
        raise InputError(f"{source}: cues that end before they start: {'; '.join(backward)}")
    if not lines:
        raise InputError(f"{source} holds no line to speak")
    return Script(tuple(lines), tuple(notes + _doubts(lines)))


def _prefixed(cues: Sequence[Cue], speakers: Sequence[str]) -> bool:
    """Whether the script names its speakers before a colon: a known one does so, or one does so twice."""
    names = [name.casefold() for name in (prefix_name(cue.text) for cue in cues) if name]
    known = {name.casefold() for name in speakers}
    return any(name in known for name in names) or len(set(names)) < len(names)


def _doubts(lines: Sequence[ScriptLine]) -> list[str]:
    """Zero-length cues, cues out of order, and a speaker who overlaps himself."""
    notes = [
        f"{line.place}: lasts no time at {clock(line.start)}; it takes the room up to the next line"
        for line in lines
        if line.end == line.start
    ]
    for before, after in itertools.pairwise(lines):
        if after.start < before.start:
            notes.append(f"{after.place}: starts before line {before.number}; it is spoken first")
    latest: dict[str, ScriptLine] = {}
    for line in sorted(lines, key=lambda line: (line.start, line.number)):
        before = latest.get(line.speaker)
        if before is not None and line.start < before.end:
            notes.append(
                f"{line.place}: overlaps line {before.number} of the same speaker by "
                f"{before.end - line.start:.2f} s; line {before.number} is fitted before it"
            )
        if before is None or line.end > before.end:
            latest[line.speaker] = line
    return notes


def clock(seconds: float) -> str:
    """Seconds as hours:minutes:seconds.milliseconds."""
    thousandths = round(abs(seconds) * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
