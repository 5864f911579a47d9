"""The fit ladder: each rung when it is needed, and what holds for every script."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.dubbing.fit import Placement, Request, fit, token_range
from emotts.dubbing.options import DubOptions
from emotts.timebase import SAMPLE_RATE, SAMPLES_PER_TOKEN

OPTIONS = DubOptions()
TOKEN = SAMPLES_PER_TOKEN


def ask(number: int, start: float, end: float, natural: int, speaker: str = "A", **fields: object) -> Request:
    samples = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    limits = {"fewest": -(-natural // 2), "natural": natural, "most": 3 * natural}
    return Request(number, speaker, *samples, **{**limits, **fields})  # type: ignore[arg-type]


def one(
    *requests: Request, number: int = 1, total: float | None = None, options: DubOptions = OPTIONS
) -> Placement:
    length = None if total is None else round(total * SAMPLE_RATE)
    return next(p for p in fit(requests, options, length) if p.number == number)


def test_a_short_line_keeps_its_natural_length() -> None:
    place = one(ask(1, 1.0, 5.0, 25))
    assert (place.start, place.tokens, place.samples) == (SAMPLE_RATE, 25, 25 * TOKEN)
    assert place.steps == ()


def test_a_range_under_one_allows_to_fill() -> None:
    assert one(ask(1, 1.0, 5.0, 25, rate=(0.8, 1.2))).tokens == 31
    assert one(ask(1, 1.0, 2.08, 25, rate=(0.8, 1.2))).tokens == 27


def test_the_model_speaks_faster_first() -> None:
    place = one(ask(1, 1.0, 1.9, 25))
    assert (place.tokens, place.steps) == (22, ("rate",))


def test_then_the_silence_after_is_borrowed_and_no_more_than_needed() -> None:
    place = one(ask(1, 1.0, 1.6, 25), ask(2, 3.0, 4.0, 10))
    assert place.tokens == 21  # 25 / 1.2
    assert place.steps == ("rate", "after")
    assert place.borrowed_after == 21 * TOKEN - round(0.6 * SAMPLE_RATE)


def test_then_the_silence_before() -> None:
    place = one(ask(1, 1.0, 1.6, 25), ask(2, 1.7, 3.0, 10, "B"))
    assert place.steps[:3] == ("rate", "after", "before")
    assert place.start == round(1.0 * SAMPLE_RATE) - place.borrowed_before
    assert place.end <= round(1.7 * SAMPLE_RATE) - round(OPTIONS.gap * SAMPLE_RATE)


def test_then_samples_are_sped_up_and_then_it_overflows() -> None:
    tight = DubOptions(borrow_after=0.0, borrow_before=0.0)
    place = one(ask(1, 1.0, 1.75, 25), options=tight)
    assert (place.samples, place.overflow) == (18_000, 0)
    assert "stretch" in place.steps
    place = one(ask(1, 1.0, 1.5, 25), options=tight)
    assert place.samples == math.ceil(21 * TOKEN / 1.15)
    assert place.overflow == place.samples - 12_000
    assert "overflow" in place.steps


def test_the_next_line_of_a_speaker_waits_and_others_do_not() -> None:
    tight = DubOptions(borrow_before=0.0)
    crowd = [ask(1, 1.0, 1.2, 40), ask(2, 1.2, 3.0, 10), ask(3, 1.25, 3.0, 10, "B"), ask(4, 4.0, 5.0, 10)]
    first, second, third, fourth = fit(crowd, tight)
    assert first.overflow > 0
    assert second.start == first.end
    assert "late" in second.steps
    assert third.start == round(1.25 * SAMPLE_RATE)
    assert fourth.start == 4 * SAMPLE_RATE


def test_a_line_without_a_window_takes_the_room_after_it() -> None:
    place = one(ask(1, 1.0, 1.0, 25), ask(2, 5.0, 6.0, 10))
    assert (place.tokens, place.start, place.overflow) == (25, SAMPLE_RATE, 0) or place.rate <= 1.2
    assert place.overflow == 0


def test_nothing_is_borrowed_beyond_the_video() -> None:
    place = one(ask(1, 1.0, 1.7, 25), total=1.75)
    assert place.start + place.available <= round(1.75 * SAMPLE_RATE)


def test_neighbours_of_one_speaker_have_like_rates() -> None:
    fast, slow, far, other = (
        ask(1, 1.0, 1.85, 25), ask(2, 2.0, 6.0, 25), ask(3, 20.0, 25.0, 25), ask(4, 2.0, 6.0, 25, "B"),
    )  # fmt: skip
    placed = {p.number: p for p in fit([fast, slow, far, other], OPTIONS)}
    assert placed[1].rate > 1.15
    assert placed[2].rate >= placed[1].rate / OPTIONS.rate_jump - 1e-9
    assert placed[2].smoothed
    assert placed[3].rate == placed[4].rate == 1.0


def test_a_timing_plan_is_used_where_it_fits() -> None:
    assert one(ask(1, 1.0, 2.0, 25, fixed=27)).tokens == 27
    assert one(ask(1, 1.0, 2.0, 25, fixed=27)).planned
    assert not one(ask(1, 1.0, 2.0, 25, fixed=90)).planned


line = st.tuples(
    st.floats(0, 60), st.floats(0, 6), st.integers(3, 120), st.sampled_from("ABC"), st.floats(0.8, 1.0),
    st.floats(1.0, 1.5), st.none() | st.integers(3, 120),
)  # fmt: skip
limits = st.builds(
    DubOptions,
    borrow_after=st.floats(0, 2), borrow_before=st.floats(0, 1), gap=st.floats(0, 0.3),
    max_stretch=st.floats(1.0, 1.3), rate_jump=st.floats(1.0, 1.5), neighbour=st.floats(0, 10),
)  # fmt: skip


@given(st.lists(line, min_size=1, max_size=25), limits, st.none() | st.floats(1, 70))
@settings(max_examples=120, deadline=None)
def test_what_holds_for_every_script(lines: list, options: DubOptions, total: float | None) -> None:
    requests = [
        ask(number, start, start + length, natural, speaker, rate=(slow, fast), fixed=fixed)
        for number, (start, length, natural, speaker, slow, fast, fixed) in enumerate(lines, 1)
    ]
    placed = fit(requests, options, None if total is None else round(total * SAMPLE_RATE))
    asked = {request.number: request for request in requests}
    assert sorted(p.number for p in placed) == sorted(asked)
    latest: dict[str, int] = {}
    for place in placed:
        request = asked[place.number]
        fewest, most = token_range(request)
        # No speaker over himself.
        assert place.start >= latest.get(place.speaker, 0)
        latest[place.speaker] = place.end
        # No drift: the start is the line's own, but for what is accounted for.
        assert place.start == request.start - place.borrowed_before + place.late
        assert 0 <= place.borrowed_before <= round(options.borrow_before * SAMPLE_RATE)
        assert not (place.borrowed_before and place.late)
        # Exact sums: whole tokens unless sped up, and never by more than the limit.
        assert place.samples == place.tokens * TOKEN or place.samples < place.tokens * TOKEN
        assert place.stretch <= options.max_stretch + 1e-6
        if place.planned:
            assert place.tokens == request.fixed
            assert place.overflow == 0
        else:
            # Nothing is cut, and nothing is stretched to fill.
            assert fewest <= place.tokens <= most
        assert place.overflow == max(0, place.samples - place.available)
    # Nobody waits without a cause.
    for place in placed:
        if place.late:
            assert any(
                other.speaker == place.speaker and other.end == place.start and other.number != place.number
                for other in placed
            )


@given(st.lists(line, min_size=1, max_size=12), limits)
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_script_does_not_matter(lines: list, options: DubOptions) -> None:
    requests = [
        ask(number, start, start + length, natural, speaker)
        for number, (start, length, natural, speaker, *_) in enumerate(lines, 1)
    ]
    assert fit(requests, options) == fit(requests[::-1], options)
