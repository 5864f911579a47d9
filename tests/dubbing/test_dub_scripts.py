"""Scripts of every format become lines; what is doubtful is named by its line, what is wrong is one error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.dubbing.markup import clean
from emotts.dubbing.script import Script, clock, load_script, parse_script
from emotts.dubbing.tables import seconds
from emotts.errors import InputError

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Where</i> were you?

2
00:00:03,000 --> 00:00:04,000
{\\an8}I waited
for an hour.
"""


def texts(script: Script) -> list[str]:
    return [line.text for line in script.lines]


class TestSubRip:
    def test_tags_go_and_rows_join(self) -> None:
        script = parse_script(SRT, "srt")
        assert texts(script) == ["Where were you?", "I waited for an hour."]
        assert [(line.start, line.end) for line in script.lines] == [(1.0, 2.5), (3.0, 4.0)]
        assert [(line.number, line.row) for line in script.lines] == [(1, 2), (2, 6)]
        assert script.warnings == ()

    def test_windows_line_ends_and_byte_order_marks(self, tmp_path: Path) -> None:
        for name, content in {
            "crlf.srt": SRT.replace("\n", "\r\n").encode(),
            "bom.srt": b"\xef\xbb\xbf" + SRT.encode(),
            "utf16.srt": SRT.encode("utf-16"),
            "both.srt": b"\xef\xbb\xbf" + SRT.replace("\n", "\r\n").encode(),
        }.items():
            (tmp_path / name).write_bytes(content)
            assert texts(load_script(tmp_path / name)) == ["Where were you?", "I waited for an hour."], name

    def test_a_last_row_of_digits_is_spoken(self) -> None:
        script = parse_script("1\n00:00:01,000 --> 00:00:02,000\nIt was\n1984\n", "srt")
        assert texts(script) == ["It was 1984"]

    def test_other_encodings_are_named_or_chosen(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.srt"
        path.write_bytes(SRT.replace("hour", "été").encode("cp1252"))
        with pytest.raises(InputError, match=r"not UTF-8 \(byte 0xe9 in row 8\).*--encoding"):
            load_script(path)
        assert texts(load_script(path, encoding="cp1252"))[1] == "I waited for an été."
        with pytest.raises(InputError, match="unknown encoding"):
            load_script(path, encoding="nonsense")

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark_is_told(self, tmp_path: Path, encoding: str) -> None:
        path = tmp_path / "lines.srt"
        path.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nHello.\n".encode(encoding))
        with pytest.raises(InputError, match=f"zero bytes.*--encoding {encoding}$"):
            load_script(path)
        assert load_script(path, encoding=encoding).lines[0].text == "Hello."

    def test_every_backward_cue_is_named(self) -> None:
        wrong = SRT + "\n3\n00:00:09,000 --> 00:00:08,000\nNo.\n\n4\n00:00:12,000 --> 00:00:11,000\nNo.\n"
        with pytest.raises(
            InputError, match=r"end before they start: line 3 \(row 11\).*; line 4 \(row 15\)"
        ):
            parse_script(wrong, "srt")

    def test_unreadable_times_name_the_row(self) -> None:
        with pytest.raises(InputError, match="times in row 6"):
            parse_script(SRT.replace("00:00:03,000", "three"), "srt")

    def test_warnings_name_the_line(self) -> None:
        script = parse_script(
            "1\n00:00:01,000 --> 00:00:03,000\nANNA: One.\n\n2\n00:00:02,500 --> 00:00:04,000\nANNA: Two.\n\n"
            "3\n00:00:05,000 --> 00:00:05,000\nThree.\n\n4\n00:00:04,500 --> 00:00:05,000\nBOB: Four.\n\n"
            "5\n00:00:06,000 --> 00:00:07,000\n[music]\n",
            "srt",
        )
        notes = "\n".join(script.warnings)
        assert "line 2 (row 6): overlaps line 1 of the same speaker by 0.50 s" in notes
        assert "line 3 (row 10): lasts no time" in notes
        assert "line 4 (row 14): starts before line 3" in notes
        assert "line 5 (row 18): [music]" in notes
        assert [line.number for line in script.lines] == [1, 2, 3, 4]


class TestOtherSubtitles:
    def test_vtt_voices_comments_and_identifiers(self) -> None:
        script = parse_script(
            "WEBVTT\n\nNOTE a comment\nover rows\n\nSTYLE\n::cue {color: red}\n\nintro\n00:01.000 --> "
            "00:02.000 align:start\n<v.loud Anna>Tom &amp; I <00:01.500><c.x>left</c>.\n\nNOTE 00 no cue\n\n"
            "second\n01:00:03.000 --> 01:00:04.000\n- Who?\n",
            "vtt",
        )
        assert texts(script) == ["Tom & I left.", "Who?"]
        assert script.lines[0].speaker == "Anna"
        assert script.lines[1].start == 3603.0

    def test_ass_speakers_come_from_name_then_style(self) -> None:
        head = (
            "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
            "Style: Default,Arial,20\nStyle: Bob,Arial,20\n\n[Events]\n"
            "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        )
        events = [
            "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Anna,0,0,0,,{\\i1}Hello,{\\i0} Bob.",
            "Dialogue: 0,0:00:03.00,0:00:04.00,Bob,,0,0,0,,Hi\\Nthere.",
            "Comment: 0,0:00:03.00,0:00:04.00,Bob,,0,0,0,,not this",
            "Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}",
            "Dialogue: 0,0:00:07.00,0:00:08.00,Default,,0,0,0,,Who am I?",
        ]
        script = parse_script(head + "\n".join(events), "ass")
        assert [(line.speaker, line.text) for line in script.lines] == [
            ("Anna", "Hello, Bob."), ("Bob", "Hi there."), ("", "Who am I?"),
        ]  # fmt: skip
        assert script.lines[1].row == 12

    @pytest.mark.parametrize("format", ["srt", "vtt", "ass", "csv", "jsonl"])
    def test_nothing_in_it_is_an_error(self, format: str) -> None:
        for content in ("", "WEBVTT\n", "\n\n"):
            with pytest.raises(InputError, match=r"holds no|lacks the column|not valid JSON"):
                parse_script(content, format)


class TestTables:
    def test_csv_fields(self) -> None:
        script = parse_script(
            "start;end;character;text;emotion;intensity;on_screen;voice\n"
            '0:01.5;2,5;Anna;"Wait; what?";angry;0,5;no;low\n'.replace("0,5;no", "0.5;no")
            + "00:00:03,000;4;Bob;Yes.;;;yes;\n",
            "csv",
        )
        first, second = script.lines
        assert (first.start, first.end, first.text) == (1.5, 2.5, "Wait; what?")
        assert (first.speaker, first.emotion, first.intensity) == ("Anna", "angry", 0.5)
        assert (first.on_screen, first.voice) == (False, "low")
        assert (second.on_screen, second.intensity, second.row) == (True, None, 3)

    def test_jsonl_fields_and_unknown_columns(self) -> None:
        script = parse_script(
            '{"start": 1, "end": 2.5, "text": "Go.", "speaker": "A", "take": 3}\n\n'
            '{"start": "00:00:03.000", "end": 4, "text": "On.", "on_screen": true, "instruct": "sadly"}\n',
            "jsonl",
        )
        assert texts(script) == ["Go.", "On."]
        assert script.lines[1].instruct == "sadly"
        assert any("'take' is not known" in note for note in script.warnings)

    @pytest.mark.parametrize(
        ("content", "format", "said"),
        [
            ("start,text\n1,Hi\n", "csv", "lacks the column end"),
            ("start,end,text\nsoon,2,Hi\n", "csv", "row 2: start 'soon' is no time"),
            ("start,end,text\n1,2,Hi, you\n", "csv", "row 2 has 4 values for 3 columns"),
            ("start,end,text,on_screen\n1,2,Hi,maybe\n", "csv", "row 2: on_screen is 'maybe'"),
            ("start,end,text,intensity\n1,2,Hi,7\n", "csv", "row 2: intensity"),
            ('{"start": 1, "end": 2}\n', "jsonl", "row 1 lacks the column text"),
            ('{"start": 1\n', "jsonl", "row 1 is not valid JSON"),
            ("[1]\n", "jsonl", "row 1 must be an object"),
        ],
    )
    def test_errors_name_the_row(self, content: str, format: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            parse_script(content, format)

    @settings(deadline=None)
    @given(st.integers(0, 360_000_000))
    def test_clock_is_read_back(self, thousandths: int) -> None:
        assert seconds(clock(thousandths / 1000)) == pytest.approx(thousandths / 1000, abs=1e-6)


class TestMarkup:
    @pytest.mark.parametrize(
        ("raw", "text", "speaker", "emotion"),
        [
            ("Anna: Go on.", "Go on.", "Anna", ""),
            ("[Anna, sad:0.4] Go on.", "Go on.", "Anna", "sad:0.4"),
            ("[angry] Go on.", "Go on.", "", "angry:1.0"),
            ("CAPTAIN KIRK: Go on.", "Go on.", "CAPTAIN KIRK", ""),
            ("Note: this stays.", "Note: this stays.", "", ""),
            ("♪ la la la ♪", "", "", ""),
            ("(SIGHS) Go on.", "Go on.", "", ""),
            ("(door closes)", "", "", ""),
            ("Call me (please) now.", "Call me (please) now.", "", ""),
            ("- Go on.", "Go on.", "", ""),
            ("...", "", "", ""),
            ("Is 3 < 5 and 7 > 2?", "Is 3 < 5 and 7 > 2?", "", ""),
        ],
    )
    def test_what_is_spoken(self, raw: str, text: str, speaker: str, emotion: str) -> None:
        found = clean(raw, ["Anna", "Bob"])
        assert (found.text, found.speaker, found.emotion) == (text, speaker, emotion)

    def test_a_misspelt_emotion_names_the_line(self) -> None:
        with pytest.raises(InputError, match=r'line 7: unknown emotion "angr"'):
            clean("[angr:0.7] Go on.", place="line 7")

    def test_names_before_a_colon_are_speakers_where_the_script_has_them(self) -> None:
        def speakers(*rows: str, known: tuple[str, ...] = ()) -> list[tuple[str, str]]:
            cues = "".join(f"00:00:0{n},000 --> 00:00:0{n},500\n{row}\n\n" for n, row in enumerate(rows))
            return [(line.speaker, line.text) for line in parse_script(cues, "srt", known).lines]

        assert speakers("Note: one.", "Two.") == [("", "Note: one."), ("", "Two.")]
        assert speakers("Eve: One.", "Eve: Two.", "Dan: Three.") == [
            ("Eve", "One."), ("Eve", "Two."), ("Dan", "Three."),
        ]  # fmt: skip
        assert speakers("Eve: One.", "Anna: Two.", known=("Anna",)) == [("Eve", "One."), ("Anna", "Two.")]
        assert speakers("[Eve, sad:0.4] One.") == [("Eve", "One.")]

    def test_two_speakers_in_a_cue_are_doubtful(self) -> None:
        found = clean("- Who?\n- Me.")
        assert found.text == "Who? Me."
        assert "two people" in found.notes[0]


words = st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=6).map(" ".join)
cue = st.tuples(st.integers(0, 10**7), st.integers(0, 10**4), words)


@settings(max_examples=30, deadline=None)
@given(st.lists(cue, min_size=1, max_size=8), st.sampled_from(["srt", "vtt", "csv", "jsonl"]))
def test_lines_survive_every_format(cues: list[tuple[int, int, str]], format: str) -> None:
    """Whatever the times are, numbers, times and words come back, in the order of the file."""
    import json

    timed = [(start / 1000, (start + length) / 1000, text) for start, length, text in cues]
    if format == "csv":
        content = "start,end,text\n" + "".join(f"{a:.3f},{b:.3f},{text}\n" for a, b, text in timed)
    elif format == "jsonl":
        content = "".join(json.dumps({"start": a, "end": b, "text": text}) + "\n" for a, b, text in timed)
    else:
        comma = "," if format == "srt" else "."
        content = ("WEBVTT\n\n" if format == "vtt" else "") + "".join(
            f"{i}\n{clock(a).replace('.', comma)} --> {clock(b).replace('.', comma)}\n{text}\n\n"
            for i, (a, b, text) in enumerate(timed, 1)
        )
    script = parse_script(content, format)
    assert [(line.number, line.text) for line in script.lines] == [
        (number, text) for number, (_, _, text) in enumerate(timed, 1)
    ]
    for line, (start, end, _) in zip(script.lines, timed, strict=True):
        assert line.start == pytest.approx(start, abs=1e-6)
        assert line.end == pytest.approx(end, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["srt", "vtt", "ass", "csv", "jsonl"]))
def test_no_text_crashes_the_parsers(content: str, format: str) -> None:
    """Rubbish is an `InputError`, or lines; never another exception."""
    try:
        parse_script(content, format)
    except InputError as error:
        assert "\n" not in str(error)
