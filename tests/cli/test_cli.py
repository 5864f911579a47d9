"""The `emotts` command: what it writes, what it prints, and how it refuses."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import SAMPLE_RATE, speech_like

from emotts.cli import main as cli
from emotts.files import AUDIO_FORMATS

TEXT = "The boy was there when the sun rose."


@dataclass
class Result:
    code: int
    out: str
    err: str


Emotts = Callable[..., Result]


@pytest.fixture
def emotts(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Emotts:
    """Runs the command in an empty folder, with the tiny model where a model is loaded."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("emotts.model.find_model", lambda name="embedded": find(name, tiny_model))
    monkeypatch.setattr("emotts.tts.find_model", lambda name="embedded": find(name, tiny_model))

    def run(*arguments: object) -> Result:
        code = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def find(name: str, tiny_model: Path) -> Path:
    return tiny_model if name == "embedded" else Path(name)


def subprocess_modules(*arguments: str) -> tuple[subprocess.CompletedProcess, set[str]]:
    """Runs `emotts` in a fresh interpreter and tells which modules it imported."""
    code = (
        "import sys\nfrom emotts.cli.main import run\n"
        f"code = run({list(arguments)!r})\n"
        "print(*sorted(sys.modules), sep='\\n', file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done, set(done.stderr.split())


HEAVY = {"torch", "torchaudio", "numpy", "librosa", "transformers", "phonemizer", "soundfile", "safetensors"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["synthesize", "--help"],
        ["voices", "--help"],
        ["batch", "--help"],
        ["serve", "--help"],
        ["dub", "--help"],
        ["emotion", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    done, modules = subprocess_modules(*arguments)
    assert done.returncode == 0
    assert done.stdout
    assert not modules & HEAVY


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, emotts; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


def test_a_bad_option_is_refused_before_anything_heavy_is_loaded() -> None:
    for arguments in (["synthesize", "  "], ["synthesize", "Hi.", "--duration", "-1"]):
        done, modules = subprocess_modules(*arguments)
        assert done.returncode == 2
        assert not modules & HEAVY


def test_python_m_emotts_is_the_command() -> None:
    asked = [sys.executable, "-m", "emotts", "synthesize", ""]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("emotts: ") and "empty" in done.stderr


def test_synthesize_writes_out_wav_and_says_so(emotts: Emotts) -> None:
    result = emotts("synthesize", TEXT, "--seed", 7)
    assert (result.code, result.out) == (0, "")
    assert len(result.err.splitlines()) == 1
    for part in ("out.wav", " s ", "seed 7", "real-time factor"):
        assert part in result.err
    assert [path.name for path in Path().iterdir()] == ["out.wav"]


def test_duration_is_exact_in_the_file(emotts: Emotts) -> None:
    assert emotts("synthesize", TEXT, "--duration", 2.357, "-o", "x.wav").code == 0
    assert soundfile.info("x.wav").frames == round(2.357 * SAMPLE_RATE)
    assert emotts("synthesize", TEXT, "--tokens", 60, "-o", "y.flac").code == 0
    assert soundfile.info("y.flac").frames == 60 * 960


@pytest.mark.parametrize("name", AUDIO_FORMATS)
def test_every_format_is_written(emotts: Emotts, name: str) -> None:
    assert emotts("synthesize", TEXT, "--tokens", 50, "-o", f"x.{name}").code == 0
    assert emotts("synthesize", TEXT, "--tokens", 50, "-o", "plain", "--format", name).code == 0
    assert abs(soundfile.info(f"x.{name}").duration - 2.0) < 0.1
    assert soundfile.info("plain").format == soundfile.info(f"x.{name}").format


def test_json_is_one_record_on_stdout(emotts: Emotts) -> None:
    result = emotts(
        "synthesize", TEXT, "--emotion", "happy:0.7", "--voice", "bert", "--speed", 1.2, "--json", "-q"
    )
    assert (result.code, result.err) == (0, "")
    record = json.loads(result.out)
    assert record["path"] == "out.wav"
    assert record["samples"] == soundfile.info("out.wav").frames == 960 * record["tokens"]
    assert (record["voice"], record["emotion"]) == ("bert", {"happy": 0.7})
    assert record["words"][1]["word"] == "boy"
    seed = record["seed"]
    again = emotts(
        "synthesize",
        TEXT,
        "--emotion",
        "happy:0.7",
        "--voice",
        "bert",
        "--speed",
        1.2,
        "--seed",
        seed,
        "-o",
        "b.wav",
    )
    assert again.code == 0
    assert Path("out.wav").read_bytes() == Path("b.wav").read_bytes()


def test_text_comes_from_a_file_or_standard_input(emotts: Emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("text.txt").write_text(TEXT, encoding="utf-8-sig")
    common = ["--tokens", 50, "--seed", 1]
    assert emotts("synthesize", TEXT, *common, "-o", "a.wav").code == 0
    assert emotts("synthesize", "--text-file", "text.txt", *common, "-o", "b.wav").code == 0
    for output, arguments in (("c.wav", ["-"]), ("d.wav", ["--text-file", "-"])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
        assert emotts("synthesize", *arguments, *common, "-o", output).code == 0
    assert len({Path(f"{name}.wav").read_bytes() for name in "abcd"}) == 1


def test_force_overwrites(emotts: Emotts) -> None:
    Path("out.wav").write_bytes(b"old")
    assert emotts("synthesize", TEXT, "--force").code == 0
    assert soundfile.info("out.wav").frames > 0


def test_a_recording_or_a_saved_voice_is_a_voice(emotts: Emotts, reference: Path) -> None:
    assert emotts("voices", "save", reference, "--name", "me", "-o", "me.safetensors").code == 0
    same = ["--tokens", 50, "--seed", 1]
    assert emotts("synthesize", TEXT, "--voice", reference, *same, "-o", "a.wav").code == 0
    assert emotts("synthesize", TEXT, "--voice", "me.safetensors", *same, "-o", "b.wav").code == 0
    a, b = soundfile.read("a.wav")[0], soundfile.read("b.wav")[0]
    assert np.corrcoef(a, b)[0, 1] > 0.9  # the file holds the prompt as float16
    refused = emotts("voices", "save", reference, "-o", "me.safetensors")
    assert refused.code == 2 and "--force" in refused.err


def test_voices_lists_names_descriptions_and_the_default(emotts: Emotts) -> None:
    result = emotts("voices")
    assert result.code == 0
    assert result.out.splitlines() == ["anna  the voice of anna  (default)", "bert  the voice of bert"]
    records = json.loads(emotts("voices", "--json").out)
    assert records[0] == {"name": "anna", "description": "the voice of anna", "default": True}
    assert [record["default"] for record in records] == [True, False]


def write_silence(path: Path) -> None:
    soundfile.write(path, np.zeros(3 * SAMPLE_RATE, np.float32), SAMPLE_RATE)


@pytest.fixture
def bad_files(emotts: Emotts) -> None:
    """Everything that the bad requests refer to, in the working folder."""
    soundfile.write("short.wav", speech_like(0.1), SAMPLE_RATE)
    write_silence(Path("silent.wav"))
    Path("garbage.wav").write_bytes(b"no audio" * 100)
    Path("garbage.safetensors").write_bytes(b"no voice" * 100)
    Path("exists.wav").write_bytes(b"precious")
    Path("empty.txt").write_text("\n \n")
    Path("latin.txt").write_bytes("Größe".encode("latin-1"))


BAD = {
    "empty text": ([""], "empty"),
    "blank text": (["  \n "], "empty"),
    "no text": ([], "text"),
    "text twice": ([TEXT, "--text-file", "empty.txt"], "either"),
    "empty file": (["--text-file", "empty.txt"], "empty"),
    "missing file": (["--text-file", "none.txt"], "none.txt"),
    "wrong encoding": (["--text-file", "latin.txt"], "UTF-8"),
    "unpronounceable": (["?! ... —"], "pronounced"),
    "unpronounceable symbols": (["😀"], "pronounced"),
    "unknown emotion": (
        [TEXT, "--emotion", "bored"],
        "happy, angry, sad, afraid, disgusted, melancholic, surprised, calm",
    ),
    "high intensity": ([TEXT, "--emotion", "happy:1.5"], "from 0 to 1"),
    "negative intensity": ([TEXT, "--emotion", "happy:-0.1"], "from 0 to 1"),
    "no number as intensity": ([TEXT, "--emotion", "happy:much"], "not a number"),
    "zero duration": ([TEXT, "--duration", "0"], "greater than 0"),
    "negative duration": ([TEXT, "--duration", "-2"], "greater than 0"),
    "duration not a number": ([TEXT, "--duration", "nan"], "greater than 0"),
    "duration of words": ([TEXT, "--duration", "long"], "--duration"),
    "too short a duration": ([TEXT, "--duration", "0.2"], "s would do"),
    "too long a duration": ([TEXT, "--duration", "500"], "s would do"),
    "duration and speed": ([TEXT, "--duration", "2", "--speed", "1.1"], "duration and speed"),
    "duration and tokens": ([TEXT, "--duration", "2", "--tokens", "50"], "duration and tokens"),
    "zero tokens": ([TEXT, "--tokens", "0"], "greater than 0"),
    "speed out of range": ([TEXT, "--speed", "5"], "from 0.5 to 2.0"),
    "negative seed": ([TEXT, "--seed", "-1"], "seed"),
    "zero steps": ([TEXT, "--steps", "0"], "steps"),
    "unknown voice": ([TEXT, "--voice", "nobody"], "anna, bert"),
    "missing reference": ([TEXT, "--voice", "none.wav"], "none.wav does not exist"),
    "unreadable reference": ([TEXT, "--voice", "garbage.wav"], "cannot read garbage.wav"),
    "silent reference": ([TEXT, "--voice", "silent.wav"], "silent"),
    "short reference": ([TEXT, "--voice", "short.wav"], "0.10 s"),
    "corrupt voice file": ([TEXT, "--voice", "garbage.safetensors"], "corrupt"),
    "output exists": ([TEXT, "-o", "exists.wav"], "--force"),
    "output folder missing": ([TEXT, "-o", "none/x.wav"], "does not exist"),
    "unknown extension": ([TEXT, "-o", "x.xyz"], "wav, flac, ogg, mp3"),
    "unknown format": ([TEXT, "--format", "aac"], "wav, flac, ogg, mp3"),
    "unknown language": ([TEXT, "--language", "xx-none"], "xx-none"),
    "unknown device": ([TEXT, "--device", "toaster"], "auto, cpu or cuda"),
    "missing model": ([TEXT, "--model", "nowhere"], "nowhere"),
    "unknown option": ([TEXT, "--durations", "2"], "--durations"),
}


@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2_and_nothing_written(emotts: Emotts, case: str) -> None:
    arguments, words = BAD[case]
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = emotts("synthesize", *arguments)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("emotts: ") and words in result.err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_corrupt_model_file_is_named(emotts: Emotts, tiny_model: Path) -> None:
    model = Path(shutil.copytree(tiny_model, "model"))
    (model / "lm.safetensors").write_bytes(b"broken")
    for arguments in (["synthesize", TEXT], ["voices", "save", "ref.wav"]):
        soundfile.write("ref.wav", speech_like(2.0), SAMPLE_RATE)
        result = emotts(*arguments, "--model", "model")
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert "lm.safetensors is corrupt" in result.err
        assert not Path("out.wav").exists() and not Path("ref.safetensors").exists()


def test_check_reports_and_speaks(emotts: Emotts, tiny_model: Path) -> None:
    result = emotts("check", "--json")
    record = json.loads(result.out)
    assert (result.code, record["ok"]) == (0, True)
    assert record["versions"]["torch"].startswith("2.")
    assert record["self_test"]["samples"] == 36_000
    assert record["model"]["licence"] == "CC0-1.0"
    assert all(count > 0 for count in record["model"]["parameters"].values())
    assert record["extras"]["demo"]["install"] == "pip install 'emotts[demo]'"
    text = emotts("check")
    assert text.code == 0 and "self-test: ok" in text.out and "CC0-1.0" in text.out


def test_check_fails_with_a_broken_model_and_still_reports_the_rest(emotts: Emotts, tiny_model: Path) -> None:
    model = Path(shutil.copytree(tiny_model, "model"))
    (model / "vocoder.safetensors").unlink()
    result = emotts("check", "--json", "--model", "model")
    record = json.loads(result.out)
    assert (result.code, record["ok"]) == (1, False)
    assert "vocoder.safetensors" in record["model"]["error"]
    assert "error" not in record["espeak"]
    assert "FAILED" in emotts("check", "--model", "model").out


def test_an_interrupt_exits_130(emotts: Emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emotts.tts.render", interrupt)
    result = emotts("synthesize", TEXT)
    assert result.code == 130
    assert not list(Path().iterdir())


def test_an_unexpected_error_is_one_line_unless_debugging(
    emotts: Emotts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("a bug\nof two lines")

    monkeypatch.setattr("emotts.tts.render", fail)
    result = emotts("synthesize", TEXT)
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert "ZeroDivisionError" in result.err and "EMOTTS_DEBUG=1" in result.err
    monkeypatch.setenv("EMOTTS_DEBUG", "1")
    assert "Traceback" in emotts("synthesize", TEXT).err


def test_evaluate_is_forwarded_with_its_options(emotts: Emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    seen = {}

    def evaluate(path: str, limit: int = 3) -> None:
        seen.update(path=path, limit=limit)

    monkeypatch.setitem(sys.modules, "emotts.cli.evaluate", types.SimpleNamespace(evaluate=evaluate))
    assert emotts("evaluate", "folder", "--limit", 5).code == 0
    assert seen == {"path": "folder", "limit": 5}
    wrong = emotts("evaluate", "folder", "--limits", 5)
    assert wrong.code == 2 and len(wrong.err.splitlines()) == 1
