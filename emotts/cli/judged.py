"""What the commands have in common that measure emotion with a judge: their options, and what they load."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotts.errors import InputError

if TYPE_CHECKING:
    from emotts.evaluate.judge import EmotionJudge
    from emotts.evaluate.lists import Sentence
    from emotts.tts import EmoTTS

JudgeFile = Annotated[Path, typer.Option(help="judge.npz that egs/judge/run.sh has made.")]
Lists = Annotated[
    list[Path], typer.Option(help="List of held-out sentences (JSON Lines or TSV); may be repeated.")
]
ModelName = Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")]
Voices = Annotated[
    list[str] | None, typer.Option(help="Speak every text with this voice; else with the list's.")
]
Count = Annotated[int, typer.Option(min=2, help="Sentences of each voice.")]
Names = Annotated[str, typer.Option(help="Comma-separated.")]
Numbers = Annotated[str, typer.Option(help="Comma-separated, 0 among them.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the first sentence.")]
Steps = Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")]
Batch = Annotated[int, typer.Option(min=1, help="Sentences spoken at once.")]
QualityEvery = Annotated[int, typer.Option(min=1, help="DNSMOS of every n-th text only.")]


def load(
    model: str, device: str, judge: Path, lists: list[Path], voices: list[str], count: int
) -> tuple[EmoTTS, EmotionJudge, list[Sentence]]:
    """The engine, the judge and the chosen sentences; what is cheap to check comes first."""
    from emotts.evaluate.emotion_measures import choose_sentences
    from emotts.evaluate.judge import EmotionJudge
    from emotts.evaluate.lists import load_sentences
    from emotts.tts import EmoTTS

    judged = EmotionJudge.load(judge)
    chosen = choose_sentences([s for path in lists for s in load_sentences(path)], voices, count)
    return EmoTTS.from_pretrained(model, device), judged, chosen


def numbers(option: str, text: str) -> list[float]:
    """Numbers of a comma-separated list."""
    try:
        return [float(item) for item in text.split(",") if item.strip()]
    except ValueError:
        raise InputError(f"{option} {text}: give numbers, such as 0,0.5,1") from None


def teller() -> Callable[[str, float], None]:
    """A function that prints on stderr how far a stage is and how long it will take, every ten seconds."""
    last: dict[str, float] = {}
    begins: dict[str, tuple[float, float]] = {}
    started = time.monotonic()

    def tell(stage: str, share: float) -> None:
        now = time.monotonic()
        if stage not in last or now - last[stage] >= 10 or share >= 1:
            last[stage] = now
            begun = begins.setdefault(stage, (now, share))
            left = (now - begun[0]) * (1 - share) / (share - begun[1]) if share > begun[1] else None
            more = "" if left is None or share >= 1 else f", {left / 60:.1f} min left"
            print(f"{now - started:6.0f} s  {stage}: {100 * share:.0f} %{more}", file=sys.stderr)

    return tell
