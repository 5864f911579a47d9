"""One line on its way: planned, then spoken, checked and ready to be placed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from emotts.dubbing.cache import LineCache, digest
from emotts.dubbing.cast import Role
from emotts.dubbing.engine import Engine
from emotts.dubbing.fit import Placement, Request
from emotts.dubbing.mouth import Sync
from emotts.dubbing.options import DubOptions
from emotts.dubbing.qc import Checks, likeness, listen, measure, trim, voiceprint
from emotts.dubbing.stretch import speed_up
from emotts.errors import ModelError
from emotts.speech import Speech
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN
from emotts.timing import TimingPlan

_FEWEST_PRINTS = 2
"""Lines of a speaker that have to be known before the voice of another is compared with them."""


@dataclass(frozen=True)
class PlannedLine:
    """What a line is spoken with, and where it goes.

    Attributes:
        role: text, voice and emotion.
        request: its window, and the lengths in which it can be spoken.
        placement: where it goes.
        plan: tokens of each phoneme, where the mouth told them.
        timing: what the plan came from: "window", or the name given with the timing plan.
        mouth: name of the source that saw the mouth in this line, or empty.
        key: digest of everything that the speech depends on but the seed.
        lead: tokens of the plan that lie before the placement's start.
        onset: seconds from the window's start at which the timing plan begins to speak.
        closure: seconds of the first consonant there, whose closure may be silent.
    """

    role: Role
    request: Request
    placement: Placement
    plan: TimingPlan | None
    timing: str
    mouth: str
    key: str
    lead: int = 0
    onset: float = 0.0
    closure: float = 0.0

    @property
    def number(self) -> int:
        """Of the line in the script."""
        return self.role.line.number

    @property
    def start(self) -> int:
        """First sample of a line with a timing plan; the plan's lead lies before its place."""
        return max(0, self.placement.start - self.lead * SAMPLES_PER_TOKEN)

    def onset_error(self, start: int, onset: float) -> float:
        """Seconds from where speech has to begin to where it does; negative is early.

        It has to begin at the start of the window, or when the lips do; a plosive is heard at its end.

        Args:
            start: first sample of the line.
            onset: seconds from there to the beginning of speech.
        """
        error = start / SAMPLE_RATE + onset - (self.role.line.start + self.onset)
        return error if error < 0 else max(0.0, error - self.closure)


@dataclass(frozen=True)
class DubbedLine:
    """A finished line.

    Attributes:
        planned: what was asked for.
        start: first sample in the track, at 24 kHz.
        audio: as it goes into the track, loudness and fades included; float32, shape (samples,).
        speech: what the model gave: text, phoneme and word times before trimming.
        checks: what was measured.
        gain: factor that the loudness needed.
        stretch: how much the samples were sped up.
        attempts: seeds that were tried.
        cached: whether nothing had to be synthesised.
        overflow: samples beyond the line's room.
        sync: how it moves with the mouth, where one was seen.
    """

    planned: PlannedLine
    start: int
    audio: np.ndarray = field(repr=False)
    speech: Speech = field(repr=False)
    checks: Checks
    gain: float
    stretch: float
    attempts: int
    cached: bool
    overflow: int
    sync: Sync | None = None

    @property
    def number(self) -> int:
        """Of the line in the script."""
        return self.planned.number

    @property
    def speaker(self) -> str:
        """Who speaks."""
        return self.planned.role.line.speaker

    @property
    def text(self) -> str:
        """As the script has it."""
        return self.planned.role.line.text

    @property
    def end(self) -> int:
        """The sample after the last, at 24 kHz."""
        return self.start + len(self.audio)

    @property
    def onset_error(self) -> float:
        """See `PlannedLine.onset_error`."""
        return self.planned.onset_error(self.start, self.checks.onset)

    @property
    def end_error(self) -> float:
        """Seconds by which speech goes on after the window; 0 when it ends inside."""
        line = self.planned.role.line
        return max(0.0, self.start / SAMPLE_RATE + self.checks.offset - max(line.end, line.start))


@dataclass(frozen=True)
class Take:
    """Speech of a line with one seed, trimmed, and what was measured on it."""

    speech: Speech
    audio: np.ndarray
    checks: Checks
    seed: int
    cached: bool
    voiceprint: np.ndarray | None = field(default=None, repr=False)


class LineMaker:
    """Speaks planned lines: from the cache where it can, with other seeds where it must.

    Args:
        engine: the synthesiser.
        cache: of spoken lines.
        options: limits.
    """

    def __init__(self, engine: Engine, cache: LineCache, options: DubOptions) -> None:
        self._engine, self._cache, self._options = engine, cache, options
        self._prints: dict[str, list[np.ndarray]] = {}

    def key(self, role: Role, tokens: int, plan: TimingPlan | None) -> str:
        """Digest of everything that a line's speech depends on but the seed."""
        return digest(
            {
                "model": self._engine.fingerprint,
                "text": role.text,
                "voice": self._engine.voice_key(role.voice),
                "emotion": list(role.emotion.vector),
                "tokens": tokens,
                "plan": list(plan.durations) if plan is not None else [],
                "language": self._options.language or "",
            }
        )

    def known(self, line: PlannedLine) -> bool:
        """Whether a take of the line is kept."""
        seed = self._cache.take(line.key)
        return seed is not None and self._cache.get(_seeded(line.key, seed)) is not None

    def make(self, line: PlannedLine, keep: bool = False) -> tuple[Take, np.ndarray, int]:
        """The best take of a line, its audio as long as it will be placed, and the number of takes tried.

        Args:
            line: what to speak.
            keep: use the take that the cache remembers, whatever seed the options ask for.

        Raises:
            ModelError: the engine gave another length than it was asked for.
        """
        kept = self._cache.take(line.key) if keep or self._options.seed is None else None
        first = kept if kept is not None else self._options.seed or 0
        takes = []
        for seed in range(first, first + (0 if kept is not None else self._options.retries) + 1):
            takes.append(self._take(line, seed))
            if not any(self._rank(takes[-1], line)[:3]):
                break
        best = min(takes, key=lambda take: self._rank(take, line))
        self._cache.keep_take(line.key, best.seed)
        if best.voiceprint is not None:
            self._prints.setdefault(line.role.line.speaker, []).append(best.voiceprint)
        return best, self._fitted(best, line), len(takes)

    def _take(self, line: PlannedLine, seed: int) -> Take:
        name = _seeded(line.key, seed)
        speech = self._cache.get(name)
        cached = speech is not None
        if speech is None:
            speech = self._speak(line, seed)
            self._cache.put(name, speech)
        audio = speech.audio if line.plan is not None else trim(speech.audio)
        checks = measure(speech.audio, audio, line.placement.tokens * SAMPLES_PER_TOKEN)
        checks = listen(checks, audio, line.role.text, self._options.checks)
        heard = None
        if "similarity" in self._options.checks and not checks.silent:
            heard, before = voiceprint(audio), self._prints.get(line.role.line.speaker, [])
            if len(before) >= _FEWEST_PRINTS:
                checks = replace(checks, similarity=likeness(heard, before))
        return Take(speech, audio, checks, seed, cached, heard)

    def _speak(self, line: PlannedLine, seed: int) -> Speech:
        tokens = line.placement.tokens
        speech = self._engine.synthesize(
            line.role.text,
            line.role.voice,
            line.role.emotion,
            tokens=tokens,
            plan=line.plan,
            seed=seed,
            language=self._options.language,
        )
        if len(speech.audio) != tokens * SAMPLES_PER_TOKEN:
            raise ModelError(
                f"line {line.number}: the model gave {len(speech.audio)} samples "
                f"for a request of {tokens * SAMPLES_PER_TOKEN}"
            )
        return speech

    def _rank(self, take: Take, line: PlannedLine) -> tuple[int, int, float, float, int]:
        """Faults, samples too many, seconds off its plan, word errors, seed: the smallest is the best."""
        excess = max(0, len(take.audio) - line.placement.available)
        faults = take.checks.faults(self._options.max_wer, self._options.min_similarity)
        return len(faults), excess, self._off_plan(take, line), take.checks.wer or 0.0, take.seed

    def _off_plan(self, take: Take, line: PlannedLine) -> float:
        """Seconds beyond `max_onset` by which speech begins off its plan.

        A line without a plan is placed by its onset.
        """
        if line.plan is None:
            return 0.0
        return max(0.0, abs(line.onset_error(line.start, take.checks.onset)) - self._options.max_onset)

    def _fitted(self, take: Take, line: PlannedLine) -> np.ndarray:
        room = line.placement.available
        if len(take.audio) <= room:
            return take.audio
        return speed_up(take.audio, max(room, math.ceil(len(take.audio) / self._options.max_stretch)))


def _seeded(key: str, seed: int) -> str:
    return f"{key}-{seed}"
