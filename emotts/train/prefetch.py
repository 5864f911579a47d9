"""Collates the next batches in a background thread, in an order that does not depend on timing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from emotts.train.distributed import World
from emotts.train.random_state import seeded_generator
from emotts.train.sampler import BucketSampler, Position
from emotts.train.task import Batch, Task

_COLLATE = 2  # keeps the generator of collate apart from that of the sampler
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Prepared:
    """One batch, ready to train on.

    Attributes:
        step: number of the batch since the start of the training.
        after: the sampler's place once the batch is used.
        everyone: item numbers of the whole batch, over all processes.
        mine: item numbers of this process's share.
        batch: the collated share.
        weight: weight of the share in the average of gradients.
    """

    step: int
    after: Position
    everyone: list[int]
    mine: list[int]
    batch: Batch
    weight: float


def prepare(task: Task, sampler: BucketSampler, world: World, step: int, place: Position) -> Prepared:
    """Collates the batch at a place of the sampler."""
    everyone, after = sampler.next(place)
    mine = everyone[world.rank :: world.size]
    # A batch with fewer items than processes: the idle ones repeat an item with weight zero, because
    # all processes must take part in the averaging of gradients.
    idle = not mine
    if idle:
        mine = [everyone[world.rank % len(everyone)]]
    batch = task.collate(mine, seeded_generator(sampler.seed, _COLLATE, step, world.rank))
    weight = float(batch["weight"]) if "weight" in batch else float(sum(sampler.lengths[i] for i in mine))
    return Prepared(step, after, everyone, mine, batch, 0.0 if idle else weight)


class Prefetcher:
    """Iterates over prepared batches without end; use as a context manager to stop its thread.

    Args:
        depth: batches kept ready; 0 collates on demand in the caller's thread.
        pin: put batches into page-locked memory, for a quicker copy to CUDA.
    """

    def __init__(
        self,
        task: Task,
        sampler: BucketSampler,
        world: World,
        step: int,
        place: Position,
        depth: int = 2,
        pin: bool = False,
    ) -> None:
        self._source = self._produce(task, sampler, world, step, place, pin)
        self._depth = depth
        self._queue: queue.Queue[Prepared | BaseException] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Prefetcher:
        if self._depth:
            self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def __iter__(self) -> Prefetcher:
        return self

    def __next__(self) -> Prepared:
        if self._thread is None:
            return next(self._source)
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    @staticmethod
    def _produce(
        task: Task, sampler: BucketSampler, world: World, step: int, place: Position, pin: bool
    ) -> Iterator[Prepared]:
        while True:
            item = prepare(task, sampler, world, step, place)
            if pin:
                for key, value in item.batch.items():
                    if isinstance(value, torch.Tensor):
                        item.batch[key] = value.pin_memory()
            yield item
            step, place = step + 1, item.after

    def _work(self) -> None:
        try:
            for item in self._source:
                if not self._put(item):
                    return
        except BaseException as error:  # handed to the training thread, which raises it
            self._put(error)

    def _put(self, item: Prepared | BaseException) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False
