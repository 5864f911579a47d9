"""Evaluations as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from emotts.evaluate.evaluation import ALL_VOICES, Evaluation, Row
from emotts.evaluate.scoring import SYNTHESISED
from emotts.evaluate.wer import GENERAL


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns padded so that it reads well as plain text too."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(3, *(len(row[column]) for row in table)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(table[0]), line(rule), *(line(row) for row in table[1:])])


def number(value: float | None, digits: int = 2) -> str:
    """A number for a table; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share (0 to 1) in per cent for a table."""
    return number(None if value is None else 100 * value, digits)


def render(evaluation: Evaluation) -> str:
    """The report: one table, and what one has to know to read it."""
    rows = evaluation.rows
    if len({row.voice for row in rows}) == 2:  # one voice: the row over all says the same again
        rows = tuple(row for row in rows if row.voice != ALL_VOICES)
    header, cells = _columns(evaluation, rows)
    return "\n".join([markdown_table(header, cells), "", *_notes(evaluation), ""])


def _columns(evaluation: Evaluation, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    header = ["voice", "source", "files"]
    table = [[row.voice, row.source, str(row.files)] for row in rows]

    def add(names: Sequence[str], values: Sequence[Sequence[str]]) -> None:
        header.extend(names)
        for line, cells in zip(table, values, strict=True):
            line.extend(cells)

    if "wer" in evaluation.metrics:
        add(["WER %", "95 % interval"], [_word_cells(row) for row in rows])
    if "dnsmos" in evaluation.metrics:
        names = ("p808", "signal", "background", "overall")
        cells = [[number((row.quality or {}).get(name)) for name in names] for row in rows]
        add(["P.808", "SIG", "BAK", "OVRL"], cells)
    if any(row.duration is not None for row in rows):
        add(["exact %", "within 40 ms %", "worst, samples"], [_duration_cells(row) for row in rows])
    if "prosody" in evaluation.metrics:
        names = ("f0_mean", "f0_range", "energy", "rate")
        cells = [[number((row.prosody or {}).get(name), 1) for name in names] for row in rows]
        add(["F0, Hz", "F0 range, st", "level, dB", "phones/s"], cells)
    if "bursts" in evaluation.metrics:
        cells = [[percent(row.bursts)] for row in rows]
        add(["burst before speech %"], cells)
    for place in range(max((len(row.similarity) for row in rows), default=0)):
        name = next(row.similarity[place].encoder for row in rows if len(row.similarity) > place)
        add([f"{name} cosine", "same voice", "other voice"], [_similarity_cells(row, place) for row in rows])
    return header, table


def _word_cells(row: Row) -> list[str]:
    if row.words is None or row.interval is None:
        return ["–", "–"]
    return [percent(row.words.rate), f"{percent(row.interval[0])}–{percent(row.interval[1])}"]


def _duration_cells(row: Row) -> list[str]:
    if row.duration is None:
        return ["–"] * 3
    summary = row.duration
    return [percent(summary.exact), percent(summary.within_token), str(summary.worst)]


def _similarity_cells(row: Row, place: int) -> list[str]:
    if len(row.similarity) <= place:
        return ["–"] * 3
    result = row.similarity[place]
    return [number(result.synthesised), number(result.same), number(result.other)]


def _notes(evaluation: Evaluation) -> list[str]:
    notes = []
    natural = any(row.source != SYNTHESISED for row in evaluation.rows)
    if "wer" in evaluation.metrics:
        model = "its general language model"
        if evaluation.language_model != GENERAL:
            model = (
                f"the language model {evaluation.language_model} (a closed test if it has read the sentences)"
            )
        notes.append(f"WER: pocketsphinx with {model}; interval by bootstrap over the sentences.")
        if evaluation.unknown_words:
            words = ", ".join(evaluation.unknown_words[:20])
            more = ", ..." if len(evaluation.unknown_words) > 20 else ""
            notes.append(f"Words it cannot know ({len(evaluation.unknown_words)}): {words}{more}.")
        if not natural:
            notes.append(
                "No natural recordings were given: this WER cannot be told from the recogniser's own."
            )
    encoders = {s.encoder for row in evaluation.rows for s in row.similarity}
    if encoders:
        notes.append("Cosines are to the mean of the voice's natural recordings of other sentences.")
    if "classical" in encoders:
        notes.append("The classical encoder is weak; for a better one: pip install --no-deps resemblyzer.")
    if "similarity" in evaluation.metrics and not natural:
        notes.append("Similarity needs natural recordings; none were given.")
    if "duration" in evaluation.metrics and not any(row.duration for row in evaluation.rows):
        notes.append("Duration: no sentence of the list asks for one.")
    return notes
