"""What the speech tab asks for, as arguments of `EmoTTS.synthesize`; nothing here knows of Gradio."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotts.emotion import EMOTIONS, Emotion
from emotts.emotion.recording import COMPONENT
from emotts.errors import InputError
from emotts.timebase import tokens_to_seconds

if TYPE_CHECKING:
    from emotts.emotion.instruct.direction import Direction
    from emotts.tts import EmoTTS

BUILT_IN, RECORDING = "Built-in", "Upload or record"
VOICES = (BUILT_IN, RECORDING)
"""Where the voice comes from."""

SLIDERS, WORDS, HEARD, FROM_TEXT = "Sliders", "Words", "Recording", "The text itself"
SOURCES = (SLIDERS, WORDS, HEARD, FROM_TEXT)
"""Where the emotion comes from."""

NATURAL, SECONDS, SPEED = "Natural", "Seconds", "Speed"
LENGTHS = (NATURAL, SECONDS, SPEED)
"""What decides the length."""

ALL_ZERO = "Neutral: all sliders are at 0."

LONGEST_TEXT = 4096
"""Characters."""


def new_seed() -> int:
    """A seed that people can read to each other."""
    return secrets.randbelow(1_000_000)


@dataclass(frozen=True)
class Wish:
    """The fields of the speech tab, in the order of its inputs.

    Attributes:
        text: what to say.
        voice_from: one of `VOICES`.
        named_voice: a built-in voice.
        recorded_voice: path of a recording.
        emotion_from: one of `SOURCES`.
        words: the emotion as to an actor.
        emotion_recording: path of a recording whose emotion is taken.
        length_from: one of `LENGTHS`.
        seconds: exact length.
        speed: factor on the speaking rate.
        seed: of the take.
        new_each: draw another seed instead.
        markup: whether to read the markup in the text.
        steps: of the acoustic decoder; None is the model's own number.
        intensities: of the eight emotions, 0 to 1.
    """

    text: str
    voice_from: str
    named_voice: str | None
    recorded_voice: str | None
    emotion_from: str
    words: str
    emotion_recording: str | None
    length_from: str
    seconds: float | None
    speed: float
    seed: int | None
    new_each: bool
    markup: bool
    steps: int | None
    intensities: tuple[float, ...] = (0.0,) * len(EMOTIONS)

    @classmethod
    def of(cls, *values: Any) -> Wish:
        """From the values of all inputs: the eight sliders come last."""
        first = len(values) - len(EMOTIONS)
        return cls(*values[:first], intensities=tuple(float(value or 0.0) for value in values[first:]))

    @property
    def asked(self) -> float | None:
        """The exact length in seconds that is asked for."""
        return self.seconds if self.length_from == SECONDS else None

    def voice(self) -> str | None:
        """What `EmoTTS.voice` takes.

        Raises:
            InputError: there is no recording yet.
        """
        if self.voice_from == BUILT_IN:
            return self.named_voice
        if not self.recorded_voice:
            raise InputError("upload or record a voice first (3 to 15 s of speech), or take a built-in one")
        return self.recorded_voice

    def emotion(self) -> dict[str, Any]:
        """The one argument that tells the emotion.

        Raises:
            InputError: there are no words, or no recording, yet.
        """
        if self.emotion_from == WORDS:
            if not (self.words or "").strip():
                raise InputError('write the emotion in words, such as "furious, through clenched teeth"')
            return {"instruct": self.words}
        if self.emotion_from == HEARD:
            if not self.emotion_recording:
                raise InputError("upload or record the emotion first, or set it with the sliders")
            return {"emotion_audio": self.emotion_recording}
        if self.emotion_from == FROM_TEXT:
            return {"emotion_from_text": True}
        return {"emotion": Emotion(self.intensities)}

    def arguments(self) -> dict[str, Any]:
        """Everything but the text.

        Raises:
            InputError: something that is asked for is missing.
        """
        if len(self.text) > LONGEST_TEXT:
            raise InputError(
                f"the text has {len(self.text)} characters; the page takes at most {LONGEST_TEXT}"
            )
        if self.length_from == SECONDS and self.seconds is None:
            raise InputError("write how many seconds the speech is to last, or take its natural length")
        return {
            "voice": self.voice(),
            **self.emotion(),
            "duration": self.asked,
            "speed": self.speed if self.length_from == SPEED else None,
            "seed": new_seed() if self.new_each or self.seed is None else int(self.seed),
            "markup": bool(self.markup),
            "steps": int(self.steps) if self.steps else None,
        }


def feel(tts: EmoTTS, wish: Wish) -> tuple[Emotion, str]:
    """The emotion that a wish comes to, and a sentence about it.

    Raises:
        EmottsError: the words or the recording cannot be read.
    """
    if wish.emotion_from == SLIDERS:
        emotion = Emotion(wish.intensities)
        return emotion, ALL_ZERO if emotion.is_neutral else ""
    if wish.emotion_from == HEARD:
        if not wish.emotion_recording:
            return Emotion(), "Waiting for a recording of at least one second of speech."
        return tts.emotion_of(wish.emotion_recording), "Heard in the recording, whoever speaks in it."
    from emotts.emotion.instruct import direct

    spoken = wish.emotion_from == FROM_TEXT
    words = wish.text if spoken else wish.words
    if not _has_words(words):
        return Emotion(), "Waiting for words."
    found = direct(words, line=spoken)
    return found.emotion, _delivery(found, "the text" if spoken else "these words")


def sources(tts: EmoTTS) -> tuple[str, ...]:
    """The `SOURCES` that a model has; hearing an emotion takes a network of its own."""
    return tuple(name for name in SOURCES if name != HEARD or COMPONENT in tts.model.components)


def _has_words(text: str | None) -> bool:
    return any(character.isalpha() for character in text or "")


def _delivery(found: Direction, what: str) -> str:
    hints = []
    if found.speed != 1.0:
        hints.append(f"{abs(found.speed - 1) * 100:.0f} % {'faster' if found.speed > 1 else 'slower'}")
    if found.energy:
        hints.append(f"{abs(found.energy):g} dB {'louder' if found.energy > 0 else 'softer'}")
    start = f"Neutral: {what} name no emotion" if found.emotion.is_neutral else f"Read from {what}"
    if found.emotion.is_neutral and what == "the text":
        start = "Neutral: the text names no emotion"
    return f"{start}{'; spoken ' + ', '.join(hints) if hints else ''}."


def possible_lengths(tts: EmoTTS, wish: Wish) -> str:
    """A sentence that tells which lengths the text can have.

    Raises:
        EmottsError: the text, the voice or the emotion cannot be used.
    """
    how: dict[str, Any]
    if wish.emotion_from == WORDS and _has_words(wish.words):
        how = {"instruct": wish.words}
    elif wish.emotion_from == FROM_TEXT:
        how = {"emotion_from_text": True}
    else:
        how = {"emotion": feel(tts, wish)[0]}
    tokens = tts.lengths(wish.text, wish.voice(), markup=bool(wish.markup), **how)
    fewest, natural, most = (tokens_to_seconds(count) for count in tokens)
    return f"This text can last {fewest:.2f} to {most:.2f} s; {natural:.2f} s is natural."
