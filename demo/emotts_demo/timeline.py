"""The dub as a picture in time and as a list of lines; a click on either chooses a line."""

from __future__ import annotations

from html import escape

from emotts.dubbing.cast import EVERYONE
from emotts.dubbing.script import clock
from emotts_demo.dub_session import CHANGED, DONE, DOUBTFUL, SPEAKING, WAITING, DubSession, LineState

CHOOSE = """
element.addEventListener('click', event => {
  const line = event.target.closest('[data-line]');
  if (line) trigger('click', {line: Number(line.dataset.line)});
});
"""
"""JavaScript of the component that shows `overview`."""

_CLASS = {WAITING: "waiting", SPEAKING: "speaking", DONE: "done", DOUBTFUL: "doubtful", CHANGED: "changed"}
_PIXELS_PER_SECOND, _WIDEST = 42, 24_000


def overview(session: DubSession | None, chosen: int | None = None) -> str:
    """Timeline and list of a session."""
    if session is None:
        return ""
    warnings = "".join(f"<li>{escape(text)}</li>" for text in session.warnings)
    noted = f'<details class="em-warnings"><summary>{_many(len(session.warnings))}</summary><ul>{warnings}'
    noted = f"{noted}</ul></details>" if warnings else ""
    rows = "".join(_row(line, line.number == chosen) for line in session.lines)
    return f'{_timeline(session, chosen)}<div class="em-lines">{rows}</div>{noted}'


def counts(session: DubSession | None, more: str = "") -> str:
    """How far the dub has come, in a sentence."""
    if session is None:
        return '<p class="em-note">Give a video and a script, or load the example.</p>'
    ready = sum(line.status in (DONE, DOUBTFUL) for line in session.lines)
    doubtful = sum(line.status == DOUBTFUL for line in session.lines)
    said = [f"{ready} of {len(session.lines)} lines are spoken"]
    said += [f"{doubtful} to look at"] if doubtful else []
    said += ["the dubbed video is below"] if session.finished else []
    return f'<p class="em-note">{escape(", ".join(said))}. {escape(more)}</p>'


def _timeline(session: DubSession, chosen: int | None) -> str:
    seconds = max(session.duration, 0.1)
    width = min(_WIDEST, round(seconds * _PIXELS_PER_SECOND))
    rows = []
    for speaker in session.speakers:
        own = [line for line in session.lines if (line.speaker or EVERYONE) == speaker]
        bars = "".join(_bars(line, seconds, line.number == chosen) for line in own)
        rows.append(f'<div class="em-lane"><b>{escape(_name(speaker))}</b>{bars}</div>')
    step = next((s for s in (1, 2, 5, 10, 30, 60, 300) if seconds / s <= 40), 600)
    marks = "".join(
        f'<span style="left:{100 * mark / seconds:.3f}%">{_short(mark)}</span>'
        for mark in range(0, int(seconds) + 1, step)
    )
    return (
        '<div class="em-figure em-timeline" tabindex="0" aria-label="Timeline: frames are the windows of the '
        f'script, bars what is spoken"><div style="min-width:{width}px">{"".join(rows)}'
        f'<div class="em-ruler" aria-hidden="true">{marks}</div></div></div>'
    )


def _bars(line: LineState, seconds: float, chosen: bool) -> str:
    title = escape(f"Line {line.number}, {line.status}: {line.text}")
    marked = " em-chosen" if chosen else ""
    window = _place(line.start, line.end, seconds)
    parts = [
        f'<button type="button" class="em-window em-{_CLASS[line.status]}{marked}" style="{window}" '
        f'data-line="{line.number}" title="{title}">{line.number}</button>'
    ]
    if line.placed:
        parts.append(
            f'<i class="em-bar em-{_CLASS[line.status]}" style="{_place(*line.placed, seconds)}"></i>'
        )
    return "".join(parts)


def _place(start: float, end: float, seconds: float) -> str:
    return f"left:{100 * start / seconds:.3f}%;width:{max(0.2, 100 * (end - start) / seconds):.3f}%"


def _row(line: LineState, chosen: bool) -> str:
    faults = "".join(f'<span class="em-fault">{escape(fault)}</span>' for fault in line.faults)
    seed = f"seed {line.speech.seed}" if line.speech is not None else ""
    emotion = line.fields.get("emotion") or line.fields.get("instruct") or ""
    details = " · ".join(filter(None, [_name(line.speaker or EVERYONE), emotion, seed]))
    return (
        f'<button type="button" class="em-line{" em-chosen" if chosen else ""}" data-line="{line.number}">'
        f'<span class="em-number">{line.number}</span>'
        f'<span class="em-words"><small>{clock(line.start)[3:]} · {escape(details)}</small>'
        f"{escape(line.text)}{faults}</span>"
        f'<span class="em-badge em-{_CLASS[line.status]}">{line.status}</span></button>'
    )


def line_label(line: LineState) -> str:
    """A line in a list of choices; its text may change, so it is not part of it."""
    return f"{line.number} · {_name(line.speaker or EVERYONE)} · {clock(line.start)[3:]}"


def _name(speaker: str) -> str:
    return "everybody" if speaker == EVERYONE else speaker


def _short(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}"


def _many(count: int) -> str:
    return f"{count} warning{'' if count == 1 else 's'}"
