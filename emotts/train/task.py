"""What a trainer needs to know of the thing it trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
Loss = tuple[str, Tensor, dict[str, "float | Tensor"]]


class Task(ABC):
    """A model with its data, losses and dev-set figures.

    Build all of `modules` in the constructor; the trainer moves them to the device before it asks
    for the optimisers. Nothing outside `modules` is saved.

    Several processes: each one gets a share of every batch, and the gradients are averaged with the
    weight of each share, so that they equal those of one process on the whole batch. That holds when
    every loss is a mean over equally weighted elements. The weight of a share is the number of those
    elements: by default its valid tokens (the sum of `lengths`); a task whose losses average over
    something else (items, masked frames) puts that number into its batch as `batch["weight"]`, a
    tensor of one element. Losses of different denominators cannot all be exact; use the main one.

    Attributes:
        name: names the task in logs and checkpoints.
        modules: everything that is trained, saved, and averaged.
        step: batches consumed so far; the trainer sets it before each call of `losses`.
        progress: share of the training that is done, in [0, 1]; set together with `step`.
    """

    name: str
    modules: nn.ModuleDict
    step: int = 0
    progress: float = 0.0

    def prepare(self, device: torch.device) -> None:
        """Moves what is not in `modules` (fixed transforms, tables) to the device. Called once."""
        return None

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers with their base learning rates, which the trainer's schedule multiplies."""

    @abstractmethod
    def lengths(self) -> list[int]:
        """Length of every training item, in tokens, as `collate` will produce it."""

    @abstractmethod
    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Builds a padded batch on the CPU.

        Runs in a background thread. Its random choices come from `generator` only, which is a pure
        function of (seed, step, process), so that a resumed training sees the same batches.
        """

    @abstractmethod
    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields (optimizer name, scalar loss, figures to log), one update after the other.

        The trainer updates the parameters of that optimizer before it resumes the iterator: a GAN
        yields the discriminator's loss, and computes the generator's with the updated discriminator.
        Runs under autocast in the configured precision. Never yield inside a `with` block: the context
        would leak into the trainer. Figures may be detached scalar tensors, which saves waiting for
        the device.
        """

    @abstractmethod
    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Dev-set figures of `modules`, which hold the averaged weights in eval mode, without gradients."""

    def samples(self, modules: nn.ModuleDict) -> dict[str, Tensor]:
        """Examples for TensorBoard: "<name>.audio" (samples,), "<name>.mel" (frames, 80)."""
        return {}

    def identify(self, indices: list[int]) -> list[str]:
        """Names of items, for reports of bad batches; e.g. utterance ids."""
        return [str(index) for index in indices]
