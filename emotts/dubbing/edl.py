"""Tables that editing programs read: CMX 3600 edit lists and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePath

from emotts.dubbing.lines import DubbedLine
from emotts.timebase import SAMPLE_RATE

COLUMNS = (
    "number", "speaker", "start", "end", "window_start", "window_end", "samples_start", "samples_end",
    "onset_error", "rate", "stretch", "overflow", "emotion", "seed", "stem", "text",
)  # fmt: skip
"""Of the CSV; times in seconds, samples at 24 kHz."""


def stem_name(line: DubbedLine) -> str:
    """File name of a line's stem: number, then speaker, in letters that every file system takes."""
    speaker = "".join(letter if letter.isalnum() else "_" for letter in line.speaker)[:40]
    return f"{line.number:04d}_{speaker}.wav" if speaker else f"{line.number:04d}.wav"


def is_stem(path: Path) -> bool:
    """Whether a file has the name of a stem."""
    return path.is_file() and re.fullmatch(r"\d{4,}(_\w+)?\.wav", path.name) is not None


def timecode(frames: int, rate: int) -> str:
    """Hours:minutes:seconds:frames without dropped frames."""
    whole, frame = divmod(frames, rate)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{frame:02d}"


def write_edl(lines: Sequence[DubbedLine], title: str, frame_rate: Fraction | None) -> str:
    """An edit list of all lines, each an event on the audio track, named by its stem.

    Timecodes have whole frames of the video; the exact sample of each line stands in a comment.
    """
    rate = round(frame_rate) if frame_rate else 25
    rows = [f"TITLE: {' '.join(PurePath(title).stem.split())}", "FCM: NON-DROP FRAME", ""]
    for event, line in enumerate(lines, 1):
        # Both pairs have to span the same frames, so the end is counted from the rounded start.
        begin, length = round(line.start * rate / SAMPLE_RATE), round(len(line.audio) * rate / SAMPLE_RATE)
        times = " ".join(timecode(frame, rate) for frame in (0, length, begin, begin + length))
        rows += [
            f"{event:03d}  AX       A     C        {times}",
            f"* FROM CLIP NAME: {stem_name(line)}",
            f"* COMMENT: LINE {line.number}, SAMPLE {line.start} AT {SAMPLE_RATE} HZ: {line.text}",
            "",
        ]
    return "\n".join(rows)


def write_csv(lines: Sequence[DubbedLine]) -> str:
    """A table of all lines with the columns `COLUMNS`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        script, place = line.planned.role.line, line.planned.placement
        writer.writerow(
            [
                line.number, line.speaker, f"{line.start / SAMPLE_RATE:.4f}", f"{line.end / SAMPLE_RATE:.4f}",
                f"{script.start:.3f}", f"{script.end:.3f}", line.start, line.end,
                f"{line.onset_error:.4f}", f"{place.rate:.3f}", f"{line.stretch:.3f}",
                f"{line.overflow / SAMPLE_RATE:.4f}", str(line.planned.role.emotion), line.speech.seed,
                stem_name(line), line.text,
            ]
        )  # fmt: skip
    return buffer.getvalue()
