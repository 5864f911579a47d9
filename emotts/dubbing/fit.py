"""The fit ladder: when each line starts, how many tokens it gets, and what it had to borrow.

Speech of the model has an exact length, so all this is decided before anything is spoken, in whole samples:

1. the line's own window, at a rate within its range;
2. some of the silence after it, then some of the silence before it;
3. (when it is made) another seed, whose speech has more silence at its edges to trim;
4. samples sped up with their pitch kept, up to a limit;
5. overflow, which is reported; a next line of the same speaker then starts late, which is reported too.

Words are never cut, short lines never stretched to fill (they get their natural length, unless the range of
rates goes under 1), a speaker never talks over himself, and nothing drifts: every line is placed at its own
absolute sample.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emotts.dubbing.options import DubOptions
from emotts.timebase import SAMPLES_PER_TOKEN, seconds_to_samples


@dataclass(frozen=True)
class Request:
    """A line that wants a place; times in samples, lengths in tokens.

    Attributes:
        number: of the line.
        speaker: who must not overlap himself.
        start: of the window.
        end: of the window, at least `start`.
        fewest: tokens under which the model refuses.
        natural: tokens of the natural length.
        most: tokens over which the model refuses.
        rate: slowest and fastest speaking rate.
        fixed: tokens of a timing plan that was made for this line, used wherever they fit.
    """

    number: int
    speaker: str
    start: int
    end: int
    fewest: int
    natural: int
    most: int
    rate: tuple[float, float] = (1.0, 1.2)
    fixed: int | None = None


@dataclass(frozen=True)
class Placement:
    """Where a line goes; times in samples.

    Attributes:
        number: of the line.
        speaker: of the line.
        start: first sample.
        tokens: that the model is asked for.
        samples: length in the track; tokens · 960, or less where samples are sped up.
        available: length up to the end of the room; `samples` beyond it overflow.
        borrowed_after: beyond the window.
        borrowed_before: ahead of the window.
        late: start after the window's start, because the speaker had not finished.
        natural: natural length in tokens.
        planned: whether the request's own timing plan is used.
        smoothed: whether it is faster than it had to be, to match its neighbours.
    """

    number: int
    speaker: str
    start: int
    tokens: int
    samples: int
    available: int
    borrowed_after: int
    borrowed_before: int
    late: int
    natural: int
    planned: bool = False
    smoothed: bool = False

    @property
    def end(self) -> int:
        """The sample after the last."""
        return self.start + self.samples

    @property
    def stretch(self) -> float:
        """How much the samples have to be sped up; 1 is not at all."""
        return self.tokens * SAMPLES_PER_TOKEN / self.samples

    @property
    def rate(self) -> float:
        """Speaking rate as it is heard; 1 is natural."""
        return self.natural * SAMPLES_PER_TOKEN / self.samples

    @property
    def overflow(self) -> int:
        """Samples beyond the room."""
        return max(0, self.samples - self.available)

    @property
    def steps(self) -> tuple[str, ...]:
        """Rungs of the ladder that were needed."""
        named = {
            "timing plan": self.planned,
            "rate": not self.planned and self.tokens < self.natural,
            "after": self.borrowed_after > 0,
            "before": self.borrowed_before > 0,
            "late": self.late > 0,
            "stretch": self.samples < self.tokens * SAMPLES_PER_TOKEN,
            "overflow": self.overflow > 0,
            "smoothed": self.smoothed,
        }
        return tuple(name for name, used in named.items() if used)


def fit(requests: Sequence[Request], options: DubOptions, total: int | None = None) -> list[Placement]:
    """Places every line.

    Args:
        requests: lines in any order.
        options: the limits.
        total: samples of the whole video, beyond which nothing is borrowed.

    Returns:
        placements in order of their windows.
    """
    ordered = sorted(requests, key=lambda request: (request.start, request.number))
    starts = [request.start for request in ordered]
    next_own = _next_own(ordered)
    placed: list[Placement] = []
    own_end: dict[str, int] = {}
    last_end = 0
    for index, request in enumerate(ordered):
        after = bisect_left(starts, max(request.end, request.start + 1))
        following = starts[after] if after < len(ordered) else None
        room = _room(request, next_own[index], following, options, total)
        one = _place(request, room, own_end.get(request.speaker, 0), last_end, options)
        placed.append(one)
        own_end[request.speaker] = one.end
        last_end = max(last_end, one.end)
    return smooth(placed, ordered, options)


@dataclass(frozen=True)
class _Room:
    """Ends in samples: of the window as far as it is free, and of what may be borrowed."""

    window: int
    borrowed: int


def _next_own(ordered: Sequence[Request]) -> list[int | None]:
    """Start of the next line of the same speaker, for each line."""
    found: list[int | None] = []
    latest: dict[str, int] = {}
    for request in reversed(ordered):
        found.append(latest.get(request.speaker))
        latest[request.speaker] = request.start
    return found[::-1]


def _room(
    request: Request, own: int | None, following: int | None, options: DubOptions, total: int | None
) -> _Room:
    window = request.end if own is None else min(request.end, own)
    limit = window + seconds_to_samples(options.borrow_after)
    if request.end == request.start:  # no window at all: the room up to the next line is all its own
        limit = max(limit, window + request.natural * SAMPLES_PER_TOKEN)
    gap = seconds_to_samples(options.gap)
    ends = [limit, *(start - gap for start in (own, following) if start is not None)]
    if total is not None:
        ends.append(max(total, window))
    return _Room(window, max(window, min(ends)))


def _place(request: Request, room: _Room, own_end: int, last_end: int, options: DubOptions) -> Placement:
    start = max(request.start, own_end)
    wished = target_tokens(request, max(0, room.window - start))
    available = room.borrowed - start
    earliest = max(0, request.start - seconds_to_samples(options.borrow_before))
    earliest = max(earliest, last_end + seconds_to_samples(options.gap) if last_end else 0)
    planned = request.fixed is not None and request.fixed * SAMPLES_PER_TOKEN <= available
    tokens = request.fixed if planned and request.fixed is not None else wished
    samples = tokens * SAMPLES_PER_TOKEN
    early = 0
    if samples > available and start == request.start:
        early = min(samples - available, max(0, start - earliest))
        start, available = start - early, available + early
    if samples > available:
        samples = max(available, math.ceil(samples / options.max_stretch))
    return Placement(
        number=request.number,
        speaker=request.speaker,
        start=start,
        tokens=tokens,
        samples=samples,
        available=max(0, available),
        borrowed_after=max(0, min(start + samples, room.borrowed) - max(room.window, start)),
        borrowed_before=early,
        late=max(0, start - request.start),
        natural=request.natural,
        planned=planned,
    )


def token_range(request: Request) -> tuple[int, int]:
    """Fewest and most tokens of a line at the rates it allows."""
    slowest, fastest = request.rate
    fewest = max(1, request.fewest, math.ceil(request.natural / fastest - 1e-9))
    return fewest, max(fewest, min(request.most, math.floor(request.natural / slowest + 1e-9)))


def target_tokens(request: Request, window: int) -> int:
    """Tokens for a window (samples): the natural length where it fits, else what fits, else the fewest."""
    fewest, most = token_range(request)
    fitting = window // SAMPLES_PER_TOKEN
    natural = min(max(request.natural, fewest), most)
    if fitting >= natural:
        return min(fitting, most) if most > natural else natural
    return max(fitting, fewest)


def smooth(placed: Sequence[Placement], requests: Sequence[Request], options: DubOptions) -> list[Placement]:
    """Speeds up lines beside much faster ones of the same speaker, so that the rate does not jump.

    Rates only rise, and only within each line's range, so everything that fitted still fits.

    Args:
        placed: placements in order of time.
        requests: theirs, in the same order.
        options: the limits.
    """
    result = list(placed)
    rows: dict[str, list[int]] = {}
    for index, one in enumerate(placed):
        rows.setdefault(one.speaker, []).append(index)
    apart = seconds_to_samples(options.neighbour)
    for row in rows.values():
        for order in (row, row[::-1]):
            for before, after in itertools.pairwise(order):
                first, second = sorted((before, after))
                if placed[second].start - placed[first].end <= apart:
                    wanted = result[before].rate / options.rate_jump
                    result[after] = _sped_up(result[after], requests[after], wanted)
    return result


def _sped_up(one: Placement, request: Request, rate: float) -> Placement:
    if one.planned or one.rate >= rate or one.stretch > 1.0:
        return one
    fewest, _ = token_range(request)
    tokens = max(fewest, math.floor(request.natural / rate))
    if tokens >= one.tokens:
        return one
    samples = tokens * SAMPLES_PER_TOKEN
    given_back = one.samples - samples
    borrowed = max(0, one.borrowed_after - given_back)
    return replace(one, tokens=tokens, samples=samples, borrowed_after=borrowed, smoothed=True)
