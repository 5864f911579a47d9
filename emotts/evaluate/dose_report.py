"""Table and picture of a dose-response."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from emotts.evaluate.optional import optional_import
from emotts.evaluate.report import markdown_table, number, percent

if TYPE_CHECKING:
    from emotts.evaluate.dose_response import DoseResponse


def render_doses(result: DoseResponse) -> str:
    """Tables in Markdown: the doses, their rank correlations, and the recall beside natural recordings."""
    header = ["emotion", "intensity", "judge's probability", "recall %", "WER %", "voice cosine", "DNSMOS"]
    rows = [
        [
            p.emotion,
            f"{p.intensity:g}",
            number(p.probability, 3),
            percent(p.recall),
            percent(p.wer),
            number(p.similarity, 3),
            number(p.quality),
        ]
        for p in result.points
    ]
    if result.baseline is not None:
        natural = result.baseline
        cells = [percent(natural.wer), number(natural.similarity, 3), number(natural.quality)]
        rows.append(["natural, neutral", "–", "–", "–", *cells])
    correlations = [
        [name, number(result.correlations[name]), number(result.each[name])] for name in result.correlations
    ]
    means = [float(np.mean(list(table.values()))) for table in (result.correlations, result.each)]
    correlations.append(["mean", *(number(value) for value in means)])
    files = sum(p.files for p in result.points) // max(1, len(result.points))
    parts = [
        markdown_table(header, rows),
        "Spearman's rank correlation of the judge's probability with the intensity:",
        markdown_table(["emotion", "of the means", "within a sentence and voice"], correlations),
    ]
    for place, recalls in enumerate(result.recalls):
        natural = result.natural[place] if place < len(result.natural) else {}
        parts += [
            f"Judge's recall at the highest intensity (neutral at 0), choosing from {len(recalls)}; chance "
            f"{100 / len(recalls):.0f} %:",
            recall_rows(recalls, natural),
        ]
    if result.heard:
        classes = list(next(iter(result.heard.values())))
        parts += [
            "What the judge hears at the highest intensity, % of the files:",
            markdown_table(
                ["asked for", *classes],
                [[name, *(percent(row[c], 0) for c in classes)] for name, row in result.heard.items()],
            ),
        ]
    parts.append(
        f"{files} files in each line. Intensity 0 is the same neutral speech for every emotion."
        " Natural CREMA-D: recordings whose listeners agreed with the actor."
    )
    return "\n\n".join(parts) + "\n"


def recall_rows(recalls: Mapping[str, float], natural: Mapping[str, float]) -> str:
    """Recalls of synthesised and natural speech; the mean over the classes that both have."""
    both = [name for name in recalls if not natural or name in natural]
    rows = []
    for source, table in (("synthesised", recalls), ("natural CREMA-D", natural)):
        if table:
            mean = float(np.mean([table[name] for name in both])) if both else float("nan")
            rows.append([source, percent(mean), *(percent(table.get(name)) for name in recalls)])
    return markdown_table(["speech", "mean %", *(f"{name} %" for name in recalls)], rows)


def plot_doses(result: DoseResponse) -> bytes:
    """A PNG of four panels: probability, word error rate, voice and quality over the intensity."""
    figure = optional_import("matplotlib.figure").Figure(figsize=(10, 7), layout="tight")
    panels = (
        ("probability", "judge's probability of the emotion", 1.0),
        ("wer", "word error rate, %", 100.0),
        ("similarity", "cosine to the voice", 1.0),
        ("quality", "DNSMOS, overall", 1.0),
    )
    for place, (name, label, factor) in enumerate(panels):
        axes = figure.add_subplot(2, 2, place + 1)
        for emotion in result.correlations:
            curve = [p for p in result.points if p.emotion == emotion]
            values = [factor * getattr(p, name) for p in curve]
            axes.plot([p.intensity for p in curve], values, marker="o", label=emotion)
        axes.set_xlabel("intensity asked for")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if place == 0:
            axes.axhline(1 / len(result.recalls[-1]), color="grey", linestyle=":", label="chance")
            axes.legend(loc="upper left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
