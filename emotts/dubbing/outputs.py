"""Files that a dub writes, each whole or not at all, and what lets a killed run go on."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotts.audio.io import encode_audio
from emotts.dubbing.edl import is_stem, stem_name, write_csv, write_edl
from emotts.dubbing.lines import DubbedLine
from emotts.dubbing.mix import CHANNELS, MIX_RATE, mix
from emotts.dubbing.mux import AUDIO_CODECS, Subtitle, Track, container_of, write_video
from emotts.dubbing.optional import optional_import
from emotts.dubbing.options import DubOptions
from emotts.dubbing.stages import Clock
from emotts.dubbing.video import Media, SoundReader
from emotts.errors import InputError, OutputError
from emotts.files import check_writable, temporary_sibling, write_atomically
from emotts.timebase import SAMPLE_RATE

_AUDIO = (".wav", ".flac")
_SUBTITLES = (".srt", ".vtt", ".ass")
_MARK = "unfinished.json"


@dataclass(frozen=True)
class Outputs:
    """What is written; None is not.

    Attributes:
        output: the dubbed video, or a .wav or .flac with `audio_only`.
        audio_only: write the mix alone.
        stems: folder with a file for each line.
        edl: edit list.
        csv: table of the lines.
        report: .html or .json; the other one is written beside it.
        subtitles: .srt, .vtt or .ass, timed to what is spoken.
        track: language, codec, ... of the track in the video.
        embed: whether the video gets the subtitles as a track.
        force: overwrite what exists.
    """

    output: Path | None = None
    audio_only: bool = False
    stems: Path | None = None
    edl: Path | None = None
    csv: Path | None = None
    report: Path | None = None
    subtitles: Path | None = None
    track: Track = field(default_factory=Track)
    embed: bool = True
    force: bool = False

    def files(self) -> list[Path]:
        """All files and the folder, that are to be written."""
        single = (self.output, self.stems, self.edl, self.csv, self.subtitles)
        return [path for path in (*single, *self.reports()) if path is not None]

    def reports(self) -> tuple[Path, ...]:
        """JSON and HTML of the report."""
        if self.report is None:
            return ()
        return self.report.with_suffix(".json"), self.report.with_suffix(".html")


def check_outputs(outputs: Outputs, has_video: bool) -> None:
    """Tells before any work is done whether all files could be written.

    Raises:
        InputError: an extension that does not suit; OutputError: a file exists, or its folder does not.
    """
    if outputs.output is not None:
        suffix = outputs.output.suffix.lower()
        if outputs.audio_only and suffix not in _AUDIO:
            raise InputError(f"sound alone is written as {' or '.join(_AUDIO)}, not {suffix or 'nothing'!r}")
        if not outputs.audio_only and not has_video:
            raise InputError("without a video only sound can be written; say --audio-only")
        if not outputs.audio_only:
            container_of(outputs.output)
    if outputs.track.codec not in (None, *AUDIO_CODECS):
        raise InputError(f"unknown codec {outputs.track.codec!r}; valid codecs: {', '.join(AUDIO_CODECS)}")
    if not (len(outputs.track.language) == 3 and outputs.track.language.isalpha()):
        raise InputError(
            f"the language of a track has three letters, like eng; not {outputs.track.language!r}"
        )
    for path, allowed in ((outputs.subtitles, _SUBTITLES), (outputs.report, (".html", ".json"))):
        if path is not None and path.suffix.lower() not in allowed:
            raise InputError(f"{path} must end in {', '.join(allowed)}")
    if len(set(outputs.files())) < len(outputs.files()):
        raise InputError("two outputs have the same path; give each its own")
    for path in outputs.files():
        if path == outputs.stems:
            _check_folder(path, outputs.force)
        else:
            check_writable(path, outputs.force)


def keep_inputs(outputs: Outputs, inputs: Iterable[Path]) -> None:
    """Makes sure that no output takes the place of an input, whatever `force` says.

    Raises:
        InputError: one would.
    """
    sources = {path.resolve(): path for path in inputs}
    for path in outputs.files():
        if path.resolve() in sources:
            raise InputError(f"{path} is an input of this dub, and would be overwritten; give another path")


def _check_folder(path: Path, force: bool) -> None:
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; give a folder for the stems")
    if path.exists() and any(path.iterdir()):
        if not force:
            raise OutputError(
                f"{path} exists already; overwrite it with --force (force=True) or choose another"
            )
        # The folder is replaced as a whole, so it must hold nothing but an earlier dub.
        other = next((item.name for item in path.iterdir() if not is_stem(item)), None)
        if other is not None:
            raise OutputError(f"{path} holds other files than stems ({other}); give a folder of its own")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")


class Resume:
    """A mark in the cache folder: files that stand there were begun by this job, and may be replaced.

    Args:
        folder: of the cache, or None.
        outputs: of the job.
    """

    def __init__(self, folder: Path | None, outputs: Outputs) -> None:
        self._path = folder / _MARK if folder is not None else None
        self._files = sorted(str(path.absolute()) for path in outputs.files())

    def unfinished(self) -> bool:
        """Whether a run with these very outputs was cut off."""
        if self._path is None or not self._files:
            return False
        try:
            return json.loads(self._path.read_text(encoding="utf-8")) == self._files
        except (OSError, ValueError):
            return False

    def begin(self) -> None:
        """Marks the job as begun, and removes what a killed run has left half-written."""
        for name in self._files:
            path = Path(name)
            for part in path.parent.glob(f".{path.name}.????????.part"):
                shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        if self._path is not None and self._files:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(self._files).encode(), force=True)

    def end(self) -> None:
        """Marks the job as done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def mix_samples(lines: Sequence[DubbedLine], duration: float | None) -> int:
    """Length of the mix at `MIX_RATE`: the video's, or up to the end of the last word if that is later."""
    spoken = max((line.end for line in lines), default=0) * (MIX_RATE // SAMPLE_RATE)
    return max(math.ceil((duration or 0.0) * MIX_RATE - 1e-6), spoken)


def write_main(
    outputs: Outputs,
    lines: Sequence[DubbedLine],
    media: Media | None,
    bed: Path | None,
    options: DubOptions,
    watch: Clock,
) -> None:
    """Mixes, and writes the video or the sound; the mixing is timed as the stage "mix"."""
    if outputs.output is None:
        return
    with _Sounds(media, bed, options) as (under, original):
        placed = [(line.start, line.audio) for line in lines]
        size = mix_samples(lines, media.duration if media else None)
        blocks = watch.each("mix", mix(placed, size, options, under, original))
        if outputs.audio_only or media is None:
            _write_sound(outputs.output, blocks, outputs.force)
        else:
            words = spoken_subtitles(lines) if outputs.embed else []
            write_video(outputs.output, media, blocks, words, outputs.track, outputs.force)


class _Sounds:
    """Opens the bed and the original, where they are wanted."""

    def __init__(self, media: Media | None, bed: Path | None, options: DubOptions) -> None:
        self._media, self._bed, self._options = media, bed, options
        self._open: list[SoundReader] = []

    def __enter__(self) -> tuple[SoundReader | None, SoundReader | None]:
        under = original = None
        if self._bed is not None:
            under = SoundReader(self._bed, what="bed")
            self._open.append(under)
        if self._media is not None and self._options.keep_original is not None:
            original = SoundReader(self._media.path, origin=self._media.origin, what="video")
            self._open.append(original)
        return under, original

    def __exit__(self, *details: object) -> None:
        for reader in self._open:
            reader.close()


def _write_sound(path: Path, blocks: Iterator[np.ndarray], force: bool) -> None:
    """Writes the mix as 24-bit stereo."""
    import soundfile

    part = temporary_sibling(check_writable(path, force))
    name = path.suffix.lower().lstrip(".").upper()
    try:
        with soundfile.SoundFile(str(part), "w", MIX_RATE, CHANNELS, subtype="PCM_24", format=name) as file:
            for block in blocks:
                file.write(block.T)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    except soundfile.LibsndfileError:  # it does not tell which error of the system it met
        raise OutputError(f"cannot write {path}: the disk is full, or fails") from None
    finally:
        part.unlink(missing_ok=True)


def write_stems(folder: Path, lines: Sequence[DubbedLine]) -> None:
    """A WAV for each line, as it lies in the mix; the folder appears when all of them are there.

    Raises:
        OutputError: the disk is full, ...
    """
    part = temporary_sibling(folder.absolute())
    try:
        part.mkdir()
        for line in lines:
            content = encode_audio(line.audio, SAMPLE_RATE, "wav")
            (part / stem_name(line)).write_bytes(content)
        old = temporary_sibling(folder.absolute())
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write the stems {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_tables(outputs: Outputs, lines: Sequence[DubbedLine], media: Media | None) -> None:
    """Writes edit list, table and subtitles."""
    if outputs.edl is not None:
        title = outputs.output.name if outputs.output else "dub"
        text = write_edl(lines, title, media.frame_rate if media else None)
        write_atomically(outputs.edl, text.encode(), outputs.force)
    if outputs.csv is not None:
        write_atomically(outputs.csv, write_csv(lines).encode(), outputs.force)
    if outputs.subtitles is not None:
        text = subtitle_file(spoken_subtitles(lines), outputs.subtitles.suffix.lower().lstrip("."))
        write_atomically(outputs.subtitles, text.encode(), outputs.force)


def spoken_subtitles(lines: Sequence[DubbedLine]) -> list[Subtitle]:
    """The script's text at the times at which it is spoken."""
    return [
        Subtitle(line.start / SAMPLE_RATE, max(line.end, line.start + 1) / SAMPLE_RATE, line.text)
        for line in sorted(lines, key=lambda line: line.start)
    ]


def subtitle_file(lines: Sequence[Subtitle], format: str) -> str:
    """A subtitle file of srt, vtt or ass."""
    pysubs2 = optional_import("pysubs2")
    file = pysubs2.SSAFile()
    for line in lines:
        text = line.text.replace("\n", "\\N")
        file.append(pysubs2.SSAEvent(round(line.start * 1000), round(line.end * 1000), text))
    with suppress(AttributeError):
        return file.to_string(format)
    raise InputError(f"cannot write subtitles as {format}")
