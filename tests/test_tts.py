"""Text in, speech of an exact length out, with a model of tiny random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotts import Emotion, EmoTTS, TimingPlan
from emotts.audio.seams import join_segments
from emotts.device import pick_device
from emotts.errors import AudioError, InputError
from emotts.pipeline import STAGES, Segment, quiet_opening
from emotts.speech import Speech
from emotts.text.phonemize import Phonemizer

TEXT = "The boy was there when the sun rose."
LONG = " ".join(
    f"Sentence number {word} is here to make the text longer, and it is not the last."
    for word in ("one", "two", "three", "four", "five", "six", "seven", "eight")
)


def test_free_mode_gives_whole_tokens_and_a_consistent_record(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize(TEXT, seed=1)
    assert isinstance(speech, Speech)
    assert speech.audio.dtype == np.float32 and speech.audio.ndim == 1
    assert len(speech.audio) == 960 * len(speech.tokens)
    assert np.isfinite(speech.audio).all() and 0 < np.abs(speech.audio).max() <= 1
    assert speech.sample_rate == tiny_tts.sample_rate == 24_000
    assert (speech.text, speech.voice, speech.seed) == (TEXT, "anna", 1)
    assert speech.emotion.is_neutral
    assert set(speech.timings) == set(STAGES) and all(x >= 0 for x in speech.timings.values())


def test_alignment_covers_the_speech_without_gaps(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize(TEXT, duration=3.0, seed=1)
    starts = [start for _, start, _ in speech.alignment]
    ends = [end for _, _, end in speech.alignment]
    assert starts[0] == 0 and starts[1:] == ends[:-1]
    assert ends[-1] == pytest.approx(speech.duration)
    assert speech.alignment[0][0] == "^"
    words = [word.lower() for word, _, _ in speech.word_timings]
    assert words == ["the", "boy", "was", "there", "when", "the", "sun", "rose"]
    for (_, start, end), (_, following, _) in zip(speech.word_timings, speech.word_timings[1:], strict=False):
        assert start < end <= following


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.floats(1.6, 4.5))
def test_the_duration_is_exact_to_the_sample(tiny_tts: EmoTTS, seconds: float) -> None:
    speech = tiny_tts.synthesize(TEXT, duration=seconds, seed=0)
    assert len(speech.audio) == round(seconds * 24_000)
    assert len(speech.tokens) == max(1, round(seconds * 25))


def test_tokens_are_exact(tiny_tts: EmoTTS) -> None:
    assert len(tiny_tts.synthesize(TEXT, tokens=61, seed=0).audio) == 61 * 960


def test_speed_scales_the_length(tiny_tts: EmoTTS) -> None:
    natural = tiny_tts.synthesize(TEXT, seed=0).duration
    for speed in (0.5, 0.8, 1.25, 2.0):
        spoken = tiny_tts.synthesize(TEXT, speed=speed, seed=0).duration
        assert spoken == pytest.approx(natural / speed, abs=0.05)


def test_a_plan_is_followed(tiny_tts: EmoTTS) -> None:
    symbols = Phonemizer().phonemize(TEXT).symbols
    plan = TimingPlan(tuple(1 + index % 3 for index in range(len(symbols))))
    speech = tiny_tts.synthesize(TEXT, plan=plan, seed=0)
    assert len(speech.tokens) == plan.total
    lengths = [round((end - start) * 25) for _, start, end in speech.alignment]
    assert tuple(lengths) == plan.durations
    with pytest.raises(InputError, match="phonemes"):
        tiny_tts.synthesize("Other words.", plan=plan)


def test_the_same_seed_gives_the_same_samples(tiny_tts: EmoTTS) -> None:
    first, second, other = (tiny_tts.synthesize(TEXT, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.audio, second.audio)
    assert not np.array_equal(first.audio, other.audio)


def test_a_drawn_seed_is_reported_and_reproduces(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize(TEXT)
    assert np.array_equal(tiny_tts.synthesize(TEXT, seed=speech.seed).audio, speech.audio)
    assert tiny_tts.synthesize(TEXT).seed != speech.seed


def test_a_text_is_the_same_alone_as_in_a_list(tiny_tts: EmoTTS) -> None:
    texts = [TEXT, "Hello.", "This is another, rather longer sentence than the first one was."]
    together = tiny_tts.synthesize(
        texts,
        voice=["anna", "bert", None],
        emotion=["happy", None, "sad:0.4"],
        duration=[3.0, None, None],
        seed=[4, 4, 9],
    )
    assert [speech.text for speech in together] == texts
    assert [speech.voice for speech in together] == ["anna", "bert", "anna"]
    assert [speech.emotion.name for speech in together] == ["happy", "neutral", "sad"]
    assert len(together[0].audio) == 72_000
    alone = [
        tiny_tts.synthesize(TEXT, voice="anna", emotion="happy", duration=3.0, seed=4),
        tiny_tts.synthesize("Hello.", voice="bert", seed=4),
        tiny_tts.synthesize(texts[2], emotion="sad:0.4", seed=9),
    ]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.tokens, b.tokens)
        # Sums round differently in a batch, and the vocoder adds up phase over the whole sentence.
        assert np.square(a.audio - b.audio).mean() < 0.01 * np.square(b.audio).mean()


def test_lists_must_fit_the_texts(tiny_tts: EmoTTS) -> None:
    assert tiny_tts.synthesize([]) == []
    with pytest.raises(InputError, match="speed has 3 values for 2 texts"):
        tiny_tts.synthesize(["One.", "Two."], speed=[1.0, 1.1, 1.2])
    with pytest.raises(InputError, match="seed is a list, but there is one text"):
        tiny_tts.synthesize("One.", seed=[1])


@pytest.mark.parametrize(
    "emotion",
    [
        "angry:0.5",
        Emotion.parse("angry:0.5"),
        {"angry": 0.5},
        [0, 0.5, 0, 0, 0, 0, 0, 0],
        torch.eye(8)[1] / 2,
    ],
)
def test_every_way_to_name_an_emotion_is_the_same(tiny_tts: EmoTTS, emotion: object) -> None:
    wanted = tiny_tts.synthesize("Hello there.", emotion="angry:0.5", tokens=20, seed=0)
    speech = tiny_tts.synthesize("Hello there.", emotion=emotion, tokens=20, seed=0)
    assert speech.emotion == wanted.emotion
    assert np.array_equal(speech.audio, wanted.audio)


def test_a_long_text_is_spoken_in_segments_of_an_exact_sum(tiny_tts: EmoTTS) -> None:
    natural = tiny_tts.synthesize(LONG, seed=2)
    wanted = round(natural.duration * 1.1, 2) + 0.013
    speech = tiny_tts.synthesize(LONG, duration=wanted, seed=2)
    assert len(speech.audio) == round(wanted * 24_000)
    assert len(natural.word_timings) == 8 * 16
    assert [symbol for symbol, _, _ in natural.alignment].count("^") > 1
    assert natural.alignment[-1][2] == pytest.approx(natural.duration)


def test_sentences_are_parted_by_a_pause(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize("This is one. This is two.", seed=0)
    (_, _, end), (_, start, _) = speech.word_timings[2:4]
    assert 0.3 <= start - end <= 0.6


def test_cost_grows_linearly(tiny_tts: EmoTTS) -> None:
    lengths = [len(tiny_tts.synthesize(" ".join([LONG] * n), seed=0).tokens) for n in (1, 2)]
    assert lengths[1] == pytest.approx(2 * lengths[0], rel=0.05)


def test_of_several_takes_the_best_draw_is_spoken(tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[list[list[int]]] = []
    weights: list[float] = []

    def last(tokenizer, takes, phoneme_ids, durations, pitch_weight) -> int:
        offered.append([take.tolist() for take in takes])
        assert {len(take) for take in takes} == {sum(durations)}
        weights.append(pitch_weight)
        return len(takes) - 1

    single = tiny_tts.synthesize(TEXT, seed=4)
    monkeypatch.setattr("emotts.pipeline.best_take", last)
    speech = tiny_tts.synthesize(TEXT, seed=4, takes=3)
    assert len(offered) == 1 and len(offered[0]) == 3
    spoken = slice(round(single.alignment[0][2] * 25), None)  # in the opening silence one code is repeated
    assert offered[0][0][spoken] == single.tokens.tolist()[spoken]  # the first draw is that of a single one
    assert offered[0][2][spoken] == speech.tokens.tolist()[spoken]
    assert len({tuple(take[spoken]) for take in offered[0]}) == 3
    tiny_tts.synthesize(TEXT, emotion="happy", seed=4, takes=3)
    assert weights[0] == 0.0 < weights[1]


def test_the_opening_silence_holds_the_quietest_of_its_codes(tiny_tts: EmoTTS) -> None:
    model = tiny_tts.model
    phonemes = Phonemizer("en-us").phonemize(TEXT)
    for opening in (0, 1, 5):
        segment = Segment(phonemes, (opening, *([2] * (len(phonemes.ids) - 1))), None, Emotion(), 0, 0)
        codes = torch.arange(segment.total) % 12
        quiet = quiet_opening(model, segment, codes)
        assert torch.equal(quiet[opening:], codes[opening:])
        if opening > 1:
            assert len(quiet[:opening].unique()) == 1
            assert model.code_energy[quiet[0]] == model.code_energy[codes[:opening]].min()
        else:
            assert torch.equal(quiet, codes)
    plan = TimingPlan((6, *([2] * (len(phonemes.ids) - 1))))
    assert len(set(tiny_tts.synthesize(TEXT, plan=plan, seed=1).tokens[:6].tolist())) == 1


def test_defaults_can_be_set_for_all_texts(tiny_model: Path) -> None:
    plain = EmoTTS.from_pretrained(tiny_model, "cpu")
    three = EmoTTS.from_pretrained(tiny_model, "cpu", takes=3, noise=None)
    assert (plain.model.config.generation.takes, three.model.config.generation.takes) == (1, 3)
    assert three.model.config.generation.noise == plain.model.config.generation.noise
    asked = plain.synthesize(TEXT, seed=2, takes=3)
    assert np.array_equal(three.synthesize(TEXT, seed=2).audio, asked.audio)
    assert np.array_equal(three.synthesize(TEXT, seed=2, takes=1).audio, plain.synthesize(TEXT, seed=2).audio)
    with pytest.raises(InputError, match="takes must be a whole number from 1 to 64, not 0"):
        EmoTTS.from_pretrained("nowhere at all", "cpu", takes=0)


def test_takes_do_not_depend_on_company(tiny_tts: EmoTTS) -> None:
    texts = [TEXT, "Hello.", LONG]
    together = tiny_tts.synthesize(texts, seed=[4, 4, 9], takes=5)
    alone = [
        tiny_tts.synthesize(text, seed=seed, takes=5) for text, seed in zip(texts, (4, 4, 9), strict=True)
    ]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.tokens, b.tokens)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "... !?"}, "pronounced"),
        ({"text": "😀"}, "pronounced"),
        ({"text": 7}, "text"),
        ({"emotion": "bored"}, "happy, angry, sad, afraid, disgusted, melancholic, surprised, calm"),
        ({"emotion": "happy:1.5"}, "from 0 to 1"),
        ({"emotion": {"happy": -1}}, "from 0 to 1"),
        ({"emotion": 5}, "emotion"),
        ({"duration": 0}, "greater than 0"),
        ({"duration": -2}, "greater than 0"),
        ({"duration": float("nan")}, "greater than 0"),
        ({"duration": float("inf")}, "greater than 0"),
        ({"duration": 0.3}, r"between \d+\.\d\d and \d+\.\d\d s would do"),
        ({"duration": 100}, r"between \d+\.\d\d and \d+\.\d\d s would do"),
        ({"tokens": 0}, "greater than 0"),
        ({"tokens": 2.5}, "whole number"),
        ({"tokens": 100_000}, "would do"),
        ({"speed": 0.4}, "from 0.5 to 2.0"),
        ({"speed": 3}, "from 0.5 to 2.0"),
        ({"duration": 2, "speed": 1.1}, "duration and speed"),
        ({"duration": 2, "tokens": 50}, "duration and tokens"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"steps": 0}, "steps must be a whole number from 1"),
        ({"cfg": -1}, "cfg"),
        ({"takes": 0}, "takes must be a whole number from 1"),
        ({"takes": 1.5}, "takes must be a whole number"),
        ({"temperature": float("nan")}, "temperature"),
        ({"tempreature": 1}, "unknown option 'tempreature'.*temperature"),
        ({"plan": (1, 2)}, "TimingPlan"),
        ({"language": "xx-none"}, "xx-none"),
        ({"voice": "nobody"}, "anna, bert"),
    ],
)
def test_bad_requests_are_one_clear_line(tiny_tts: EmoTTS, arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        tiny_tts.synthesize(**({"text": TEXT} | arguments))
    assert "\n" not in str(caught.value)


def test_a_reference_is_a_voice(tiny_tts: EmoTTS, reference: Path) -> None:
    speech = tiny_tts.synthesize(TEXT, voice=reference, tokens=50, seed=1)
    assert speech.voice == "reference" and len(speech.audio) == 48_000
    with pytest.raises(AudioError, match=r"0.10 s"):
        tiny_tts.synthesize(TEXT, voice=(np.ones(2400, np.float32), 24_000))


def test_progress_goes_up_to_one(tiny_tts: EmoTTS) -> None:
    seen: list[float] = []
    tiny_tts.synthesize(LONG, seed=0, progress=lambda stage, fraction: seen.append(fraction))
    assert seen == sorted(seen) and seen[0] >= 0 and seen[-1] == 1.0


def test_loud_peaks_are_turned_down_and_the_rest_is_not(
    tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = tiny_tts.synthesize(TEXT, tokens=50, seed=1).audio
    factor = 1.2 / np.abs(quiet).max()
    vocoder = tiny_tts.model.components["vocoder"]
    original = vocoder.forward
    monkeypatch.setattr(vocoder, "forward", lambda *a, **k: original(*a, **k) * float(factor))
    loud = tiny_tts.synthesize(TEXT, tokens=50, seed=1).audio
    full = np.abs(loud) == 1.0
    assert 0.95 < np.abs(loud).max() <= 1.0 and not (full[1:] & full[:-1]).any(), "no clipping"
    far = np.ones(len(quiet), dtype=bool)
    for peak in np.flatnonzero(np.abs(factor * quiet) > 1.0):
        far[max(0, peak - 240) : peak + 241] = False
    assert far.sum() > 1000
    np.testing.assert_allclose(loud[far], factor * quiet[far], atol=1e-4)


def test_seams_between_segments_fade() -> None:
    joined = join_segments([torch.ones(960), torch.ones(960)])
    assert joined.shape == (1920,)
    assert joined[0] == 1 and joined[-1] == 1
    assert joined[958:962].abs().max() < 0.05


def test_devices_that_are_not_there_are_named() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(InputError, match="cuda:99"):
        pick_device("cuda:99")
    with pytest.raises(InputError, match="auto, cpu or cuda"):
        pick_device("toaster")


def test_speech_is_saved(tiny_tts: EmoTTS, tmp_path: Path) -> None:
    import soundfile

    speech = tiny_tts.synthesize(TEXT, duration=2.345, seed=1)
    speech.save(tmp_path / "x.wav")
    assert soundfile.info(tmp_path / "x.wav").frames == round(2.345 * 24_000)
