"""What a dub came to: one record of plain values, and whether it is good enough."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emotts.dubbing.lines import DubbedLine
from emotts.dubbing.mouth import MouthSource, compare, envelope
from emotts.dubbing.options import DubOptions
from emotts.dubbing.qc import likeness, voiceprint
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN, tokens_to_seconds

WAVE_POINTS = 160
"""Points of a waveform in the report."""


def line_faults(line: DubbedLine, options: DubOptions) -> list[str]:
    """What is wrong with a line, one sentence each, with what would mend it."""
    faults = []
    script, place = line.planned.role.line, line.planned.placement
    if line.overflow / SAMPLE_RATE > options.max_overflow:
        faults.append(_unfitting(line))
    if place.late > 0:
        who = script.speaker or "the speaker"
        faults.append(f"starts {place.late / SAMPLE_RATE:.2f} s late: {who} still spoke")
    elif abs(line.onset_error) > options.max_onset and place.borrowed_before == 0 and not line.checks.silent:
        way = "late" if line.onset_error > 0 else "early"
        faults.append(f"speech begins {abs(line.onset_error):.2f} s {way}")
    texts = {
        "silent": "is silent",
        "clipped": f"clips ({line.checks.clipped} samples at full scale)",
        "words": f"has {line.checks.wer or 0:.0%} word errors",
        "voice": f"sounds unlike {script.speaker or 'its speaker'}'s other lines "
        f"(cosine {line.checks.similarity or 0:.2f})",
    }
    return faults + [texts[name] for name in line.checks.faults(options.max_wer, options.min_similarity)]


def _unfitting(line: DubbedLine) -> str:
    """By how much a line does not fit, and what would."""
    script = line.planned.role.line
    window = script.end - script.start
    fastest = len(line.audio) / SAMPLE_RATE
    over = line.overflow / SAMPLE_RATE
    words = len(line.text.split())
    fewer = max(1, round(words * over / fastest))
    return (
        f"is {over:.2f} s too long for its window of {window:.2f} s and the silence around it; a window of "
        f"{window + over:.2f} s would do, or about {fewer} of its {words} words less"
    )


def severity(line: DubbedLine, options: DubOptions) -> float:
    """How bad a line is; the report shows the worst first."""
    return (
        10.0 * len(line_faults(line, options))
        + line.overflow / SAMPLE_RATE
        + line.planned.placement.late / SAMPLE_RATE
        + abs(line.onset_error)
        + max(0.0, line.planned.placement.rate - 1.0)
    )


def line_record(line: DubbedLine, options: DubOptions) -> dict[str, Any]:
    """Plain values of a line."""
    script = line.planned.role.line
    sync = line.sync
    return {
        "number": line.number,
        "row": script.row,
        "speaker": line.speaker,
        "text": line.text,
        "spoken_text": line.planned.role.text,
        "voice": line.speech.voice,
        "emotion": line.planned.role.emotion.as_mapping(),
        "seed": line.speech.seed,
        "attempts": line.attempts,
        "cached": line.cached,
        **_placed(line),
        "gain_db": round(20.0 * float(np.log10(max(line.gain, 1e-9))), 2),
        "timing": line.planned.timing,
        "mouth": line.planned.mouth or None,
        "on_screen": script.on_screen,
        "sync": None if sync is None else vars(sync),
        "checks": line.checks.record(),
        "words": [
            {"word": word, "start": round(start, 3), "end": round(end, 3)}
            for word, start, end in line.speech.word_timings
        ],
        "faults": line_faults(line, options),
    }


def _placed(line: DubbedLine) -> dict[str, Any]:
    """Where a line lies, and what it took."""
    script, place = line.planned.role.line, line.planned.placement
    return {
        "window": [script.start, script.end],
        "start": line.start / SAMPLE_RATE,
        "end": line.end / SAMPLE_RATE,
        "start_sample": line.start,
        "samples": len(line.audio),
        "tokens": place.tokens,
        "natural_tokens": place.natural,
        "rate": round(place.rate, 4),
        "stretch": round(line.stretch, 4),
        "steps": list(place.steps),
        "borrowed_after": round(place.borrowed_after / SAMPLE_RATE, 4),
        "borrowed_before": round(place.borrowed_before / SAMPLE_RATE, 4),
        "late": round(place.late / SAMPLE_RATE, 4),
        "overflow": round(line.overflow / SAMPLE_RATE, 4),
        "onset_error": round(line.onset_error, 4),
        "end_error": round(line.end_error, 4),
    }


def with_similarity(lines: Sequence[DubbedLine]) -> list[DubbedLine]:
    """Adds to every line the cosine of its voice with the mean of the speaker's other lines."""
    prints = [voiceprint(line.audio) for line in lines]
    result = []
    for index, line in enumerate(lines):
        others = [p for i, p in enumerate(prints) if i != index and lines[i].speaker == line.speaker]
        cosine = likeness(prints[index], others)
        result.append(replace(line, checks=replace(line.checks, similarity=cosine)))
    return result


def shuffled_sync(lines: Sequence[DubbedLine], sources: Mapping[str, MouthSource]) -> float | None:
    """Mean best correlation of every line's sound with the mouths of other lines: what chance gives."""
    found = []
    for index, line in enumerate(lines):
        for step in (1, 2, 3):
            other = lines[(index + step) % len(lines)].planned
            source = sources.get(other.mouth) if other.number != line.number else None
            script = other.role.line
            track = source.track(script.start, script.end) if source is not None else None
            if track is None:
                continue
            sync = compare(track, envelope(line.audio, len(track.aperture)))
            if sync is not None:
                found.append(sync.correlation)
    return round(float(np.mean(found)), 4) if found else None


def summarize(lines: Sequence[DubbedLine], options: DubOptions) -> dict[str, Any]:
    """The dub in a few numbers."""
    onsets = np.array([abs(line.onset_error) for line in lines]) if lines else np.zeros(1)
    synced = [line.sync for line in lines if line.sync is not None]
    wers = [line.checks.wer for line in lines if line.checks.wer is not None]
    alike = [line.checks.similarity for line in lines if line.checks.similarity is not None]
    return {
        "lines": len(lines),
        "faulty": sum(bool(line_faults(line, options)) for line in lines),
        "speech_seconds": round(sum(len(line.audio) for line in lines) / SAMPLE_RATE, 3),
        "onset_error_mean": round(float(onsets.mean()), 4),
        "onset_error_max": round(float(onsets.max()), 4),
        "onset_within_40_ms": round(float((onsets <= tokens_to_seconds(1) + 1e-9).mean()), 4),
        "ending_after_window": sum(line.end_error > tokens_to_seconds(1) for line in lines),
        "overflowing": sum(line.overflow > 0 for line in lines),
        "stretched": sum(line.stretch > 1.0 for line in lines),
        "late": sum(line.planned.placement.late > 0 for line in lines),
        "rate_mean": round(float(np.mean([line.planned.placement.rate for line in lines] or [0.0])), 4),
        "rate_max": round(max((line.planned.placement.rate for line in lines), default=0.0), 4),
        "wer_mean": round(float(np.mean(wers)), 4) if wers else None,
        "similarity_mean": round(float(np.mean(alike)), 4) if alike else None,
        "sync_correlation": round(float(np.mean([s.correlation for s in synced])), 4) if synced else None,
        "sync_lag": round(float(np.mean([s.lag for s in synced])), 4) if synced else None,
        "sync_overlap": round(float(np.mean([s.overlap for s in synced])), 4) if synced else None,
    }


def as_json(record: dict[str, Any]) -> str:
    """The record as JSON."""
    return json.dumps(record, ensure_ascii=False, indent=1, default=float) + "\n"


def waveform(audio: np.ndarray, points: int = WAVE_POINTS) -> list[float]:
    """Peaks of `points` stretches of the audio, for drawing."""
    if not len(audio):
        return []
    marks = np.linspace(0, len(audio), min(points, len(audio)) + 1).astype(int)
    return [float(np.abs(audio[a:b]).max(initial=0.0)) for a, b in itertools.pairwise(marks)]


def lips(line: DubbedLine, sources: Mapping[str, MouthSource]) -> list[float]:
    """Apertures from the line's start to its end, 25 a second; empty where no mouth was seen."""
    source = sources.get(line.planned.mouth)
    track = source.track(line.start / SAMPLE_RATE, line.end / SAMPLE_RATE) if source else None
    if track is None:
        return []
    wanted = -(-len(line.audio) // SAMPLES_PER_TOKEN)
    values = [float(value) for value in track.aperture[:wanted]]
    return values if len(values) > 1 else []
