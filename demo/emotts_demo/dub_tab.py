"""The second tab: a video and a script become a dubbed video."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotts.dubbing.cast import EVERYONE
from emotts.dubbing.script import FORMATS
from emotts.errors import InputError
from emotts_demo.dub_session import DubSession, DubSettings
from emotts_demo.example_video import SCRIPT, VIDEO, make_example
from emotts_demo.messages import shown
from emotts_demo.pictures import speech_figure
from emotts_demo.player import follow, playable, player
from emotts_demo.speech_tab import HEAVY, LIGHT
from emotts_demo.timeline import CHOOSE, counts, line_label, overview
from emotts_demo.wish import new_seed

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

_PROGRESS = gr.Progress()
_IDLE_SECONDS = 6 * 3600  # after which the files of a user who left are deleted
_FIRST = "Read a video and its script first, or load the example."


class DubTab:
    """Lays the tab out and answers its events.

    Args:
        tts: the loaded model.
    """

    def __init__(self, tts: EmoTTS) -> None:
        self.tts = tts
        self._folder = tempfile.TemporaryDirectory(prefix="emotts-")  # goes with the process

    def build(self) -> None:
        """Makes the components inside the layout that is open."""
        self.session = gr.State(None, time_to_live=_IDLE_SECONDS, delete_callback=_close)
        self.version = gr.State(0)
        with gr.Row(elem_classes="em-columns"):
            with gr.Column(min_width=330):
                self._inputs()
            with gr.Column(min_width=330, elem_id="dub-right"):
                self.status = gr.HTML(counts(None), elem_id="dub-status", min_height=0)
                self.overview = gr.HTML(overview(None), js_on_load=CHOOSE, elem_id="overview")
                self._line_editor()
                self.result = gr.Video(label="Dubbed video", interactive=False, elem_id="dubbed")
                self.files = gr.File(label="Files", interactive=False, visible=False, elem_id="dub-files")
        self._connect()

    def _inputs(self) -> None:
        with gr.Column(elem_classes="em-card"):
            gr.HTML("<h3>Video and script</h3>")
            self.video = gr.Video(label="Video", sources=["upload"], elem_id="video", height=220)
            self.script = gr.File(
                label="Script: SRT, VTT, ASS, CSV or JSONL",
                file_types=[f".{name}" for name in FORMATS],
                height=110,
                elem_id="script",
            )
            self.example = gr.Button("Load the example", size="sm", elem_id="dub-example")
        with gr.Column(elem_classes="em-card"):
            gr.HTML("<h3>Cast</h3>")
            self._cast()
            self.recordings = gr.File(
                label="More voices: recordings of 3 to 15 s",
                file_count="multiple",
                file_types=["audio"],
                height=150,
                elem_id="more-voices",
            )
        with gr.Accordion("More", open=False):
            self.rate = gr.Slider(
                1.0, 2.0, 1.2, step=0.05, label="Fastest speaking rate", info="1 is natural"
            )
            self.keep = gr.Slider(
                -60, 0, -60, step=1, label="Original sound under the dub, dB", info="-60: none of it"
            )
            self.bed = gr.File(label="Music and effects", file_types=["audio"], height=110)
        with gr.Row():
            self.start = gr.Button("Dub", variant="primary", size="lg", elem_id="dub", scale=3)
            self.stop = gr.Button("Stop", size="lg", elem_id="stop", scale=1, min_width=90)

    def _cast(self) -> None:
        @gr.render(inputs=self.session, triggers=[self.version.change])
        def rows(session: DubSession | None) -> None:
            for index, speaker in enumerate(session.speakers if session else ()):
                choice = gr.Dropdown(
                    list(session.voices),
                    value=session.cast[speaker],
                    interactive=True,
                    label="Everybody" if speaker == EVERYONE else speaker,
                    elem_id=f"cast-{index}",
                )
                choice.change(_caster(speaker), [self.session, choice], None, **LIGHT)

    def _line_editor(self) -> None:
        with gr.Column(visible=False, elem_classes="em-card", elem_id="line-editor") as self.editor:
            self.heading = gr.HTML("<h3>Line</h3>")
            self.chosen = gr.Dropdown([], label="Line", elem_id="line")
            self.line_text = gr.Textbox(label="Text", lines=2, elem_id="line-text")
            with gr.Row():
                self.line_emotion = gr.Textbox(
                    label="Emotion", placeholder="sad:0.4", elem_id="line-emotion", min_width=130
                )
                self.line_seed = gr.Number(
                    None, label="Seed", placeholder="random", precision=0, minimum=0, min_width=110,
                    elem_id="line-seed",
                )  # fmt: skip
            with gr.Row():
                self.listen = gr.Button("Preview", size="sm", elem_id="preview-line", min_width=110)
                self.redo = gr.Button("Redo", size="sm", variant="primary", elem_id="redo", min_width=110)
            self.line_audio = player("Line", "line-audio")
            self.line_figure = gr.HTML(elem_id="line-figure", js_on_load=follow("line-audio"))

    def _connect(self) -> None:
        self.example.click(self.load_example, None, [self.video, self.script], **HEAVY)
        read = [self.session, self.version, self.status, self.overview, self.editor, self.chosen]
        gr.on(
            [self.video.change, self.script.change],
            self.read,
            [self.video, self.script, self.recordings, self.session, self.version],
            read,
            trigger_mode="always_last",
            concurrency_id="light",
            api_visibility="private",
        )
        self.recordings.change(
            self.add_voices, [self.recordings, self.session, self.version], self.version, **LIGHT
        )
        picked = [self.line_text, self.line_emotion, self.line_seed, self.line_audio, self.line_figure]
        self.chosen.change(self.pick, [self.session, self.chosen], [*picked, self.overview], **LIGHT)
        self.overview.click(self.clicked, None, self.chosen, **LIGHT)
        self._connect_work(picked)

    def _connect_work(self, picked: list[Any]) -> None:
        settings = [self.session, self.rate, self.keep, self.bed]
        made = [self.status, self.overview, self.result, self.files]
        running = self.start.click(
            self.dub, [*settings, self.chosen], [*made, *picked], show_progress_on=self.status,
            scroll_to_output=True, **HEAVY,
        )  # fmt: skip
        edited = [self.chosen, self.line_text, self.line_emotion, self.line_seed]
        again = self.redo.click(
            self.remake, [*settings, *edited], [*made, *picked], show_progress_on=self.line_figure, **HEAVY
        )
        heard = self.listen.click(
            self.preview, [*settings, *edited], [self.overview, *picked], show_progress_on=self.line_figure,
            **HEAVY,
        )  # fmt: skip
        self.stop.click(
            self.stopped, [self.session, self.chosen], [self.status, self.overview],
            cancels=[running, again, heard], **LIGHT,
        )  # fmt: skip

    @shown
    def load_example(self) -> tuple[str, str]:
        """Draws the example and puts it into the inputs."""
        folder = Path(self._folder.name, "example")
        video, script = folder / VIDEO, folder / SCRIPT
        if not (video.exists() and script.exists()):
            make_example(folder)
        return str(video), str(script)

    @shown
    def read(
        self,
        video: str | None,
        script: str | None,
        recordings: list[str] | None,
        before: DubSession | None,
        version: int,
    ) -> tuple[Any, ...]:
        """Reads the script as soon as both files are there."""
        if not video or not script:
            return before, version, *[gr.skip()] * 4
        folder = Path(tempfile.mkdtemp(prefix="dub-", dir=self._folder.name))
        session = DubSession(self.tts, folder, video, script)
        session.add_voices(recordings or [])
        _close(before)
        numbers = [(line_label(line), line.number) for line in session.lines]
        first = session.lines[0].number
        return (
            session,
            version + 1,
            counts(session),
            overview(session, first),
            gr.update(visible=True),
            gr.update(choices=numbers, value=first),
        )

    @shown
    def add_voices(self, recordings: list[str] | None, session: DubSession | None, version: int) -> int:
        """Offers uploaded recordings in the cast."""
        if session is None:
            return version
        session.add_voices(recordings or [])
        return version + 1

    @staticmethod
    def clicked(event: gr.EventData) -> int:
        """The line that was clicked on."""
        return int(event.line)

    @shown
    def pick(self, session: DubSession | None, number: int | None) -> tuple[Any, ...]:
        """Shows a line in the editor."""
        if session is None or number is None:
            return (*[gr.skip()] * 5, gr.skip())
        return (*_line_values(session, number), overview(session, number))

    @shown
    def dub(
        self,
        session: DubSession | None,
        rate: float,
        keep: float,
        bed: str | None,
        number: int | None,
        progress: gr.Progress = _PROGRESS,
    ) -> Iterator[tuple[Any, ...]]:
        """Makes all lines and the video; shows every line as it is done."""
        session = _set_up(session, rate, keep, bed)
        progress(0.0, desc="reading the video")
        yield from self._make(session, number, progress)

    def _make(
        self, session: DubSession, number: int | None, progress: gr.Progress
    ) -> Iterator[tuple[Any, ...]]:
        for _ in session.dub(_teller(progress)):
            yield (counts(session), overview(session, number), *[gr.skip()] * 7)
        yield (
            counts(session),
            overview(session, number),
            str(session.output),
            gr.update(value=session.files, visible=True),
            *(_line_values(session, number) if number is not None else [gr.skip()] * 5),
        )

    @shown
    def preview(
        self,
        session: DubSession | None,
        rate: float,
        keep: float,
        bed: str | None,
        number: int | None,
        text: str,
        emotion: str,
        seed: int | None,
        progress: gr.Progress = _PROGRESS,
    ) -> tuple[Any, ...]:
        """Makes one line, unless it is there already, and plays it."""
        session = _set_up(session, rate, keep, bed)
        state = session.edit(_number(number), text, emotion)
        if state.audio is None or (seed is not None and state.speech and seed != state.speech.seed):
            progress(0.0, desc=f"line {number}")
            session.speak(state.number, seed, _teller(progress))
        return (overview(session, number), *_line_values(session, state.number))

    @shown
    def remake(
        self,
        session: DubSession | None,
        rate: float,
        keep: float,
        bed: str | None,
        number: int | None,
        text: str,
        emotion: str,
        seed: int | None,
        progress: gr.Progress = _PROGRESS,
    ) -> Iterator[tuple[Any, ...]]:
        """Makes one line anew, and the video with it if there is one."""
        session = _set_up(session, rate, keep, bed)
        state = session.edit(_number(number), text, emotion)
        old = state.speech.seed if state.speech is not None else None
        progress(0.0, desc=f"line {number}")
        session.speak(state.number, new_seed() if seed is None or seed == old else seed, _teller(progress))
        made = counts(session), overview(session, number), gr.skip(), gr.skip()
        yield (*made, *_line_values(session, state.number))
        if session.output is not None:
            yield from self._make(session, number, progress)

    @staticmethod
    def stopped(session: DubSession | None, number: int | None) -> tuple[str, str]:
        """What is shown after Stop; finished lines are kept."""
        if session is not None:
            session.rest()
        return counts(session, "Stopped; Dub goes on from here."), overview(session, number)


def _caster(speaker: str) -> Callable[[DubSession, str], None]:
    @shown
    def cast(session: DubSession, voice: str) -> None:
        session.choose(speaker, voice)

    return cast


def _set_up(session: DubSession | None, rate: float, keep: float, bed: str | None) -> DubSession:
    if session is None:
        raise InputError(_FIRST)
    session.settings = DubSettings(float(rate), float(keep) if keep > -60 else None, bed)
    return session


def _number(number: int | None) -> int:
    if number is None:
        raise InputError("choose a line from the list first")
    return int(number)


def _teller(progress: gr.Progress) -> Callable[[str, int, int], None]:
    def tell(stage: str, done: int, count: int) -> None:
        progress((done, max(count, 1)), desc=f"{stage} {min(done + 1, count)} of {count}", unit="lines")

    return tell


def _line_values(session: DubSession, number: int) -> tuple[Any, ...]:
    """Text, emotion, seed, sound and picture of a line."""
    line = session.line(number)
    sound = playable(line.audio) if line.audio is not None else None
    seed = line.speech.seed if line.speech is not None else None
    figure = speech_figure(line.speech) if line.speech is not None else ""
    return line.text, line.fields["emotion"], seed, sound, figure


def _close(session: DubSession | None) -> None:
    if session is not None:
        session.close()
