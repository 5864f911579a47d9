"""Exponential moving average of weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """A copy of modules whose floating-point parameters follow the originals slowly.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that the random start is soon
    forgotten. Buffers and other parameters are copied.

    Attributes:
        modules: the averaged copy, in eval mode and without gradients.
        updates: how many updates it has seen.
    """

    def __init__(self, modules: nn.ModuleDict, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.modules: nn.ModuleDict = copy.deepcopy(modules).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, modules: nn.ModuleDict) -> None:
        """Moves towards the present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        own, new = [], []
        for mine, theirs in zip(self.modules.parameters(), modules.parameters(), strict=True):
            if mine.is_floating_point():
                own.append(mine)
                new.append(theirs.detach())
            else:
                mine.copy_(theirs)
        if own:
            torch._foreach_lerp_(own, new, 1 - decay)
        for mine, theirs in zip(self.modules.buffers(), modules.buffers(), strict=True):
            mine.copy_(theirs)
