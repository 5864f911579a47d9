from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "readme_command.py"

_spec = importlib.util.spec_from_file_location("readme_command", TOOL)
readme_command = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme_command)


def test_readme_shows_the_two_commands_that_are_checked() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    speak = readme_command.find_command(readme, "speak")
    test = readme_command.find_command(readme, "test")
    assert "\n" not in speak and "emotts synthesize" in speak and "-o out.wav" in speak
    assert re.search(r"--emotion \w+:[\d.]+ .*--duration [\d.]+", speak)
    assert test.endswith("-m pytest") and '".[test]"' in test
    for command in (speak, test):
        checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_check_runs_what_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    extracted = set(
        re.findall(r"^(\w+)=\$\(python3\.11 tools/readme_command\.py README\.md \1\)$", script, re.M)
    )
    executed = set(re.findall(r'^bash -euo pipefail -c "\$(\w+)"$', script, re.M))
    assert extracted == executed == {"speak", "test"}
    # Nowhere else may the commands be written a second time.
    assert "pip install" not in script and "emotts synthesize" not in script


def test_a_command_is_the_block_right_under_its_marker() -> None:
    page = "<!-- ci: a -->\n```bash\none\ntwo\n```\n\n<!-- ci: b -->\nwords\n```bash\nthree\n```\n"
    assert readme_command.find_command(page, "a") == "one\ntwo"
    with pytest.raises(ValueError, match="0 fenced blocks under <!-- ci: b -->"):
        readme_command.find_command(page, "b")
    with pytest.raises(ValueError, match="2 fenced blocks"):
        readme_command.find_command(page + page, "a")


def test_the_tool_prints_the_command_or_says_what_is_missing(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("<!-- ci: a -->\n```bash\necho hello\n```\n")
    found = subprocess.run([sys.executable, TOOL, page, "a"], capture_output=True, text=True, check=True)
    assert found.stdout == "echo hello\n"
    lacking = subprocess.run([sys.executable, TOOL, page, "b"], capture_output=True, text=True, check=False)
    assert lacking.returncode == 2 and lacking.stderr.count("\n") == 1
