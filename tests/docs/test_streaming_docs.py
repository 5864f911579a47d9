"""The examples of the page on streaming run as they stand, with the embedded model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import soundfile

PAGE = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_run(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "emotts"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emotts.cli.main "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    (script,) = blocks("bash")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) % 1920 == 0
    for name in ("stream.wav", "piped.wav"):
        assert soundfile.info(tmp_path / name).duration > 0.5


def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "piece by piece" in done.stdout
