"""The report as one HTML page that needs nothing beside it: timeline, waveforms, lips, worst lines first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from emotts.dubbing.lines import DubbedLine
from emotts.dubbing.mouth import MouthSource
from emotts.dubbing.options import DubOptions
from emotts.dubbing.report import line_faults, lips, severity, waveform
from emotts.dubbing.script import clock
from emotts.timebase import SAMPLE_RATE

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;
color:#1c1c22;background:#fff}
h1{font-size:1.4em}table{border-collapse:collapse;width:100%}td,th{padding:.35em .6em;text-align:left;
border-bottom:1px solid #ddd;vertical-align:top}.bad{background:#fff0ee}.fault{color:#a11;font-weight:600}
svg{display:block;background:#f6f7f9;border-radius:4px}.dim{color:#667}.n{font-variant-numeric:tabular-nums;
white-space:nowrap}
@media(prefers-color-scheme:dark){body{background:#16171b;color:#e6e6ea}svg{background:#22242a}
.bad{background:#3a2020}.fault{color:#ff8a80}td,th{border-color:#333}.dim{color:#99a}}
"""
_COLOURS = ("#3b7dd8", "#d8803b", "#3ba86a", "#a153c7", "#c74b6b", "#5b8a9a")
_WIDTH, _ROW = 1060.0, 22


def render_page(
    record: dict[str, Any],
    lines: Sequence[DubbedLine],
    sources: Mapping[str, MouthSource],
    options: DubOptions,
) -> str:
    """The page.

    Args:
        record: of the whole dub; its summary and warnings are shown.
        lines: all finished lines.
        sources: of mouths by name, for the curve over each waveform.
        options: the thresholds.
    """
    worst = sorted(lines, key=lambda line: (-severity(line, options), line.number))
    title = escape(str(record.get("output") or "dub"))
    rows = "\n".join(_row(line, sources, options) for line in worst)
    warnings = "".join(f"<li>{escape(text)}</li>" for text in record.get("warnings", ()))
    noted = f"<h2>Warnings</h2><ul>{warnings}</ul>" if warnings else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{_summary(record)}<h2>Timeline</h2>{timeline(lines, record, options)}"
        "<p class=dim>Frames are the windows of the script, bars what is spoken; red bars have a fault.</p>"
        f"{noted}"
        "<h2>Lines, the worst first</h2><table><thead><tr><th>line<th>time<th>speaker, emotion<th>text"
        f"<th>sound and mouth<th>fit</thead><tbody>{rows}</tbody></table></html>\n"
    )


def _summary(record: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}<td class=n>{escape(str(value))}"
        for name, value in record.get("summary", {}).items()
        if value is not None
    )
    return f"<table>{cells}</table>"


def timeline(lines: Sequence[DubbedLine], record: dict[str, Any], options: DubOptions) -> str:
    """An SVG with a row for each speaker, the windows as frames and the speech as bars."""
    speakers = list(dict.fromkeys(line.speaker for line in lines))
    length = max([float(record.get("duration") or 0.0), *(line.end / SAMPLE_RATE for line in lines), 0.001])
    scale = (_WIDTH - 90) / length
    parts = []
    for index, speaker in enumerate(speakers):
        parts.append(
            f'<text x="4" y="{index * _ROW + 15}" font-size="12" fill="currentColor">'
            f"{escape((speaker or '-')[:12])}</text>"
        )
    for line in lines:
        row = speakers.index(line.speaker)
        colour = "#d33" if line_faults(line, options) else _COLOURS[row % len(_COLOURS)]
        script = line.planned.role.line
        label = escape(f"line {line.number}: {line.text}")
        parts.append(
            f'<g><title>{label}</title><rect x="{90 + script.start * scale:.2f}" y="{row * _ROW + 2}" '
            f'width="{max(0.5, (script.end - script.start) * scale):.2f}" height="18" fill="none" '
            f'stroke="#999"/>'
            f'<rect x="{90 + line.start / SAMPLE_RATE * scale:.2f}" y="{row * _ROW + 6}" '
            f'width="{max(0.5, len(line.audio) / SAMPLE_RATE * scale):.2f}" height="10" fill="{colour}"/></g>'
        )
    height = max(1, len(speakers)) * _ROW + 2
    return f'<svg width="100%" viewBox="0 0 {_WIDTH:.0f} {height}">{"".join(parts)}</svg>'


def _row(line: DubbedLine, sources: Mapping[str, MouthSource], options: DubOptions) -> str:
    script, place = line.planned.role.line, line.planned.placement
    faults = line_faults(line, options)
    said = "".join(f"<div class=fault>{escape(fault)}</div>" for fault in faults)
    steps = ", ".join(place.steps) or "window"
    sync = f", sync r {line.sync.correlation:.2f} at {line.sync.lag * 1000:+.0f} ms" if line.sync else ""
    felt = line.planned.role.emotion.as_mapping().items()
    emotion = escape(", ".join(f"{name} {value:g}" for name, value in felt) or "neutral")
    seen = f", mouth: {escape(line.planned.mouth)}" if line.planned.mouth else ""
    return (
        f'<tr id="line-{line.number}"{" class=bad" if faults else ""}><td class=n>{line.number}'
        f"<td class=n>{clock(script.start)}<br>{clock(script.end)}<td>{escape(line.speaker or '-')}"
        f"<br><span class=dim>{emotion}</span><td>{escape(line.text)}{said}<td>{drawing(line, sources)}"
        f"<td>rate {place.rate:.2f}, onset {line.onset_error * 1000:+.0f} ms{sync}"
        f"<br><span class=dim>{escape(steps)}; timed by {escape(line.planned.timing)}"
        f"{seen}; seed {line.speech.seed}</span>"
    )


def drawing(line: DubbedLine, sources: Mapping[str, MouthSource], width: int = 240, height: int = 44) -> str:
    """The waveform of a line as SVG, with the mouth's aperture as a curve over it."""
    wave = waveform(line.audio)
    top = max(wave, default=0.0) or 1.0
    step = width / max(len(wave), 1)
    upper = [f"{i * step:.1f},{height / 2 - v / top * height / 2:.1f}" for i, v in enumerate(wave)]
    lower = [f"{i * step:.1f},{height / 2 + v / top * height / 2:.1f}" for i, v in enumerate(wave)]
    shape = f'<polygon points="{" ".join(upper + lower[::-1])}" fill="#8aa4c8"/>'
    mouth = lips(line, sources)
    apart = width / max(1, len(mouth) - 1)
    curve = " ".join(f"{i * apart:.1f},{height - 2 - v * (height - 4):.1f}" for i, v in enumerate(mouth))
    drawn = f'<polyline points="{curve}" fill="none" stroke="#d8803b" stroke-width="1.5"/>' if mouth else ""
    return f'<svg width="{width}" height="{height}">{shape}{drawn}</svg>'
