"""Batches of items of similar length, as a pure function of seed and epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from emotts.errors import DataError, InputError
from emotts.train.random_state import seeded_generator

_ORDER = 1  # keeps the generator of batches apart from that of collate


@dataclass(frozen=True)
class Position:
    """Where a sampler stands: the next batch is number `position` of `epoch`."""

    epoch: int = 0
    position: int = 0


class BucketSampler:
    """Cuts a set of items into batches of bounded padded size, in a new way every epoch.

    Args:
        lengths: length of every item, in tokens.
        batch_tokens: bound of (items · longest length) in a batch.
        max_batch_items: bound of items in a batch.
        seed: with the epoch, decides everything.
        noise: spread of the log-lengths that items are sorted by.

    Raises:
        DataError: no items, or an item without length.
        InputError: an item that is longer than a whole batch may be.
    """

    def __init__(
        self,
        lengths: list[int],
        batch_tokens: int,
        max_batch_items: int,
        seed: int,
        noise: float = 0.1,
    ) -> None:
        if not lengths:
            raise DataError("there are no training items; the training set is empty")
        if min(lengths) < 1:
            raise DataError(f"training item {lengths.index(min(lengths))} is empty (length {min(lengths)})")
        longest = max(lengths)
        if longest > batch_tokens:
            item = lengths.index(longest)
            raise InputError(
                f"training item {item} is {longest} tokens long, more than batch_tokens={batch_tokens}; "
                f"set batch_tokens to {longest} or more, or leave long items out"
            )
        self.lengths = list(lengths)
        self.batch_tokens = batch_tokens
        self.max_batch_items = max_batch_items
        self.seed = seed
        self.noise = noise
        self._cache: tuple[int, list[list[int]]] | None = None

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch: every item once."""
        if self._cache is None or self._cache[0] != epoch:
            self._cache = (epoch, self._make(epoch))
        return self._cache[1]

    def next(self, place: Position) -> tuple[list[int], Position]:
        """The batch at a place, and the place after it."""
        batches = self.batches(place.epoch)
        if place.position >= len(batches):
            place = Position(place.epoch + 1, 0)
            batches = self.batches(place.epoch)
        return batches[place.position], Position(place.epoch, place.position + 1)

    def _make(self, epoch: int) -> list[list[int]]:
        generator = seeded_generator(self.seed, _ORDER, epoch)
        lengths = torch.tensor(self.lengths, dtype=torch.float64)
        noise = torch.randn(len(lengths), generator=generator, dtype=torch.float64)
        # Ties, which are many without noise, are broken at random by shuffling first.
        shuffled = torch.randperm(len(lengths), generator=generator)
        keys = lengths.log() + self.noise * noise
        order = shuffled[torch.argsort(keys[shuffled], stable=True)].tolist()
        batches = self._pack(order)
        turn = torch.randperm(len(batches), generator=generator).tolist()
        return [batches[i] for i in turn]

    def _pack(self, order: list[int]) -> list[list[int]]:
        batches: list[list[int]] = []
        current: list[int] = []
        longest = 0
        for item in order:
            stretched = max(longest, self.lengths[item])
            full = len(current) == self.max_batch_items or stretched * (len(current) + 1) > self.batch_tokens
            if current and full:
                batches.append(current)
                current, stretched = [], self.lengths[item]
            current.append(item)
            longest = stretched
        batches.append(current)
        return batches
