#!/usr/bin/env python3
r"""Measures what the intensity of each emotion does and costs: a table, a picture, and all audio.

python recipes/dose_response.py --judge egs/judge/exp/judge.npz --sentences decode/free-kathleen.jsonl \
    --sentences decode/free-bdl.jsonl --output doses --jobs 2

Stopped and started again, it goes on where it was. `--estimate` says how long it will take.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotts.errors import EmottsError

if TYPE_CHECKING:
    from emotts.evaluate.judge import EmotionJudge
    from emotts.evaluate.lists import Sentence
    from emotts.tts import EmoTTS


def main(
    judge: Annotated[Path, typer.Option(help="judge.npz that egs/judge/run.sh has made.")],
    sentences: Annotated[
        list[Path], typer.Option(help="List of held-out sentences (JSON Lines or TSV); may be repeated.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for doses.md, doses.png, doses.json and the audio.")],
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    voice: Annotated[
        list[str] | None, typer.Option(help="Speak every text with this voice; else with the list's.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, help="Sentences of each voice.")] = 30,
    emotions: Annotated[str, typer.Option(help="Comma-separated.")] = "angry,happy,sad,afraid,disgusted",
    intensities: Annotated[str, typer.Option(help="Comma-separated, 0 among them.")] = "0,0.25,0.5,0.75,1",
    seed: Annotated[int, typer.Option(min=0, help="Of the first sentence.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")] = None,
    cfg: Annotated[float | None, typer.Option(help="Strength of classifier-free guidance.")] = None,
    guidance_schedule: Annotated[str | None, typer.Option(help="none, constant or derived.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of the measuring.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Sentences spoken at once.")] = 16,
    quality_every: Annotated[int, typer.Option(min=1, help="DNSMOS of every n-th text only.")] = 1,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say how long it will take.")] = False,
) -> None:
    """Speaks held-out sentences in every emotion at rising intensities, and measures them."""
    from emotts.evaluate.dose_response import estimate_minutes, render_doses, run_dose_response

    try:
        names = [name.strip() for name in emotions.split(",") if name.strip()]
        doses = numbers("--intensities", intensities)
        options = {"steps": steps, "cfg": cfg, "guidance_schedule": guidance_schedule}
        given = {name: value for name, value in options.items() if value is not None}
        engine, judged, chosen = load(model, device, judge, sentences, voice or [], count)
        settings = {"seed": seed, "jobs": jobs, "batch": batch, "quality_every": quality_every, **given}
        if estimate:
            minutes = estimate_minutes(engine, judged, chosen, output, names, doses, **settings)
            typer.echo(f"about {minutes:.1f} minutes for {count_files(chosen, names, doses)} files")
            return
        settings["progress"] = teller()
        result = run_dose_response(engine, judged, chosen, output, names, doses, **settings)
    except EmottsError as error:
        print(f"dose_response: {' '.join(str(error).split())}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    typer.echo(render_doses(result))


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


def count_files(sentences: list[Sentence], emotions: list[str], intensities: list[float]) -> int:
    """How many files a dose-response speaks: intensity 0 is the same for all emotions."""
    return len(sentences) * (1 + len(emotions) * (len(intensities) - 1))


def numbers(option: str, text: str) -> list[float]:
    """Numbers of a comma-separated list."""
    from emotts.errors import InputError

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


if __name__ == "__main__":
    typer.run(main)
