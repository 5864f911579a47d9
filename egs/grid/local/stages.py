"""Stages 2 to 4 of egs/grid/run.sh: train, tune, score.

Exit status: 0 done, 2 bad input (one line says what), 3 stopped by the time limit; run it again to go on.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
import torch

from emotts.errors import EmottsError
from emotts.lips import evaluation
from emotts.lips.aligner import FRAMES_AROUND, LipSettings, LipTimer
from emotts.lips.corpus import Clip, load_clips, split
from emotts.lips.evaluation import Case
from emotts.lips.training import Trainer, TrainingConfig, center, make_examples
from emotts.text.phonemize import Phonemes
from emotts.timebase import TOKEN_RATE
from emotts.tts import EmoTTS

LOOSE = 0.3
"""Seconds by which a loose window goes beyond the words on both sides, as subtitles do."""

UNFINISHED = 3


class Voices:
    """Phonemes and natural durations by the embedded model, without an emotion."""

    def __init__(self) -> None:
        self.tts = EmoTTS.from_pretrained("embedded", "cpu")
        self.names = list(self.tts.voices)
        self._known: dict[tuple[str, str | None], tuple[Phonemes, list[float]]] = {}

    def __call__(self, text: str, voice: str | None) -> tuple[Phonemes, list[float]]:
        """Of a text in a voice; None is the model's default."""
        if (text, voice) not in self._known:
            self._known[text, voice] = self.tts.natural(text, voice)
        return self._known[text, voice]


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(line + "\n")


def train(options: argparse.Namespace) -> int:
    """Trains, with resume."""
    config = TrainingConfig.load(options.config)
    clips = split(load_clips(options.clips), config.held_out)["train"]
    voices = Voices()
    examples = make_examples(clips, voices, voices.names)
    say(f"{len(examples)} clips to learn from, voices {', '.join(voices.names)}")
    trainer = Trainer(config, examples, options.output, say)
    count = sum(parameter.numel() for parameter in trainer.model.parameters())
    say(f"{count:,} parameters")
    if not trainer.run(60.0 * options.minutes):
        say(f"stopped at step {trainer.step} of {config.steps}; run it again to go on")
        return UNFINISHED
    LipTimer(trainer.model, LipSettings(network=config.network)).save(options.output)
    return 0


def cases_of(clips: list[Clip], voices: Voices, before: float = 0.0, after: float = 0.0) -> list[Case]:
    """Windows of clips, with the pictures that stage 1 made."""
    cases = []
    for clip in clips:
        phonemes, natural = voices(clip.text, None)
        start, tokens = evaluation.window(clip, before, after)
        frame = round(start * TOKEN_RATE)
        left = max(0, frame - FRAMES_AROUND)
        pictures = center(clip.pictures)[left : frame + tokens + FRAMES_AROUND]
        cases.append(Case(clip, phonemes, tuple(natural), start, tokens, pictures, frame - left))
    return cases


def cases_of_videos(
    clips: list[Clip], voices: Voices, grid: Path, speaker: str, before: float = 0.0, after: float = 0.0
) -> list[Case]:
    """The same with pictures as `emotts dub --mouth-box auto` makes them, each clip by itself."""
    from emotts.dubbing.mouth import DialogueActivity
    from emotts.dubbing.mouth_video import MouthBox
    from emotts.dubbing.video import probe, read_sound

    cases = []
    for case in cases_of(clips, voices, before, after):
        path = next(path for path in (grid / speaker).iterdir() if path.stem == case.clip.name)
        media = probe(path)
        source = MouthBox(media, None, DialogueActivity(read_sound(path, media.duration, media.origin)))
        left = round(case.start * TOKEN_RATE) - case.first
        right = left + case.first + case.tokens + FRAMES_AROUND
        track = source.track(left / TOKEN_RATE, right / TOKEN_RATE)
        pictures = case.pictures[:0] if track is None or track.pictures is None else track.pictures
        cases.append(
            Case(case.clip, case.phonemes, case.natural, case.start, case.tokens, pictures, case.first)
        )
    return cases


SEARCHED = {
    "lengths": (0.3, 1.0, 2.0),
    "spread": (0.3, 0.5),
    "skipped": (-3.0, -6.0),
}
"""Settings of the search that stage 3 tries, on the clips half-way between those of the test."""


def tune(options: argparse.Namespace) -> int:
    """Chooses how the search weighs lips and lengths, and what the lips have to tell to count."""
    timer, voices = LipTimer.load(options.model), Voices()
    clips = split(load_clips(options.clips), options.held_out)["dev"]
    exact, loose = cases_of(clips, voices), cases_of(clips, voices, LOOSE, LOOSE)
    best: tuple[float, LipSettings] | None = None
    for values in itertools.product(*SEARCHED.values()):
        settings = timer.settings.model_copy(update=dict(zip(SEARCHED, values, strict=True)))
        tried = evaluation.by_lips(LipTimer(timer.network, settings))
        errors = [
            evaluation.summarize(evaluation.errors_of(cases, tried), cases is exact)["mean"]
            for cases in (exact, loose)
        ]
        say(f"{dict(zip(SEARCHED, values, strict=True))}: {errors[0]:.1f} ms, loose {errors[1]:.1f} ms")
        if best is None or sum(errors) < best[0]:
            best = sum(errors), settings
    assert best is not None
    chosen = LipTimer(timer.network, best[1])
    if options.grid is not None:
        exact, loose = (
            cases_of_videos(clips, voices, options.grid, options.speaker, wider, wider)
            for wider in (0.0, LOOSE)
        )
    found = [_likelihoods(chosen, cases) for cases in (exact, loose)]
    own, other = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # Lips of other words pass one time in five: it costs them a few ms, a stricter gate costs own lips more.
    least = float(np.quantile(other, 0.8))
    say(f"lips count from a likelihood of {least:.3f}: {np.mean(own >= least):.1%} of a clip's own lips do")
    chosen.settings = best[1].model_copy(update={"least_likelihood": round(least, 4)})
    chosen.save(options.model)
    return 0


def _likelihoods(timer: LipTimer, cases: list[Case]) -> tuple[np.ndarray, np.ndarray]:
    """How well the lips suit the text: its own, and those of another."""
    rows = []
    for case, other in zip(cases, [*cases[1:], cases[0]], strict=True):
        found = [
            timer.plan(seen.pictures, case.phonemes, case.natural, seen.first, seen.tokens)
            for seen in (case, other)
        ]
        rows.append([plan.likelihood if plan else 0.0 for plan in found])
    own, others = np.array(rows).T
    return own, others


def score(options: argparse.Namespace) -> int:
    """The table of onset errors on the held-out clips."""
    timer, voices = LipTimer.load(options.model), Voices()
    clips = split(load_clips(options.clips), options.held_out)["test"]
    lines = [f"{len(clips)} clips that training never saw (every {options.held_out}th by name)."]
    for title, wider in (("exactly the words", 0.0), (f"{1000 * LOOSE:.0f} ms more on both sides", LOOSE)):
        lines += _table(title, clips, voices, timer, options, wider)
    text = "\n".join(lines) + "\n"
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _table(
    title: str, clips: list[Clip], voices: Voices, timer: LipTimer, options: argparse.Namespace, wider: float
) -> list[str]:
    cases = cases_of(clips, voices, wider, wider)
    found = {
        "lip aligner": evaluation.errors_of(cases, evaluation.by_lips(timer)),
        "predicted durations, scaled": evaluation.errors_of(cases, evaluation.predicted),
        "even spreading": evaluation.errors_of(cases, evaluation.even),
        "lip aligner, another clip's lips": evaluation.shuffled(cases, timer),
    }
    if options.grid is not None:
        videos = cases_of_videos(clips, voices, options.grid, options.speaker, wider, wider)
        found["lip aligner, as `emotts dub --mouth-box auto` sees it"] = evaluation.errors_of(
            videos, evaluation.by_lips(timer)
        )
    lines = [
        "",
        f"Window: {title}.",
        "",
        "| plan | mean, ms | 95 % | median, ms | within 80 ms |",
        "|---|---|---|---|---|",
    ]
    for name, errors in found.items():
        exact = wider == 0.0
        got, (low, high) = evaluation.summarize(errors, exact), evaluation.confidence(errors[:, int(exact) :])
        values = f"{got['mean']:.1f} | {low:.1f}–{high:.1f} | {got['median']:.1f} | {got['within_80']:.1%}"
        lines.append(f"| {name} | {values} |")
    return lines


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    for name in ("train", "tune", "score"):
        stage = stages.add_parser(name)
        stage.add_argument("--clips", type=Path, required=True, help="what stage 1 wrote")
        if name != "train":
            stage.add_argument("--model", type=Path, required=True, help="directory of the aligner")
            stage.add_argument("--held-out", type=int, default=10)
            stage.add_argument("--grid", type=Path, help="the corpus, to find mouths anew in its files")
            stage.add_argument("--speaker", default="s1")
    stages.choices["train"].add_argument("--config", type=Path, required=True, help="settings (YAML)")
    stages.choices["train"].add_argument("--output", type=Path, required=True, help="directory to write")
    stages.choices["train"].add_argument("--minutes", type=float, default=float("inf"), help="time limit")
    stages.choices["score"].add_argument(
        "--output", type=Path, help="Markdown to write; else standard output"
    )
    return parser


def main() -> int:
    """Runs a stage."""
    options = build_parser().parse_args()
    torch.set_num_threads(1)
    try:
        return {"train": train, "tune": tune, "score": score}[options.stage](options)
    except EmottsError as error:
        sys.stderr.write(f"{options.stage}: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
