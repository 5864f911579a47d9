"""Subtitle files through pysubs2, with the rows of the file kept for messages."""

from __future__ import annotations

import html
import re

from emotts.dubbing.optional import optional_import
from emotts.dubbing.script import Cue
from emotts.errors import InputError

_DRAWING = re.compile(r"\{[^}]*\\p[1-9]")
# pysubs2 takes a last row of digits for the number of the next cue; this cue protects the last real one.
_GUARD = {"srt": "\n\n0\n99:59:59,998 --> 99:59:59,999\n", "vtt": "\n\n99:59:59.998 --> 99:59:59.999\n"}


def parse(text: str, format: str, source: str) -> tuple[list[Cue], list[str]]:
    """Cues of a subtitle text, and warnings.

    Args:
        text: with rows that end in a line feed.
        format: srt, vtt, ass or ssa.
        source: name of the file, for messages.

    Raises:
        InputError: times that cannot be read, or no cue at all.
    """
    pysubs2 = optional_import("pysubs2")
    cues = _ass(pysubs2, text, format, source) if format in ("ass", "ssa") else _srt(text, format, source)
    if not cues:
        raise InputError(f"{source} holds no cue; is it really {format.upper()}?")
    return cues, []


def _srt(text: str, format: str, source: str) -> list[Cue]:
    rows = text.split("\n")
    stamp = (
        optional_import({"srt": "pysubs2.formats.subrip", "vtt": "pysubs2.formats.webvtt"}[format])
        .__dict__[{"srt": "SubripFormat", "vtt": "WebVTTFormat"}[format]]
        .TIMESTAMP
    )
    timed = []
    for number, row in enumerate(rows, 1):
        if len(stamp.findall(row)) == 2:
            timed.append(number)
        elif "-->" in row:
            raise InputError(f"{source}: cannot read the times in row {number}: {row.strip()!r}")
    if format == "vtt":
        rows = _only_cues(rows, set(timed))
    events = (
        optional_import("pysubs2")
        .SSAFile.from_string("\n".join(rows) + _GUARD[format], format_=format, keep_html_tags=True)
        .events[:-1]
    )
    unescape = html.unescape if format == "vtt" else (lambda value: value)
    return [
        Cue(event.start / 1000, event.end / 1000, _unescape_tags(event.text, unescape), row)
        for event, row in zip(events, timed, strict=True)
    ]


def _unescape_tags(text: str, unescape) -> str:
    """Unescapes &lt; after the tags are known, so that it does not become one."""
    return unescape(text.replace("&lt;", "‹").replace("&gt;", "›"))


def _only_cues(rows: list[str], timed: set[int]) -> list[str]:
    """Blanks what WebVTT holds beside cues: comments, styles, identifiers, the header."""
    kept: list[str] = []
    inside = False
    for number, row in enumerate(rows, 1):
        if number in timed:
            inside = True
        elif not row.strip():
            inside = False
        kept.append(row if inside else "")
    return kept


def _ass(pysubs2, text: str, format: str, source: str) -> list[Cue]:
    rows = [
        number
        for number, row in enumerate(text.split("\n"), 1)
        if row.strip().startswith(("Dialogue:", "Comment:"))
    ]
    try:
        events = pysubs2.SSAFile.from_string(text, format_=format).events
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{source} is not valid {format.upper()}: {error}") from None
    cues = []
    for event, row in zip(events, rows, strict=True):
        if event.is_comment or _DRAWING.search(event.text):
            continue
        style = "" if event.style.strip().lstrip("*").casefold() == "default" else event.style.strip()
        cues.append(Cue(event.start / 1000, event.end / 1000, event.text, row, event.name.strip() or style))
    return cues
