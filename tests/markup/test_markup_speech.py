"""Markup reaches the models: pieces, pauses, emotions, rates and phones of a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotts import EmoTTS, TimingPlan
from emotts.cli import main as cli
from emotts.errors import InputError
from emotts.markup import MarkupError
from emotts.script import make_script
from emotts.text.phonemize import Phonemizer

PAUSED = "The boy was there. [pause 0.5s] Then [pause 130ms] we left."


def phones(text: str, markup: bool = True) -> list[str]:
    script = make_script(text, Phonemizer(), markup)
    return ["".join(piece.phonemes.symbols) for piece in script.pieces]


def gap(speech, first: str, second: str) -> float:
    """Seconds from the end of one word to the begin of another."""
    times = {word.lower(): (start, end) for word, start, end in speech.word_timings}
    return times[second][0] - times[first][1]


def test_markup_is_off_unless_asked(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize("Wait [pause 2s] here", seed=1)
    assert [word for word, _, _ in speech.word_timings][:2] == ["Wait", "pause"]


def test_text_without_tags_is_the_same_with_markup(tiny_tts: EmoTTS) -> None:
    text = "The boy was there. The sun rose."
    plain, marked = (tiny_tts.synthesize(text, seed=1, markup=markup) for markup in (False, True))
    assert np.array_equal(plain.audio, marked.audio) and plain.alignment == marked.alignment


def test_pauses_are_exact_whatever_the_speed(tiny_tts: EmoTTS) -> None:
    for options in ({}, {"speed": 0.7}, {"speed": 1.5}, {"duration": 4.567}, {"tokens": 120}):
        speech = tiny_tts.synthesize(PAUSED, seed=1, markup=True, **options)
        assert gap(speech, "there", "then") == pytest.approx(0.5, abs=1e-6)
        assert gap(speech, "then", "we") == pytest.approx(0.13, abs=1e-6)
        starts = [start for _, start, _ in speech.alignment]
        ends = [end for _, _, end in speech.alignment]
        assert starts[0] == 0 and starts[1:] == ends[:-1]


def test_a_pause_is_digital_silence_but_for_its_edges(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize("Hello [pause 0.5s] world", seed=1, markup=True)
    start = round(speech.word_timings[0][2] * 24_000)
    assert not speech.audio[start + 960 : start + 12_000 - 960].any()
    assert speech.audio[:start].any() and speech.audio[start + 12_000 :].any()


def test_pauses_stand_at_both_ends(tiny_tts: EmoTTS) -> None:
    speech = tiny_tts.synthesize("[pause 1s]Hello[pause 0.75s]", seed=1, markup=True)
    ((_, start, end),) = speech.word_timings
    assert start == pytest.approx(1.0) and speech.duration - end == pytest.approx(0.75)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.floats(2.6, 4.5))
def test_the_whole_length_is_exact(tiny_tts: EmoTTS, seconds: float) -> None:
    text = (
        "[pause 33ms]The [emotion sad]boy was[/emotion] there. [pause 0.51s] The [rate 0.8]sun rose.[/rate]"
    )
    speech = tiny_tts.synthesize(text, duration=seconds, seed=0, markup=True)
    assert len(speech.audio) == round(seconds * 24_000)


def test_tokens_are_exact_with_pauses(tiny_tts: EmoTTS) -> None:
    assert len(tiny_tts.synthesize(PAUSED, tokens=101, seed=0, markup=True).audio) == 101 * 960


def test_a_length_shorter_than_the_pauses_is_refused(tiny_tts: EmoTTS) -> None:
    with pytest.raises(InputError, match=r"its pauses alone last 0\.\d\d s"):
        tiny_tts.synthesize(PAUSED, duration=0.3, markup=True)
    with pytest.raises(InputError, match="too short for this text: between") as caught:
        tiny_tts.synthesize(PAUSED, duration=0.9, markup=True)
    low = float(str(caught.value).split("between ")[1].split(" and")[0])
    assert len(tiny_tts.synthesize(PAUSED, duration=low, markup=True, seed=0).audio) == round(low * 24_000)


def test_each_stretch_has_its_emotion(tiny_tts: EmoTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    original = tiny_tts._render
    monkeypatch.setattr(
        tiny_tts,
        "_render",
        lambda lines, *rest: (
            seen.append([segment.emotion.name for segment in lines[0].segments()]) or original(lines, *rest)
        ),
    )
    speech = tiny_tts.synthesize(
        "I am [emotion sad:0.6]so sorry[/emotion] for it.", emotion="happy", markup=True, seed=1
    )
    assert seen == [["happy", "sad", "happy"]]
    assert speech.emotion.name == "happy"
    assert [word for word, _, _ in speech.word_timings] == ["I", "am", "so", "sorry", "for", "it"]
    # No pause where markup parts words that are said in one breath.
    assert gap(speech, "am", "so") <= 0.04 + 1e-9


def test_a_rate_stretches_its_words_and_no_others(tiny_tts: EmoTTS) -> None:
    def lengths(text: str, **options: float) -> list[float]:
        speech = tiny_tts.synthesize(text, seed=1, markup=True, **options)
        return [end - start for _, start, end in speech.word_timings]

    plain = lengths("Hello wonderful morning people")
    slow = lengths("Hello [rate 0.5]wonderful morning[/rate] people")
    assert slow[0] == pytest.approx(plain[0], abs=0.041) and slow[3] == pytest.approx(plain[3], abs=0.041)
    assert sum(slow[1:3]) == pytest.approx(2 * sum(plain[1:3]), abs=0.1)
    fixed = lengths("Hello [rate 0.5]wonderful morning[/rate] people", tokens=70)
    assert fixed[1] + fixed[2] > 1.4 * (fixed[0] + fixed[3])


def test_phones_are_said_and_marks_around_them_stay() -> None:
    assert phones("<tomato|təˈmɑːtoʊ>, she said!") == ["^təmˈɑːtoʊ,ʃiː sˈɛd!"]
    assert phones("She said <tomato|təˈmɑːtoʊ>.") == ["^ʃiː sˈɛd təmˈɑːtoʊ."]
    assert phones("“<tomato|təˈmɑːtoʊ>?” she said.") == ["^təmˈɑːtoʊ?ʃiː sˈɛd."]
    assert phones("<pay|peɪ> .5 or $5") == ["^peɪ pˈɔɪnt fˈaɪv ɔːɹ fˈaɪv dˈɑːlɚz."]


def test_long_texts_are_cut_into_sentences_around_markup() -> None:
    text = "First one here. “Go,” said <Bob|bɑːb> now. It cost [rate 0.8]$5. And[/rate] that is all (really)."
    pieces = make_script(text, Phonemizer(), markup=True).pieces
    assert [piece.text.strip() for piece in pieces] == [
        "First one here.",
        "“Go,” said Bob now.",
        "It cost $5.",
        "And that is all (really).",
    ]
    assert [sorted(set(piece.rates)) for piece in pieces] == [[1.0], [1.0], [0.8, 1.0], [0.8, 1.0]]


def test_nothing_to_say_is_an_error(tiny_tts: EmoTTS) -> None:
    for text in ("[pause 1s]", "[emotion sad] [/emotion]", "[emotion sad]...[/emotion]", "<speak/>"):
        with pytest.raises(InputError, match=r"empty|pronounced"):
            tiny_tts.synthesize(text, markup=True)


def test_a_plan_and_markup_do_not_go_together(tiny_tts: EmoTTS) -> None:
    with pytest.raises(InputError, match="without markup"):
        tiny_tts.synthesize("Hello", plan=TimingPlan((1, 1)), markup=True)


def test_the_command_line_reads_markup_and_lexicons(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.tsv").write_text("boy\tbˈɔɪ\n", encoding="utf-8")
    common = ["--model", str(tiny_model), "--seed", "1", "-q"]
    assert cli.run(["synthesize", PAUSED, "--markup", "--lexicon", "names.tsv", *common]) == 0
    assert Path("out.wav").exists()
    assert cli.run(["synthesize", "a [pause]", "--markup", "-o", "x.wav", *common]) == 2
    assert capsys.readouterr().err.startswith("emotts: markup, column 3: ")
    assert cli.run(["synthesize", "a", "--lexicon", "none.tsv", "-o", "x.wav", *common]) == 2


def test_wrong_markup_in_a_list_is_refused(tiny_tts: EmoTTS) -> None:
    with pytest.raises(MarkupError):
        tiny_tts.synthesize(["fine", "[pause"], markup=[True, True])
    spoken = tiny_tts.synthesize(["[fine", "good"], markup=[False, True], seed=1)
    assert len(spoken) == 2
