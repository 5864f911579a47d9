"""The examples of the pages on markup, batches and serving run as they stand, with the embedded model."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page(name), re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path):
    """Runs a script in an empty folder, where `emotts` is the one of this interpreter."""
    command = tmp_path / "bin" / "emotts"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emotts.cli.main "$@"\n')
    command.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def run(script: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    run.folder = work
    return run


@pytest.mark.parametrize("name", ["markup.md", "batch.md"])
def test_commands_run(shell, name: str) -> None:
    for script in blocks(name, "bash"):
        done = shell(script)
        assert done.returncode == 0, done.stderr
    for path in re.findall(r"-o (\S+\.wav)", "".join(blocks(name, "bash"))):
        assert soundfile.info(shell.folder / path).frames > 0
    if name == "markup.md":
        assert soundfile.info(shell.folder / "tomato.wav").frames == 72_000
    else:
        rows = (shell.folder / "spoken" / "manifest.jsonl").read_text().splitlines()
        assert [json.loads(row)["status"] for row in rows] == ["ok", "ok"]
        assert soundfile.info(shell.folder / "spoken" / "late.wav").frames == 36_000


def test_the_error_that_the_page_shows_is_the_one_that_comes(shell) -> None:
    command, shown = re.search(r"\n\$ (emotts .*)\n(emotts: .*)\n", page("markup.md")).groups()
    done = shell(command)
    assert done.returncode == 2 and done.stderr == f"{shown}\n"


def test_the_python_example_on_markup_runs(tmp_path: Path) -> None:
    (code,) = blocks("markup.md", "python")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.fixture
def address(shell) -> Iterator[str]:
    """The server of the page, on a free port."""
    (command,) = (block.strip() for block in blocks("serving.md", "bash") if block.startswith("emotts serve"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = command.replace("8000", str(port)).split()[1:]
    process = subprocess.Popen([sys.executable, "-m", "emotts.cli.main", *arguments])
    try:
        for _ in range(1200):
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/health"):
                    break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(60)


def test_the_server_of_the_page_answers_its_examples(shell, address: str) -> None:
    (code,) = blocks("serving.md", "python")
    code = code.replace("localhost:8000", address)
    subprocess.run([sys.executable, "-c", code], cwd=shell.folder, check=True)
    assert soundfile.info(shell.folder / "afraid.wav").frames == round(1.6 * 24_000)
    if shutil.which("curl"):
        (curl,) = (block for block in blocks("serving.md", "bash") if block.startswith("curl"))
        assert shell(curl.replace("localhost:8000", address)).returncode == 0
        assert soundfile.info(shell.folder / "hello.mp3").duration > 0.3
