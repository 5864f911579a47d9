"""The stages of egs/instruct/run.sh: train, score, qwen.

Exit status: 0 done, 2 bad input (one line says what).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from emotts.errors import EmottsError

LOCAL = Path(__file__).parent

NOTE = """Printed by `egs/instruct/run.sh --corpora FOLDER`; README.md beside it describes the sets. Wanted on
`test`: 75 % top-1, 90 % of the graded pairs in order, under 10 ms. An emotion that is not wanted must stay
below 0.2, one that is wanted beside the strongest must reach 0.15.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = parser.add_subparsers(dest="stage", required=True)
    for name in ("train", "qwen"):
        stage = stages.add_parser(name)
        stage.add_argument("--config", type=Path, required=True, help="settings (YAML)")
        stage.add_argument("--output", type=Path, required=True, help="model directory to write")
    stages.choices["qwen"].add_argument("--checkpoint", help="folder or hub id, instead of the settings'")
    stages.choices["qwen"].add_argument("--device", default="auto")
    score = stages.add_parser("score")
    score.add_argument("--model", type=Path, required=True, help="directory of a mapper")
    score.add_argument("--output", type=Path, help="Markdown file to write; else standard output")
    score.add_argument("--sets", nargs="+", default=["test"], help="of local/: test, dev, blind, plain")
    for stage in stages.choices.values():
        stage.add_argument("--corpora", type=Path, help="folder of the text corpora")
    return parser


def train(options: argparse.Namespace) -> None:
    """Trains the embedded mapper."""
    from emotts.emotion.instruct.train import TrainConfig, train

    train(TrainConfig.load(options.config), options.corpora, options.output)


def qwen(options: argparse.Namespace) -> None:
    """Fine-tunes Qwen3."""
    from emotts.emotion.instruct.qwen import QwenConfig, train_qwen

    config = QwenConfig.load(options.config)
    if options.checkpoint:
        config = config.model_copy(update={"checkpoint": options.checkpoint})
    train_qwen(config, options.corpora, options.output, options.device)


def score(options: argparse.Namespace) -> None:
    """Scores a mapper on sets of local/, and on the corpora's held-out lines where they are given."""
    import torch

    from emotts.emotion.instruct.corpora import read_goemotions
    from emotts.emotion.instruct.evaluate import line_accuracy

    torch.set_num_threads(1)
    direct = _load(options.model)
    parts = [f"# From instructions to emotions: results\n\n{NOTE}"]
    parts += [f"## Set `{name}`\n\n{_score_set(direct, name)}" for name in options.sets]
    if options.corpora is not None:
        lines = read_goemotions(options.corpora / "goemotions_original", "test")
        share, count = line_accuracy(lambda words: direct(words, line=True), lines)
        parts.append(
            "## Lines to be spoken\n\n"
            f"GoEmotions' test part, lines with one clear label: {share:.1%} of {count} top-1.\n"
        )
    text = "\n".join(parts)
    if options.output is None:
        sys.stdout.write(text)
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")


def _score_set(direct: Callable[..., object], name: str) -> str:
    from emotts.emotion.instruct.evaluate import novelty, read_cases, read_pairs, score, table
    from emotts.emotion.instruct.grammar.generator import lexicon

    pairs = LOCAL / f"{name}_pairs.tsv"
    scores = score(direct, read_cases(LOCAL / f"{name}.tsv"), read_pairs(pairs) if pairs.exists() else [])
    return table(scores) + novelty(scores, [phrase.text for phrase in lexicon()])


def _load(directory: Path) -> Callable[..., object]:
    if (directory / "head.safetensors").exists():
        from emotts.emotion.instruct.qwen import QwenMapper

        return QwenMapper.load(directory).direct
    from emotts.emotion.instruct.mapper import InstructionMapper

    return InstructionMapper.load(directory).direct


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a stage and returns the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        {"train": train, "score": score, "qwen": qwen}[options.stage](options)
    except EmottsError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
