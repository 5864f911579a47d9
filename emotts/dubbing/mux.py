"""Writing the dubbed file: the picture copied packet by packet, the dub as a track, subtitles beside it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from emotts.dubbing.mix import MIX_RATE
from emotts.dubbing.optional import optional_import
from emotts.dubbing.video import Media, open_media, picture
from emotts.errors import InputError, OutputError
from emotts.files import check_writable, temporary_sibling

FORMATS = {
    ".mp4": ("mp4", "aac", "mov_text"),
    ".m4v": ("mp4", "aac", "mov_text"),
    ".mov": ("mov", "aac", "mov_text"),
    ".mkv": ("matroska", "aac", "subrip"),
    ".webm": ("webm", "libopus", "webvtt"),
}
"""Container, codec of the sound, codec of the subtitles."""

AUDIO_CODECS = ("aac", "flac", "libopus", "pcm_s16le")
"""Codecs of the dub that can be asked for; the container has to hold them."""

_BIT_RATE = 192_000
_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, "
    b"Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, "
    b"Alignment, MarginL, MarginR, MarginV, Encoding\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True)
class Subtitle:
    """A line as it was spoken; times in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Track:
    """How the dub's track is written.

    Attributes:
        language: ISO 639-2 tag such as eng.
        title: of the track.
        codec: one of `AUDIO_CODECS`; None is the container's usual one.
        with_original: whether the original's sound follows as a second track.
    """

    language: str = "eng"
    title: str = "Dub"
    codec: str | None = None
    with_original: bool = False


def container_of(path: Path | str) -> tuple[str, str, str]:
    """Container and codecs of an output path.

    Raises:
        InputError: unknown extension.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        kind = repr(suffix) if suffix else "a file without extension"
        raise InputError(f"cannot write video as {kind}; use {', '.join(FORMATS)}")
    return FORMATS[suffix]


def write_video(
    path: Path,
    media: Media,
    blocks: Iterator[np.ndarray],
    subtitles: Sequence[Subtitle] = (),
    track: Track | None = None,
    force: bool = False,
) -> Path:
    """Writes a dubbed video: complete, or not at all.

    Args:
        path: its extension tells the container (`FORMATS`).
        media: the original; its picture is copied without decoding.
        blocks: the mix, float32, shape (2, n) each, at `MIX_RATE`.
        subtitles: in order of time; none makes no subtitle track.
        track: how the sound is written.
        force: overwrite a file that exists.

    Raises:
        InputError: the container cannot hold the picture or the sound.
        OutputError: the disk is full, ...
    """
    container_of(path)
    part = temporary_sibling(check_writable(path, force))
    try:
        with open_media(media.path) as source:
            _Muxer(part, path, media, source, subtitles, track or Track()).run(blocks)
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return path


class _Muxer:
    """One output file while it is written; sound and subtitles follow the picture's clock."""

    def __init__(
        self,
        part: Path,
        path: Path,
        media: Media,
        source: Any,
        subtitles: Sequence[Subtitle],
        track: Track,
    ) -> None:
        av = optional_import("av")
        self._av, self._source, self._media = av, source, media
        self._subtitles = list(subtitles)
        format_name, usual, words = container_of(path)
        self._words = words
        self._output = av.open(str(part), "w", format=format_name)
        try:
            self._open_streams(track, track.codec or usual, path)
        except (ValueError, OSError) as error:
            with suppress(Exception):
                self._output.close()
            if getattr(error, "errno", None) in _FULL:
                raise
            raise InputError(f"{path.suffix} cannot hold the streams of this dub: {error}") from None

    def _open_streams(self, track: Track, codec: str, path: Path) -> None:
        output, video = self._output, picture(self._source)
        self._copies = {video.index: output.add_stream_from_template(video)}
        self._copies[video.index].metadata.update(_tags(video))
        self._sound = output.add_stream(codec, rate=MIX_RATE, layout="stereo")
        if codec in ("aac", "libopus"):
            self._sound.bit_rate = _BIT_RATE
        language = _QUICKTIME.get(track.language, track.language) if path.suffix == ".mov" else track.language
        self._sound.metadata.update({"language": language, "title": track.title})
        from av.stream import Disposition

        self._sound.disposition = Disposition.default.value
        self._text = None
        if self._subtitles:
            self._text = output.add_stream(self._words)
            self._text.codec_context.subtitle_header = _HEADER
            self._text.metadata.update({"language": language, "title": track.title})
        if track.with_original and self._source.streams.audio:
            first = self._source.streams.audio[0]
            self._copies[first.index] = output.add_stream_from_template(first)
            self._copies[first.index].metadata.update(_tags(first))
        output.metadata.update(self._source.metadata)
        output.start_encoding()

    def run(self, blocks: Iterator[np.ndarray]) -> None:
        """Writes everything and closes the file."""
        try:
            self._encoded = 0
            self._rest = np.zeros((2, 0), dtype=np.float32)
            self._blocks = blocks
            streams = [self._source.streams[index] for index in self._copies]
            for packet in self._source.demux(streams):
                if packet.dts is None:
                    continue
                moment = float(packet.dts * packet.time_base - self._media.origin)
                self._encode_until(moment)
                self._copy(packet)
            self._encode_until(float("inf"))
            for packet in self._sound.encode(None):
                self._output.mux(packet)
        except BaseException:
            with suppress(Exception):
                self._output.close()
            raise
        self._output.close()

    def _copy(self, packet: Any) -> None:
        shift = round(self._media.origin / packet.time_base)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
            if packet.pts + packet.duration <= 0 and packet.stream.type == "audio":
                return  # priming before second 0: it would make the container shift every stream
        packet.stream = self._copies[packet.stream_index]
        self._output.mux(packet)

    def _encode_until(self, moment: float) -> None:
        """Encodes sound, and writes subtitles, up to a time in seconds."""
        size = self._sound.codec_context.frame_size or 1024
        while self._encoded / MIX_RATE <= moment:
            while self._rest.shape[1] < size:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = np.concatenate([self._rest, block], axis=1)
            chunk, self._rest = self._rest[:, :size], self._rest[:, size:]
            if not chunk.shape[1]:
                break
            for packet in self._sound.encode(self._frame(chunk)):
                self._output.mux(packet)
            self._encoded += chunk.shape[1]
        while self._subtitles and self._subtitles[0].start <= moment:
            self._write_subtitle(self._subtitles.pop(0))

    def _frame(self, chunk: np.ndarray) -> Any:
        wanted = self._sound.codec_context.format.name
        av = self._av
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chunk), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = MIX_RATE, self._encoded, Fraction(1, MIX_RATE)
        if wanted == "fltp":
            return frame
        values = np.clip(chunk.T, -1.0, 1.0).reshape(1, -1)
        if wanted == "flt":
            packed = values.astype(np.float32)
        elif wanted == "s16":
            packed = np.round(values * 32767.0).astype(np.int16)
        else:
            raise InputError(f"the encoder wants samples as {wanted}, which is not supported")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), format=wanted, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = MIX_RATE, self._encoded, Fraction(1, MIX_RATE)
        return frame

    def _write_subtitle(self, line: Subtitle) -> None:
        if self._text is None:
            return
        content = line.text.encode()
        if self._words == "mov_text":  # 3GPP timed text: the length in two bytes, then the text
            content = content[:65_535].decode(errors="ignore").encode()
            content = struct.pack(">H", len(content)) + content
        packet = self._av.Packet(content)
        packet.stream, packet.time_base = self._text, Fraction(1, 1000)
        packet.pts = packet.dts = round(line.start * 1000)
        packet.duration = max(1, round((line.end - line.start) * 1000))
        self._output.mux(packet)


_QUICKTIME = {"deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "swe": "sve"}
"""Tags of ISO 639-2/T that QuickTime knows by another name."""

_FULL = (28, 122, 27)
"""Errors of a disk that is full, over its quota, or at its largest file."""


def _tags(stream: Any) -> dict[str, str]:
    return {key: value for key, value in stream.metadata.items() if key in ("language", "title", "rotate")}
