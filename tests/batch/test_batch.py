"""`emotts batch`: lines are checked first, spoken in shards, resumed, and reported in a manifest."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from emotts.batch.lines import BadLine, Defaults, Line, read_lines
from emotts.batch.render import Renderer
from emotts.batch.run import BatchPlan, parse_shard, shard_of
from emotts.cli import main as cli
from emotts.errors import DataError, InputError

Emotts = Callable[..., int]

GOOD = [
    {"text": "The boy was there."},
    {"id": "second", "text": "The sun rose.", "emotion": "happy:0.7", "tokens": 40, "voice": "bert"},
    {"text": "We [pause 0.5s] left.", "markup": True, "emotion": {"sad": 0.5}, "seed": 9},
    {"id": "fourth", "text": "It was late.", "speed": 1.2, "emotion": [0, 0, 0, 1, 0, 0, 0, 0]},
    {"text": "Nobody came.", "duration": 1.234},
]

WRONG = [
    ('{"text": "a"', "no JSON: "),
    ("[1]", "JSON object"),
    ("{}", 'has no "text"'),
    ('{"text": "a", "emotoin": "sad"}', "did you mean 'emotion'"),
    ('{"text": " "}', "empty"),
    ('{"text": "..."}', "pronounced"),
    ('{"text": 5}', "text must be text"),
    ('{"text": "a", "emotion": "angr"}', 'Did you mean "angry"'),
    ('{"text": "a", "emotion": [1, 2]}', "8 values"),
    ('{"text": "a", "emotion": 3}', "eight numbers"),
    ('{"text": "a", "duration": -1}', "greater than 0"),
    ('{"text": "a", "duration": 1e999}', "greater than 0"),
    ('{"text": "a", "seed": 1' + "0" * 400 + "}", "seed must be"),
    ('{"text": "a", "seed": 1' + "0" * 5000 + "}", "too long"),
    ("[" * 100_000, "too many brackets"),
    ('{"text": "a", "tokens": "5"}', "whole number"),
    ('{"text": "a", "duration": 1, "speed": 1}', "at most one"),
    ('{"text": "a", "id": "../a"}', "no file name"),
    ('{"text": "a", "id": 7}', "id must be text"),
    ('{"text": "a", "voice": "carl"}', "named voices: anna, bert"),
    ('{"text": "a", "voice": "x/carl.wav"}', "does not exist"),
    ('{"text": "a", "language": "xx-klingon"}', "unknown language"),
    ('{"text": "a [paus]", "markup": true}', "column 3"),
    ('{"text": "a", "markup": 1}', "true or false"),
    ('{"text": "\\ud800 a"}', "surrogate"),
]


def defaults(folder: Path) -> Defaults:
    from emotts.text.espeak import canonical_language

    return Defaults({}, ("anna", "bert"), folder, canonical_language)


def write(path: Path, lines: list) -> Path:
    rows = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def emotts(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emotts:
    """Runs `emotts batch` in an empty folder, with the tiny model."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> int:
        return cli.run(["batch", *map(str, arguments), "--model", str(tiny_model), "--device", "cpu"])

    return run


def records(path: str) -> list[dict]:
    return [json.loads(row) for row in Path(path).read_text(encoding="utf-8").splitlines()]


def audio(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.wav")}


@pytest.mark.parametrize(("row", "problem"), WRONG)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, row: str, problem: str) -> None:
    path = write(tmp_path / "lines.jsonl", [GOOD[0], row])
    good, bad = read_lines(path, defaults(tmp_path))
    assert isinstance(good, Line) and good.id == "00001"
    assert isinstance(bad, BadLine) and bad.number == 2
    assert problem in bad.error


def test_files_that_are_no_lines_are_refused(tmp_path: Path) -> None:
    for content, problem in ((b"\n \n", "no lines"), (b'{"text": "a"}\n\xff\n', "line 2: not UTF-8")):
        (tmp_path / "x.jsonl").write_bytes(content)
        with pytest.raises(DataError, match=problem):
            read_lines(tmp_path / "x.jsonl", defaults(tmp_path))
    with pytest.raises(DataError, match="cannot read"):
        read_lines(tmp_path / "none.jsonl", defaults(tmp_path))


def test_an_id_is_used_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"id": "a", "text": "One."}, {"id": "a", "text": "Two."}])
    first, second = read_lines(path, defaults(tmp_path))
    assert isinstance(first, Line) and "line 1 too" in second.error


def test_shards_hold_every_line_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"text": f"Line {n}."} for n in range(23)])
    lines = read_lines(path, defaults(tmp_path))
    for shards in (1, 2, 5, 30):
        seen = []
        for shard in range(1, shards + 1):
            plan = BatchPlan(tmp_path, None, 4, shard, shards)
            seen += [line.number for group in shard_of(lines, plan) for line in group]
        assert sorted(seen) == list(range(1, 24))
    assert parse_shard(" 2/8 ") == (2, 8)
    for wrong in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2"):
        with pytest.raises(InputError, match="i from 1 to n"):
            parse_shard(wrong)


def test_a_batch_speaks_all_lines(emotts: Emotts, capsys: pytest.CaptureFixture) -> None:
    write(Path("lines.jsonl"), GOOD)
    assert emotts("lines.jsonl", "-o", "out") == 0
    found = records("out/manifest.jsonl")
    assert [record["id"] for record in found] == ["00001", "second", "00003", "fourth", "00005"]
    for record in found:
        assert record["status"] == "ok"
        assert soundfile.info(f"out/{record['path']}").frames == record["samples"]
    assert found[1]["samples"] == 40 * 960 and found[1]["voice"] == "bert"
    assert found[1]["emotion"] == {"happy": 0.7}
    assert found[2]["seed"] == 9 and found[0]["seed"] == 0
    assert found[4]["samples"] == round(1.234 * 24_000)
    assert "5 of 5 lines" in capsys.readouterr().err


def test_one_bad_line_does_not_stop_the_rest(emotts: Emotts, capsys: pytest.CaptureFixture) -> None:
    lines = [GOOD[0], "{oops", {"text": "Too short for this.", "duration": 0.1}, GOOD[1]]
    write(Path("lines.jsonl"), lines)
    assert emotts("lines.jsonl", "-o", "out") == 1
    found = records("out/manifest.jsonl")
    assert [record["status"] for record in found] == ["ok", "failed", "failed", "ok"]
    assert "too short" in found[2]["error"]
    err = capsys.readouterr().err
    assert "lines.jsonl, line 2: no JSON" in err and "line 3 (00003): duration" in err
    assert set(audio("out")) == {"00001.wav", "second.wav"}


def test_a_file_without_a_good_line_stops_before_the_model(
    emotts: Emotts, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Renderer, "__init__", lambda *_: pytest.fail("the model was loaded"))
    write(Path("bad.jsonl"), ["{oops", '{"text": ""}'])
    assert emotts("bad.jsonl", "-o", "out") == 2
    assert "line 1: " in (err := capsys.readouterr().err) and "line 2: " in err
    write(Path("half.jsonl"), [GOOD[0], "{oops"])
    assert emotts("half.jsonl", "-o", "out", "--check") == 2
    write(Path("good.jsonl"), GOOD)
    assert emotts("good.jsonl", "-o", "out", "--check") == 0
    assert emotts("good.jsonl", "-o", "out", "--shard", "3/2") == 2
    assert emotts("good.jsonl", "-o", "out", "--workers", "2") == 2
    assert not Path("out").exists()


def test_shards_give_the_same_files(emotts: Emotts) -> None:
    write(Path("lines.jsonl"), GOOD)
    assert emotts("lines.jsonl", "-o", "whole", "--batch-size", 2) == 0
    for shard in ("1/2", "2/2"):
        assert emotts("lines.jsonl", "-o", "parts", "--batch-size", 2, "--shard", shard) == 0
    assert audio("whole") == audio("parts") and len(audio("whole")) == 5
    parts = records("parts/manifest.1-of-2.jsonl") + records("parts/manifest.2-of-2.jsonl")
    assert sorted(parts, key=lambda r: r["line"]) == records("whole/manifest.jsonl")


def test_resume_does_what_is_left_and_no_more(emotts: Emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [*GOOD, {"text": "Too short for this.", "duration": 0.1}]
    write(Path("lines.jsonl"), lines)
    assert emotts("lines.jsonl", "-o", "out", "--batch-size", 2) == 1
    before, manifest = audio("out"), records("out/manifest.jsonl")
    assert emotts("lines.jsonl", "-o", "out", "--batch-size", 2) == 2  # neither --resume nor --force
    Path("out/second.wav").unlink()
    # A run that was killed before the manifest knew of a file.
    Path("out/manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in manifest[:3]) + '{"id": "fo')
    spoken: list[list[int]] = []
    original = Renderer.render
    monkeypatch.setattr(
        Renderer,
        "render",
        lambda self, lines, together=True: (
            spoken.append([line.number for line in lines]) or original(self, lines, together)
        ),
    )
    assert emotts("lines.jsonl", "-o", "out", "--batch-size", 2, "--resume") == 1
    assert spoken == [[1, 2], [3, 4], [5, 6]]
    assert audio("out") == before and records("out/manifest.jsonl") == manifest
    spoken.clear()
    assert emotts("lines.jsonl", "-o", "out", "--batch-size", 2, "--resume") == 1
    assert spoken == [[6]]  # only the one that failed is tried again
    changed = [{**GOOD[0], "text": "The girl was there."}, *lines[1:]]
    write(Path("lines.jsonl"), changed)
    spoken.clear()
    assert emotts("lines.jsonl", "-o", "out", "--batch-size", 2, "--resume") == 1
    assert spoken == [[1, 2], [6]]
    assert audio("out")["00001.wav"] != before["00001.wav"]
    assert audio("out")["second.wav"] == before["second.wav"]


def test_another_model_of_the_same_name_speaks_again(tiny_model: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tiny_model, model)
    rows = write(tmp_path / "lines.jsonl", GOOD[:1])
    command = ["batch", str(rows), "-o", str(out), "--model", str(model), "--device", "cpu", "--resume"]
    assert cli.run(command) == 0
    first = records(f"{out}/manifest.jsonl")
    assert cli.run(command) == 0
    assert records(f"{out}/manifest.jsonl") == first
    shutil.copy(model / "voices" / "bert.safetensors", model / "voices" / "anna.safetensors")
    assert cli.run(command) == 0
    assert records(f"{out}/manifest.jsonl")[0]["digest"] != first[0]["digest"]


def test_voices_are_found_beside_the_lines(emotts: Emotts, reference: Path) -> None:
    Path("sub").mkdir()
    reference.rename("sub/me.wav")
    write(Path("sub/lines.jsonl"), [{"text": "Hello there.", "voice": "me.wav"}])
    assert emotts("sub/lines.jsonl", "-o", "out", "--format", "flac", "--voice", "anna") == 0
    assert records("out/manifest.jsonl")[0]["voice"] == "me"
    assert Path("out/00001.flac").exists()


def test_an_unexpected_fault_fails_its_line_only(emotts: Emotts, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotts import EmoTTS

    original = EmoTTS._prepare

    def fragile(self: EmoTTS, text: str, *rest: object):
        if "boom" in text:
            raise RuntimeError("out of luck")
        return original(self, text, *rest)

    monkeypatch.setattr(EmoTTS, "_prepare", fragile)
    write(Path("lines.jsonl"), [{"text": "Hello."}, {"text": "boom"}, {"text": "Goodbye."}])
    assert emotts("lines.jsonl", "-o", "out") == 1
    found = records("out/manifest.jsonl")
    assert [record["status"] for record in found] == ["ok", "failed", "ok"]
    assert found[1]["error"] == "unexpected RuntimeError: out of luck"


def test_ray_missing_is_one_line(emotts: Emotts, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    write(Path("lines.jsonl"), GOOD)
    assert emotts("lines.jsonl", "-o", "out", "--ray") == 2
    assert 'pip install "emotts[ray]"' in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
@pytest.mark.parametrize(
    ("address", "problem"),
    [("127.0.0.1:1", "cannot reach the Ray cluster 127.0.0.1:1"), ("somewhere", "write HOST:PORT")],
)
def test_a_cluster_that_is_not_there_is_one_line_and_soon(
    emotts: Emotts, capsys: pytest.CaptureFixture, address: str, problem: str
) -> None:
    write(Path("lines.jsonl"), GOOD)
    assert emotts("lines.jsonl", "-o", "out", "--ray", "--ray-address", address) == 2
    err = capsys.readouterr().err
    assert problem in err and err.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_a_cluster_of_two_workers_gives_the_same_files(emotts: Emotts) -> None:
    import ray

    lines = [*GOOD, {"text": "Too short for this.", "duration": 0.1}]
    write(Path("lines.jsonl"), lines)
    same = ["--batch-size", 2, "--threads", 1]
    assert emotts("lines.jsonl", "-o", "here", *same) == 1
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert emotts("lines.jsonl", "-o", "there", "--ray", "--workers", 2, *same) == 1
    finally:
        ray.shutdown()
    assert audio("here") == audio("there") and len(audio("here")) == 5
    assert records("here/manifest.jsonl") == records("there/manifest.jsonl")
