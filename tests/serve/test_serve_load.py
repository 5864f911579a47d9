"""The load measurement counts what a server does, and says what is wrong with its requests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from test_serve_api import Running
from typer import Typer
from typer.testing import CliRunner

from emotts.serve.settings import ServeSettings

PATH = Path(__file__).parents[2] / "recipes" / "serve_load.py"


@pytest.fixture
def measure():
    """Runs the recipe with some arguments."""
    spec = importlib.util.spec_from_file_location("serve_load", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    app = Typer()
    app.command()(module.main)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def cells(output: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in output.splitlines()[2:]]


def test_every_request_is_counted_and_none_is_lost(measure) -> None:
    with Running(FakeEngine(delay=0.02), ServeSettings(batch=4)) as running:
        done = measure("--url", running.url, "--requests", 12, "--in-flight", "1,8")
    assert done.exit_code == 0, done.output
    assert [(row[0], row[1], row[6], row[7]) for row in cells(done.output)] == [
        ("1", "12", "0", "0"), ("8", "12", "0", "0"),
    ]  # fmt: skip


def test_refusals_for_want_of_a_place_are_waited_out_and_counted(measure) -> None:
    with Running(FakeEngine(delay=0.3), ServeSettings(batch=1, queue=1, gather_seconds=0)) as running:
        done = measure("--url", running.url, "--requests", 4, "--in-flight", "4")
    (row,) = cells(done.output)
    assert int(row[6]) > 0 and row[7] == "0"


def test_requests_that_are_wrong_are_said_to_be_so(measure) -> None:
    with Running(FakeEngine(), ServeSettings()) as running:
        done = measure("--url", running.url, "--requests", 4, "--duration", 0.1)
    assert done.exit_code == 2 and "too short" in done.output and "Traceback" not in done.output
