"""Training of the mapper's network on soft labels: the grammar's instructions and the corpora's lines."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from emotts.config import StrictModel
from emotts.emotion.instruct.corpora import LabelledText, read_emobank, read_goemotions, read_xed
from emotts.emotion.instruct.features import tokenize
from emotts.emotion.instruct.grammar.generator import Grammar
from emotts.emotion.instruct.mapper import InstructionMapper, MapperDirectory
from emotts.emotion.instruct.network import MapperConfig, MapperNet
from emotts.errors import DataError

INSTRUCTION, LINE, UNTOLD = 0, 1, 2
"""Numbers of the network's domains."""

READERS: dict[str, Callable[[Path], list[LabelledText]]] = {
    "goemotions_original": lambda folder: read_goemotions(folder, "train"),
    "xed": read_xed,
    "emobank": lambda folder: read_emobank(folder, "train"),
}
"""What reads the training part of each corpus."""


class TrainConfig(StrictModel):
    """Settings of a training: conf/mapper.yaml.

    Attributes:
        corpora: names of corpora (`READERS`), each a folder under the corpus path.
        licence: of the weights: the strictest of these corpora.
        instructions: drawn from the grammar anew for each epoch.
        epochs: passes over the corpora.
        batch: texts in a batch.
        rate: peak learning rate.
        weight_decay: of AdamW.
        line_weight: of a corpus line in the loss; an instruction has 1.
        affect_weight: of valence and arousal.
        drop_words: share of whole-word embeddings dropped.
        untold: share of texts whose domain the network is not told, which ties the domains together.
        seed: of everything random.
        floor: see `MapperDirectory`.
        line_floor: see `MapperDirectory`.
        line_gain: see `MapperDirectory`.
        network: size of the network.
    """

    corpora: tuple[str, ...] = ("goemotions_original", "xed")
    licence: str = "CC BY 4.0"
    instructions: int = Field(60000, gt=0)
    epochs: int = Field(8, gt=0)
    batch: int = Field(256, gt=0)
    rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    line_weight: float = Field(0.5, ge=0)
    affect_weight: float = Field(1.0, ge=0)
    drop_words: float = Field(0.3, ge=0, lt=1)
    untold: float = Field(0.25, ge=0, le=1)
    seed: int = 0
    floor: float = 0.2
    line_floor: float = 0.2
    line_gain: float = 1.3
    network: MapperConfig = MapperConfig()


Item = tuple[list[str], int, LabelledText]
"""Words, domain, labels."""


def read_corpora(root: Path | None, names: Sequence[str]) -> list[LabelledText]:
    """The training parts of some corpora; lines without an English word are left out.

    Raises:
        DataError: unknown name, no path given, or a corpus is missing or malformed.
    """
    unknown = [name for name in names if name not in READERS]
    if unknown:
        raise DataError(f"unknown text corpus {unknown[0]!r}; valid names: {', '.join(READERS)}")
    if names and root is None:
        raise DataError(f"give the folder that holds {', '.join(names)}")
    found: list[LabelledText] = []
    for name in names:
        found += READERS[name](Path(root) / name)  # type: ignore[arg-type]
    return found


def train(
    config: TrainConfig, root: Path | None, output: Path, seconds: float = float("inf")
) -> InstructionMapper:
    """Trains and saves a mapper.

    Args:
        config: settings.
        root: folder of the corpora; may be None when the configuration names none.
        output: model directory to write, with a `log.jsonl` of the losses.
        seconds: stop after this long; the learning rate ends at zero all the same.

    Raises:
        DataError: see `read_corpora`.
    """
    lines = [
        (words, LINE, item) for item in read_corpora(root, config.corpora) if (words := tokenize(item.text))
    ]
    # Short lines without emotion stand for what directors say besides: they teach what is neutral.
    lines += [(words, INSTRUCTION, item) for words, _, item in lines if len(words) < 8 and _is_neutral(item)]
    torch.manual_seed(config.seed)
    network = MapperNet(config.network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.rate, weight_decay=config.weight_decay, fused=True
    )
    rng, grammar = random.Random(config.seed), iter(Grammar(config.seed, neutral_words(lines)))
    started, log = time.monotonic(), []
    for epoch in range(config.epochs):
        batches = _batches([*lines, *_instructions(grammar, config.instructions)], config, rng)
        losses = []
        for index, batch in enumerate(batches):
            done = (epoch + index / len(batches)) / config.epochs
            done = max(done, (time.monotonic() - started) / seconds)
            for group in optimizer.param_groups:
                group["lr"] = config.rate * max(0.02, min(1.0, 20 * done + 0.05, 1.1 * (1 - done)))
            losses.append(_step(network, optimizer, batch, config, rng))
            if done >= 1.0:
                break
        log.append({"epoch": epoch, "loss": sum(losses) / len(losses), "seconds": time.monotonic() - started})
        if time.monotonic() - started >= seconds:
            break
    settings = {
        name: getattr(config, name) for name in ("licence", "floor", "line_floor", "line_gain", "network")
    }
    mapper = InstructionMapper(network.requires_grad_(False), MapperDirectory(**settings))
    mapper.save(output)
    (output / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log), encoding="utf-8")
    return mapper


def neutral_words(items: Sequence[Item], fewest: int = 20) -> tuple[str, ...]:
    """Words whose lines are without emotion clearly more often than lines are at large.

    Args:
        items: labelled texts; where there are none the answer is empty.
        fewest: lines that a word must stand in.
    """
    every: Counter[str] = Counter()
    neutral: Counter[str] = Counter()
    calm = 0
    for words, _, item in items:
        every.update(set(words))
        if _is_neutral(item):
            neutral.update(set(words))
            calm += 1
    share = 1.25 * calm / max(1, len(items))
    return tuple(sorted(word for word, n in every.items() if n >= fewest and neutral[word] >= share * n))


def _is_neutral(item: LabelledText) -> bool:
    return item.intensities is not None and not any(item.intensities)


def _instructions(grammar: object, count: int) -> list[Item]:
    drawn = islice(grammar, count)  # type: ignore[call-overload]
    return [
        (tokenize(text) or ["read"], INSTRUCTION, LabelledText(text, emotion.vector))
        for text, emotion in drawn
    ]


def _batches(items: list[Item], config: TrainConfig, rng: random.Random) -> list[list[Item]]:
    """Batches of texts of like length, in random order: little padding, but no order to learn from."""
    rng.shuffle(items)
    pools = [items[start : start + 20 * config.batch] for start in range(0, len(items), 20 * config.batch)]
    batches = []
    for pool in pools:
        pool.sort(key=lambda item: len(item[0]))
        batches += [pool[start : start + config.batch] for start in range(0, len(pool), config.batch)]
    rng.shuffle(batches)
    return batches


def _step(
    network: MapperNet,
    optimizer: torch.optim.Optimizer,
    batch: list[Item],
    config: TrainConfig,
    rng: random.Random,
) -> float:
    network.train()
    domains = torch.tensor([UNTOLD if rng.random() < config.untold else domain for _, domain, _ in batch])
    logits, affect = network([words for words, _, _ in batch], domains, config.drop_words)
    loss = _loss(logits, affect, batch, config)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _loss(logits: Tensor, affect: Tensor, batch: list[Item], config: TrainConfig) -> Tensor:
    """Cross-entropy to the soft intensities, and squared error of valence and arousal where known."""
    zeros = (0.0,) * logits.shape[1]
    targets = torch.tensor([item.intensities or zeros for _, _, item in batch])
    weights = torch.tensor(
        [
            0.0 if item.intensities is None else 1.0 if domain == INSTRUCTION else config.line_weight
            for _, domain, item in batch
        ]
    )
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    loss = (weights * each).sum() / weights.sum().clamp(min=1.0)
    known = torch.tensor([item.affect is not None for _, _, item in batch])
    if known.any():
        wanted = torch.tensor([item.affect for _, _, item in batch if item.affect is not None])
        loss = loss + config.affect_weight * functional.mse_loss(affect[known], wanted)
    return loss
