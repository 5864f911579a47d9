from pathlib import Path

import pytest

from emotts.errors import DataError
from emotts.evaluate.lists import Sentence, find_all_audio, find_references, load_sentences, write_sentences


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_written_list_reads_back(tmp_path):
    sentences = [
        Sentence("a", "Hello.", "angry:0.7", "kathleen", None, 1.25),
        Sentence("b", "Привет!", language="ru", tokens=40, seed=0),
    ]
    assert load_sentences(write_sentences(sentences, tmp_path / "list.jsonl")) == sentences


def test_table_with_tabs_is_read(tmp_path):
    path = write(
        tmp_path / "list.tsv",
        'id\ttext\tduration\treference\na\tSay "hi", he said.\t1.5\t\nb\tTwo.\t\tn/b.wav\n',
    )
    first, second = load_sentences(path)
    assert first == Sentence("a", 'Say "hi", he said.', duration=1.5)
    assert second.reference == str(tmp_path / "n" / "b.wav")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", "", "is empty"),
        ("x.jsonl", "{", r"x\.jsonl:1: not a JSON object"),
        ("x.jsonl", '{"id": "a", "text": "A."}\n{"id": "b"}', r"x\.jsonl:2: text is missing"),
        (
            "x.jsonl",
            '{"id": "a", "text": "A.", "mood": "sad"}',
            "unknown column 'mood'; valid columns: id, text",
        ),
        ("x.jsonl", '{"id": "../a", "text": "A."}', "cannot name a file"),
        ("x.jsonl", '{"id": "a", "text": "A.", "duration": -1}', "duration must be a number greater than 0"),
        ("x.jsonl", '{"id": "a", "text": "A.", "duration": 1, "tokens": 25}', "at most one of"),
        ("x.jsonl", '{"id": "a", "text": "A."}\n{"id": "a", "text": "B."}', "'a' is there twice"),
        ("x.tsv", "a\tb\n", "must name the columns"),
        ("x.tsv", "id\ttext\na\n", r"x\.tsv:2: 1 columns; the first line names 2"),
    ],
)
def test_bad_lists_name_file_and_line(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        load_sentences(write(tmp_path / name, content))


def test_missing_list_is_an_error(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        load_sentences(tmp_path / "none.jsonl")


def test_all_missing_files_are_named(tmp_path):
    sentences = [Sentence(key, "A.") for key in "abc"]
    write(tmp_path / "b.flac", "")
    with pytest.raises(DataError, match="2 of 3 sentences: a, c"):
        find_all_audio(tmp_path, sentences)
    with pytest.raises(DataError, match="does not exist"):
        find_all_audio(tmp_path / "nowhere", sentences)


def test_references_are_all_or_none(tmp_path):
    reference = write(tmp_path / "a.wav", "")
    assert find_references([Sentence("a", "A."), Sentence("b", "B.")]) == {}
    with pytest.raises(DataError, match="1 of 2 sentences: b"):
        find_references([Sentence("a", "A.", reference=str(reference)), Sentence("b", "B.")])
