import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.text.phonemize import Phonemes, Phonemizer
from emotts.text.symbols import SYMBOLS, decode, kind

BETWEEN = {" ", ",", ";", ":", "—", "…", ".", "?", "!"}
END = {".", "?", "!", "…"}


@pytest.fixture(scope="module")
def english() -> Phonemizer:
    return Phonemizer("en-us")


def spoken(phonemes: Phonemes) -> list[tuple[str, str]]:
    """Return each word with its phones run together."""
    groups = [""] * len(phonemes.words)
    for symbol, index in zip(phonemes.symbols, phonemes.word_index, strict=True):
        if index >= 0:
            groups[index] += symbol
    return list(zip(phonemes.words, groups, strict=True))


def check_structure(phonemes: Phonemes) -> None:
    symbols = phonemes.symbols
    assert symbols[0] == "^"
    assert symbols[-1] in END
    assert decode(phonemes.ids) == list(symbols)
    pauses = [index for index, symbol in enumerate(symbols) if kind(symbol) == "pause"]
    assert not any({index, index + 1} <= set(pauses) for index in pauses)
    assert {symbols[index] for index in pauses[1:-1]} <= BETWEEN
    assert [index for index, word in enumerate(phonemes.word_index) if word < 0] == pauses
    words = [word for word in phonemes.word_index if word >= 0]
    assert words == sorted(words)
    assert sorted(set(words)) == list(range(len(phonemes.words)))
    assert len(pauses) == len(phonemes.words) + 1


def test_a_greeting_reads_as_documented(english: Phonemizer) -> None:
    expected = ["^", "h", "ə", "l", "ˈoʊ", ",", "w", "ˈɜː", "l", "d", "."]
    assert list(english.phonemize("Hello, world.").symbols) == expected
    assert english.phonemize("Hello, world.").word_index == (-1, 0, 0, 0, 0, -1, 1, 1, 1, 1, -1)
    assert english.phonemize("Hello, world").symbols == tuple(expected)


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("church", "tʃ ˈɜː tʃ"),
        ("judge", "dʒ ˈʌ dʒ"),
        ("button", "b ˈʌ ʔ n̩"),
        ("little", "l ˈɪ ɾ ə l"),
        ("fire", "f ˈaɪ ɚ"),
        ("idea", "aɪ d ˈi ə"),
        ("car", "k ˈɑː ɹ"),
        ("near", "n ˈɪ ɹ"),
        ("think", "θ ˈɪ ŋ k"),
        ("vision", "v ˈɪ ʒ ə n"),
        ("photograph", "f ˈoʊ ɾ ə ɡ ɹ ˌæ f"),
    ],
)
def test_words_have_their_phones(english: Phonemizer, word: str, phones: str) -> None:
    assert list(english.phonemize(word).symbols) == ["^", *phones.split(), "."]


def test_words_that_espeak_joins_are_parted(english: Phonemizer) -> None:
    result = english.phonemize("I was in the house of the old man.")
    assert result.words == tuple(str.split("I was in the house of the old man"))
    assert spoken(result)[2:8] == [
        ("in", "ɪn"), ("the", "ðə"), ("house", "hˈaʊs"), ("of", "ʌv"), ("the", "ðɪ"), ("old", "ˈoʊld"),
    ]  # fmt: skip
    assert english.phonemize("All of a sudden it was a dream.").words[1:4] == ("of", "a", "sudden")


def test_words_that_espeak_splits_stay_one(english: Phonemizer) -> None:
    result = english.phonemize("My iPhone and McDonald went.")
    assert result.words == ("My", "iPhone", "and", "McDonald", "went")
    assert dict(spoken(result))["iPhone"] == "ˈaɪfˈoʊn"


def test_pauses_take_the_strongest_mark(english: Phonemizer) -> None:
    symbols = english.phonemize("Well?! No — yes, (maybe) go... on: it; is").symbols
    assert [symbol for symbol in symbols if kind(symbol) == "pause"] == list("^?—,,…:;.")


@pytest.mark.parametrize(
    "text",
    [
        "“Curly” ‘quotes’, it’s—well…\nnew line (and [brackets])",
        "state-of-the-art e-mail; mother-in-law",
        "😀 hello 👩‍👩‍👧 wor\u200bld\ufeff",
        "of the of the of a to be in it for a and the",
        "$5.20 at 3:30pm on 5/6/2024 for Dr. X at x.com",
        "日本 and привет",
        "x" * 500,
        "the of a " * 150,
        "BBC, U.S.A. and A",
        "-'- hello -'-",
        "null\x00byte and \ud800 surrogate",
    ],
)
def test_awkward_text_keeps_the_structure(english: Phonemizer, text: str) -> None:
    check_structure(english.phonemize(text))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80) | st.text("abeotI the'-.,?!12 \n", max_size=80))
def test_any_text_gives_phonemes_or_a_plain_error(text: str) -> None:
    try:
        result = Phonemizer("en-us").phonemize(text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        check_structure(result)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Fünf Bücher liegen, 21 Äpfel; Pfeffer?"),
        ("fr-fr", "L'homme a mangé un bon pain blanc le weekend."),
        ("es", "¿Cómo estás? El niño come 3 manzanas."),
        ("it", "Gli gnocchi, la pizza e lo zucchero!"),
        ("ja", "こんにちは。げんきですか？"),
        ("cmn", "你好，世界。今天天气很好！"),
        ("ru", "Привет, как дела? 5 минут."),
        ("pl", "Chrząszcz brzmi w trzcinie, źdźbło."),
        ("pt-br", "Não gosto de pão, tudo bem?"),
        ("ar", "مرحبا، كيف حالك؟"),
        ("hi", "नमस्ते, आप कैसे हैं?"),
        ("ko", "안녕하세요."),
        ("vi", "Xin chào bạn, khỏe không?"),
        ("en-gb", "The fire is near the lot, poor hair."),
    ],
)
def test_other_languages_stay_within_the_table(
    language: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = Phonemizer(language).phonemize(text)
    check_structure(result)
    assert set(result.symbols) <= set(SYMBOLS)
    assert not caplog.records


def test_language_names_are_forgiving_but_checked() -> None:
    assert Phonemizer("en").language == "en-us"
    assert Phonemizer("de_DE").language == "de"
    assert Phonemizer("zh").language == "cmn"
    with pytest.raises(InputError, match=r"'klingonese'.*en-us.*de"):
        Phonemizer("klingonese")


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_empty_text_is_refused(english: Phonemizer, text: str) -> None:
    with pytest.raises(InputError, match="the text is empty: give at least one word"):
        english.phonemize(text)


def test_text_that_cannot_be_said_is_shown(english: Phonemizer) -> None:
    with pytest.raises(InputError, match=r"'\?\?\? 😀' holds nothing that can be pronounced"):
        english.phonemize("??? 😀")
    with pytest.raises(InputError) as raised:
        english.phonemize("?!" * 500)
    assert len(str(raised.value)) < 140


def test_many_texts_come_back_in_order_and_as_one_by_one(english: Phonemizer) -> None:
    texts = ["One apple.", "Two in the house?", "Three!"]
    assert english.phonemize_many(texts) == [english.phonemize(text) for text in texts]


def test_threads_do_not_mix_languages() -> None:
    texts = {"en-us": "Good morning to the world", "de": "Guten Morgen, liebe Welt"}
    expected = {language: Phonemizer(language).phonemize(text) for language, text in texts.items()}
    wrong: list[str] = []

    def work(language: str) -> None:
        for _ in range(20):
            if Phonemizer(language).phonemize(texts[language]) != expected[language]:
                wrong.append(language)

    threads = [threading.Thread(target=work, args=(language,)) for language in (*texts, *texts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
