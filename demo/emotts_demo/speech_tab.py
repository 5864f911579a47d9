"""The first tab: a text becomes speech."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from emotts.emotion import Emotion
from emotts.errors import EmottsError
from emotts.request import check_request
from emotts_demo import wish
from emotts_demo.controls import Controls, Extras, lay_out
from emotts_demo.examples import EXAMPLES, example_row
from emotts_demo.messages import shown
from emotts_demo.pictures import emotion_chart, facts, speech_figure
from emotts_demo.player import follow, playable, player
from emotts_demo.wish import Wish, feel, new_seed, possible_lengths

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

LIGHT: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_id": "light",
    "api_visibility": "private",
    "trigger_mode": "always_last",
}
"""Of handlers that take milliseconds."""

HEAVY: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}
"""Of handlers that run the models: one at a time."""

_PROGRESS = gr.Progress()
_WAITING = '<p class="em-empty">What you make comes here.</p>'


class SpeechTab:
    """Lays the tab out and answers its events.

    Args:
        tts: the loaded model.
    """

    def __init__(self, tts: EmoTTS) -> None:
        self.tts = tts

    def build(self) -> None:
        """Makes the components inside the layout that is open."""
        config = self.tts.model.config
        with gr.Row(elem_classes="em-columns"):
            with gr.Column(min_width=330):
                controls, extras = lay_out(
                    self.tts.voices, config.default_voice, config.generation.steps, wish.sources(self.tts)
                )
            with gr.Column(min_width=330, elem_id="result"):
                speak = gr.Button("Speak", variant="primary", size="lg", elem_id="speak")
                audio = player("Speech", "speech")
                numbers = gr.HTML(_WAITING, elem_id="facts")
                figure = gr.HTML(elem_id="figure", js_on_load=follow("speech"))
        with extras.examples:
            self._examples(controls)
        self._connect_emotion(controls, extras)
        self._connect_lengths(controls, extras)
        gr.on(
            [speak.click, controls.text.submit],
            self.speak,
            controls.inputs,
            [audio, numbers, figure, controls.seed],
            scroll_to_output=True,
            show_progress_on=audio,
            **HEAVY,
        )
        extras.new_seed.click(new_seed, None, controls.seed, **LIGHT)

    def _examples(self, controls: Controls) -> None:
        gr.Examples(
            [example_row(example, self.tts) for example in EXAMPLES],
            controls.inputs,
            example_labels=[example.label for example in EXAMPLES],
            label="Examples",
            examples_per_page=20,
            api_visibility="private",
        )

    def _connect_emotion(self, controls: Controls, extras: Extras) -> None:
        controls.emotion_from.change(
            self.choose_source,
            controls.emotion_from,
            [extras.by_sliders, extras.by_words, extras.by_recording],
            **LIGHT,
        )
        changes = [
            controls.emotion_from.change,
            controls.words.change,
            controls.text.change,
            *(slider.change for slider in controls.sliders),
        ]
        gr.on(changes, self.show_emotion, controls.inputs, extras.chart, **LIGHT)
        controls.emotion_recording.change(
            self.show_emotion, controls.inputs, extras.chart, show_progress="minimal", **HEAVY
        )

    def _connect_lengths(self, controls: Controls, extras: Extras) -> None:
        changes = [
            controls.length_from.change,
            controls.text.change,
            controls.named_voice.change,
            controls.recorded_voice.change,
            controls.emotion_from.change,
            controls.words.change,
            controls.emotion_recording.change,
            controls.markup.change,
            *(slider.change for slider in controls.sliders),
        ]
        gr.on(
            changes, self.show_lengths, controls.inputs, extras.possible,
            show_progress="hidden", trigger_mode="always_last", **HEAVY,
        )  # fmt: skip

    @shown
    def speak(self, *values: Any, progress: gr.Progress = _PROGRESS) -> tuple[Any, str, str, int]:
        """Speaks what the inputs ask for.

        Returns:
            sound, numbers, picture and the seed.
        """
        asked = Wish.of(*values)
        check_request(asked.text or "")
        arguments = asked.arguments()
        progress(0.0, desc="text and durations")
        speech = self.tts.synthesize(
            asked.text, **arguments, progress=lambda stage, done: progress(done, desc=stage)
        )
        return (
            playable(speech.audio, speech.sample_rate),
            facts(speech, asked.asked),
            speech_figure(speech),
            speech.seed,
        )

    @staticmethod
    def choose_source(source: str) -> tuple[Any, Any, Any]:
        """Shows the inputs of one source of emotion."""
        shown_ones = (wish.SLIDERS, wish.WORDS, wish.HEARD)
        return tuple(gr.update(visible=source == name) for name in shown_ones)

    def show_emotion(self, *values: Any) -> str:
        """The chart; what cannot be read yet is said under it, for the user is still typing."""
        try:
            return emotion_chart(*feel(self.tts, Wish.of(*values)))
        except EmottsError as error:
            return emotion_chart(Emotion(), str(error))

    def show_lengths(self, *values: Any) -> str:
        """The lengths that the text can have, or nothing while there is no text."""
        asked = Wish.of(*values)
        if asked.length_from != wish.SECONDS:
            return ""
        try:
            return f'<p class="em-note">{escape(possible_lengths(self.tts, asked))}</p>'
        except EmottsError:
            return ""
