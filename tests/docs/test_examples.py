"""The examples that README shows can be made again, and are there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[2]


def script():
    path = ROOT / "tools" / "render_examples.py"
    spec = importlib.util.spec_from_file_location("render_examples", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_files_that_the_pages_link_are_there() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_example_is_rendered(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    module = script()
    assert module.main(["--output", str(tmp_path / "made"), "--model", str(tiny_model)]) == 0
    names = {f"{example.name}.mp3" for example in module.EXAMPLES} | {"examples.png"}
    assert {path.name for path in (tmp_path / "made").iterdir()} == names
    (window,) = (example for example in module.EXAMPLES if "duration" in example.options)
    length = soundfile.info(tmp_path / "made" / f"{window.name}.mp3").duration
    assert length == pytest.approx(window.options["duration"], abs=0.1), "mp3 pads its last frame"
    assert len(capsys.readouterr().out.splitlines()) == len(module.EXAMPLES)
    assert {path.name for path in (ROOT / "docs" / "examples").iterdir()} == names


def test_the_examples_are_those_of_the_model_inside_the_package() -> None:
    from emotts import EmoTTS

    tts = EmoTTS.from_pretrained()
    for example in script().EXAMPLES:
        natural = tts.lengths(example.text, emotion=example.options.get("emotion"))[1] / 25
        length = soundfile.info(ROOT / "docs" / "examples" / f"{example.name}.mp3").duration
        assert length == pytest.approx(example.options.get("duration", natural), abs=0.1), (
            "the model has changed; run python tools/render_examples.py"
        )


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script().main(["--output", str(tmp_path), "--model", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
