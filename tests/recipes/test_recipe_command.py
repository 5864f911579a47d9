from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_script", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe_script = load("recipes/run.py")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("corpora: {kathleen: {}, crema_d: {optional: true}}\n")
    return path


def test_the_stages_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe_script.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 prepare" and lines[-1] == "20 score"
    assert [line.split()[1] for line in lines if line.endswith("training")] == [
        "voice",
        "tokenizer",
        "duration",
        "lm",
        "lm_emotion",
        "lm_robust",
        "acoustic",
        "vocoder",
        "emotion_encoder",
        "expert",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--config and a folder with --exp"),
        (["--config", "missing.yaml", "--exp", "e"], "cannot read missing.yaml"),
        (["--config", "CONFIG", "--exp", "e", "--stage", "nine"], "no stage 'nine'"),
        (["--config", "CONFIG", "--exp", "e", "--stage", "4", "--stop-stage", "3"], "stages 4 to 3"),
        (["--config", "CONFIG", "--exp", "e", "--corpus", "kathleen"], "NAME=FOLDER"),
        (["--config", "CONFIG", "--exp", "e", "--corpus", "other=x"], "no corpus 'other'"),
        (["--config", "CONFIG", "--exp", "e", "--corpus", "kathleen=x"], "x: no such folder"),
        (["--config", "CONFIG", "--exp", "e", "--corpora-root", "x"], "x: no such folder"),
        (["--config", "CONFIG", "--exp", "e", "--jobs", "0"], "--jobs must be at least 1"),
        (["--config", "CONFIG", "--exp", "e"], "corpus kathleen is not here"),
        (["--config", "CONFIG", "--exp", "e", "--stage", "lm"], "run stage 3"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    options: list[str],
    message: str,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_script.main([str(config) if o == "CONFIG" else o for o in options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error


def test_a_root_holds_the_corpora_that_have_no_place_yet(config: Path, tmp_path: Path) -> None:
    from emotts.train.recipe import RecipeConfig

    corpora = RecipeConfig.load(config).corpora
    assert recipe_script._in_root(tmp_path, corpora, {}) == {"kathleen": tmp_path / "kathleen"}
    (tmp_path / "crema_d").mkdir()
    found = recipe_script._in_root(tmp_path, corpora, {"kathleen": Path("x")})
    assert found == {"crema_d": tmp_path / "crema_d"}


@pytest.mark.parametrize("script", [*sorted(ROOT.glob("egs/*/run.sh")), ROOT / "recipes" / "run.sh"])
def test_every_shell_script_has_help_and_refuses_unknown_options(script: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable}
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, env=environment, check=True)
    assert script.name in shown.stdout
    refused = subprocess.run([script, "--nonsense", "1"], capture_output=True, text=True, env=environment)
    assert refused.returncode == 2
    assert refused.stderr == "error: unknown option --nonsense; see --help\n"


def test_recipe_shell_script_runs_stages_one_by_one_for_several_processes(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    fake = tmp_path / "python"
    listing = "1 prepare\\n2 features\\n3 shards\\n4 voice training\\n5 embeddings\\n"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *--list) printf "{listing}" ;; *) echo "$*" >>"{calls}" ;; esac\n'
    )
    fake.chmod(0o755)
    command = [ROOT / "recipes" / "run.sh", "--config", "c", "--exp", "e", "--stage", "shards"]
    command += ["--processes", "2", "--", "--force"]
    subprocess.run(command, env={**os.environ, "PYTHON": str(fake)}, check=True)
    lines = calls.read_text().splitlines()
    assert [line.split("--stage ")[1] for line in lines] == [
        "3 --stop-stage 3",
        "4 --stop-stage 4",
        "5 --stop-stage 5",
    ]
    assert ["torch.distributed.run" in line for line in lines] == [False, True, False]
    assert all("--config c --exp e --force" in line for line in lines)


def test_recipe_shell_script_stops_where_a_stage_fails(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    listing = "1 a\\n2 b training\\n3 c\\n"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *--list) printf "{listing}" ;; *"--stage 2"*) exit 3 ;; esac\n')
    fake.chmod(0o755)
    command = [ROOT / "recipes" / "run.sh", "--config", "c", "--exp", "e", "--processes", "2"]
    result = subprocess.run(command, env={**os.environ, "PYTHON": str(fake)}, check=False)
    assert result.returncode == 3
