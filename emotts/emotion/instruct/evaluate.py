"""Scores of a mapper on instructions that it never saw."""

from __future__ import annotations

import csv
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emotts.emotion.emotion import EMOTIONS, Emotion, check_name
from emotts.emotion.instruct.corpora import LabelledText
from emotts.emotion.instruct.direction import Direction
from emotts.errors import DataError, InputError

ABSENT, PRESENT = 0.2, 0.15
"""An emotion that must be absent stays below the first; one that is also present reaches the second."""

Direct = Callable[[str], Direction]


@dataclass(frozen=True)
class Case:
    """An instruction of the evaluation set.

    Attributes:
        kind: plain, intensity, negation, contrast, blend, idiom, simile, delivery or neutral.
        words: the instruction.
        top: name of the strongest emotion, or neutral.
        also: emotions that are present as well.
        absent: emotions that must not be there.
    """

    kind: str
    words: str
    top: str
    also: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass
class Scores:
    """What a mapper did with an evaluation set.

    Attributes:
        cases: each case, its direction, and whether all that it asks for holds.
        pairs: emotion, weaker, stronger, and the intensities of both.
        milliseconds: of CPU time for one instruction, the median.
    """

    cases: list[tuple[Case, Direction, bool]] = field(default_factory=list)
    pairs: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    milliseconds: float = 0.0

    @property
    def top1(self) -> float:
        """Share of cases whose strongest emotion is right."""
        return _mean([found.emotion.name == case.top for case, found, _ in self.cases])

    @property
    def ordered(self) -> float:
        """Share of pairs whose stronger one is stronger."""
        return _mean([low < high for *_, low, high in self.pairs])


def read_cases(path: Path) -> list[Case]:
    """Instructions of a table: kind, instruction, top, also, absent.

    Raises:
        DataError: the file is missing, or has other columns or an unknown emotion.
    """
    rows = _rows(path, ("kind", "instruction", "top", "also", "absent"))
    return [
        Case(
            row["kind"],
            row["instruction"],
            check_name(row["top"]),
            _names(row["also"]),
            _names(row["absent"]),
        )
        for row in rows
    ]


def read_pairs(path: Path) -> list[tuple[str, str, str]]:
    """Graded pairs of a table: emotion, weaker, stronger.

    Raises:
        DataError: the file is missing, or has other columns or an unknown emotion.
    """
    rows = _rows(path, ("emotion", "weaker", "stronger"))
    return [(check_name(row["emotion"]), row["weaker"], row["stronger"]) for row in rows]


def score(direct: Direct, cases: Sequence[Case], pairs: Sequence[tuple[str, str, str]]) -> Scores:
    """Runs an evaluation set through a mapper."""
    scores, seconds = Scores(), []
    for case in cases:
        # CPU time: what else the machine does is not the mapper's.
        started = time.thread_time()
        found = direct(case.words)
        seconds.append(time.thread_time() - started)
        scores.cases.append((case, found, holds(case, found.emotion)))
    for emotion, weaker, stronger in pairs:
        index = EMOTIONS.index(emotion)
        low, high = (direct(words).emotion.vector[index] for words in (weaker, stronger))
        scores.pairs.append((emotion, weaker, stronger, low, high))
    scores.milliseconds = 1000 * sorted(seconds)[len(seconds) // 2] if seconds else 0.0
    return scores


def holds(case: Case, emotion: Emotion) -> bool:
    """Whether all that a case asks for holds: strongest emotion, those also present, those absent."""
    values = dict(zip(EMOTIONS, emotion.vector, strict=True))
    present = all(values[name] >= PRESENT for name in case.also)
    return emotion.name == case.top and present and all(values[name] < ABSENT for name in case.absent)


def line_accuracy(direct: Direct, lines: Sequence[LabelledText]) -> tuple[float, int]:
    """Share of lines with one clear label whose strongest emotion is right, and the number of such lines.

    Lines whose label is weak (below 0.4) or shared by two emotions alike are left out, as are neutral ones.
    """
    hits = []
    for line in lines:
        values = sorted(line.intensities or (), reverse=True)
        if len(values) < 2 or values[0] < 0.4 or values[0] - values[1] < 0.2:
            continue
        try:
            found = direct(line.text).emotion.name
        except InputError:
            continue
        hits.append(found == EMOTIONS[line.intensities.index(values[0])])  # type: ignore[union-attr]
    return _mean(hits), len(hits)


def table(scores: Scores) -> str:
    """The scores in Markdown: by kind, every negation and intensity case, every pair, what else fails."""
    kinds: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for case, found, whole in scores.cases:
        kinds[case.kind].append((found.emotion.name == case.top, whole))
    rows = ["| kind | instructions | top-1 | all conditions |", "|---|---|---|---|"]
    for kind, marks in {**kinds, "all": [m for found in kinds.values() for m in found]}.items():
        first, whole = (_mean([mark[i] for mark in marks]) for i in (0, 1))
        rows.append(f"| {kind} | {len(marks)} | {first:.1%} | {whole:.1%} |")
    rows += ["", f"{scores.milliseconds:.1f} ms of one CPU thread an instruction (median)."]
    listed = ("negation", "intensity")
    for kind in listed:
        rows += _listing(f"{kind.capitalize()}, every case", [e for e in scores.cases if e[0].kind == kind])
    if scores.pairs:
        rows += ["", "### Graded pairs", ""]
        rows += [f"Order right in {scores.ordered:.1%} of {len(scores.pairs)}.", ""]
        rows += ["| emotion | weaker | stronger | |", "|---|---|---|---|"]
    for emotion, weaker, stronger, low, high in scores.pairs:
        rows.append(f"| {emotion} | {weaker}: {low:.2f} | {stronger}: {high:.2f} | {_mark(low < high)} |")
    wrong = [entry for entry in scores.cases if entry[0].kind not in listed and not entry[2]]
    return "\n".join([*rows, *_listing("Other cases that fail", wrong)]) + "\n"


def _listing(title: str, entries: Sequence[tuple[Case, Direction, bool]]) -> list[str]:
    """A section with a row for each case; none without cases."""
    if not entries:
        return []
    header = ["| instruction | wanted | not wanted | got | |", "|---|---|---|---|---|"]
    return ["", f"### {title}", "", *header, *(_row(*entry) for entry in entries)]


def novelty(scores: Scores, phrases: Sequence[str]) -> str:
    """How much a mapper knows beyond its lexicon: top-1 with and without a phrase of it in the words."""
    known = re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b")
    marks: dict[bool, list[bool]] = {True: [], False: []}
    for case, found, _ in scores.cases:
        marks[known.search(case.words.lower()) is not None].append(found.emotion.name == case.top)
    parts = [
        f"{_mean(marks[True]):.1%} top-1 of the {len(marks[True])} instructions with a phrase of the lexicon",
        f"{_mean(marks[False]):.1%} of the {len(marks[False])} with none",
    ]
    return f"\n{', '.join(parts)}.\n"


def _row(case: Case, found: Direction, whole: bool) -> str:
    got = ", ".join(f"{name} {value:.2f}" for name, value in found.emotion.as_mapping().items()) or "neutral"
    wanted = ", ".join((case.top, *case.also))
    return f"| {case.words} | {wanted} | {', '.join(case.absent)} | {got} | {_mark(whole)} |"


def _mark(right: bool) -> str:
    return "right" if right else "**wrong**"


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def _names(cell: str) -> tuple[str, ...]:
    return tuple(check_name(name) for name in cell.split(",") if name.strip())


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if reader.fieldnames != list(columns):
            raise DataError(f"{path} must have the columns {', '.join(columns)}, divided by tabs")
        return [{name: row[name] or "" for name in columns} for row in reader]
