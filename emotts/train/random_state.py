"""Seeds, and the state of every global random generator."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def mix_seed(*parts: int) -> int:
    """A seed in [0, 2^63) that is a fixed, well mixed function of some integers."""
    text = ",".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def seeded_generator(*parts: int) -> torch.Generator:
    """A fresh CPU generator whose numbers depend on `parts` only."""
    return torch.Generator().manual_seed(mix_seed(*parts))


def seed_everything(*parts: int) -> None:
    """Seeds Python, numpy and torch (all devices); call before a model is built."""
    seed = mix_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """State of the global generators as tensors and plain containers, safe to load with weights_only."""
    name, keys, *rest = np.random.get_state()  # type: ignore[misc]
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restores what `random_state` returned."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, numbers, *rest = state["numpy"]
    np.random.set_state((name, np.array(numbers, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Undoes, on leaving, what the block did to the global generators."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
