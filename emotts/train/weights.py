"""Weights of single modules as safetensors files."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emotts.errors import ModelError

_SHOWN = 3  # names that an error message lists


def save_modules(modules: nn.ModuleDict, directory: Path | str) -> list[Path]:
    """Writes <name>.safetensors for each module, floating-point weights as float32.

    Each file appears at once: an interrupted call leaves the old one.

    Returns:
        The files, in the order of the modules.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, module in modules.items():
        # Clones also part tensors that share memory, which the format cannot express.
        state = {key: _plain(value) for key, value in module.state_dict().items()}
        path = directory / f"{name}.safetensors"
        scratch = directory / f".{name}.safetensors.{os.getpid()}"
        try:
            save_file(state, scratch)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        paths.append(path)
    return paths


def load_module(module: nn.Module, path: Path | str) -> None:
    """Loads weights that must fit the module exactly.

    Raises:
        ModelError: the file is missing, corrupt, or made for another module.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path} does not exist; expected the weights of {type(module).__name__}")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from None
    problems = _mismatches(module.state_dict(), state)
    if problems:
        raise ModelError(f"{path} does not fit {type(module).__name__}: {'; '.join(problems)}")
    module.load_state_dict(state)


def _plain(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    value = value.float() if value.is_floating_point() else value
    return value.clone(memory_format=torch.contiguous_format)


def _mismatches(expected: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    problems = []
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    shapes = [
        f"{key} is {tuple(found[key].shape)}, should be {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    for label, names in (("missing", missing), ("unexpected", unexpected), ("shapes:", shapes)):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            problems.append(f"{label} {', '.join(names[:_SHOWN])}{more}")
    return problems
