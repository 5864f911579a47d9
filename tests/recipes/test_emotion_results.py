"""The script that measures the emotions of a model: its commands, and the page that it makes of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "recipes" / "emotion_results.sh"


def run(*options: object, python: Path | None = None) -> subprocess.CompletedProcess:
    environment = os.environ | ({"PYTHON": str(python)} if python else {})
    command = [str(SCRIPT), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def fake_python(path: Path, fails: str = "none") -> Path:
    """Prints its script's name and arguments as a table; fails for one script."""
    path.write_text(
        '#!/usr/bin/env bash\nname=$(basename "$1")\n'
        f'if [ "$name" = {fails} ]; then echo "{fails}: no" >&2; exit 2; fi\n'
        'echo "table of $name ${*:2}"\n'
    )
    path.chmod(0o755)
    return path


def lists(folder: Path) -> Path:
    for voice in ("kathleen", "bdl"):
        (folder / f"free-{voice}.jsonl").write_text("{}\n")
    return folder


def test_every_table_has_its_command(tmp_path: Path) -> None:
    given = ("--judge", "j.npz", "--decode", lists(tmp_path), "--output", tmp_path / "out")
    found = run(*given, "--crema-d", "corpus", "--alphas", "1 3", python=fake_python(tmp_path / "python"))
    assert found.returncode == 0, found.stderr
    page = (tmp_path / "out" / "RESULTS.md").read_text()
    names = ("benchmark", "dose_response", "emotion_transfer", "derived_emotions", "guidance_comparison")
    for name in names:
        assert page.count(f"`python recipes/{name}.py --") == 1
        assert page.count(f"table of {name}.py --") == 1
    assert "--alpha 1 --alpha 3" in page and "--crema-d corpus" in page and "--guidance" in page
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["RESULTS.md"]


def test_a_table_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python", "benchmark.py")
    found = run("--judge", "j", "--decode", lists(tmp_path), "--output", tmp_path / "out", python=python)
    assert found.returncode == 1 and "benchmark.py: no" in found.stderr
    page = (tmp_path / "out" / "RESULTS.md").read_text()
    assert "dose_response" in page and "benchmark" not in page
    assert "emotion_transfer" not in page, "no corpus was given"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    found = run("--judge", "j.npz")
    assert (
        found.returncode == 2 and found.stderr == "error: give --judge, --decode and --output; see --help\n"
    )
    found = run("--judge", "j.npz", "--decode", tmp_path, "--output", tmp_path / "out")
    assert found.returncode == 2 and "free-kathleen.jsonl; the stage decode" in found.stderr
    assert not (tmp_path / "out").exists()
