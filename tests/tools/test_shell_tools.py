from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"

_spec = importlib.util.spec_from_file_location("launch", TOOLS / "launch.py")
launch = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(launch)

SCRIPT = """#!/usr/bin/env bash
# What it does.
#   More of it.
set -euo pipefail
corpus=
stop_stage=15
force=false
. "{tools}/parse_options.sh"
printf '%s|' "$corpus" "$stop_stage" "$force" "$@"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.sh"
    path.write_text(SCRIPT.format(tools=TOOLS))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ([], "|15|false|"),
        (["--corpus", "a b", "--stop-stage=3", "--force"], "a b|3|true|"),
        (["--force", "x", "--corpus", "y"], "|15|true|x|--corpus|y|"),
        (["--corpus=a=b", "--", "--force"], "a=b|15|false|--force|"),
        (["--corpus", "$(touch evil); `id`"], "$(touch evil); `id`|15|false|"),
        (["--force=false"], "|15|false|"),
    ],
)
def test_options_set_variables_and_leave_the_rest(script: Path, arguments: list[str], printed: str) -> None:
    result = subprocess.run([script, *arguments], capture_output=True, text=True, check=True)
    assert result.stdout == printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpse", "x"], "unknown option --corpse"),
        (["--corpus"], "option --corpus needs a value"),
        (["--a;b"], "--a;b is no option"),
        (["--PATH", "x"], "--PATH is no option"),
        (["--"], ""),
    ],
)
def test_wrong_options_are_refused(script: Path, arguments: list[str], message: str) -> None:
    result = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
    if message:
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: {message}") and result.stderr.count("\n") == 1
    else:
        assert result.returncode == 0


def test_help_is_the_comment_at_the_head(script: Path) -> None:
    result = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert result.stdout == "What it does.\n  More of it.\n"


def test_a_command_runs_here_with_its_output_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log" / "x.log"
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(5)"
    command = [TOOLS / "launch.sh", "--log", log, "--", sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 5
    assert "ended with status 5" in result.stderr
    lines = log.read_text().splitlines()
    assert sorted(lines[1:3]) == ["err", "out"] and lines[-1].startswith("# exit status 5")


def test_a_job_for_slurm_waits_and_can_checkpoint_before_its_limit(tmp_path: Path) -> None:
    parser = launch.build_parser()
    options = parser.parse_args(
        ["--queue", "slurm", "--gpus", "2", "--minutes", "60", "--log", str(tmp_path / "lm.log"), "x"]
    )
    words = launch.slurm_command(options, ["python", "a b.py"])
    assert words[:3] == ["sbatch", "--wait", "--job-name=lm"]
    assert {"--gpus=2", "--time=60", "--signal=B:TERM@120"} <= set(words)
    assert words[-1] == "--wrap=exec python 'a b.py'"


def test_a_missing_program_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch.main(["--log", str(tmp_path / "x.log"), "--", "no-such-program-here"]) == 2
    assert capsys.readouterr().err == "error: cannot run no-such-program-here: No such file or directory\n"
