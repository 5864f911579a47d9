"""Strict configuration models: an unknown key is an error that names the valid ones."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

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
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path} is not valid YAML: {_first_problem(error)}") from None
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold a mapping of keys to values")
        return cls.parse(values, source=str(path))

    def dump(self) -> str:
        """The configuration as YAML, in the order of declaration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _first_problem(error: Exception) -> str:
    """What is wrong and in which line; the first line of the message alone names neither."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0]


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
        if field is not None:
            model = _model_in(field.annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Inner`, `Inner | None` or `list[Inner]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
