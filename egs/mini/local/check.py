"""Check what the miniature recipe made: `check.py EXP NAME.wav=SAMPLES …`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile

from emotts.model import COMPONENTS
from emotts.timebase import SAMPLE_RATE, seconds_to_samples
from emotts.train.stages import STAGES


def expected_files(exp: Path) -> Iterator[Path]:
    """Every file that a complete run leaves, audio apart."""
    for number, stage in enumerate(STAGES, start=1):
        yield exp / "done" / f"{number:02d}-{stage.name}.json"
    for name in COMPONENTS:
        yield exp / "model" / f"{name}.safetensors"
    for name in ("model/config.yaml", "model/README.md", "alignments.json", "RESULTS.md", "report.md"):
        yield exp / name


def requested_lengths(exp: Path) -> Iterator[tuple[Path, int]]:
    """Every file that was asked for with a length, and its samples."""
    for path in sorted((exp / "decode").glob("scaled-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            sentence = json.loads(line)
            yield path.with_suffix("") / f"{sentence['id']}.wav", seconds_to_samples(sentence["duration"])


def problems(exp: Path, lengths: Sequence[tuple[Path, int]]) -> Iterator[str]:
    """What is missing or of the wrong length."""
    for path in expected_files(exp):
        if not path.is_file():
            yield f"{path} is missing"
    for path, samples in lengths:
        if not path.is_file():
            yield f"{path} is missing"
            continue
        info = soundfile.info(str(path))
        if (info.frames, info.samplerate) != (samples, SAMPLE_RATE):
            found = f"{info.frames} samples at {info.samplerate} Hz"
            yield f"{path} has {found}; {samples} at {SAMPLE_RATE} Hz were asked for"


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks; returns the exit status, 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Check what the miniature recipe made.")
    parser.add_argument("exp", type=Path)
    parser.add_argument("lengths", nargs="*", metavar="NAME=SAMPLES", help="files in exp")
    options = parser.parse_args(arguments)
    lengths = list(requested_lengths(options.exp))
    if not lengths:
        sys.stderr.write(f"error: {options.exp}/decode holds no list with lengths\n")
        return 1
    for item in options.lengths:
        name, _, samples = item.rpartition("=")
        lengths.append((options.exp / name, int(samples)))
    found = list(problems(options.exp, lengths))
    for problem in found:
        sys.stderr.write(f"error: {problem}\n")
    if not found:
        sys.stdout.write(f"all {len(STAGES)} stages done; {len(lengths)} files exact to the sample\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
