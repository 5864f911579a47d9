"""Imports of packages that only dubbing needs."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from emotts.errors import MissingDependencyError

INSTALL = 'pip install "emotts[video]"'


def optional_import(module: str) -> ModuleType:
    """Imports a module of the extra `video`.

    Raises:
        MissingDependencyError: it is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != package:
            package = error.name
        raise MissingDependencyError(f"dubbing needs {package}; install it with: {INSTALL}") from None
