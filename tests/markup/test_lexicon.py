"""Pronunciations from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotts.errors import DataError, InputError
from emotts.markup import Lexicon
from emotts.markup.tree import Span
from emotts.script import make_script
from emotts.text.phonemize import Phonemizer


def found(lexicon: Lexicon, text: str) -> list[tuple[str, str]]:
    return [(span.text, span.ipa) for span in lexicon.apply([Span(text)]) if span.ipa]


def test_words_are_found_in_their_spellings() -> None:
    lexicon = Lexicon({"nguyen": "wɪn", "Polish": "ˈpoʊlɪʃ"})
    assert found(lexicon, "Nguyen, nguyen and NGUYEN") == [
        ("Nguyen", "wɪn"),
        ("nguyen", "wɪn"),
        ("NGUYEN", "wɪn"),
    ]
    assert found(lexicon, "polish the Polish") == [("Polish", "ˈpoʊlɪʃ")]
    assert found(lexicon, "Nguyens unNguyen") == []
    assert found(lexicon, "Nguyen-Smith.") == [("Nguyen", "wɪn")]


def test_possessives_follow_from_their_word() -> None:
    lexicon = Lexicon({"nguyen": "wɪn", "ross": "ɹɔs", "mick": "mɪk"})
    assert [ipa for _, ipa in found(lexicon, "Nguyen's Ross’s Mick's")] == ["wɪn z", "ɹɔs ᵻ z", "mɪk s"]


def test_nothing_of_the_text_is_lost() -> None:
    text = "Mr. Nguyen's cat (Nguyen’s!) and nguyen-x."
    spans = list(Lexicon({"nguyen": "wɪn"}).apply([Span(text)]))
    assert "".join(span.text for span in spans) == text


def test_a_lexicon_works_without_markup() -> None:
    script = make_script("We met [Nguyen] today.", Phonemizer(), lexicon=Lexicon({"nguyen": "wˈɪn"}))
    assert "wˈɪn" in "".join(script.pieces[0].phonemes.symbols)


def test_phones_in_markup_come_before_the_lexicon() -> None:
    lexicon = Lexicon({"tomato": "təˈmɑːtoʊ"})
    script = make_script("<tomato|ˈtoʊ> tomato", Phonemizer(), markup=True, lexicon=lexicon)
    assert "".join(script.pieces[0].phonemes.symbols) == "^tˈoʊ təmˈɑːtoʊ."


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text("# names\n\nNguyen\twɪn\nsiobhan\tʃɪˈvɔːn\n", encoding="utf-8-sig")
    lexicon = Lexicon.load(path)
    assert len(lexicon) == 2
    assert lexicon.find("Siobhan") == "ʃɪˈvɔːn" and lexicon.find("nguyen") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good\tɡʊd\nbad line\n", "line 2: write word, one tab"),
        ("a\tb\tc\n", "line 1: write word"),
        ("two words\ta\n", "line 1: 'two words' is not a single word"),
        ("x\tЖ\n", "line 1: 'Ж' in the phones"),
        ("x\t\n", "line 1: the phones are empty"),
        ("x\ta\nx\tb\n", "line 2: 'x' is given twice"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Lexicon.load(path)
    assert message in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read lexicon"):
        Lexicon.load(tmp_path / "none.tsv")
    (tmp_path / "latin.tsv").write_bytes("Größe\ta".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        Lexicon.load(tmp_path / "latin.tsv")
    with pytest.raises(InputError, match="not a single word"):
        Lexicon({"a b": "a"})
