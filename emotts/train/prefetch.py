"""Collates the next batches in the background, in an order that does not depend on timing.

A thread is enough beside a CPU's training. A GPU uses up batches faster than one thread can make them: then
processes do it, each a batch of its own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

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


@dataclass(frozen=True)
class Plan:
    """What a batch will hold; see `Prepared`."""

    step: int
    after: Position
    everyone: list[int]
    mine: list[int]
    idle: bool


def plans(sampler: BucketSampler, world: World, step: int, place: Position) -> Iterator[Plan]:
    """The batches of this process from a place of the sampler on, without end."""
    while True:
        everyone, after = sampler.next(place)
        mine = everyone[world.rank :: world.size]
        # A batch with fewer items than processes: the idle ones repeat an item with weight zero, because
        # all processes must take part in the averaging of gradients.
        idle = not mine
        if idle:
            mine = [everyone[world.rank % len(everyone)]]
        yield Plan(step, after, everyone, mine, idle)
        step, place = step + 1, after


class _Batches(Dataset):
    """Batches by their plan; what a worker process needs."""

    def __init__(self, task: Task, lengths: list[int], seed: int, rank: int) -> None:
        self.task, self.lengths, self.seed, self.rank = task, lengths, seed, rank

    def __getitem__(self, plan: Plan) -> tuple[Plan, Batch, float]:
        batch = self.task.collate(plan.mine, seeded_generator(self.seed, _COLLATE, plan.step, self.rank))
        weight = (
            float(batch["weight"]) if "weight" in batch else float(sum(self.lengths[i] for i in plan.mine))
        )
        return plan, batch, 0.0 if plan.idle else weight


def _prepared(plan: Plan, batch: Batch, weight: float) -> Prepared:
    return Prepared(plan.step, plan.after, plan.everyone, plan.mine, batch, weight)


def prepare(task: Task, sampler: BucketSampler, world: World, step: int, place: Position) -> Prepared:
    """Collates the batch at a place of the sampler."""
    batches = _Batches(task, sampler.lengths, sampler.seed, world.rank)
    return _prepared(*batches[next(plans(sampler, world, step, place))])


class Prefetcher:
    """Iterates over prepared batches without end; use as a context manager to stop what works behind it.

    Args:
        task: collates.
        sampler: which items go together.
        world: which share of them is this process's.
        step: number of the first batch.
        place: of the sampler.
        depth: batches kept ready; 0 collates on demand in the caller's thread.
        pin: put batches into page-locked memory, for a quicker copy to CUDA.
        workers: processes that collate, `depth` batches ahead each; 0 is one thread.
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
        workers: int = 0,
    ) -> None:
        batches = _Batches(task, sampler.lengths, sampler.seed, world.rank)
        coming = plans(sampler, world, step, place)
        if workers:
            self._source = _from_workers(batches, coming, max(1, depth), pin, workers)
        else:
            self._source = _from_here(batches, coming, pin)
        self._threaded = depth > 0 and not workers
        self._queue: queue.Queue[Prepared | BaseException] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Prefetcher:
        if self._threaded:
            self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        else:
            self._source.close()

    def __iter__(self) -> Prefetcher:
        return self

    def __next__(self) -> Prepared:
        if self._thread is None:
            return next(self._source)
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

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


def _from_here(batches: _Batches, coming: Iterator[Plan], pin: bool) -> Iterator[Prepared]:
    for plan in coming:
        item = _prepared(*batches[plan])
        if pin:
            for key, value in item.batch.items():
                if isinstance(value, torch.Tensor):
                    item.batch[key] = value.pin_memory()
        yield item


def _from_workers(
    batches: _Batches, coming: Iterator[Plan], depth: int, pin: bool, workers: int
) -> Iterator[Prepared]:
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=coming,  # type: ignore[arg-type]  # any iterable of keys will do
        num_workers=workers,
        prefetch_factor=depth,
        pin_memory=pin,
        collate_fn=_unchanged,
        # The recordings are mapped memory, which forked processes share for nothing.
        multiprocessing_context="fork",
    )
    iterator = iter(loader)
    try:
        for item in iterator:
            yield _prepared(*item)
    finally:
        del iterator  # ends the processes


def _unchanged(item: Any) -> Any:
    return item
