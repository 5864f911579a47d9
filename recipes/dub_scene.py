"""A scene of held-out GRID clips, dubbed and checked: where lines lie, the picture's bits, kills and resumes.

    python recipes/dub_scene.py make --grid GRID --scene exp/scene --clips 24
    python recipes/dub_scene.py check --scene exp/scene --kills 10

`GRID` holds `s1/*.mp4` (or .mpg) and `align/s1/*.align`. `make` joins clips that the lip aligner never saw
into scene.mp4 and writes lines.srt, with two speakers who take turns and six emotions, and cast.yaml. `check`
dubs it, kills and resumes other dubs of it at random points, and prints Markdown; what it measured lies in
check.json.
`check --lips` times the lines by the lips, which are found by their motion. Exit status 1: a check failed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from emotts.dubbing.script import clock
from emotts.errors import EmottsError
from emotts.evaluate.scene import held_out, join

EMOTIONS = ("neutral", "angry:0.7", "happy:0.7", "sad:0.7", "afraid:0.7", "disgusted:0.7")
SPEAKERS = {"Anna": "kathleen", "Tom": "bdl"}
TOLERANCE = 0.04
"""Seconds that a line may leave its window without a word about it in the report."""


def make_scene(grid: Path, folder: Path, count: int) -> None:
    """Joins held-out clips into scene.mp4, with lines.srt and cast.yaml beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    cues = []
    for number, line in enumerate(join(folder / "scene.mp4", held_out(grid, count))):
        speaker = list(SPEAKERS)[number % len(SPEAKERS)]
        emotion = EMOTIONS[number // 2 % len(EMOTIONS)]
        times = f"{clock(line.start)} --> {clock(line.end)}".replace(".", ",")
        cues.append(f"{number + 1}\n{times}\n[{speaker}, {emotion}] {line.text}\n")
    (folder / "lines.srt").write_text("\n".join(cues), encoding="utf-8")
    cast = "".join(f"{name}: {{voice: {voice}}}\n" for name, voice in SPEAKERS.items())
    (folder / "cast.yaml").write_text(cast, encoding="utf-8")
    print(f"{len(cues)} clips in {folder / 'scene.mp4'}")


def dub_command(folder: Path, output: str, *more: str) -> list[str]:
    """The command line that dubs the scene."""
    files = [
        str(folder / "scene.mp4"),
        "--script",
        str(folder / "lines.srt"),
        "--cast",
        str(folder / "cast.yaml"),
    ]
    return [
        sys.executable,
        "-m",
        "emotts.cli.main",
        "dub",
        *files,
        "--output",
        str(folder / output),
        "-q",
        *more,
    ]


def check_scene(folder: Path, kills: int, seed: int, more: tuple[str, ...]) -> bool:
    """Dubs, kills, resumes, and prints what was measured; whether all of it is as it has to be."""
    for path in (*folder.glob("dubbed*"), *folder.glob("resumed*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    started = time.perf_counter()
    report = folder / "dubbed.html"
    code = subprocess.run(dub_command(folder, "dubbed.mp4", "--report", str(report), *more)).returncode
    elapsed = time.perf_counter() - started
    cache = ("--cache", str(folder / "dubbed.emotts-cache"))
    subprocess.run(dub_command(folder, "mix.wav", "--audio-only", "--force", *cache, *more))
    record = json.loads(report.with_suffix(".json").read_text())
    result = {"exit_status": code, "elapsed_s": round(elapsed, 1), "scene_s": record["duration"]}
    result |= {"summary": record["summary"], **_placement(folder, record), **_whole(folder)}
    result |= _beyond_synthesis(folder, record["duration"], more)
    result |= _kill_and_resume(folder, kills, seed, elapsed, more)
    (folder / "check.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    rows = _rows(result)
    print("| what | wanted | measured | |\n|---|---|---|---|")
    for what, wanted, measured, good in rows:
        print(f"| {what} | {wanted} | {measured} | {'yes' if good else 'NO'} |")
    return all(good for *_, good in rows)


def _rows(result: dict) -> list[tuple[str, str, str, bool]]:
    """What, wanted, measured, and whether that is so."""
    lines = result["summary"]["lines"]
    inside = result["lines_within_40_ms_of_their_window"]
    silent = result["of_them_not_in_the_report"]
    offset = result["offset_in_dubbed_mp4_samples_at_48k"]
    scene, dubbed = result["decoded"]["scene.mp4"], result["decoded"]["dubbed.mp4"]
    drift = result["mix_samples_minus_video_samples"]
    spare = dubbed["samples"] / 48_000 - scene["frames"] / 25
    kills = result["killed"]
    return [
        ("length of the scene", "at least 60 s", f"{result['scene_s']:.0f} s, {lines} lines",
         result["scene_s"] >= 60),
        ("exit status", "0 or 1", str(result["exit_status"]), result["exit_status"] in (0, 1)),
        ("lines within 40 ms of their window, the others in the report", "all",
         f"{inside} inside, {lines - inside - len(silent)} reported, {len(silent)} not reported", not silent),
        ("speech begins off its time, worst", "40 ms",
         f"{1000 * result['summary']['onset_error_max']:.0f} ms",
         result["summary"]["onset_error_max"] <= TOLERANCE),
        ("packets of the picture", "identical",
         "identical" if result["video_packets_identical"] else "differ", result["video_packets_identical"]),
        ("frames decoded, original and dub", "the same", f"{scene['frames']}, {dubbed['frames']}",
         scene["frames"] == dubbed["frames"]),
        ("sound decoded, less the picture", "0 to 1 AAC frame (21 ms)", f"{1000 * spare:.0f} ms",
         -0.001 <= spare <= 0.043),
        ("mix less the picture", "0 samples", f"{drift} samples", drift == 0),
        ("offset of the first, last and worst line in the dub's sound, by correlation", "0 samples at 48 kHz",
         f"{offset['first']}, {offset['last']}, {offset['worst']}", offset["worst"] <= 1),
        (f"killed {len(kills)} times, {sum(one['writing'] for one in kills)} of them while writing; resumed",
         "the same file", "the same" if result["resumed_file_identical"] else "another",
         result["resumed_file_identical"]),
        ("processor time of a dub whose lines are spoken already, over the scene", "",
         f"{result['of_the_scene']:.3f}", True),
    ]  # fmt: skip


def _placement(folder: Path, record: dict) -> dict:
    """Where lines lie in the dubbed file, found by correlation, and which of them leave their windows."""
    import soundfile

    mix, rate = soundfile.read(folder / "mix.wav", dtype="float32")
    decoded = _sound_of(folder / "dubbed.mp4")
    offsets, outside = [], []
    for line in record["lines"]:
        first = 2 * line["start_sample"]
        piece = mix[first : first + 2 * line["samples"], 0]
        offsets.append(_offset(decoded, piece, first))
        if abs(line["onset_error"]) > TOLERANCE or line["end_error"] > TOLERANCE:
            outside.append(line)
    scene = round(record["duration"] * rate)
    return {
        "lines_within_40_ms_of_their_window": len(record["lines"]) - len(outside),
        "lines_outside": [line["number"] for line in outside],
        "of_them_not_in_the_report": [
            line["number"]
            for line in outside
            if not line["faults"] and not {"after", "before", "late", "overflow"} & {*line["steps"]}
        ],
        "offset_in_dubbed_mp4_samples_at_48k": {
            "first": offsets[0],
            "last": offsets[-1],
            "worst": max(map(abs, offsets)),
        },
        "mix_samples_minus_video_samples": len(mix) - scene,
    }


def _offset(track: np.ndarray, piece: np.ndarray, expected: int, reach: int = 2400) -> int:
    """Samples by which a piece lies after its place in a track, by cross-correlation."""
    around = np.zeros(len(piece) + 2 * reach)
    first = max(0, expected - reach)
    found = track[first : expected + len(piece) + reach]
    around[first - expected + reach : first - expected + reach + len(found)] = found
    size = len(around) + len(piece)
    product = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size)), size)
    return int(np.argmax(product[: 2 * reach + 1])) - reach


def _sound_of(path: Path) -> np.ndarray:
    from emotts.dubbing.video import SoundReader, probe

    with SoundReader(path) as reader:
        return reader.read(round((probe(path).duration + 1) * 48_000))[0]


def _whole(folder: Path) -> dict:
    """Decodes every frame of both streams, and compares the bits of the picture."""
    import av

    from emotts.dubbing.video import video_digest

    counts = {}
    for name in ("scene.mp4", "dubbed.mp4"):
        with av.open(str(folder / name)) as file:
            frames = sum(1 for _ in file.decode(video=0))
        with av.open(str(folder / name)) as file:
            samples = sum(frame.samples for frame in file.decode(audio=0))
        counts[name] = {"frames": frames, "samples": samples}
    same = video_digest(folder / "scene.mp4") == video_digest(folder / "dubbed.mp4")
    return {"decoded": counts, "video_packets_identical": same}


def _beyond_synthesis(folder: Path, duration: float, more: tuple[str, ...]) -> dict:
    """What a dub costs whose lines are all spoken already: start, decode, checks, mix, mux, report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = ("--report", str(folder / "dubbed.html"), "--force")
    subprocess.run(dub_command(folder, "dubbed.mp4", *report, *more))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"processor_s_beyond_synthesis": round(cost, 1), "of_the_scene": round(cost / duration, 3)}


def _kill_and_resume(folder: Path, kills: int, seed: int, elapsed: float, more: tuple[str, ...]) -> dict:
    """Kills a dub at random points, every third time while it writes; compares what resumed ones write."""
    source, killed, same = random.Random(seed), [], True
    tables = ("--csv", str(folder / "resumed.csv"), "--stems", str(folder / "resumed-stems"))
    command = dub_command(folder, "resumed.mp4", *tables, *more)
    expected = (folder / "dubbed.mp4").read_bytes()
    _remove(folder)
    while len(killed) < kills:
        writing = len(killed) % 3 == 2
        wait = 10 * elapsed if writing else source.uniform(0.05, 0.6) * elapsed
        after = _kill(command, wait, folder if writing else None, source)
        if after is not None:
            killed.append({"after_s": round(after, 2), "writing": writing})
        if after is None or writing:
            # Done, or all but done: the file has to be right, and the next kills begin from nothing.
            subprocess.run(command) if after is not None else None
            same &= (folder / "resumed.mp4").read_bytes() == expected
            _remove(folder)
    subprocess.run(command)
    same &= (folder / "resumed.mp4").read_bytes() == expected
    return {"killed": killed, "resumed_file_identical": same}


def _kill(command: list[str], wait: float, folder: Path | None, source: random.Random) -> float | None:
    """Starts a dub, kills it after `wait` seconds or once it writes into `folder`; None if it was faster."""
    process, started = subprocess.Popen(command), time.perf_counter()
    while process.poll() is None:
        passed = time.perf_counter() - started
        writes = folder is not None and any(folder.glob(".resumed*.part"))
        if writes or passed > wait:
            if writes:
                time.sleep(source.uniform(0.0, 0.3))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            return time.perf_counter() - started
        time.sleep(0.005)
    return None


def _remove(folder: Path) -> None:
    for path in (*folder.glob("resumed*"), *folder.glob(".resumed*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    make = parts.add_parser("make")
    make.add_argument("--grid", type=Path, required=True)
    make.add_argument("--clips", type=int, default=24)
    check = parts.add_parser("check")
    check.add_argument("--kills", type=int, default=10)
    check.add_argument("--lips", action="store_true", help="time lines by the lips")
    check.add_argument("--max-rate", type=float, default=1.2)
    check.add_argument("--seed", type=int, default=0)
    for part in (make, check):
        part.add_argument("--scene", type=Path, required=True)
    options = parser.parse_args()
    if options.part == "make":
        try:
            make_scene(options.grid, options.scene, options.clips)
        except EmottsError as error:
            sys.stderr.write(f"dub_scene: {error}\n")
            return error.exit_code
        return 0
    mouth = ("--mouth-box", "auto") if options.lips else ()
    more = ("--max-rate", str(options.max_rate), "--no-landmarks", *mouth)
    return 0 if check_scene(options.scene, options.kills, options.seed, more) else 1


if __name__ == "__main__":
    sys.exit(main())
