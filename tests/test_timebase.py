from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emotts.timebase import (
    FRAMES_PER_TOKEN,
    HOP_LENGTH,
    SAMPLE_RATE,
    SAMPLES_PER_TOKEN,
    TOKEN_RATE,
    WINDOW_LENGTH,
    samples_to_frames,
    samples_to_tokens,
    seconds_to_samples,
    seconds_to_tokens,
    tokens_to_seconds,
)


def test_a_token_is_40_ms_in_every_unit() -> None:
    assert SAMPLES_PER_TOKEN / SAMPLE_RATE == FRAMES_PER_TOKEN * HOP_LENGTH / SAMPLE_RATE == 0.04
    assert TOKEN_RATE * SAMPLES_PER_TOKEN == SAMPLE_RATE
    assert WINDOW_LENGTH % HOP_LENGTH == 0


@given(st.integers(1, 100_000))
def test_whole_tokens_survive_seconds(tokens: int) -> None:
    seconds = tokens_to_seconds(tokens)
    assert seconds_to_tokens(seconds) == tokens
    assert seconds_to_samples(seconds) == tokens * SAMPLES_PER_TOKEN


@given(st.floats(0, 3600))
def test_seconds_go_to_the_nearest_token_but_never_to_none(seconds: float) -> None:
    tokens = seconds_to_tokens(seconds)
    assert tokens == 1 or abs(tokens - seconds * TOKEN_RATE) <= 0.5
    assert tokens >= 1


@given(st.integers(0, 10_000_000))
def test_every_started_unit_counts(samples: int) -> None:
    frames, tokens = samples_to_frames(samples), samples_to_tokens(samples)
    assert (frames - 1) * HOP_LENGTH < samples <= frames * HOP_LENGTH
    assert (tokens - 1) * SAMPLES_PER_TOKEN < samples <= tokens * SAMPLES_PER_TOKEN
