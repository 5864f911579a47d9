"""Training of the lip aligner; it stops and resumes at any step with the same result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotts.config import StrictModel
from emotts.errors import DataError
from emotts.lips.corpus import Clip, at_frames, phoneme_times
from emotts.lips.features import HEIGHT, WIDTH, standardize
from emotts.lips.loss import duration_contrastive_loss
from emotts.lips.network import LipAligner, LipAlignerConfig
from emotts.text.phonemize import Phonemes
from emotts.timebase import TOKEN_RATE

PICTURE = (HEIGHT, WIDTH)

Natural = Callable[[str, str | None], tuple[Phonemes, list[float]]]
"""Gives phonemes and natural durations of a text in a voice."""


class TrainingConfig(StrictModel):
    """Settings of the training.

    Attributes:
        network: sizes.
        steps: in all.
        batch: clips of a step.
        rate: highest learning rate; it rises over `warmup` steps and falls as a cosine.
        warmup: steps.
        decay: weight decay of AdamW.
        seed: of everything random.
        wider: most seconds by which a window goes beyond the words on either side.
        exact: share of windows that do not.
        tempo: by how much a clip is played faster or slower at most, as a factor.
        shift: by how much the box is moved at most, in its own size.
        zoom: by which factor its size changes at most; up to 1.5 is in the corpus' pictures.
        mirror: whether half of the mouths are mirrored.
        noise: grey levels of noise.
        held_out: every n-th clip is kept for the test.
        save_every: steps between checkpoints.
    """

    network: LipAlignerConfig = LipAlignerConfig()
    steps: int = 1500
    batch: int = 24
    rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.05
    seed: int = 1
    wider: float = 0.5
    exact: float = 0.4
    tempo: float = 1.25
    shift: float = 0.12
    zoom: float = 1.4
    mirror: bool = True
    noise: float = 3.0
    held_out: int = 10
    save_every: int = 200


@dataclass(frozen=True)
class Example:
    """A clip with its text as a voice would say it.

    Attributes:
        clip: pictures and word times.
        phonemes: of the text.
        natural: durations in tokens.
    """

    clip: Clip
    phonemes: Phonemes
    natural: tuple[float, ...]


def make_examples(clips: Sequence[Clip], natural: Natural, voices: Sequence[str | None]) -> list[Example]:
    """Phonemes and natural durations of all clips, each as one of the voices would say it.

    Raises:
        DataError: there are no clips, or a text has other words than its clip.
    """
    if not clips:
        raise DataError("there are no clips to learn from")
    examples = []
    for index, clip in enumerate(clips):
        phonemes, lengths = natural(clip.text, voices[index % len(voices)])
        phoneme_times(clip, phonemes, lengths)  # raises where words differ
        examples.append(Example(clip, phonemes, tuple(lengths)))
    return examples


@dataclass
class Batch:
    """Padded examples; see `LipAligner.forward` and `duration_contrastive_loss` for the shapes."""

    pictures: Tensor
    frame_mask: Tensor
    ids: Tensor
    natural: Tensor
    phoneme_mask: Tensor
    target: Tensor


def collate(items: Sequence[tuple[Tensor, list[int], Sequence[float], np.ndarray]]) -> Batch:
    """Pads (pictures (frames, 3, 16, 32), ids, natural durations, phoneme of each frame)."""
    frames = max(len(item[0]) for item in items)
    phonemes = max(len(item[1]) for item in items)
    batch = Batch(
        pictures=torch.zeros(len(items), frames, *items[0][0].shape[1:]),
        frame_mask=torch.zeros(len(items), frames, dtype=torch.bool),
        ids=torch.zeros(len(items), phonemes, dtype=torch.long),
        natural=torch.zeros(len(items), phonemes),
        phoneme_mask=torch.zeros(len(items), phonemes, dtype=torch.bool),
        target=torch.zeros(len(items), frames, phonemes, dtype=torch.bool),
    )
    for row, (pictures, ids, natural, owner) in enumerate(items):
        batch.pictures[row, : len(pictures)] = pictures
        batch.frame_mask[row, : len(pictures)] = True
        batch.ids[row, : len(ids)] = torch.tensor(ids)
        batch.natural[row, : len(ids)] = torch.tensor(natural)
        batch.phoneme_mask[row, : len(ids)] = True
        batch.target[row, torch.arange(len(owner)), torch.from_numpy(owner)] = True
    return batch


def draw(example: Example, config: TrainingConfig, random: np.random.Generator) -> tuple[Any, ...]:
    """One item of a batch: a window, a tempo, a box and noise, all at random."""
    clip = example.clip
    ends = phoneme_times(clip, example.phonemes, example.natural)
    before = after = 0.0
    if random.random() >= config.exact:
        before, after = random.uniform(0.0, config.wider, 2)
    start, end = max(0.0, clip.start - before), clip.end + after
    rate = math.exp(random.uniform(-1, 1) * math.log(config.tempo))
    count = max(4, round((end - start) / rate * TOKEN_RATE))
    times = start + (np.arange(count) + 0.5) * rate / TOKEN_RATE
    shown = clip.pictures[np.clip((times * TOKEN_RATE).astype(int), 0, len(clip.pictures) - 1)]
    pictures = look_at(shown, config, random)
    return standardize(pictures), example.phonemes.ids, example.natural, at_frames(ends, start, count, rate)


def look_at(region: np.ndarray, config: TrainingConfig, random: np.random.Generator) -> Tensor:
    """A box in the region, moved, resized and perhaps mirrored, with noise.

    Args:
        region: uint8, shape (frames, 24, 48).

    Returns:
        shape (frames, 16, 32).
    """
    zoom = math.exp(random.uniform(-1, 1) * math.log(config.zoom))
    high, wide = (
        min(limit, round(zoom * size)) for limit, size in zip(region.shape[1:], PICTURE, strict=True)
    )
    moves = [config.shift * size * random.uniform(-1, 1) for size in PICTURE]
    top, left = (
        min(max(round((limit - size) / 2 + move), 0), limit - size)
        for limit, size, move in zip(region.shape[1:], (high, wide), moves, strict=True)
    )
    seen = torch.from_numpy(region[:, top : top + high, left : left + wide].astype(np.float32))
    if (high, wide) != PICTURE:
        seen = torch.nn.functional.interpolate(
            seen[None], PICTURE, mode="bilinear", antialias=zoom > 1, align_corners=False
        )[0]
    if config.mirror and random.random() < 0.5:
        seen = seen.flip(2)
    noise = torch.from_numpy(random.standard_normal(tuple(seen.shape), dtype=np.float32))
    return seen + config.noise * random.random() * noise


def center(region: np.ndarray) -> np.ndarray:
    """The mouth's own box in pictures of the corpus, shape (frames, 16, 32)."""
    top, left = (region.shape[1] - HEIGHT) // 2, (region.shape[2] - WIDTH) // 2
    return region[:, top : top + HEIGHT, left : left + WIDTH]


class Trainer:
    """Trains a lip aligner.

    Args:
        config: settings.
        examples: to learn from.
        folder: for checkpoint.pt.
        told: called with a line of progress.
    """

    def __init__(
        self, config: TrainingConfig, examples: Sequence[Example], folder: Path, told: Callable[[str], None]
    ) -> None:
        self.config, self.examples, self.told = config, examples, told
        self._path = folder / "checkpoint.pt"
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(config.seed)
        self.model = LipAligner(config.network)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.rate, weight_decay=config.decay, betas=(0.9, 0.98)
        )
        self.step = 0
        self._resume()

    def run(self, seconds: float = math.inf) -> bool:
        """Trains to the end, or until the time is over; tells whether it is finished."""
        started, losses = time.monotonic(), []
        while self.step < self.config.steps:
            if time.monotonic() - started > seconds:
                self._save()
                return False
            losses.append(self._train_step())
            if self.step % self.config.save_every == 0 or self.step == self.config.steps:
                self._save()
                self.told(f"step {self.step}: loss {np.mean(losses):.4f}")
                losses = []
        return True

    def _train_step(self) -> float:
        # What a step draws depends on its number alone, so a resumed run goes on as if it had not stopped.
        random = np.random.default_rng([self.config.seed, self.step])
        torch.manual_seed(int(random.integers(2**31)))
        chosen = random.choice(
            len(self.examples), self.config.batch, replace=len(self.examples) < self.config.batch
        )
        batch = collate([draw(self.examples[index], self.config, random) for index in chosen])
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate * self._schedule()
        self.model.train()
        similarity = self.model(
            batch.pictures, batch.frame_mask, batch.ids, batch.natural, batch.phoneme_mask
        )
        loss = duration_contrastive_loss(similarity, batch.target, batch.frame_mask, batch.phoneme_mask)[
            "loss"
        ]
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def _schedule(self) -> float:
        if self.step < self.config.warmup:
            return (self.step + 1) / self.config.warmup
        done = (self.step - self.config.warmup) / max(1, self.config.steps - self.config.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "settings": self.config.dump(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = self._path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._path)

    def _resume(self) -> None:
        if not self._path.exists():
            return
        state = torch.load(self._path, weights_only=True)
        if state["settings"] != self.config.dump():
            raise DataError(
                f"{self._path} was trained with other settings; remove it, or choose another folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.told(f"resumed at step {self.step}")
