"""The examples of docs/training.md do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from emotts.data.kaldi import DataDir
from emotts.train.recipe import TASKS, RecipeConfig
from emotts.train.stages import STAGES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
TABLES = dict(re.findall(r"^`(\w+(?:\.scp)?)`,[^`]*?:\n\n```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data directory of the page."""
    data = tmp_path / "data" / "anna"
    data.mkdir(parents=True)
    (tmp_path / "recordings").mkdir()
    time = np.arange(24_000) / 24_000
    for name in ("anna-001", "anna-002"):
        soundfile.write(tmp_path / "recordings" / f"{name}.wav", 0.1 * np.sin(900 * time), 24_000)
    for name, content in TABLES.items():
        (data / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_the_data_directory_of_the_page_is_valid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert set(TABLES) == {"wav.scp", "text", "utt2spk", "spk2utt"}
    for name, row in re.findall(r"^\| `(utt2\w+)` \|.*\| `([^`]+)` \|$", PAGE, re.MULTILINE):
        other = {"anna-001": "anna-002", "anna-002": "anna-001"}[row.split()[0]]
        rows = sorted([row, f"{other} {row.split(maxsplit=1)[1]}"])
        (folder / "data" / "anna" / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    for tool in re.findall(r"^python (tools/\w+\.py) (data/anna)$", PAGE, re.MULTILINE):
        command = [sys.executable, str(ROOT / tool[0]), tool[1]]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    records = {record.id: record for record in DataDir.load(folder / "data" / "anna")}
    assert records["anna-002"].emotion is not None and records["anna-002"].intensity == 0.7
    assert records["anna-001"].split == "train" and records["anna-001"].bandwidth == 8000


def test_the_recipe_of_the_page_is_one() -> None:
    first, second = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert RecipeConfig.parse(first).pack.voices["anna"].speaker == "anna"
    recipe = RecipeConfig.parse({**first, **second})
    assert (ROOT / recipe.lm.train.initialize_from / "lm.safetensors").is_file()


def test_commands_and_stages_that_the_page_names_exist() -> None:
    for script in set(re.findall(r"(?:recipes|tools)/\w+\.(?:py|sh)", PAGE)):
        assert (ROOT / script).is_file(), script
    names = {stage.name for stage in STAGES}
    assert set(re.findall(r"--(?:stop-)?stage (\w+)", PAGE)) <= names
    assert {"lm_emotion", "lm_robust"} <= names & set(TASKS)
    recipe = RecipeConfig.load(ROOT / "egs" / "embedded" / "conf" / "gpu.yaml")
    assert recipe.lm_emotion is not None and recipe.lm_robust is not None


SHOWING = re.findall(r"^python (recipes/\w+\.py (?:--list|--help))$", PAGE, re.MULTILINE)


def test_the_page_has_commands_that_only_show_something() -> None:
    assert len(SHOWING) == 3


@pytest.mark.parametrize("command", SHOWING)
def test_commands_that_only_show_something_run(command: str) -> None:
    done = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr
