import pytest

from emotts.evaluate.speed import Benchmark, Timing, render_benchmark
from emotts.evaluate.streaming import (
    StreamTiming,
    render_distances,
    standing,
    stream_distance,
    time_stream,
)
from emotts.stream import TOLERANCE_EXACT

TEXT = "The boy was there when the sun rose over the harbour, and nobody knew."


def test_a_stream_is_timed_beside_the_whole(tiny_tts):
    timing = time_stream(tiny_tts, TEXT, repeats=1, warm=False)
    assert 0 < timing.first <= timing.total and timing.whole > 0
    assert timing.seconds == pytest.approx(tiny_tts.synthesize(TEXT, seed=0).duration)


def test_a_player_waits_for_what_comes_late():
    assert standing([1.0, 1.5, 1.9], [1.0, 1.0, 1.0]) == 0
    assert standing([1.0, 2.5, 3.0], [1.0, 1.0, 1.0]) == pytest.approx(0.5)
    assert standing([1.0, 2.5, 4.0], [1.0, 1.0, 1.0]) == pytest.approx(1.0)


def test_the_distance_to_offline_speech_is_small_beside_that_of_another_seed(tiny_tts):
    exact = stream_distance(tiny_tts, [TEXT], lookahead=None)
    near = stream_distance(tiny_tts, [TEXT], chunk=0.4, lookahead=0.16)
    assert exact.mel < 1e-3 < near.mel < near.seed
    assert near.mel <= near.worst and exact.rms < TOLERANCE_EXACT
    # What differs in a stream is the mel; whole segments are given the same.
    assert exact.given < 1e-5 < near.given <= near.given_worst
    table = render_distances([("windows", near)])
    assert f"{near.given:.3g}" in table and "another seed" in table


def test_mels_of_many_segments_are_compared_in_their_order(tiny_tts):
    text = "The boy was there when the sun rose over the old harbour. Nobody. We waited for an hour!"
    assert stream_distance(tiny_tts, [text], lookahead=None).given < 1e-3


def test_the_benchmark_shows_the_first_audio():
    timing = Timing(10.0, 1, {"lm": 2.0}, 2.0)
    report = render_benchmark(
        Benchmark("a machine", (timing,), (timing,), 2**20, (StreamTiming(10.0, 0.456, 0.0, 3.0, 2.0),))
    )
    assert "first audio, s" in report and "0.46" in report
