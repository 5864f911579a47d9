"""The inputs of the speech tab, laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import gradio as gr

from emotts.emotion import EMOTIONS, Emotion
from emotts.request import FASTEST, SLOWEST
from emotts_demo import wish
from emotts_demo.pictures import emotion_chart
from emotts_demo.wish import new_seed

FIRST_TEXT = "I never thought that I would see you again."

_SOUNDS = ["upload", "microphone"]


@dataclass(frozen=True)
class Controls:
    """The components whose values make a `Wish`, in its order; the sliders come last."""

    text: gr.Textbox
    voice_from: gr.Radio
    named_voice: gr.Dropdown
    recorded_voice: gr.Audio
    emotion_from: gr.Radio
    words: gr.Textbox
    emotion_recording: gr.Audio
    length_from: gr.Radio
    seconds: gr.Number
    speed: gr.Slider
    seed: gr.Number
    new_each: gr.Checkbox
    markup: gr.Checkbox
    steps: gr.Slider
    sliders: tuple[gr.Slider, ...]

    @property
    def inputs(self) -> list[gr.components.Component]:
        """All components in the order of `Wish.of`."""
        single = [getattr(self, field.name) for field in fields(self) if field.name != "sliders"]
        return [*single, *self.sliders]


@dataclass(frozen=True)
class Extras:
    """Components beside the inputs that the handlers change."""

    by_sliders: gr.Column
    by_words: gr.Column
    by_recording: gr.Column
    chart: gr.HTML
    possible: gr.HTML
    new_seed: gr.Button
    examples: gr.Column


def lay_out(
    voices: dict[str, str], default_voice: str | None, steps: int, sources: Sequence[str]
) -> tuple[Controls, Extras]:
    """Makes all inputs inside the layout that is open.

    Args:
        voices: names of the built-in voices with their descriptions.
        default_voice: the one that is chosen at first.
        steps: of the acoustic decoder, as the model has it.
        sources: where the emotion can come from, of `wish.SOURCES`.
    """
    text = gr.Textbox(
        FIRST_TEXT, label="Text", lines=3, max_lines=12, max_length=wish.LONGEST_TEXT, elem_id="text"
    )
    examples = gr.Column(elem_id="examples")
    voice = _voice(voices, default_voice)
    emotion, parts = _emotion(sources)
    length, possible = _length()
    take, draw = _take(steps)
    sliders = emotion.pop("sliders")
    controls = Controls(text=text, sliders=sliders, **voice, **emotion, **length, **take)
    return controls, Extras(**parts, possible=possible, new_seed=draw, examples=examples)


def _choice(label: str, choices: Sequence[str], value: str, elem_id: str) -> gr.Radio:
    """Choices under a heading; the label is for those who listen to the page."""
    return gr.Radio(list(choices), value=value, label=label, show_label=False, elem_id=elem_id)


def _voice(voices: dict[str, str], default: str | None) -> dict:
    choices = [(f"{name} – {said}" if said else name, name) for name, said in voices.items()]
    start = wish.BUILT_IN if voices else wish.RECORDING
    with gr.Column(elem_classes="em-card"):
        gr.HTML("<h3>Voice</h3>")
        voice_from = _choice("Where the voice comes from", wish.VOICES, start, "voice-from")
        named = gr.Dropdown(
            choices,
            value=default if default in voices else next(iter(voices), None),
            label="Built-in voice",
            visible=bool(voices),
            elem_id="named-voice",
        )
        recorded = gr.Audio(
            label="A voice: 3 to 15 s of clean speech",
            sources=_SOUNDS,
            type="filepath",
            buttons=[],
            visible=not voices,
            elem_id="recorded-voice",
        )
    voice_from.change(
        lambda chosen: (
            gr.update(visible=chosen == wish.BUILT_IN),
            gr.update(visible=chosen != wish.BUILT_IN),
        ),
        voice_from,
        [named, recorded],
        show_progress="hidden",
        concurrency_id="light",
        api_visibility="private",
    )
    return {"voice_from": voice_from, "named_voice": named, "recorded_voice": recorded}


def _emotion(sources: Sequence[str]) -> tuple[dict, dict]:
    with gr.Column(elem_classes="em-card"):
        gr.HTML("<h3>Emotion</h3>")
        source = _choice("Where the emotion comes from", sources, wish.SLIDERS, "emotion-from")
        with gr.Column(elem_classes="em-sliders") as by_sliders:
            sliders = tuple(
                gr.Slider(0, 1, 0, step=0.05, label=name, elem_id=f"emotion-{name}", buttons=[])
                for name in EMOTIONS
            )
        with gr.Column(visible=False) as by_words:
            words = gr.Textbox(
                label="How it is said",
                info="as to an actor: choking back tears, barely audible",
                placeholder="furious, through clenched teeth",
                elem_id="words",
                max_length=500,
            )
        with gr.Column(visible=False) as by_recording:
            recording = gr.Audio(
                label="Somebody who speaks with the emotion",
                sources=_SOUNDS,
                type="filepath",
                buttons=[],
                elem_id="emotion-recording",
            )
        chart = gr.HTML(emotion_chart(Emotion(), wish.ALL_ZERO), elem_id="emotion-chart")
    inputs = {"emotion_from": source, "sliders": sliders, "words": words, "emotion_recording": recording}
    groups = {"by_sliders": by_sliders, "by_words": by_words, "by_recording": by_recording}
    return inputs, {**groups, "chart": chart}


def _length() -> tuple[dict, gr.HTML]:
    with gr.Column(elem_classes="em-card"):
        gr.HTML("<h3>Length</h3>")
        source = _choice("What decides the length", wish.LENGTHS, wish.NATURAL, "length-from")
        seconds = gr.Number(
            2.8, label="Seconds", info="exact to the sample", visible=False, step=0.1, elem_id="seconds"
        )
        speed = gr.Slider(
            SLOWEST, FASTEST, 1.0, step=0.05, label="Speed", info="1 is natural", visible=False,
            elem_id="speed",
        )  # fmt: skip
        possible = gr.HTML(elem_id="possible", visible=False)
    source.change(
        lambda chosen: (
            gr.update(visible=chosen == wish.SECONDS),
            gr.update(visible=chosen == wish.SPEED),
            gr.update(visible=chosen == wish.SECONDS),
        ),
        source,
        [seconds, speed, possible],
        show_progress="hidden",
        concurrency_id="light",
        api_visibility="private",
    )
    return {"length_from": source, "seconds": seconds, "speed": speed}, possible


def _take(steps: int) -> tuple[dict, gr.Button]:
    with gr.Column(elem_classes="em-card"):
        gr.HTML("<h3>Take</h3>")
        with gr.Row(elem_classes="em-seed"):
            seed = gr.Number(
                new_seed,
                label="Seed",
                info="the same seed speaks the same samples",
                precision=0,
                minimum=0,
                elem_id="seed",
                min_width=150,
            )
            with gr.Column(min_width=120):
                draw = gr.Button("Random", size="sm", elem_id="new-seed")
                new_each = gr.Checkbox(True, label="New for every take", elem_id="new-each")
        with gr.Accordion("More", open=False):
            markup = gr.Checkbox(
                False,
                label="Read markup",
                info="[pause 0.5s], [emotion sad:0.6]…[/emotion], &lt;word|PHONES&gt;",
            )
            quality = gr.Slider(1, 64, steps, step=1, label="Steps", info="of the decoder; fewer are faster")
    return {"seed": seed, "new_each": new_each, "markup": markup, "steps": quality}, draw
