"""Several processes: one batch shared among them, gradients averaged by hand.

Modules are not wrapped. A task's iterator of losses may update two optimisers in one step and call any
module in any way, which wrappers that hook into `forward` do not survive; averaging after each backward
is simple and exact.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from emotts.errors import InputError

BUCKET_ELEMENTS = 2**24
"""Gradient elements that are averaged in one message."""


@dataclass(frozen=True)
class World:
    """The present process among all.

    Attributes:
        device: what this process trains on.
        rank: number of this process; rank 0 writes all files.
        size: number of processes.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """True for the process that writes files."""
        return self.rank == 0

    def share(self, weight: float) -> float:
        """The weight of the present process as a share of that of all; the shares sum to one.

        Should all weights be zero, so are the shares.
        """
        if self.size == 1:
            return 1.0
        total = torch.tensor(weight, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return weight / max(float(total), 1e-12)

    def agree(self, elapsed: float, flag: int) -> tuple[float, int]:
        """The main process's clock and the largest flag, the same in all processes."""
        if self.size == 1:
            return elapsed, flag
        mine = torch.tensor([elapsed, float(flag)], dtype=torch.float64, device=self.device)
        everyone = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(everyone, mine)
        return float(everyone[0][0]), int(max(float(one[1]) for one in everyone))

    def gather(self, value: Any) -> list[Any]:
        """Values of all processes, in order of rank."""
        if self.size == 1:
            return [value]
        everyone: list[Any] = [None] * self.size
        dist.all_gather_object(everyone, value)
        return everyone

    def barrier(self) -> None:
        """Waits for all processes."""
        if self.size > 1:
            dist.barrier()

    @torch.no_grad()
    def broadcast(self, modules: nn.Module) -> None:
        """Copies the main process's parameters and buffers to all."""
        if self.size > 1:
            for tensor in [*modules.parameters(), *modules.buffers()]:
                dist.broadcast(tensor.data, src=0)

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor, share: float) -> Tensor:
        """Replaces gradients by their weighted sum over the processes.

        Agrees with the gradient of one process on the whole batch up to the order of floating-point
        sums (about 1e-6 relative in float32).

        Args:
            parameters: in the same order in every process; a gradient that no process has stays None.
            loss: this process's scalar loss.
            share: weight of this process.

        Returns:
            The weighted sum of the losses.
        """
        if self.size == 1:
            return loss.detach()
        present = [float(p.grad is not None) for p in parameters]
        head = torch.tensor([0.0, *present], dtype=torch.float64, device=self.device)
        # A process without weight may have a loss of NaN, the mean of nothing; it must not spread.
        head[0] = loss.detach().double() * share if share else 0.0
        dist.all_reduce(head)
        used = [p for p, count in zip(parameters, head[1:].tolist(), strict=True) if count > 0]
        for bucket in _buckets(used):
            _average_bucket(bucket, share)
        return head[0]


def _buckets(parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    buckets: list[list[nn.Parameter]] = []
    size = 0
    for parameter in parameters:
        fits = size + parameter.numel() <= BUCKET_ELEMENTS
        if not buckets or not fits or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel()
    return buckets


def _average_bucket(parameters: list[nn.Parameter], share: float) -> None:
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    flat = flat.mul_(share) if share else flat.zero_()
    dist.all_reduce(flat)
    pieces = flat.split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def join_world(device: str = "auto") -> World:
    """Finds the device, and joins the process group if the program was started by `torchrun`.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: "cuda" was asked for and there is none, or torchrun's variables are incomplete.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch sees no CUDA device; use 'cpu' or 'auto'")
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    try:
        rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", rank))
    except ValueError:
        raise InputError("RANK, WORLD_SIZE and LOCAL_RANK must be numbers, as torchrun sets them") from None
    place = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(place)
    if size > 1 and not dist.is_initialized():
        if "MASTER_ADDR" not in os.environ or "MASTER_PORT" not in os.environ:
            raise InputError("WORLD_SIZE is set, but MASTER_ADDR or MASTER_PORT is not; start with torchrun")
        dist.init_process_group("nccl" if cuda else "gloo", rank=rank, world_size=size)
    return World(place, rank, size)


def leave_world() -> None:
    """Leaves the process group, if one was joined."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
