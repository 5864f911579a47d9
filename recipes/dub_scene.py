"""A scene of GRID clips, dubbed and checked: where lines lie, the picture's bits, kills and resumes.

    python recipes/dub_scene.py make --grid GRID --scene exp/scene --clips 21
    python recipes/dub_scene.py check --scene exp/scene --kills 10

`GRID` holds `s1/*.mp4` (or .mpg) and `align/s1/*.align`. `make` joins clips into scene.mp4 and writes
lines.srt, with two speakers who take turns and six emotions, and cast.yaml. `check` dubs it, kills and
resumes another dub of it at random points, and prints what it measured as JSON.
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
from fractions import Fraction
from pathlib import Path

import numpy as np

from emotts.dubbing.script import clock
from emotts.timebase import SAMPLE_RATE, TOKEN_RATE

EMOTIONS = ("neutral", "angry:0.7", "happy:0.7", "sad:0.7", "afraid:0.7", "disgusted:0.7")
SPEAKERS = {"Anna": "kathleen", "Tom": "bdl"}
UNITS = 25_000
"""GRID's alignments count in units of 1/25000 s."""


def make_scene(grid: Path, folder: Path, count: int, step: int) -> None:
    """Joins every `step`-th clip into scene.mp4, with lines.srt and cast.yaml beside it."""
    videos = sorted(path for path in (grid / "s1").iterdir() if path.suffix in (".mp4", ".mpg"))[::step]
    folder.mkdir(parents=True, exist_ok=True)
    cues, start = [], 0.0
    with _Joiner(folder / "scene.mp4") as joiner:
        for number, path in enumerate(videos[:count]):
            words = _words(grid / "align" / "s1" / f"{path.stem}.align")
            begin, end = start + words[0][0] / UNITS, start + words[-1][1] / UNITS
            speaker = list(SPEAKERS)[number % len(SPEAKERS)]
            emotion = EMOTIONS[number // 2 % len(EMOTIONS)]
            text = " ".join(word for *_, word in words).capitalize()
            times = f"{clock(begin)} --> {clock(end)}".replace(".", ",")
            cues.append(f"{number + 1}\n{times}\n[{speaker}, {emotion}] {text}.\n")
            start += joiner.add(path)
    (folder / "lines.srt").write_text("\n".join(cues), encoding="utf-8")
    cast = "".join(f"{name}: {{voice: {voice}}}\n" for name, voice in SPEAKERS.items())
    (folder / "cast.yaml").write_text(cast, encoding="utf-8")
    print(json.dumps({"clips": len(cues), "seconds": round(start, 3)}))


def _words(path: Path) -> list[tuple[int, int, str]]:
    rows = (row.split() for row in path.read_text().splitlines() if row.strip())
    return [(int(a), int(b), word) for a, b, word in rows if word not in ("sil", "sp")]


class _Joiner:
    """One video of many clips: picture as H.264, sound as AAC; each clip fills whole frames."""

    def __init__(self, path: Path) -> None:
        import av

        self._av = av
        self._file = av.open(str(path), "w")
        self._video = self._file.add_stream(
            "libx264", rate=TOKEN_RATE, options={"crf": "23", "preset": "veryfast"}
        )
        self._audio = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._frames = self._samples = 0
        self._pending = np.zeros(0, dtype=np.float32)

    def __enter__(self) -> _Joiner:
        return self

    def __exit__(self, *details: object) -> None:
        self._sound(np.zeros(-len(self._pending) % 1024, dtype=np.float32))
        for stream in (self._video, self._audio):
            self._file.mux(stream.encode(None))
        self._file.close()

    def add(self, path: Path) -> float:
        """Appends a clip and tells its length in seconds."""
        from emotts.dubbing.video import probe, read_sound

        first = self._frames
        with self._av.open(str(path)) as clip:
            for frame in clip.decode(video=0):
                if not self._frames:
                    self._video.width, self._video.height = frame.width, frame.height
                    self._video.pix_fmt = "yuv420p"
                picture = frame.reformat(format="yuv420p")
                picture.pts, picture.time_base = self._frames, Fraction(1, TOKEN_RATE)
                picture.pict_type = 0
                self._file.mux(self._video.encode(picture))
                self._frames += 1
        seconds = (self._frames - first) / TOKEN_RATE
        self._sound(read_sound(path, seconds, probe(path).origin))
        return seconds

    def _sound(self, samples: np.ndarray) -> None:
        self._pending = np.concatenate([self._pending, samples])
        while len(self._pending) >= 1024:
            frame = self._av.AudioFrame.from_ndarray(self._pending[None, :1024].copy(), "fltp", "mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts = self._samples
            self._file.mux(self._audio.encode(frame))
            self._samples += 1024
            self._pending = self._pending[1024:]


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


def check_scene(folder: Path, kills: int, seed: int, more: tuple[str, ...]) -> None:
    """Dubs, kills, resumes, and prints what was measured."""
    started = time.perf_counter()
    report = folder / "report.html"
    code = subprocess.run(
        dub_command(folder, "dubbed.mp4", "--report", str(report), "--force", *more)
    ).returncode
    elapsed = time.perf_counter() - started
    subprocess.run(
        [
            *dub_command(folder, "mix.wav", "--audio-only", "--force", *more),
            "--cache",
            str(folder / "dubbed.emotts-cache"),
        ]
    )
    record = json.loads(report.with_suffix(".json").read_text())
    result = {"exit_status": code, "elapsed_s": round(elapsed, 1), "seconds": record["seconds"]}
    result |= {"summary": record["summary"], **_placement(folder, record), **_whole(folder)}
    result |= _beyond_synthesis(folder, record["duration"], more)
    result |= _kill_and_resume(folder, kills, seed, elapsed, more)
    print(json.dumps(result, indent=1))


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
        if abs(line["onset_error"]) > 0.04 or line["end_error"] > 0.04:
            outside.append(line)
    scene = round(record["duration"] * rate)
    return {
        "lines_within_40_ms_of_their_window": len(record["lines"]) - len(outside),
        "lines_outside": [line["number"] for line in outside],
        "of_them_not_in_the_report": [
            line["number"]
            for line in outside
            if not {"after", "before", "late", "overflow"} & {*line["steps"]}
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
    subprocess.run(
        dub_command(folder, "dubbed.mp4", "--report", str(folder / "report.html"), "--force", *more)
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"processor_s_beyond_synthesis": round(cost, 1), "of_the_scene": round(cost / duration, 3)}


def _kill_and_resume(folder: Path, kills: int, seed: int, elapsed: float, more: tuple[str, ...]) -> dict:
    """Kills a dub at random points, and compares what the resumed one writes."""
    source, moments, same = random.Random(seed), [], True
    command = dub_command(folder, "resumed.mp4", "--report", str(folder / "resumed.html"), *more)
    expected = (folder / "dubbed.mp4").read_bytes()
    _remove(folder)
    while len(moments) < kills:
        process, started = subprocess.Popen(command), time.perf_counter()
        wait = source.uniform(0.05, 0.5) * elapsed
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(round(wait, 1))
            continue
        # Finished before the kill: the file has to be right, and the next kills begin from nothing.
        same &= (folder / "resumed.mp4").read_bytes() == expected
        elapsed = min(elapsed, 1.5 * (time.perf_counter() - started))
        _remove(folder)
    subprocess.run(command)
    same &= (folder / "resumed.mp4").read_bytes() == expected
    return {"killed_after_s": moments, "resumed_file_identical": same}


def _remove(folder: Path) -> None:
    for path in folder.glob("resumed*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    make = parts.add_parser("make")
    make.add_argument("--grid", type=Path, required=True)
    make.add_argument("--clips", type=int, default=21)
    make.add_argument("--step", type=int, default=41, help="take every n-th clip")
    check = parts.add_parser("check")
    check.add_argument("--kills", type=int, default=10)
    check.add_argument("--max-rate", type=float, default=1.2)
    check.add_argument("--seed", type=int, default=0)
    for part in (make, check):
        part.add_argument("--scene", type=Path, required=True)
    options = parser.parse_args()
    if options.part == "make":
        make_scene(options.grid, options.scene, options.clips, options.step)
    else:
        check_scene(options.scene, options.kills, options.seed, ("--max-rate", str(options.max_rate)))


if __name__ == "__main__":
    main()
