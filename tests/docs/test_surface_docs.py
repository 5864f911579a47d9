"""The examples of the pages on the surfaces run as they stand, with the embedded model."""

from __future__ import annotations

import importlib.util
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
from contextlib import contextmanager
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


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_page_with_examples_has_a_test(name: str) -> None:
    if blocks(name, "bash") or blocks(name, "python"):
        tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
        assert f'"{name}"' in tests


@pytest.mark.parametrize("name", ["emotion.md", "markup.md", "batch.md"])
def test_commands_run(shell, name: str) -> None:
    for script in blocks(name, "bash"):
        done = shell(script)
        assert done.returncode == 0, done.stderr
    for path in re.findall(r"-o (\S+\.wav)", "".join(blocks(name, "bash"))):
        assert soundfile.info(shell.folder / path).frames > 0
    if name == "markup.md":
        assert soundfile.info(shell.folder / "tomato.wav").frames == 72_000
    if name == "batch.md":
        rows = (shell.folder / "spoken" / "manifest.jsonl").read_text().splitlines()
        assert [json.loads(row)["status"] for row in rows] == ["ok", "ok"]
        assert soundfile.info(shell.folder / "spoken" / "late.wav").frames == 36_000


def test_the_error_that_the_page_shows_is_the_one_that_comes(shell) -> None:
    command, shown = re.search(r"\n\$ (emotts .*)\n(emotts: .*)\n", page("markup.md")).groups()
    done = shell(command)
    assert done.returncode == 2 and done.stderr == f"{shown}\n"


@pytest.mark.parametrize("name", ["emotion.md", "markup.md"])
def test_the_python_example_of_a_page_runs(tmp_path: Path, name: str) -> None:
    (code,) = blocks(name, "python")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_the_first_command_on_ray_gives_the_same_files(shell) -> None:
    (lines, *_) = blocks("batch.md", "bash")[0].splitlines()
    # The page cuts its batches as the command does by default; one thread makes both sums alike.
    command = re.search(r"^emotts batch .*--ray --workers 2$", page("batch.md"), re.MULTILINE)[0]
    done = shell(f"{lines}\n{command} --threads 1\nemotts batch lines.jsonl -o here --threads 1")
    assert done.returncode == 0, done.stderr
    for path in (shell.folder / "here").iterdir():
        assert (shell.folder / "spoken" / path.name).read_bytes() == path.read_bytes()


@contextmanager
def started(command: str, port: str, path: str) -> Iterator[str]:
    """A command that serves until it is stopped, on a free port instead of its own; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
    words = [word for word in command.split()[1:] if word not in ("--port", port)]
    process = subprocess.Popen([sys.executable, "-m", "emotts.cli.main", *words, "--port", str(free_port)])
    try:
        for _ in range(1200):
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"http://localhost:{free_port}{path}"):
                    break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"localhost:{free_port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def address() -> Iterator[str]:
    """The server of the page on serving."""
    (command,) = (block.strip() for block in blocks("serving.md", "bash") if block.startswith("emotts serve"))
    with started(command, "8000", "/health") as address:
        yield address


def test_the_page_in_the_browser_is_there() -> None:
    pytest.importorskip("gradio")
    command = blocks("demo.md", "bash")[0].splitlines()[-1]
    with started(command, "7860", "/") as address:
        shown = urllib.request.urlopen(f"http://{address}/").read().decode("utf-8")
    assert command == "emotts demo" and '"title":"emotts"' in shown


def test_the_server_of_the_page_answers_its_examples(shell, address: str) -> None:
    (code,) = blocks("serving.md", "python")
    code = code.replace("localhost:8000", address)
    subprocess.run([sys.executable, "-c", code], cwd=shell.folder, check=True)
    assert soundfile.info(shell.folder / "afraid.wav").frames == round(1.6 * 24_000)
    if shutil.which("curl"):
        (curl,) = (block for block in blocks("serving.md", "bash") if block.startswith("curl"))
        assert shell(curl.replace("localhost:8000", address)).returncode == 0
        assert soundfile.info(shell.folder / "hello.mp3").duration > 0.3
