"""Examples of the speech tab; they need nothing but the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emotts.emotion import EMOTIONS
from emotts_demo import wish

if TYPE_CHECKING:
    from emotts.tts import EmoTTS


@dataclass(frozen=True)
class Example:
    """What an example fills in.

    Attributes:
        label: what its button says.
        text: to be spoken.
        emotion: intensities by name, for the sliders.
        words: the emotion in words, instead.
        seconds: exact length.
        speed: factor on the rate.
        seed: of the take.
        markup: whether the text has markup.
        from_text: the emotion is read from the text.
    """

    label: str
    text: str
    emotion: dict[str, float] = field(default_factory=dict)
    words: str = ""
    seconds: float | None = None
    speed: float | None = None
    seed: int = 7
    markup: bool = False
    from_text: bool = False


EXAMPLES = (
    Example(
        "Happy, exactly 2.8 s", "I never thought that I would see you again.", {"happy": 0.7}, seconds=2.8
    ),
    Example("Angry", "You said that you would be here. I waited for an hour.", {"angry": 0.8}),
    Example("Afraid, in a hurry", "We have to leave now.", {"afraid": 0.8}, speed=1.2),
    Example("In words", "There was nothing left to say.", words="choking back tears, barely audible"),
    Example("From the text", "This is the best day of my life!", from_text=True),
    Example("A blend", "So this is how it ends.", {"sad": 0.5, "calm": 0.4}, speed=0.9),
    Example(
        "Markup", "I waited. [pause 0.5s] [emotion angry:0.8]You never came.[/emotion]", markup=True, seed=3
    ),
)


def example_row(example: Example, tts: EmoTTS) -> list[Any]:
    """The values of all inputs, in the order of `Wish.of`."""
    config, voices = tts.model.config, tts.voices
    voice = config.default_voice if config.default_voice in voices else next(iter(voices), None)
    source = wish.WORDS if example.words else wish.FROM_TEXT if example.from_text else wish.SLIDERS
    length = wish.SECONDS if example.seconds else wish.SPEED if example.speed else wish.NATURAL
    return [
        example.text,
        wish.BUILT_IN,
        voice,
        None,
        source,
        example.words,
        None,
        length,
        example.seconds or 2.8,
        example.speed or 1.0,
        example.seed,
        False,
        example.markup,
        config.generation.steps,
        *(example.emotion.get(name, 0.0) for name in EMOTIONS),
    ]
