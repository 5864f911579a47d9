"""Markup is read to a tree, or refused with the column of the fault."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.emotion import EMOTIONS, Emotion
from emotts.errors import InputError
from emotts.markup import MarkupError, parse_markup, to_markup
from emotts.markup.tree import DEEPEST, Feeling, Pace, Pause, Text, Word, flatten, plain_text

SAD = Emotion.parse("sad:0.6")

PARSED = [
    ("Hello.", [Text("Hello.")]),
    ("a [pause 0.5s] b", [Text("a "), Pause(0.5), Text(" b")]),
    ("[pause 250ms]", [Pause(0.25)]),
    ("[emotion sad:0.6]Oh[/emotion]!", [Feeling(SAD, (Text("Oh"),)), Text("!")]),
    ("[rate 0.9]slow[/rate]", [Pace(0.9, (Text("slow"),))]),
    ("<tomato|təˈmɑːtoʊ>", [Word("tomato", "təˈmɑːtoʊ")]),
    (r"\[pause 1s] \< \\ \x", [Text(r"[pause 1s] < \ \x")]),
    ("an array a] and a > b", [Text("an array a] and a > b")]),
    (
        "[emotion sad:0.6]a[rate 2]b[/rate][/emotion]",
        [Feeling(SAD, (Text("a"), Pace(2.0, (Text("b"),))))],
    ),
]

WRONG = [
    ("a [paus 1s]", 1, 3, "Did you mean “pause”"),
    ("[pause]", 1, 1, "0.5s"),
    ("ab\nc [pause 1]", 2, 10, "0.5s or 500ms"),
    ("[pause 0s]", 1, 8, "0.01 to 60"),
    ("[pause 99s]", 1, 8, "0.01 to 60"),
    ("[emotion sadd]a[/emotion]", 1, 10, 'Did you mean "sad"'),
    ("[emotion sad:2]a[/emotion]", 1, 10, "from 0 to 1"),
    ("so [emotion sad]a", 1, 4, "never closed"),
    ("a[/rate]", 1, 2, "no closing tag"),
    ("[emotion sad][rate 1]a[/emotion][/rate]", 1, 23, "[/rate] is expected"),
    ("[/pause]", 1, 1, "closes nothing"),
    ("[rate fast]a[/rate]", 1, 7, "no rate"),
    ("[rate 3]a[/rate]", 1, 7, "0.5 to 2"),
    ("[rate 0.6][rate 0.6]a[/rate][/rate]", 1, 17, "0.36"),
    ("a [ b", 1, 3, r"write \["),
    ("a < b", 1, 3, r"write \<"),
    ("<|a>", 1, 2, "empty"),
    ("<a|>", 1, 4, "empty"),
    ("<a|Ж>", 1, 4, "no IPA"),
    ("<a|T AH0>", 1, 4, "no IPA"),
    ("<a|ˈ>", 1, 4, "no sound"),
    ("[rate 1]" * (DEEPEST + 1), 1, 8 * DEEPEST + 1, "inside one another"),
    ("<speak>é<brake/></speak>", 1, 9, "unknown element <brake>"),
    ("  <speak>a<break time='x'/></speak>", 1, 11, "no length"),
    ("<speak>a\n <break strength='huge'/></speak>", 2, 2, "no strength"),
    ("<speak>a", 1, 9, "well-formed"),
    ("<speak>&lol;</speak>", 1, 8, "undefined entity"),
    ("<speak><prosody pitch='high'>a</prosody></speak>", 1, 8, "no attribute 'pitch'"),
    ("<speak><prosody>a</prosody></speak>", 1, 8, 'needs rate="…"'),
    ("<speak><prosody rate='+5'>a</prosody></speak>", 1, 8, "no rate"),
    ("<speak><say-as interpret-as='opera'>a</say-as></speak>", 1, 8, "opera"),
    ("<speak><say-as interpret-as='ordinal'>x</say-as></speak>", 1, 8, "whole number"),
    ("<speak><phoneme alphabet='x-sampa' ph='a'>a</phoneme></speak>", 1, 8, "ipa"),
    ("<speak><sub alias='a'><p>a</p></sub></speak>", 1, 23, "text only"),
    ('<!DOCTYPE s [<!ENTITY a "aa">]><speak>&a;</speak>', 1, 1, "document type"),
]


@pytest.mark.parametrize(("text", "tree"), PARSED)
def test_markup_is_read(text: str, tree: list) -> None:
    assert parse_markup(text) == tuple(tree)


@pytest.mark.parametrize(("text", "line", "column", "problem"), WRONG)
def test_wrong_markup_is_refused_with_its_column(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(MarkupError) as caught:
        parse_markup(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert problem in str(caught.value) and "\n" not in str(caught.value)
    assert f"column {column}" in str(caught.value)


def ssml(inside: str) -> list:
    return [(x.text, x.ipa, x.rate) if hasattr(x, "text") else x for x in flatten(parse_markup(inside))]


def test_ssml_is_read() -> None:
    found = ssml(
        '<?xml version="1.0"?><speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en">'
        'We <break time="300ms"/>go<break strength="none"/> <prosody rate="80%">ho<sub alias="me">x</sub>'
        '</prosody> <phoneme ph="naʊ">now</phoneme><break/></speak>'
    )
    assert found == [
        ("We ", None, 1.0),
        Pause(0.3),
        ("go ", None, 1.0),
        ("home", None, 0.8),
        (" ", None, 1.0),
        ("now", "naʊ", 1.0),
        Pause(0.5),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("characters", "USA1", "U S A one"),
        ("digits", "1984", "one nine eight four"),
        ("cardinal", "1984", "one thousand nine hundred eighty four"),
        ("ordinal", "3", "third"),
        ("telephone", "555-01", "five five five, zero one"),
    ],
)
def test_say_as_writes_it_out(kind: str, text: str, said: str) -> None:
    tree = parse_markup(f"<speak><say-as interpret-as='{kind}'>{text}</say-as></speak>")
    assert plain_text(tree).strip() == said


def test_rates_multiply_and_inner_emotions_replace() -> None:
    tree = parse_markup(
        "[rate 0.8][emotion sad]a[emotion happy][rate 0.9]b[/rate][/emotion][/emotion][/rate]"
    )
    first, second = flatten(tree)
    assert (first.emotion.name, first.rate) == ("sad", 0.8)
    assert (second.emotion.name, second.rate) == ("happy", pytest.approx(0.72))


def test_pauses_have_a_sum_that_is_bounded() -> None:
    with pytest.raises(InputError, match="600 s"):
        parse_markup("a" + "[pause 60s]" * 11)


emotions = st.lists(st.floats(0, 1), min_size=8, max_size=8).map(lambda v: Emotion(tuple(v)))
words = st.builds(
    Word,
    st.text("abcé |<>\\[]'", min_size=1, max_size=8).filter(str.strip),
    st.sampled_from(["təˈmɑːtoʊ", "n j uː", "tʃ"]),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map(Text)
leaves = texts | words | st.floats(0.01, 5).map(Pause)


def merged(nodes: list) -> tuple:
    """Without two texts side by side, as the parser gives them."""
    found: list = []
    for node in nodes:
        if isinstance(node, Text) and found and isinstance(found[-1], Text):
            node = Text(found.pop().text + node.text)
        found.append(node)
    return tuple(found)


def inside(children: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(children, max_size=4).map(merged)
    return st.builds(Feeling, emotions, several) | st.builds(Pace, st.floats(0.95, 1.05), several)


trees = st.lists(st.recursive(leaves, inside, max_leaves=10), max_size=5).map(merged)


@settings(max_examples=100, deadline=None)
@given(trees)
def test_a_tree_is_read_back_from_what_it_writes(tree: tuple) -> None:
    assert parse_markup(to_markup(tree)) == tree


PIECES = [
    "[", "]", "<", ">", "|", "\\", "/", "[/", "[pause 1s]", "[pause", " 0.5s]", "[emotion sad]", "[/emotion]",
    "[rate 0.9]", "[/rate]", "<a|b>", "<speak>", "</speak>", "<break/>", "<prosody rate='slow'>",
    "</prosody>", "<sub alias='x'>", "</sub>",
    "<say-as interpret-as='digits'>", "</say-as>", "&amp;", "&x;", "<!--", "-->",
    "<![CDATA[", "]]>", "<?xml version='1.0'?>", "word", " ", "\n", "1", "é", "\x00", "\ud800", "😀",
    *EMOTIONS[:2],
]  # fmt: skip


@settings(max_examples=700, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=12).map(lambda parts: f"<speak>{''.join(parts)}</speak>")
    | st.text(max_size=40)
)
def test_anything_is_a_tree_or_an_input_error_inside_the_text(text: str) -> None:
    try:
        tree = parse_markup(text)
    except MarkupError as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
    except InputError:
        pass
    else:
        assert isinstance(plain_text(tree), str)
