"""The API reference comes out of the docstrings."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emotts

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


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
    (command,) = re.findall(r"^python (-m pdoc .*)$", PAGE, re.MULTILINE)
    # The whole package takes a minute; one module shows that the command works.
    words = [*command.split()[:-1], "emotts.timing.plan"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "TimingPlan" in next((tmp_path / "site").rglob("plan.html")).read_text(encoding="utf-8")
