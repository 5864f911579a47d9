"""The API reference comes out of the docstrings."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emotts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def public_names() -> list[str]:
    return [name for name in emotts.__all__ if not name.startswith("_")]


@pytest.mark.parametrize("name", public_names())
def test_public_names_and_their_methods_say_what_they_do(name: str) -> None:
    found = getattr(emotts, name)
    assert inspect.getdoc(found)
    methods = inspect.getmembers(found, inspect.isroutine) if inspect.isclass(found) else []
    own = [method for key, method in methods if not key.startswith("_") and key in vars(found)]
    assert [method.__name__ for method in own if not inspect.getdoc(method)] == []


def test_the_page_lists_every_public_name_and_only_methods_that_exist() -> None:
    rows = dict(re.findall(r"^\| `emotts\.(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert sorted(rows) == sorted(public_names())
    for name, said in rows.items():
        assert [m for m in re.findall(r"`(\w+)`", said) if not hasattr(getattr(emotts, name), m)] == []


def test_the_reference_can_be_made(tmp_path: Path) -> None:
    pytest.importorskip("pdoc")
    (command,) = re.findall(r"^python (tools/api_reference\.py) --output site$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, ROOT / command, "--output", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "does not resolve" not in done.stderr, done.stderr
    front = (tmp_path / "site" / "emotts.html").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `emotts\.(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    for name, said in rows:
        assert f'id="{name}"' in front
        methods = [method for method in re.findall(r"`(\w+)`", said)]
        assert [method for method in methods if f'id="{name}.{method}"' not in front] == []
    # What a docstring says is on the page, and modules that are not public have pages of their own.
    assert "exact length in seconds: the audio has round(duration" in front
    assert (tmp_path / "site" / "emotts" / "timing" / "plan.html").is_file()


def test_a_folder_that_is_no_reference_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    command = [sys.executable, ROOT / "tools" / "api_reference.py", "--output", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (tmp_path / "thesis.txt").read_text() == "mine"
