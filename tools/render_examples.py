"""Speak the examples that README shows, with the model inside the package: audio files and one picture.

`python tools/render_examples.py [--output docs/examples] [--model embedded]`

What is rendered is the first take of a fixed seed; nothing is chosen by hand. Needs matplotlib (extra
`train` or `evaluate`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotts import EmoTTS, Speech

SEED = 1


@dataclass(frozen=True)
class Example:
    """One file.

    Attributes:
        name: of the file.
        title: over its picture.
        text: what is said.
        options: of `EmoTTS.synthesize`.
    """

    name: str
    title: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)


EXAMPLES = (
    Example("neutral", "neutral", "I never thought that I would see you again."),
    Example("angry", "angry:0.8", "I never thought that I would see you again.", {"emotion": "angry:0.8"}),
    Example(
        "window", "neutral, exactly 3.60 s", "I never thought that I would see you again.", {"duration": 3.6}
    ),
)


def render(tts: EmoTTS, output: Path) -> list[tuple[Example, Speech]]:
    """Speaks every example into `output`, as mp3."""
    output.mkdir(parents=True, exist_ok=True)
    spoken = [(example, tts.synthesize(example.text, seed=SEED, **example.options)) for example in EXAMPLES]
    for example, speech in spoken:
        speech.save(output / f"{example.name}.mp3", force=True)
    return spoken


def draw(spoken: Sequence[tuple[Example, Speech]], path: Path) -> None:
    """A spectrogram for each example on one time axis, with its words underneath."""
    import matplotlib

    matplotlib.use("Agg")
    import librosa
    import numpy as np
    from matplotlib import pyplot

    longest = max(speech.duration for _, speech in spoken)
    figure, axes = pyplot.subplots(len(spoken), 1, figsize=(9, 1.9 * len(spoken)), sharex=True)
    for axis, (example, speech) in zip(np.atleast_1d(axes), spoken, strict=True):
        power = np.abs(librosa.stft(speech.audio, n_fft=1024, hop_length=240)) ** 2
        level = librosa.power_to_db(power, ref=1.0)
        extent = (0.0, speech.duration, 0.0, speech.sample_rate / 2000)
        axis.imshow(level, origin="lower", aspect="auto", extent=extent, vmin=-60, vmax=30, cmap="magma")
        axis.set(xlim=(0, longest), ylim=(-1.6, 8), ylabel="kHz", yticks=(0, 4, 8))
        axis.set_title(f"{example.title}: {speech.duration:.2f} s", fontsize=9, loc="left")
        for word, start, end in speech.word_timings:
            axis.axvline(start, color="0.7", linewidth=0.5, ymax=0.16)
            axis.text((start + end) / 2, -0.8, word, fontsize=7, ha="center", va="center")
    axis.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Renders all; returns the exit status."""
    parser = argparse.ArgumentParser(description="Speak the examples that README shows.")
    parser.add_argument("--output", type=Path, default=Path("docs/examples"))
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args(arguments)
    from emotts import EmoTTS
    from emotts.errors import EmottsError

    try:
        spoken = render(EmoTTS.from_pretrained(options.model), options.output)
    except EmottsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    draw(spoken, options.output / "examples.png")
    for example, speech in spoken:
        sys.stdout.write(f"{example.name}.mp3: {example.title}, {speech.duration:.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
