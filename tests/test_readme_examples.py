"""Every example of README runs, with the model inside the package."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = "".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
EMOTTS = [line for line in SHELL.splitlines() if line.startswith("emotts ")]


def test_readme_has_examples_of_both_kinds() -> None:
    assert len(PYTHON) >= 3
    assert len(EMOTTS) >= 4


@pytest.mark.parametrize("code", PYTHON)
def test_python_example_runs(code: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for path in re.findall(r'save\("([^"]+\.wav)"\)', code):
        assert soundfile.info(tmp_path / path).frames > 0


@pytest.mark.parametrize("command", EMOTTS)
def test_command_example_runs(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    result = subprocess.run(
        [sys.executable, "-m", "emotts.cli.main", *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    if "-o" in words:
        frames = soundfile.info(tmp_path / words[words.index("-o") + 1]).frames
        if "--duration" in words:
            assert frames == round(float(words[words.index("--duration") + 1]) * 24_000)
        if "--tokens" in words:
            assert frames == 960 * int(words[words.index("--tokens") + 1])


def test_the_error_that_readme_shows_is_the_one_that_comes(tmp_path: Path) -> None:
    command, shown = re.search(r"\n\$ (emotts .*)\n(emotts: .*)\n", README).groups()
    result = subprocess.run(
        [sys.executable, "-m", "emotts.cli.main", *shlex.split(command)[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == f"{shown}\n"
    assert not list(tmp_path.iterdir())
