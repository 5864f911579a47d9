"""`emotts dub`: what it writes, what it prints, its exit status, and how it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from emotts.cli import main as cli

pytest.importorskip("av")
sys.path.insert(0, str(Path(__file__).parents[1] / "dubbing"))

from dub_helpers import SineEngine, make_video, packets, write_srt

LINES = [
    (0.2, 1.0, "Anna: Hello there you."),
    (1.1, 1.7, "Bob: What is this thing?"),
    (2.0, 2.6, "Anna: Go home."),
]


@pytest.fixture
def emotts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Runs the command in a folder with a video, a script and a cast, with an engine of sines."""
    make_video(tmp_path / "video.mp4", 3.0)
    write_srt(tmp_path / "lines.srt", LINES)
    (tmp_path / "cast.yaml").write_text("Anna: low\nBob: {voice: high, emotion: sad}\n")
    monkeypatch.chdir(tmp_path)
    engine = SineEngine()
    monkeypatch.setattr("emotts.tts.EmoTTS.from_pretrained", lambda *arguments: engine)

    def run(*more: str, base: tuple[str, ...] = ("video.mp4", "-s", "lines.srt", "-c", "cast.yaml")):
        code = cli.run(["dub", *base, *more])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    run.engine = engine
    return run


def test_a_video_a_script_and_a_cast_make_a_dub(emotts, tmp_path: Path) -> None:
    code, out, err = emotts("-o", "dubbed.mp4", "--stems", "stems", "--edl", "dub.edl", "--csv", "dub.csv",
                            "--report", "report.html", "--subtitles", "dub.srt")  # fmt: skip
    assert (code, out) == (0, "")
    assert "dubbed.mp4  3 lines (3 made), 0 not good enough" in err
    assert packets(tmp_path / "dubbed.mp4") == packets(tmp_path / "video.mp4")
    for name in ("stems", "dub.edl", "dub.csv", "report.html", "report.json", "dub.srt"):
        assert (tmp_path / name).exists()
    code, out, err = emotts("-o", "dubbed.mp4")
    assert code == 2
    assert (
        err == "emotts: dubbed.mp4 exists already; overwrite it with --force (force=True) or choose another\n"
    )


def test_a_dry_run_prints_the_plan_and_makes_nothing(emotts, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    code, out, _ = emotts("--dry-run")
    assert code == 0
    assert out.count("\n") == 4
    assert "Bob: What is this thing?" in out
    code, out, _ = emotts("--dry-run", "--json")
    assert [line["number"] for line in json.loads(out)] == [1, 2, 3]
    assert emotts.engine.calls == []
    assert set(tmp_path.iterdir()) == before


def test_the_exit_status_tells_that_a_line_is_not_good_enough(emotts, tmp_path: Path) -> None:
    write_srt(
        tmp_path / "lines.srt", [(0.2, 0.5, "Anna: This is much too long for so short a time."), *LINES[1:]]
    )
    code, _, err = emotts("-o", "dubbed.mp4", "--borrow-after", "0", "--borrow-before", "0")
    assert code == 1
    assert "emotts: line 1 is" in err
    assert "too long for its window of 0.30 s" in err
    assert (tmp_path / "dubbed.mp4").exists()
    options = ("--force", "--max-overflow", "2", "--max-onset", "2")
    assert emotts("-o", "dubbed.mp4", "--borrow-after", "0", "--borrow-before", "0", *options)[0] == 0
    assert emotts("--dry-run", "--borrow-after", "0", "--borrow-before", "0")[0] == 1


def test_any_limit_can_be_set(emotts) -> None:
    code, out, _ = emotts("-o", "dubbed.mp4", "--set", "rate-jump=1.5", "--set", "max_wer = 0.2", "--json")
    options = json.loads(out)["options"]
    assert (code, options["rate_jump"], options["max_wer"]) == (0, 1.5, 0.2)
    for text, said in (
        ("rate_jump", "write name=value"), ("max_speed=2", "unknown key 'max_speed'"),
        ("duck=loud", "duck"), ("retries=9", "retries is set twice"),
    ):  # fmt: skip
        code, _, err = emotts("-o", "other.mp4", "--retries", "1", "--set", text)
        assert code == 2 and said in err and err.count("\n") == 1


def test_some_lines_again_with_another_seed(emotts) -> None:
    emotts("-o", "dubbed.mp4")
    code, out, _ = emotts("-o", "dubbed.mp4", "--only", "2-3", "--seed", "5", "--force", "--json")
    assert code == 0
    assert [line["seed"] for line in json.loads(out)["lines"]] == [0, 5, 5]


def test_sound_alone(emotts, tmp_path: Path) -> None:
    base = ("-s", "lines.srt", "-c", "cast.yaml")
    assert emotts("-o", "dub.wav", "--audio-only", base=base)[0] == 0
    assert (tmp_path / "dub.wav").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "dubbed.mp4", "--cast", "none.yaml"), "cannot read cast none.yaml"),
        (("-o", "dubbed.mp4", "--script", "none.srt"), "cannot read script none.srt"),
        (("-o", "dubbed.mp4", "--script", "cast.yaml"), "unknown script format 'yaml'"),
        (("-o", "dubbed.mp4", "--track-language", "de"), "three letters"),
        (("-o", "dubbed.mp4", "--codec", "mp2"), "unknown codec 'mp2'"),
        (("-o", "dubbed.mp4", "--max-rate", "5"), "max_rate"),
        (("-o", "dubbed.mp4", "--fade-ms", "50"), "fade_ms"),
        (("-o", "dubbed.mp4", "--only", "x"), "cannot read 'x' as lines"),
        (("-o", "dubbed.mp4", "--aperture", "none.csv"), "cannot read apertures none.csv"),
        (("-o", "dubbed.mp4", "--check", "taste"), "unknown check 'taste'"),
        ((), "say where to write"),
    ],
)
def test_bad_inputs_are_one_line_and_status_2(emotts, tmp_path: Path, arguments: tuple, said: str) -> None:
    before = set(tmp_path.iterdir())
    code, out, err = emotts(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_a_missing_extra_names_what_to_install(emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)
    code, _, err = emotts("-o", "dubbed.mp4")
    assert code == 2
    assert err == 'emotts: dubbing needs pyloudnorm; install it with: pip install "emotts[video]"\n'


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from emotts.cli import main; main.run(['dub', '--help']); "
        "print([n for n in ('torch', 'av', 'pysubs2', 'soundfile', 'yaml') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.rstrip().endswith("[]"), result.stdout[-300:] + result.stderr[-300:]
