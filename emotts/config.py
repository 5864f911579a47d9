"""Strict configuration models: an unknown key is an error that names the valid ones."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from emotts.errors import InputError

T = TypeVar("T", bound="StrictModel")


class StrictModel(BaseModel):
    """Base of every configuration in the package: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @classmethod
    def parse(cls: type[T], values: dict[str, Any], source: str = "configuration") -> T:
        """Builds the model from plain values.

        Raises:
            InputError: one line that names the key, and the valid keys when it is unknown.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{source}: {_explain(cls, error)}") from None

    @classmethod
    def load(cls: type[T], path: Path | str) -> T:
        """Reads a YAML file."""
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold a mapping of keys to values")
        return cls.parse(values, source=str(path))

    def dump(self) -> str:
        """The configuration as YAML, in the order of declaration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "value"
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']}"
    names = _valid_names(model, first["loc"][:-1])
    unknown = str(first["loc"][-1])
    close = get_close_matches(unknown, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown key {key!r}{hint}; valid keys: {', '.join(names)}"


def _valid_names(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        inner = getattr(field, "annotation", None)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)
