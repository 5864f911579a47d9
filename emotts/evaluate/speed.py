"""How fast the synthesis is, by stage, and how its cost grows with the text and the batch."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emotts.errors import EmottsError
from emotts.evaluate.report import markdown_table, number
from emotts.evaluate.streaming import StreamTiming, render_streams, time_stream

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

SENTENCE = "The old harbour was quiet that morning, and nobody had seen the boats come in before the fog."
"""About five seconds of speech."""

LENGTHS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Lengths of text whose cost is measured, seconds of speech."""

_PROBE = """
import resource, sys
from emotts.tts import EmoTTS
text, model, device = sys.argv[1:4]
import torch
torch.set_num_threads(int(sys.argv[4]))
EmoTTS.from_pretrained(model, device).synthesize(text, seed=0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024))
"""


@dataclass(frozen=True)
class Timing:
    """Median times of one case.

    Attributes:
        seconds: of speech, all texts of the batch together.
        batch: texts at once.
        stages: seconds of computing by stage.
        total: seconds of computing.
    """

    seconds: float
    batch: int
    stages: dict[str, float]
    total: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing for each second of speech."""
        return self.total / self.seconds


@dataclass(frozen=True)
class Benchmark:
    """Result of `benchmark`.

    Attributes:
        machine: processor, cores, threads, versions.
        lengths: a case for each length of text.
        batches: a case for each batch size.
        peak_memory: bytes of a fresh process that speaks the longest text.
        streams: a stream for each length of text.
    """

    machine: str
    lengths: tuple[Timing, ...]
    batches: tuple[Timing, ...]
    peak_memory: int
    streams: tuple[StreamTiming, ...] = ()


def text_of(seconds: float) -> str:
    """Text that takes about `seconds` to say."""
    return " ".join([SENTENCE] * max(1, round(seconds / LENGTHS[0])))


def time_synthesis(engine: EmoTTS, texts: Sequence[str], repeats: int = 5, warm: bool = True) -> Timing:
    """Median over repeats of the time to speak some texts together.

    Args:
        engine: the synthesiser.
        texts: what to speak at once.
        repeats: runs that count.
        warm: run once before that does not count.
    """
    import torch

    runs = []
    for turn in range(repeats + warm):
        speeches = engine.synthesize(list(texts), seed=turn)
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        if turn >= warm:
            stages = {name: sum(s.timings[name] for s in speeches) for name in speeches[0].timings}
            runs.append((stages, sum(speech.duration for speech in speeches)))
    stages = {name: statistics.median(run[name] for run, _ in runs) for name in runs[0][0]}
    total = statistics.median(sum(run.values()) for run, _ in runs)
    return Timing(statistics.median(seconds for _, seconds in runs), len(texts), stages, total)


def peak_memory(text: str, model: str = "embedded", device: str = "cpu", threads: int = 1) -> int:
    """Bytes of memory that a fresh process needs at most to load the model and speak a text.

    Raises:
        EmottsError: the process failed.
    """
    run = subprocess.run(
        [sys.executable, "-c", _PROBE, text, model, device, str(threads)], capture_output=True, text=True
    )
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise EmottsError(f"the process that measures memory failed: {reason}")
    return int(run.stdout.split()[-1])


def machine(threads: int) -> str:
    """Processor, cores that may be used, threads, versions."""
    import torch

    import emotts

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = _processor()
    return f"{name}; {cores} cores, {threads} threads; torch {torch.__version__}, emotts {emotts.__version__}"


def benchmark(
    model: str = "embedded",
    device: str = "cpu",
    threads: int = 2,
    repeats: int = 5,
    lengths: Sequence[float] = LENGTHS,
    batches: Sequence[int] = (1, 4),
) -> Benchmark:
    """Times a model.

    Args:
        model: directory, hub id, or "embedded".
        device: "cpu" or "cuda".
        threads: of the CPU.
        repeats: runs of each case.
        lengths: of texts, seconds of speech.
        batches: sentences of five seconds at once.
    """
    import torch

    from emotts.tts import EmoTTS

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        engine = EmoTTS.from_pretrained(model, device)
        return Benchmark(
            machine(threads),
            tuple(time_synthesis(engine, [text_of(seconds)], repeats) for seconds in lengths),
            tuple(time_synthesis(engine, [SENTENCE] * count, repeats) for count in batches),
            peak_memory(text_of(max(lengths)), model, device, threads),
            tuple(time_stream(engine, text_of(seconds), repeats) for seconds in lengths),
        )
    finally:
        torch.set_num_threads(before)


def render_benchmark(result: Benchmark) -> str:
    """The result in Markdown."""
    stages = list(result.lengths[0].stages)

    def rows(timings: Sequence[Timing], first: str) -> list[list[str]]:
        table = []
        for timing in timings:
            parts = [number(timing.stages[name] / timing.seconds, 3) for name in stages]
            lead = number(timing.seconds, 1) if first == "speech, s" else str(timing.batch)
            table.append([lead, *parts, number(timing.real_time_factor, 3), number(timing.total, 2)])
        return table

    sections = []
    for first, timings in (("speech, s", result.lengths), ("batch", result.batches)):
        header = [first, *stages, "real-time factor", "total, s"]
        sections += [markdown_table(header, rows(timings, first)), ""]
    if result.streams:
        sections += ["Streams beside the same speech made at once.", "", render_streams(result.streams), ""]
    return "\n".join(
        [
            result.machine,
            "",
            "Seconds of computing for each second of speech, medians.",
            "",
            *sections,
            f"Peak memory of a process, longest text: {result.peak_memory / 2**20:.0f} MB.",
            "",
        ]
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
