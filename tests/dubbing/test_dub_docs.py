"""The examples of docs/dubbing.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from dub_helpers import SineEngine, make_video

from emotts.cli import main as cli
from emotts.dubbing.cast import load_cast
from emotts.dubbing.options import DubOptions
from emotts.dubbing.script import load_script, parse_script

pytest.importorskip("av")

DOCS = Path(__file__).parents[2] / "docs" / "dubbing.md"


def blocks(language: str) -> list[str]:
    page = DOCS.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [content for name, content in found if name == language]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The video, script and cast of the page, with an engine of sines."""
    make_video(tmp_path / "video.mp4", 6.5)
    srt, _ = blocks("")
    (tmp_path / "lines.srt").write_text(srt, encoding="utf-8")
    (tmp_path / "cast.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "tom.wav").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emotts.tts.EmoTTS.from_pretrained", lambda *arguments: SineEngine())
    return tmp_path


def test_the_command(folder: Path) -> None:
    command = blocks("bash")[0].splitlines()[-1].split()
    assert command[:2] == ["emotts", "dub"]
    assert cli.run(command[1:]) == 0
    assert (folder / "dubbed.mp4").exists()


def test_the_python_example(folder: Path, capsys: pytest.CaptureFixture) -> None:
    (code,) = blocks("python")
    exec(compile(code, str(DOCS), "exec"), {})
    assert (folder / "dubbed.mp4").exists()
    assert "1 Anna" in capsys.readouterr().out


def test_the_scripts_and_the_cast(folder: Path) -> None:
    cast = load_cast(folder / "cast.yaml")
    lines = load_script(folder / "lines.srt", cast.names).lines
    assert [(line.speaker, line.text) for line in lines] == [
        ("Anna", "Where were you?"), ("Tom", "I waited for an hour."),
    ]  # fmt: skip
    assert [role.voice for role in cast.roles(lines)] == ["kathleen", str(folder / "recordings" / "tom.wav")]
    table = parse_script(blocks("")[1], "csv", cast.names).lines
    assert [line.text for line in table] == [line.text for line in lines]


def test_the_numbers_are_the_defaults(folder: Path) -> None:
    page, options = DOCS.read_text(encoding="utf-8"), DubOptions()
    for name in ("max_rate", "borrow_after", "borrow_before", "max_stretch", "duck"):
        said = re.search(rf"`--{name.replace('_', '-')}` \(([-\d.]+)", page)
        assert said is not None, name
        assert float(said[1]) == getattr(options, name)
    flags = set(re.findall(r"`(--[a-z-]+)", page))
    from typer.testing import CliRunner

    shown = re.sub(r"\s+", "", CliRunner().invoke(cli.app, ["dub", "--help"], env={"COLUMNS": "300"}).output)
    missing = sorted(flag for flag in flags - {"--emotion"} if flag not in shown)
    assert not missing
