"""The dubbing tab, without a browser: session, handlers, timeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import speech_like

gr = pytest.importorskip("gradio")
av = pytest.importorskip("av")
from emotts.errors import InputError  # noqa: E402
from emotts_demo.dub_session import CHANGED, DONE, DOUBTFUL, WAITING, DubSession  # noqa: E402
from emotts_demo.dub_tab import DubTab  # noqa: E402
from emotts_demo.example_video import LINES, SECONDS, make_example, opening  # noqa: E402
from emotts_demo.timeline import counts, overview  # noqa: E402

SETTINGS = (1.2, -60, None)


def told(*arguments, **named) -> None:
    """Stands for `gr.Progress`."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, Path]:
    return make_example(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def session(tiny_tts, scene, tmp_path: Path) -> DubSession:
    folder = tmp_path / "session"
    folder.mkdir()
    return DubSession(tiny_tts, folder, *scene)


def test_the_example_is_a_video_whose_mouths_move(scene) -> None:
    with av.open(str(scene[0])) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert abs(file.duration / 1e6 - SECONDS) < 0.1
    time = np.linspace(0, SECONDS, 500)
    assert opening("Anna", time).max() > 0.9 and not (opening("Anna", time) * opening("Tom", time)).any()


def test_a_script_becomes_lines_and_a_cast(session: DubSession) -> None:
    assert [(line.start, line.speaker, line.text) for line in session.lines] == [
        (start, speaker, text) for start, _, speaker, _, text in LINES
    ]
    assert session.cast == {"Anna": "anna", "Tom": "bert"}
    assert {line.status for line in session.lines} == {WAITING}


def test_a_dub_tells_every_line_and_writes_all_files(session: DubSession) -> None:
    seen = [[line.status for line in session.lines] for _ in session.dub(told)]
    assert len(seen) == len(LINES) + 1 and "speaking" in seen[0]
    assert all(line.status in (DONE, DOUBTFUL) and line.audio is not None for line in session.lines)
    assert session.finished and len(session.files) == 5
    with av.open(str(session.output)) as file:
        assert [stream.type for stream in file.streams][:2] == ["video", "audio"]
    drawn = overview(session, 2)
    assert drawn.count("em-bar") == 4 and "em-line em-chosen" in drawn
    assert "4 of 4 lines are spoken" in counts(session)


def test_a_preview_makes_one_line_and_a_redo_changes_only_it(tiny_tts, session: DubSession) -> None:
    tab = DubTab(tiny_tts)
    first = tab.preview(session, *SETTINGS, 2, session.lines[1].text, "sad:0.5", None, progress=told)
    assert first[4][1].dtype == np.int16 and session.output is None
    assert [line.status == WAITING for line in session.lines] == [True, False, True, True]
    list(session.dub())
    before = {line.number: line.audio for line in session.lines}
    steps = list(tab.remake(session, *SETTINGS, 2, "I waited for two hours.", "angry:0.4", 11, progress=told))
    line = session.line(2)
    assert line.speech.seed >= 11 and line.speech.text == "I waited for two hours."
    assert "I waited for two hours." in steps[-1][1] and steps[-1][2] == str(session.output)
    assert not np.array_equal(line.audio[:100], before[2][:100]) or len(line.audio) != len(before[2])
    for number in (1, 3):
        assert session.line(number).speech.text == LINES[number - 1][4]
    assert "I waited for two hours." in (session.folder / "dubbed.srt").read_text(encoding="utf-8")


def test_a_redo_without_a_seed_is_another_take(tiny_tts, session: DubSession) -> None:
    tab, text = DubTab(tiny_tts), session.lines[0].text
    tab.preview(session, *SETTINGS, 1, text, "angry:0.6", 3, progress=told)
    seed = session.line(1).speech.seed
    list(tab.remake(session, *SETTINGS, 1, text, "angry:0.6", seed, progress=told))
    assert session.line(1).speech.seed != seed


def test_an_edit_marks_the_line_until_it_is_spoken(session: DubSession) -> None:
    session.speak(1, 0)
    assert session.edit(1, session.lines[0].text, "angry:0.6").status in (DONE, DOUBTFUL)
    assert session.edit(1, "Where have you been?", "").status == CHANGED
    assert session.line(1).audio is None and not session.finished
    with pytest.raises(InputError, match="line 1 has no word"):
        session.edit(1, " ♪ ", "")
    with pytest.raises(InputError, match="unknown emotion"):
        session.edit(1, "Hello.", "angri:0.3")


def test_sounds_between_the_lines_keep_their_numbers(tiny_tts, scene, tmp_path: Path) -> None:
    script = tmp_path / "sounds.srt"
    script.write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nWhere were you?\n\n2\n00:00:02,500 --> 00:00:03,000\n♪ la la ♪\n\n"
        "3\n00:00:04,000 --> 00:00:06,000\nI waited.\n",
        encoding="utf-8",
    )
    (tmp_path / "s").mkdir()
    session = DubSession(tiny_tts, tmp_path / "s", scene[0], script)
    assert [line.number for line in session.lines] == [1, 3] and session.speakers == ["*"]
    list(session.dub())
    assert session.line(3).placed[0] == pytest.approx(4.0, abs=0.15)
    assert sum("nothing to speak" in text for text in session.warnings) == 1


def test_uploaded_voices_can_be_cast(tiny_tts, session: DubSession, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tom.wav", speech_like(3.5), 24_000)
    DubTab(tiny_tts).add_voices([str(tmp_path / "tom.wav")], session, 0)
    session.choose("Tom", "tom.wav")
    assert session.speak(2, 0).speech is not None
    with pytest.raises(InputError, match="no voice"):
        session.choose("Tom", "/etc/hostname")
    with pytest.raises(InputError, match="nobody"):
        session.choose("Eve", "anna")


def test_a_script_cannot_name_files_of_the_server(tiny_tts, scene, tmp_path: Path) -> None:
    script = tmp_path / "sly.jsonl"
    script.write_text(json.dumps({"start": 0, "end": 2, "text": "Hello.", "voice": "/etc/hostname"}) + "\n")
    with pytest.raises(InputError, match="line 1: the script's voice"):
        DubSession(tiny_tts, tmp_path, scene[0], script)


def test_handlers_say_what_is_missing(tiny_tts, scene, tmp_path: Path) -> None:
    tab = DubTab(tiny_tts)
    with pytest.raises(gr.Error, match="load the example"):
        list(tab.dub(None, *SETTINGS, None, progress=told))
    broken = tmp_path / "broken.srt"
    broken.write_text("nothing here")
    with pytest.raises(gr.Error) as caught:
        tab.read(str(scene[0]), str(broken), None, None, 0)
    assert "\n" not in caught.value.message
    session = tab.read(str(scene[0]), str(scene[1]), None, None, 0)[0]
    with pytest.raises(gr.Error, match="choose a line"):
        tab.preview(session, *SETTINGS, None, "", "", None, progress=told)
    folder = session.folder
    session.close()
    assert not folder.exists()


def test_a_stopped_dub_goes_on_with_what_it_has(tiny_tts, session: DubSession) -> None:
    running = session.dub()
    next(running), next(running)
    running.close()
    said, drawn = DubTab.stopped(session, 1)
    assert "Stopped" in said and "speaking" not in drawn
    first = session.lines[0].audio
    list(session.dub())
    assert np.array_equal(session.lines[0].audio, first) and session.finished
