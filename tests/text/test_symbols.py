import pytest

from emotts.errors import InputError
from emotts.text.symbols import (
    BASE_ID,
    BASE_PHONES,
    PAUSES,
    SYMBOLS,
    base,
    base_ids_of,
    decode,
    encode,
    encode_base,
    kind,
    stress,
)


def test_the_table_is_small_and_holds_each_symbol_once() -> None:
    assert len(set(SYMBOLS)) == len(SYMBOLS) <= 160
    assert decode(encode(SYMBOLS[1:])) == list(SYMBOLS[1:])
    assert encode(["^", "p", "ˈaɪ", "ɤ"]) == [1, 11, SYMBOLS.index("ˈaɪ"), SYMBOLS.index("ɤ")]


def test_the_table_has_not_moved() -> None:
    # Weights depend on the places: this may only change with the version of the models.
    places = {
        symbol: SYMBOLS.index(symbol) for symbol in ("^", " ", "!", "p", "n̩", "r", "aɪ", "ˌɔ", "a", "ˈɤ")
    }
    assert places == {
        "^": 1, " ": 2, "!": 10, "p": 11, "n̩": 37, "r": 38, "aɪ": 61, "ˌɔ": 126, "a": 127, "ˈɤ": 150,
    }  # fmt: skip
    assert len(SYMBOLS) == 151


def test_kinds_part_the_table() -> None:
    assert [symbol for symbol in SYMBOLS[1:] if kind(symbol) == "pause"] == list(PAUSES)
    assert {kind(symbol) for symbol in ("ˈaɪ", "ə", "ˌɔ")} == {"vowel"}
    assert {kind(symbol) for symbol in ("tʃ", "n̩", "ʔ")} == {"consonant"}


def test_stress_comes_off_vowels_only() -> None:
    assert (base("ˈaɪ"), base("ˌuː"), base("ə"), base("tʃ"), base(",")) == ("aɪ", "uː", "ə", "tʃ", ",")
    assert (stress("ˈaɪ"), stress("ˌaɪ"), stress("aɪ")) == (2, 1, 0)
    assert {base(symbol) for symbol in SYMBOLS[1:]} - set(PAUSES) == set(BASE_PHONES)


def test_ctc_targets_drop_pauses_and_stress() -> None:
    targets = encode_base(["^", "h", "ə", "l", "ˈoʊ", ",", "w", "oʊ", "."])
    assert [BASE_PHONES[index - 1] for index in targets] == ["h", "ə", "l", "oʊ", "w", "oʊ"]
    assert base_ids_of(encode(["^", "h", " "])) == [0, BASE_PHONES.index("h") + 1, 0]
    assert len(BASE_ID) == len(SYMBOLS)
    assert max(BASE_ID) == len(BASE_PHONES)


def test_unknown_symbols_and_ids_are_named() -> None:
    with pytest.raises(InputError, match="'qq'"):
        encode(["qq"])
    with pytest.raises(InputError, match="151"):
        decode([151])
    with pytest.raises(InputError, match="-1"):
        base_ids_of([-1])
