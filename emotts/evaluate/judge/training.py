"""Makes the judge from RAVDESS, and says how far it can be trusted; `egs/judge/run.sh` calls it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emotts.data.corpora.crema_d import read_crema_d
from emotts.data.corpora.ravdess import read_ravdess
from emotts.data.kaldi import Record
from emotts.emotion.corpora import CREMA_D_ACTED
from emotts.emotion.emotion import NEUTRAL
from emotts.errors import EmottsError, InputError
from emotts.evaluate.judge.cache import Clip, Progress, measure_clips
from emotts.evaluate.judge.model import FIVE, SIX, against_neutral, train_judge
from emotts.evaluate.report import markdown_table, percent
from emotts.files import write_atomically

JUDGE_FILE = "judge.npz"
RESULTS_FILE = "RESULTS.md"
_CACHE = "features.npz"
_FOLDS = 8
_ACTORS, _NATURAL = "RAVDESS, unseen actors", "CREMA-D, listeners agreed"
_REPORTED = "the actors left aside"

_SETTLED = tuple(f"crema{number}" for number in range(1001, 1092, 2))
"""Actors of CREMA-D on whom the kind of classifier and its shrinkage were chosen; the others not."""


@dataclass(frozen=True)
class Recordings:
    """Measured recordings of a corpus.

    Attributes:
        moved: shape (recordings, features), differences from the speaker's neutral.
        labels: class of each.
        speakers: of each.
    """

    moved: np.ndarray
    labels: np.ndarray
    speakers: np.ndarray

    def of(self, classes: Sequence[str]) -> Recordings:
        """Those of some classes."""
        kept = np.isin(self.labels, list(classes))
        return Recordings(self.moved[kept], self.labels[kept], self.speakers[kept])

    def __len__(self) -> int:
        return len(self.labels)


def measure_records(
    records: Sequence[Record],
    labels: Sequence[str],
    cache: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Recordings:
    """Measures utterances against neutral; those that cannot be (silent, no neutral partner) are left out.

    Args:
        records: utterances.
        labels: class of each.
        cache: see `measure_clips`.
        jobs: processes.
        progress: told the share that is done.
    """
    clips = [Clip(record.audio, record.start, record.end) for record in records]
    found = measure_clips(clips, cache, jobs, progress)
    kept = [k for k, vector in enumerate(found) if vector is not None]
    names = np.array([labels[k] for k in kept])
    speakers = np.array([records[k].speaker for k in kept])
    moved = against_neutral(np.stack([found[k] for k in kept]), names == NEUTRAL, speakers)
    whole = np.isfinite(moved).all(axis=1)
    return Recordings(moved[whole], names[whole], speakers[whole])


def ravdess_labels(records: Sequence[Record]) -> list[str]:
    """What was acted."""
    return [record.emotion.name if record.emotion else NEUTRAL for record in records]


def agreed(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Recordings of CREMA-D that more listeners heard as what was acted than as anything else."""
    kept, labels = [], []
    for record in records:
        acted = CREMA_D_ACTED[record.id.split("_")[1]]
        votes = {**record.emotion.as_mapping()} if record.emotion else {}
        votes[NEUTRAL] = 1.0 - sum(votes.values())
        best = max(votes.values())
        if [name for name, share in votes.items() if share > best - 1e-3] == [acted]:
            kept.append(record)
            labels.append(acted)
    return kept, labels


def cross_validate(
    data: Recordings, classes: Sequence[str], judged: Recordings | None = None, folds: int = _FOLDS
) -> list[str]:
    """Decision on each recording by a judge that never heard its speaker.

    Args:
        data: recordings, of `classes` and perhaps more: the judge is trained on all.
        classes: that it may choose from.
        judged: what it decides on, of the same speakers; all when left out.
        folds: at most; no more than speakers.

    Raises:
        InputError: fewer than two speakers.
    """
    people = np.unique(data.speakers)
    if len(people) < 2:
        raise InputError("cross-validation over speakers needs recordings of two or more")
    fold_of = {name: k % min(folds, len(people)) for k, name in enumerate(people)}
    judged = data if judged is None else judged
    fold, theirs = (np.array([fold_of[name] for name in part.speakers]) for part in (data, judged))
    decisions = np.empty(len(judged), dtype=object)
    for k in np.unique(theirs):
        judge = train_judge(data.moved[fold != k], data.labels[fold != k].tolist())
        decisions[theirs == k] = judge.decide(judged.moved[theirs == k], classes)
    return decisions.tolist()


def recalls(
    labels: Sequence[str], decisions: Sequence[str], classes: Sequence[str] = FIVE
) -> dict[str, float]:
    """Share of each class's recordings that is decided rightly; NaN for a class without recordings."""
    truth, said = np.array(labels, dtype=object), np.array(decisions, dtype=object)
    return {
        name: float((said[truth == name] == name).mean()) if (truth == name).any() else float("nan")
        for name in classes
    }


def mean_recall(found: dict[str, float]) -> float:
    """Mean over the classes that have recordings."""
    return float(np.nanmean(list(found.values())))


def recall_table(rows: dict[str, tuple[Sequence[str], Sequence[str]]], classes: Sequence[str]) -> str:
    """Table of recalls in per cent: one line for each name -> (labels, decisions)."""
    cells = []
    for name, (labels, decisions) in rows.items():
        found = recalls(labels, decisions, classes)
        size = sum(label in classes for label in labels)
        cells.append([name, str(size), percent(mean_recall(found)), *(percent(found[c]) for c in classes)])
    return markdown_table(["recordings", "number", "mean %", *(f"{c} %" for c in classes)], cells)


def make_judge(
    ravdess: Path | str,
    output: Path | str,
    crema_d: Path | str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> str:
    """Measures the corpora, trains the judge, and writes it with its figures.

    Args:
        ravdess: corpus as published.
        output: folder for judge.npz, RESULTS.md and the measured features.
        crema_d: corpus as published, for the recall on natural recordings; may be left out.
        jobs: processes.
        progress: told the share that is done.

    Returns:
        the report, Markdown.

    Raises:
        DataError: a corpus cannot be read.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    records = read_ravdess(Path(ravdess))
    acted = measure_records(records, ravdess_labels(records), output / f"ravdess-{_CACHE}", jobs, progress)
    judge = train_judge(acted.moved, acted.labels.tolist())
    unseen = np.array(cross_validate(acted, judge.classes), dtype=object)
    tables = [recall_table({_ACTORS: (acted.labels, unseen)}, judge.classes)]
    natural = None
    if crema_d is not None:
        chosen, labels = agreed(read_crema_d(Path(crema_d)))
        natural = measure_records(chosen, labels, output / f"crema_d-{_CACHE}", jobs, progress)
    found = [recalls(acted.labels, unseen, judge.classes)]
    for classes in (FIVE, SIX):
        part = acted.of(classes)
        rows = {_ACTORS: (part.labels, cross_validate(acted, classes, part))}
        if natural is not None:
            heard = natural.of(classes)
            rows[_NATURAL] = heard.labels, judge.decide(heard.moved, classes)
            kept = ~np.isin(heard.speakers, _SETTLED)
            rows[_REPORTED] = tuple(np.array(row, dtype=object)[kept] for row in rows[_NATURAL])
            found.append(recalls(*rows[_NATURAL], classes))
        tables.append(recall_table(rows, classes))
    replace(judge, natural=tuple(found)).save(output / JUDGE_FILE)
    report = _report(tables, len(judge.classes))
    write_atomically(output / RESULTS_FILE, report.encode(), force=True)
    return report


def _report(tables: Sequence[str], classes: int) -> str:
    titles = (f"All {classes} classes of RAVDESS", "Choosing from five", "Choosing from the six of CREMA-D")
    sizes = (classes, len(FIVE), len(SIX))
    parts = ["# Independent judge of emotion"]
    for title, size, table in zip(titles, sizes, tables, strict=True):
        parts += [f"{title}; chance {100 / size:.1f} %:", table]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `egs/judge/run.sh`; returns the exit status."""
    parser = argparse.ArgumentParser(description="Train the independent judge of emotion on RAVDESS.")
    parser.add_argument("--ravdess", type=Path, required=True, help="corpus as published")
    parser.add_argument(
        "--crema-d", type=Path, help="corpus as published, for the recall on natural recordings"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the judge and its figures")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args(arguments)
    last = [-1]

    def tell(share: float) -> None:
        if int(20 * share) != last[0]:
            last[0] = int(20 * share)
            sys.stderr.write(f"measured {100 * share:.0f} %\n")

    try:
        report = make_judge(options.ravdess, options.output, options.crema_d, options.jobs, tell)
    except EmottsError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code
    sys.stdout.write(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
