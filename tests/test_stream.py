"""Streams of speech, with a model of tiny random networks: what comes in chunks is what comes at once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotts import EmoTTS, TimingPlan
from emotts.audio.mel import LogMel
from emotts.errors import EmottsError, InputError, ModelError
from emotts.stream import TOLERANCE, TOLERANCE_EXACT, Chunk, Pacing
from emotts.text.incremental import whole_sentences
from emotts.text.segment import split_text

TEXT = "The boy was there when the sun rose over the old harbour."
LONG = "Nobody came. We waited for an hour! Was it Dr. Smith?"


def joined(chunks: Iterator[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.audio for chunk in chunks])


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.square(a - b).mean() / np.square(b).mean()))


def mel_distance(a: np.ndarray, b: np.ndarray) -> float:
    mel = LogMel()
    first, second = (mel(torch.from_numpy(audio)[None]) for audio in (a, b))
    return float((first - second).abs().mean())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"emotion": "happy:0.5", "voice": "bert", "duration": 4.123},
        {"speed": 1.3, "instruct": "shouting, furious"},
        {"emotion": "calm"},
        {"emotion": "angry:0.8", "emotion_cfg": 1.7},
        {"takes": 3},
        {"tokens": 110, "cfg": 1.0, "noise": 0.5, "temperature": 0.0},
    ],
)
def test_whole_segments_equal_offline_speech(tiny_tts: EmoTTS, options: dict) -> None:
    offline = tiny_tts.synthesize(LONG, seed=3, **options)
    chunks = list(tiny_tts.stream(LONG, seed=3, lookahead=None, **options))
    assert len({chunk.text for chunk in chunks}) == 3 and len(chunks) <= 4
    audio = joined(chunks)
    assert audio.dtype == np.float32 and audio.shape == offline.audio.shape
    assert relative(audio, offline.audio) < TOLERANCE_EXACT


@pytest.mark.parametrize("chunk", [0.2, 0.6])
def test_windows_keep_the_speech(tiny_tts: EmoTTS, chunk: float) -> None:
    offline = tiny_tts.synthesize(LONG, seed=3, noise=0.3)
    chunks = list(tiny_tts.stream(LONG, seed=3, noise=0.3, chunk=chunk))
    audio = joined(chunks)
    assert len(chunks) > 3 and audio.shape == offline.audio.shape
    assert mel_distance(audio, offline.audio) < TOLERANCE


def test_chunks_say_where_they_belong(tiny_tts: EmoTTS) -> None:
    chunks = list(tiny_tts.stream(LONG, seed=3, chunk=0.2))
    starts = np.cumsum([0, *(len(chunk.audio) for chunk in chunks)])
    assert [chunk.start for chunk in chunks] == starts[:-1].tolist()
    assert {chunk.total for chunk in chunks} == {int(starts[-1])}
    assert {chunk.seed for chunk in chunks} == {3}
    assert list(dict.fromkeys(chunk.text for chunk in chunks)) == split_text(LONG)
    assert all(len(chunk.audio) and np.abs(chunk.audio).max() <= 1 for chunk in chunks)


def test_the_first_chunk_comes_while_the_language_model_runs(
    tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = _count_codes(monkeypatch)
    pitch = tiny_tts.model.components["vocoder"].pitch
    scores = pitch.scores
    # A trained network is sure of its pitch; one that is not keeps the vocoder waiting.
    monkeypatch.setattr(pitch, "scores", lambda mel, *mask: (50 * scores(mel)[0], torch.ones(mel.shape[:2])))
    stream = tiny_tts.stream(TEXT, tokens=120, seed=1, chunk=0.6, lookahead=0.16)
    assert not drawn
    first = len(next(stream).audio)
    assert len(drawn) == 15 + 4
    assert first + len(joined(stream)) == 120 * 960
    streamed, offline = list(drawn), tiny_tts.synthesize(TEXT, tokens=120, seed=1)
    opening = round(offline.alignment[0][2] * 25)  # of which one code is repeated
    assert streamed[opening:] == offline.tokens.tolist()[opening:] and opening < 10


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.floats(2.0, 7.0), chunk=st.floats(0.1, 2.0), lookahead=st.floats(0.0, 1.0))
def test_the_duration_is_exact_to_the_sample(
    tiny_tts: EmoTTS, seconds: float, chunk: float, lookahead: float
) -> None:
    options = {"duration": seconds, "seed": 0, "chunk": chunk, "lookahead": lookahead}
    assert len(joined(tiny_tts.stream(TEXT, **options))) == round(seconds * 24_000)


def test_a_plan_and_markup_are_honoured(tiny_tts: EmoTTS) -> None:
    text = "[pause 0.3s] One word. [emotion sad]And another.[/emotion][pause 0.5s]"
    for lookahead in (None, 0.16):
        offline = tiny_tts.synthesize(text, markup=True, seed=2)
        audio = joined(tiny_tts.stream(text, markup=True, seed=2, lookahead=lookahead))
        assert audio.shape == offline.audio.shape
        assert np.array_equal(audio == 0, offline.audio == 0)
    alignment = tiny_tts.synthesize(TEXT, seed=0).alignment
    plan = TimingPlan(tuple(1 + index % 3 for index in range(len(alignment))))
    assert len(joined(tiny_tts.stream(TEXT, plan=plan, seed=0))) == 960 * plan.total


def test_seeds_decide_the_samples(tiny_tts: EmoTTS) -> None:
    first, second, other = (joined(tiny_tts.stream(TEXT, seed=seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    chunks = list(tiny_tts.stream(TEXT))
    assert np.array_equal(joined(tiny_tts.stream(TEXT, seed=chunks[0].seed)), joined(iter(chunks)))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_a_text_are_spoken_as_the_text_is(tiny_tts: EmoTTS, size: int) -> None:
    pieces = (LONG[start : start + size] for start in range(0, len(LONG), size))
    chunks = list(tiny_tts.stream(pieces, seed=3, lookahead=None))
    offline = tiny_tts.synthesize(LONG, seed=3)
    assert relative(joined(iter(chunks)), offline.audio) < TOLERANCE_EXACT
    assert {chunk.total for chunk in chunks} == {None}
    assert [chunk.text.strip() for chunk in chunks] == split_text(LONG)


def test_a_sentence_is_spoken_before_the_next_has_come(tiny_tts: EmoTTS) -> None:
    asked = []

    def pieces() -> Iterator[str]:
        for piece in ("Where is ", "he? ", "Nobody ", "knows."):
            asked.append(piece)
            yield piece

    stream = tiny_tts.stream(pieces(), seed=1)
    assert asked == []
    assert next(stream).text.strip() == "Where is he?"
    assert asked == ["Where is ", "he? ", "Nobody "]


def test_pieces_in_a_derived_emotion_are_as_loud_as_the_text(tiny_tts: EmoTTS) -> None:
    offline = tiny_tts.synthesize(LONG, seed=3, emotion="melancholic")
    streamed = joined(tiny_tts.stream(iter([LONG]), seed=3, emotion="melancholic", lookahead=None))
    neutral = tiny_tts.synthesize(LONG, seed=3)
    assert np.std(streamed) == pytest.approx(np.std(offline.audio), rel=0.1)
    assert np.std(offline.audio) < 0.9 * np.std(neutral.audio)


def test_pieces_follow_speed_and_the_emotion_of_their_words(tiny_tts: EmoTTS) -> None:
    natural = len(joined(tiny_tts.stream(iter([LONG]), seed=1)))
    fast = len(joined(tiny_tts.stream(iter([LONG]), seed=1, speed=2.0)))
    assert fast == pytest.approx(natural / 2, rel=0.03)
    read = tiny_tts.stream(["I hate you! ", "Go away!"], seed=1, emotion_from_text=True)
    assert len(joined(read)) > 0


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='aB. 。!?"\n3…(', max_size=60), st.integers(1, 9))
def test_sentences_out_of_pieces_are_those_of_the_text(text: str, size: int) -> None:
    parts = list(whole_sentences(text[start : start + size] for start in range(0, len(text), size)))
    assert "".join(part for part, _ in parts) == text
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]
    assert [piece for part, _ in parts for piece in split_text(part)] == split_text(text)


def test_closing_early_ends_the_pieces_and_frees_the_models(
    tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []
    caches = []

    def pieces() -> Iterator[str]:
        try:
            yield LONG
            yield LONG
        finally:
            ended.append(True)

    from emotts.semantic import lm_decoding

    class Watched(lm_decoding.FixedCache):
        def __init__(self, size: int) -> None:
            super().__init__(size)
            caches.append(weakref.ref(self))

    monkeypatch.setattr(lm_decoding, "FixedCache", Watched)
    drawn = _count_codes(monkeypatch)
    stream = tiny_tts.stream(pieces(), seed=1, chunk=0.4)
    next(stream)
    before = len(drawn)
    assert caches and caches[0]() is not None
    stream.close()
    gc.collect()
    assert ended == [True] and len(drawn) == before
    assert all(cache() is None for cache in caches)
    assert list(stream) == []


def test_streams_do_not_disturb_each_other(tiny_tts: EmoTTS) -> None:
    alone = [joined(tiny_tts.stream(TEXT, seed=seed, chunk=0.3)) for seed in (1, 2)]
    streams = [tiny_tts.stream(TEXT, seed=seed, chunk=0.3) for seed in (1, 2)]
    mixed: list[list[np.ndarray]] = [[], []]
    for a, b in zip(*streams, strict=True):
        mixed[0].append(a.audio)
        mixed[1].append(b.audio)
    for parts, whole in zip(mixed, alone, strict=True):
        assert np.array_equal(np.concatenate(parts), whole)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": ""}, "empty"),
        ({"text": "..."}, "pronounced"),
        ({"text": 7}, "a string or an iterable of strings, not int"),
        ({"text": b"bytes"}, "not bytes"),
        ({"text": iter(["One."]), "duration": 2.0}, "duration needs the whole text"),
        ({"text": iter(["One."]), "tokens": 20}, "tokens needs the whole text"),
        ({"text": iter(["One."]), "plan": TimingPlan((1, 2))}, "plan needs the whole text"),
        ({"text": iter(["One."]), "markup": True}, "markup needs the whole text"),
        ({"text": iter(["One."]), "speed": 9}, "speed"),
        ({"text": iter(["One."]), "emotion": "bored"}, "bored"),
        ({"text": iter(["One."]), "voice": "nobody"}, "anna, bert"),
        ({"text": iter(["One."]), "language": "xx-none"}, "xx-none"),
        ({"duration": 0.3}, "would do"),
        ({"emotion": "bored"}, "bored"),
        ({"voice": "nobody"}, "anna, bert"),
        ({"steps": 0}, "steps"),
        ({"progress": print}, "unknown option 'progress'"),
        ({"chunk": 0}, "chunk must be"),
        ({"chunk": float("nan")}, "chunk must be"),
        ({"lookahead": -1}, "lookahead must be"),
        ({"lookahead": "far"}, "lookahead must be"),
        ({"text": "[pause", "markup": True}, "column"),
    ],
)
def test_errors_come_before_the_first_chunk_is_asked_for(
    tiny_tts: EmoTTS, arguments: dict, words: str
) -> None:
    with pytest.raises(EmottsError, match=words) as caught:
        tiny_tts.stream(**({"text": TEXT} | arguments))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], "empty"),
        (["  ", "\n"], "empty"),
        (["... ", "!"], "pronounced"),
        (["One. ", 2], "must be strings"),
    ],
)
def test_pieces_that_cannot_be_spoken_are_one_clear_line(tiny_tts: EmoTTS, pieces: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(tiny_tts.stream(iter(pieces)))


def test_broken_weights_are_an_error(tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = tiny_tts.model.components["vocoder"]
    original = vocoder.filters
    monkeypatch.setattr(vocoder, "filters", lambda *a: tuple(x * float("nan") for x in original(*a)))
    with pytest.raises(ModelError, match="not finite"):
        list(tiny_tts.stream(TEXT, seed=1))


def test_loud_speech_stays_within_bounds_and_keeps_its_level(
    tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = joined(tiny_tts.stream(TEXT, tokens=120, seed=1, chunk=0.4))
    vocoder, factor = tiny_tts.model.components["vocoder"], 1.2 / float(np.abs(quiet).max())
    original = vocoder.filters

    def louder(*arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        harmonic, phase, noise = original(*arguments)
        return harmonic + np.log(factor), phase, noise + np.log(factor)

    monkeypatch.setattr(vocoder, "filters", louder)
    loud = joined(tiny_tts.stream(TEXT, tokens=120, seed=1, chunk=0.4))
    assert 0.9 < np.abs(loud).max() <= 1.0
    peaks = np.flatnonzero(np.abs(factor * quiet) > 1.0)
    far = np.ones(len(quiet), dtype=bool)
    for peak in peaks:
        far[max(0, peak - 240) : peak + 241] = False
    assert len(peaks) and far.sum() > 1000
    np.testing.assert_allclose(loud[far], factor * quiet[far], atol=2e-3)


def test_windows_grow_and_leave_no_crumbs() -> None:
    pacing = Pacing(first=10, lookahead=4)
    assert list(pacing.windows(100)) == [(10, 14), (20, 24), (40, 44), (80, 84), (100, 100)]
    assert list(pacing.windows(105)) == [(105, 105)]
    assert list(Pacing(10, 4).windows(18)) == [(18, 18)]
    assert list(Pacing(10, None).windows(300)) == [(300, 300)]


def _count_codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from emotts.semantic import lm_decoding

    drawn: list[int] = []
    original = lm_decoding.sample

    def counted(*arguments: object) -> int:
        drawn.append(original(*arguments))
        return drawn[-1]

    monkeypatch.setattr(lm_decoding, "sample", counted)
    return drawn
