"""Where the networks compute."""

from __future__ import annotations

import torch

from emotts.errors import InputError


def pick_device(name: str) -> torch.device:
    """Device of a name: auto, cpu, cuda, cuda:N, mps.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"unknown device {name!r}; give auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} is not there: {torch.cuda.device_count()} CUDA devices; try auto or cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device {name!r} cannot be used; give auto, cpu or cuda")
    return device
