"""Reading video and audio files through PyAV: what is in them, whether they are whole, and their sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.dubbing.mix import CHANNELS, MIX_RATE
from emotts.dubbing.optional import optional_import
from emotts.errors import AudioError, InputError
from emotts.timebase import SAMPLE_RATE

if TYPE_CHECKING:
    from av.container import InputContainer

_MISSING_SECONDS = 0.5
"""A file that ends earlier than it says by more than this is truncated."""

_JUMP_SECONDS = 0.02
"""Steps between frames of sound that are smaller than this are rounding."""


@dataclass(frozen=True)
class Media:
    """What is in a file.

    Attributes:
        path: of the file.
        has_video: whether there is a picture that moves.
        has_audio: whether there is sound.
        duration: seconds from `origin` to the end of the video (of the sound, if there is none).
        origin: time in the file, in seconds, that is second 0 of its subtitles.
        frame_rate: frames a second, or None.
        width: of the picture in pixels.
        height: the same.
    """

    path: Path
    has_video: bool
    has_audio: bool
    duration: float
    origin: Fraction
    frame_rate: Fraction | None = None
    width: int = 0
    height: int = 0


@contextmanager
def open_media(path: Path | str, what: str = "video") -> Iterator[InputContainer]:
    """Opens a file for reading.

    Raises:
        InputError: missing, a folder, or not a media file (perhaps a truncated one).
    """
    av = optional_import("av")
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder, not a {what} file")
    try:
        container = av.open(str(path))
    except FileNotFoundError:
        raise InputError(f"{what} file {path} does not exist") from None
    except PermissionError:
        raise InputError(f"no permission to read {what} file {path}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path} as {what}: truncated, or no media file ({reason})") from None
    with container:
        yield container


def picture(container: InputContainer) -> Any:
    """The first stream of pictures that is not a cover, or None."""
    from av.stream import Disposition

    streams = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(streams, None)


def probe(path: Path | str) -> Media:
    """Reads a file through, without decoding it, and tells what is in it.

    Raises:
        InputError: see `open_media`; or the file ends before the end that it declares.
    """
    path = Path(path)
    with open_media(path) as container:
        video, sounds = picture(container), list(container.streams.audio)
        declared = float(container.duration or 0) / 1e6
        origin = max(Fraction(0), Fraction(container.start_time or 0, 1_000_000))
        ends, count, damaged = _scan(container)
        end = max(ends.values(), default=Fraction(0)) - origin
        missing = video is not None and video.frames and count.get(video.index, 0) < video.frames
        if (declared and declared - float(end) > _MISSING_SECONDS) or (missing and damaged) or not ends:
            raise InputError(
                f"{path} is truncated: it holds {max(0.0, float(end)):.2f} s of {declared:.2f} s"
            )
        main = video or (sounds[0] if sounds else None)
        last = ends.get(main.index, end + origin) if main is not None else end + origin
        return Media(
            path=path,
            has_video=video is not None,
            has_audio=bool(sounds),
            duration=float(last - origin),
            origin=origin,
            frame_rate=video.average_rate if video is not None else None,
            width=video.width if video is not None else 0,
            height=video.height if video is not None else 0,
        )


def _scan(container: InputContainer) -> tuple[dict[int, Fraction], dict[int, int], bool]:
    """End (s) and number of packets of each stream, and whether reading met damage."""
    ends: dict[int, Fraction] = {}
    count: dict[int, int] = {}
    damaged = False
    try:
        for packet in container.demux():
            if not packet.size or packet.pts is None or packet.time_base is None:
                continue
            index = packet.stream_index
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            ends[index] = max(ends.get(index, Fraction(0)), end)
            count[index] = count.get(index, 0) + 1
            damaged |= packet.is_corrupt
    except OSError:
        damaged = True
    return ends, count, damaged


def video_digest(path: Path | str) -> str:
    """Digest of the bytes of every packet of the picture, to compare two files bit for bit.

    Raises:
        InputError: there is no picture.
    """
    total = sha256()
    with open_media(path) as container:
        stream = picture(container)
        if stream is None:
            raise InputError(f"{path} has no video stream")
        for packet in container.demux(stream):
            if packet.size:
                total.update(packet.size.to_bytes(8, "little"))
                total.update(bytes(packet))
    return total.hexdigest()


class SoundReader:
    """The sound of a file as a stream of samples from the time origin, whatever its rate and channels.

    Gaps become silence. Use it as a context manager.

    Args:
        path: of a video or an audio file.
        rate: samples a second.
        channels: 1 or 2.
        origin: time in the file, in seconds, of the first sample.
        what: to call the file in a message.

    Raises:
        InputError: see `open_media`; AudioError: there is no sound in it.
    """

    def __init__(
        self,
        path: Path | str,
        rate: int = MIX_RATE,
        channels: int = CHANNELS,
        origin: Fraction = Fraction(0),
        what: str = "audio",
    ) -> None:
        self._shape = rate, channels
        self._origin = origin
        self._manager = open_media(path, what)
        self._container = self._manager.__enter__()
        if not self._container.streams.audio:
            self.close()
            raise AudioError(f"{what} file {path} has no audio stream")
        self._pieces = self._decode()
        self._rest = np.zeros((channels, 0), dtype=np.float32)

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._manager.__exit__(None, None, None)

    def read(self, samples: int) -> np.ndarray:
        """The next samples, float32, shape (channels, samples); silence past the end."""
        parts, have = [self._rest], self._rest.shape[1]
        while have < samples:
            piece = next(self._pieces, None)
            if piece is None:
                piece = np.zeros((self._shape[1], samples - have), dtype=np.float32)
            parts.append(piece)
            have += piece.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._rest = joined[:, samples:]
        return joined[:, :samples]

    def _decode(self) -> Iterator[np.ndarray]:
        """Pieces of sound, each following the one before without a gap."""
        av = optional_import("av")
        rate, channels = self._shape
        # Mono stays mono here: the resampler would make it 3 dB softer on both sides.
        single = self._container.streams.audio[0].codec_context.channels == 1
        resampler = av.AudioResampler(format="fltp", layout="mono" if single else "stereo", rate=rate)
        taken: float | None = None  # seconds of input since the origin, as far as it has been decoded
        for frame in self._frames():
            if frame.time is not None:
                begin = frame.time - float(self._origin)
                step = begin - (taken or 0.0)
                if taken is None or abs(step) > _JUMP_SECONDS:
                    yield from self._silence(step)
                    if step < 0:  # before the origin, or heard already
                        frame = _without(av, frame, -step)
                        begin -= step
                    taken = begin
            if frame is None:
                continue
            taken = (taken or 0.0) + frame.samples / frame.sample_rate
            frame.pts = None  # times are kept here; the resampler would refuse their jumps
            for out in resampler.resample(frame):
                yield _channels(out.to_ndarray(), channels)
        for out in resampler.resample(None):
            yield _channels(out.to_ndarray(), channels)

    def _silence(self, seconds: float) -> Iterator[np.ndarray]:
        rate, channels = self._shape
        left = round(seconds * rate)
        while left > 0:
            size = min(left, rate)
            yield np.zeros((channels, size), dtype=np.float32)
            left -= size

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; a damaged packet is skipped, and its time becomes silence."""
        av = optional_import("av")
        try:
            for packet in self._container.demux(self._container.streams.audio[0]):
                try:
                    yield from packet.decode()
                except av.error.InvalidDataError:
                    continue
        except OSError:  # the container itself is damaged from here on
            return


def _channels(sound: np.ndarray, count: int) -> np.ndarray:
    """Mono of stereo is the mean of both sides, and stereo of mono the same on both: no level changes."""
    if len(sound) == count:
        return sound
    return sound.mean(axis=0, keepdims=True) if count == 1 else np.repeat(sound, count, axis=0)


def _without(av: Any, frame: Any, seconds: float) -> Any:
    """A frame without its beginning, or None when nothing is left."""
    skipped = round(seconds * frame.sample_rate)
    if skipped >= frame.samples:
        return None
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels)[skipped:].reshape(1, -1)
    else:
        values = values[:, skipped:]
    cut = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(values), format=frame.format.name, layout=frame.layout.name
    )
    cut.sample_rate = frame.sample_rate
    cut.time_base = Fraction(1, frame.sample_rate)
    return cut


def read_sound(path: Path | str, duration: float, origin: Fraction = Fraction(0)) -> np.ndarray:
    """The whole sound of a file, mono at 24 kHz, float32, shape (samples,), as long as `duration` (s).

    Raises:
        InputError, AudioError: see `SoundReader`.
    """
    with SoundReader(path, SAMPLE_RATE, 1, origin, "video") as reader:
        return reader.read(round(duration * SAMPLE_RATE))[0]
