from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from emotts.config import StrictModel
from emotts.errors import InputError


class Inner(StrictModel):
    width: int = Field(4, ge=1)
    levels: tuple[int, ...] = (8, 5)


class Outer(StrictModel):
    name: str = "größe"
    inner: Inner = Inner()
    other: Inner | None = None
    several: tuple[Inner, ...] = ()


def message(values: dict) -> str:
    with pytest.raises(InputError) as caught:
        Outer.parse(values, source="x.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_dumped_can_be_loaded(tmp_path: Path) -> None:
    config = Outer(inner=Inner(width=7, levels=(3, 2)), several=(Inner(),))
    path = tmp_path / "config.yaml"
    path.write_text(config.dump(), encoding="utf-8")
    assert Outer.load(path) == config
    assert config.dump().splitlines()[0] == "name: größe"


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    assert Outer.load(path) == Outer()


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Outer().name = "other"  # type: ignore[misc]


def test_an_unknown_key_is_named_with_its_neighbour_and_the_valid_ones() -> None:
    text = message({"nam": "a"})
    assert text.startswith("x.yaml: unknown key 'nam' (did you mean 'name'?)")
    assert "valid keys: name, inner, other, several" in text


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"inner": {"widht": 3}}, "inner.widht"),
        ({"other": {"widht": 3}}, "other.widht"),
        ({"several": [{}, {"widht": 3}]}, "several.1.widht"),
    ],
)
def test_valid_keys_are_those_of_the_part_that_is_wrong(values: dict, key: str) -> None:
    text = message(values)
    assert f"unknown key '{key}' (did you mean 'width'?)" in text
    assert text.endswith("valid keys: width, levels")


def test_a_bad_value_names_the_key_and_the_rule() -> None:
    text = message({"inner": {"width": 0}})
    assert text.startswith("x.yaml: inner.width:") and "greater than or equal to 1" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: a\n  b: [c\n", "line 2"),
        ("- name\n", "must hold a mapping"),
        ("[]\n", "must hold a mapping"),
        ("false\n", "must hold a mapping"),
        ("1: a\n", "Keys should be strings"),
    ],
)
def test_files_that_are_not_mappings_are_one_clear_line(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        Outer.load(path)
    text = str(caught.value)
    assert expected in text and "bad.yaml" in text and "\n" not in text


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing\.yaml"):
        Outer.load(tmp_path / "missing.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match=r"bytes\.yaml is not valid YAML"):
        Outer.load(tmp_path / "bytes.yaml")
