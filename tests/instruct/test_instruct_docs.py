"""What docs/emotion.md says of instructions is so; its commands are run where they need no large model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from emotts.cli import main as cli
from emotts.emotion.instruct import direct

PAGE = (Path(__file__).parents[2] / "docs" / "emotion.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^emotts emotion .*$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.run(shlex.split(command)[1:]) == 0
    shown = capsys.readouterr()
    assert shown.out and not shown.err


def test_the_examples_of_the_page_mean_what_it_says() -> None:
    assert direct("choking back tears, barely audible").emotion.name == "sad"
    assert direct("choking back tears, barely audible").energy < -5
    assert direct("not angry, just tired").emotion.name == "melancholic"
    assert direct("smiling, but her voice shakes").emotion.name == "afraid"
    assert direct("drop the anger, give me sorrow").emotion.name == "sad"
    assert direct("angry at 30 %").emotion.intensity == pytest.approx(0.3)
    assert direct("sad, 3 out of 10").emotion.intensity == pytest.approx(0.3)
    assert direct("barely concealed rage").emotion.intensity > 0.4
    little, plain = direct("not very angry").emotion, direct("angry").emotion
    assert 0.0 < little.vector[1] < plain.vector[1]
    annoyed = direct("not furious, only annoyed").emotion
    assert annoyed.name == "angry" and annoyed.intensity < direct("furious").emotion.intensity
    assert direct("wants to scream").energy == 0.0
    afraid = direct("whispered, slightly afraid")
    assert afraid.emotion.name == "afraid" and afraid.energy < -5 and afraid.speed < 1
    assert direct("I can't believe you came, I am so happy!", line=True).emotion.name == "happy"
    assert direct("furious, through clenched teeth").emotion.name == "angry"
