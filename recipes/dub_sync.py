"""How well dubbed lines move with lips that training never saw: overlap, lagged correlation, onsets of words.

    python recipes/dub_sync.py --grid GRID --exp exp/sync --clips 48

`GRID` holds `s1/*.mp4` (or .mpg) and `align/s1/*.align`. Held-out clips are joined into a scene, which is
dubbed as `emotts dub` does it: with lips and without, at the usual highest rate and at one that follows lips
that are faster than the voice, for windows of exactly the words and for windows wider by 0.3 s on both sides.
Prints Markdown, and writes it to EXP/sync.md. Spoken lines are kept in EXP; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import emotts
from emotts.dubbing.faces import installed, open_finder
from emotts.dubbing.lines import DubbedLine
from emotts.dubbing.mouth import DialogueActivity, MouthSource, envelope
from emotts.dubbing.mouth_landmarks import Landmarks
from emotts.dubbing.mouth_video import MouthBox
from emotts.dubbing.video import Media, probe, read_sound
from emotts.errors import EmottsError
from emotts.evaluate.scene import held_out, join
from emotts.evaluate.sync import SyncCase, shuffle, summarize, word_onsets
from emotts.lips.corpus import TimedWords
from emotts.timebase import SAMPLE_RATE, TOKEN_RATE, seconds_to_samples

VOICES = {"Anna": "kathleen", "Tom": "bdl"}
LOOSE = 0.3
"""Seconds by which a wide window goes beyond the words on both sides, as subtitles do."""

AROUND = 0.2
"""Seconds beside a line, or its window, that are looked at too."""

RATES = (1.2, 1.6)
"""Highest speaking rates: the default, and one that GRID's speaker seldom passes."""


class Scene:
    """The joined clips, their sound and the mouth in them.

    Args:
        grid: the corpus.
        folder: where the scene is written.
        count: of clips.
    """

    def __init__(self, grid: Path, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.video = folder, folder / "scene.mp4"
        self.lines: list[TimedWords] = join(self.video, held_out(grid, count))
        self.media: Media = probe(self.video)
        self.sound = read_sound(self.video, self.media.duration, self.media.origin)
        heard = DialogueActivity(self.sound)
        self.mouth: MouthSource = (
            Landmarks(self.media, partial(open_finder, None), heard)
            if installed()
            else MouthBox(self.media, None, heard)
        )

    def script(self, wider: float) -> Path:
        """A script whose windows are wider than the words by that many seconds on both sides."""
        path = self.folder / f"lines-{round(1000 * wider)}.jsonl"
        rows = [
            {
                "start": round(max(0.0, line.start - wider), 3),
                "end": round(line.end + wider, 3),
                "speaker": list(VOICES)[number % len(VOICES)],
                "text": line.text,
            }
            for number, line in enumerate(self.lines)
        ]
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
        return path

    def case(self, index: int, start: int, audio: np.ndarray, words: bool = True) -> SyncCase | None:
        """A line whose audio begins at a sample of the scene; None where no mouth is seen."""
        line = self.lines[index]
        first = min(line.start, start / SAMPLE_RATE) - AROUND
        last = max(line.end, (start + len(audio)) / SAMPLE_RATE) + AROUND
        frame = max(0, round(first * TOKEN_RATE))
        track = self.mouth.track(frame / TOKEN_RATE, last)
        if track is None:
            return None
        count, begin = len(track.aperture), frame * SAMPLE_RATE // TOKEN_RATE
        errors: tuple[float, ...] = ()
        onsets = word_onsets(audio, line.text) if words else None
        if onsets is not None and len(onsets) == len(line.words):
            said = [word_start for _, word_start, _ in line.words]
            errors = tuple(
                1000.0 * (start / SAMPLE_RATE + onset - own) for onset, own in zip(onsets, said, strict=True)
            )
        return SyncCase(
            track,
            envelope(audio, count, start - begin),
            envelope(self._own_sound(line), count, self._own_start(line) - begin),
            errors,
        )

    def natural(self) -> list[SyncCase]:
        """The original lines as if they were dubbed ones."""
        cases = [
            self.case(index, self._own_start(line), self._own_sound(line))
            for index, line in enumerate(self.lines)
        ]
        return [case for case in cases if case is not None]

    def dubbed(self, lines: Sequence[DubbedLine]) -> list[SyncCase]:
        """Finished lines, in the order of the scene."""
        cases = [self.case(line.number - 1, line.start, line.audio) for line in lines]
        return [case for case in cases if case is not None]

    @staticmethod
    def _own_start(line: TimedWords) -> int:
        return seconds_to_samples(line.start)

    def _own_sound(self, line: TimedWords) -> np.ndarray:
        return self.sound[self._own_start(line) : seconds_to_samples(line.end)]


def dub(scene: Scene, engine: Any, wider: float, rate: float, lips: bool) -> emotts.dubbing.dub.Dub:
    """All lines of the scene, dubbed; only what is not kept from before is spoken."""
    job = emotts.dub(
        scene.video, scene.script(wider), VOICES, engine=engine, cache=scene.folder / "cache",
        mouth_box="auto", landmarks=False, lips=lips, max_rate=rate, seed=0,
    )  # fmt: skip
    job.finish()
    return job


def table(scene: Scene, engine: Any, wider: float) -> list[str]:
    """Rows of one kind of window."""
    natural = scene.natural()
    rows = [("natural", natural), ("natural, another line's mouth", shuffle(natural))]
    told = []
    for rate in RATES:
        for lips in (True, False):
            job = dub(scene, engine, wider, rate, lips)
            cases = scene.dubbed(job.lines)
            name = f"{'lip plan' if lips else 'window alone'}, rate up to {rate:g}"
            rows.append((name, cases))
            if lips:
                rows.append((f"{name}, another line's mouth", shuffle(cases)))
                timed = sum(line.planned.timing == "lips" for line in job.lines)
                told.append(f"{timed} of {len(job.lines)} up to {rate:g}")
    title = "exactly the words" if not wider else f"{1000 * wider:.0f} ms more on both sides"
    head = (
        "| dub | r, each line | r, all lines | lag, ms | overlap with the mouth | overlap with the original "
        "| word onsets, ms | within 80 ms |"
    )
    lines = ["", f"Window: {title}. Lines timed by lips: {', '.join(told)}.", "", head]
    lines.append("|---|---|---|---|---|---|---|---|")
    return lines + [_row(name, summarize(cases)) for name, cases in rows]


def _row(name: str, found: dict[str, float]) -> str:
    def number(key: str, form: str) -> str:
        return "–" if math.isnan(found[key]) else format(found[key], form)

    values = [number("correlation", ".2f"), number("pooled", ".2f"), number("lag", "+.0f")]
    values += [number("mouth_overlap", ".2f"), number("original_overlap", ".2f")]
    values += [number("onset", ".0f"), number("within_80", ".0%")]
    return f"| {name} | {' | '.join(values)} |"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--exp", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    try:
        scene = Scene(options.grid, options.exp, options.clips)
        engine = emotts.EmoTTS.from_pretrained(options.model)
        head = (
            f"{len(scene.lines)} held-out clips, {scene.media.duration:.0f} s; mouths by {scene.mouth.name}."
        )
        text = "\n".join([head, *(row for wider in (0.0, LOOSE) for row in table(scene, engine, wider)), ""])
    except EmottsError as error:
        sys.stderr.write(f"dub_sync: {error}\n")
        return error.exit_code
    (options.exp / "sync.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
