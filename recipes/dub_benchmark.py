"""What a dub costs beside the synthesis: decoding, mouths, mixing, muxing, each by itself.

    python recipes/dub_benchmark.py --scene exp/scene --repeats 3

The scene is that of `recipes/dub_scene.py make`. Its lines are spoken once, into a cache; then it is dubbed
again and again with all lines known, for every source of mouths that is installed. Prints Markdown: medians
of the seconds of each stage, and the real-time factor of all of them together.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import emotts
from emotts.dubbing.faces import installed
from emotts.errors import EmottsError

STAGES = {
    "probe": "read the container through",
    "decode": "decode the original sound",
    "mouths": "decode pictures, find the mouth",
    "lips": "time phonemes by the lips",
    "plan": "phonemes, natural lengths, fit ladder",
    "speech": "spoken lines from the cache, checks",
    "fit": "trim, stretch, loudness, fades",
    "mix": "mix",
    "mux": "encode sound, copy picture, subtitles",
    "report": "report",
}
"""Stages of the record, and what they are; the model is loaded before."""

PROCESSOR = "processor"
"""Seconds of all threads together: what other work on the machine does not change."""

SOURCES: dict[str, dict[str, Any]] = {
    "original dialogue": {"landmarks": False},
    "mouth box, found": {"landmarks": False, "mouth_box": "auto"},
    "landmarks": {"landmarks": True},
}


def measure(scene: Path, engine: Any, repeats: int, wishes: dict[str, Any]) -> dict[str, float]:
    """Median seconds of each stage, with all lines spoken before."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            started = time.process_time()
            job = emotts.dub(
                scene / "scene.mp4", scene / "lines.srt", scene / "cast.yaml", Path(folder) / "dubbed.mp4",
                engine=engine, seed=0, force=True, report=Path(folder) / "report.html", **wishes,
            )  # fmt: skip
            record = job.finish()
            spent = {PROCESSOR: time.process_time() - started}
            rows.append(record["seconds"] | {"report": job.seconds["report"]} | spent)
    return {name: statistics.median(row.get(name, 0.0) for row in rows[1:]) for name in (*STAGES, PROCESSOR)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scene", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sources = {name: wish for name, wish in SOURCES.items() if name != "landmarks" or installed()}
    try:
        from emotts.dubbing.video import probe

        media = probe(options.scene / "scene.mp4")
        engine = emotts.EmoTTS.from_pretrained("embedded")
        found = {
            name: measure(options.scene, engine, options.repeats, wish) for name, wish in sources.items()
        }
    except EmottsError as error:
        sys.stderr.write(f"dub_benchmark: {error}\n")
        return error.exit_code
    print(
        f"A scene of {media.duration:.0f} s, {media.width} by {media.height} pixels; {os.cpu_count()} cores, "
        f"{options.threads} threads; medians of {options.repeats} dubs, seconds.\n"
    )
    print(f"| stage | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for name, meaning in STAGES.items():
        print(f"| {meaning} | {' | '.join(f'{times[name]:.2f}' for times in found.values())} |")
    totals = [sum(times[name] for name in STAGES) for times in found.values()]
    spent = [times[PROCESSOR] for times in found.values()]
    print(f"| all | {' | '.join(f'{total:.2f}' for total in totals)} |")
    print(f"| real-time factor | {' | '.join(f'{total / media.duration:.3f}' for total in totals)} |")
    print(f"| processor time | {' | '.join(f'{value:.2f}' for value in spent)} |")
    print(f"| over the scene | {' | '.join(f'{value / media.duration:.3f}' for value in spent)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
