"""Video files: what is in them, what is wrong with them, and that copies are bit for bit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dub_helpers import decode_sound, make_video, original_sound, packets

from emotts.dubbing.mix import MIX_RATE
from emotts.dubbing.mux import Subtitle, Track, write_video
from emotts.dubbing.video import SoundReader, probe, read_sound, video_digest
from emotts.errors import AudioError, InputError, OutputError

pytest.importorskip("av")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "original.mp4")


def silence(seconds: float, blip: float | None = None) -> list[np.ndarray]:
    audio = np.zeros((2, round(seconds * MIX_RATE)), dtype=np.float32)
    if blip is not None:
        start = round(blip * MIX_RATE)
        audio[:, start : start + 4800] = 0.5 * np.sin(np.arange(4800) * 0.1)
    return [audio[:, : MIX_RATE // 2], audio[:, MIX_RATE // 2 :]]


def test_probe_tells_what_is_there(video: Path, tmp_path: Path) -> None:
    media = probe(video)
    assert (media.has_video, media.has_audio, media.width, media.height) == (True, True, 64, 48)
    assert media.duration == pytest.approx(4.0, abs=0.05)
    assert media.frame_rate == 25
    mute = probe(make_video(tmp_path / "mute.mp4", 1.0, sound=False))
    blind = probe(make_video(tmp_path / "blind.m4a", 1.0, picture=False))
    assert (mute.has_video, mute.has_audio) == (True, False)
    assert (blind.has_video, blind.has_audio) == (False, True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    whole = make_video(tmp_path / f"whole{suffix}", 2.0).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for share in (0.01, 0.4, 0.7):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match="truncated"):
            probe(path)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for path, said in (("text.mp4", "no media file"), ("none.mp4", "does not exist"), (".", "is a folder")):
        with pytest.raises(InputError, match=said):
            probe(tmp_path / path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_picture_is_copied_and_the_sound_lies_where_it_belongs(
    video: Path, tmp_path: Path, suffix: str
) -> None:
    import av

    path = tmp_path / f"out{suffix}"
    words = [Subtitle(0.5, 1.25, "Grüß & <dich>"), Subtitle(2.0, 3.0, "Two\nrows")]
    track = Track("deu", "Deutsch", with_original=True)
    write_video(path, probe(video), iter(silence(4.0, blip=1.5)), words, track)
    assert packets(path) == packets(video)
    assert video_digest(path) == video_digest(video)
    sound = decode_sound(path)
    assert np.flatnonzero(np.abs(sound) > 0.1)[0] == pytest.approx(1.5 * MIX_RATE, abs=60)
    with av.open(str(path)) as file:
        kinds = [stream.type for stream in file.streams]
        assert sorted(kinds) == ["audio", "audio", "subtitle", "video"]
        for stream in (file.streams.audio[0], file.streams.subtitles[0]):
            assert stream.metadata["language"] == ("ger" if suffix == ".mov" else "deu")
        shown = [
            (float(p.pts * p.time_base), bytes(p))
            for p in file.demux(file.streams.subtitles[0])
            if p.size > 2
        ]
    assert [moment for moment, _ in shown] == pytest.approx([0.5, 2.0])
    assert shown[0][1].endswith("Grüß & <dich>".encode())
    assert probe(path).duration == pytest.approx(4.0, abs=0.05)


def test_lossless_sound_is_exact(video: Path, tmp_path: Path) -> None:
    blocks = silence(4.0, blip=1.5)
    write_video(tmp_path / "out.mkv", probe(video), iter(blocks), track=Track(codec="flac"))
    sound = decode_sound(tmp_path / "out.mkv")
    assert len(sound) == 4 * MIX_RATE
    assert sound == pytest.approx(np.concatenate(blocks, axis=1)[0], abs=1e-4)


def test_a_file_that_begins_late_is_in_time(tmp_path: Path) -> None:
    """Transport streams may begin at any time; second 0 of the subtitles is where the file begins."""
    source = make_video(tmp_path / "late.ts", 3.0, delay=2)
    media = probe(source)
    assert media.origin > 1
    assert media.duration == pytest.approx(3.0, abs=0.1)
    write_video(tmp_path / "out.mkv", media, iter(silence(3.0, blip=1.0)))
    sound = decode_sound(tmp_path / "out.mkv")
    assert np.flatnonzero(np.abs(sound) > 0.1)[0] == pytest.approx(MIX_RATE, abs=200)
    assert probe(tmp_path / "out.mkv").origin < Fraction(1, 10)
    original = read_sound(source, 3.0, media.origin)
    onset = (3.0 - float(media.origin)) * 24_000  # the tone begins 1 s after the first frame, which is at 2 s
    assert np.flatnonzero(np.abs(original) > 0.1)[0] == pytest.approx(onset, abs=400)


def test_a_failed_write_leaves_nothing(video: Path, tmp_path: Path) -> None:
    def failing():
        yield silence(1.0)[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device"):
        write_video(tmp_path / "out.mp4", probe(video), failing())
    assert list(tmp_path.iterdir()) == []


def test_a_container_that_cannot_hold_it_is_named(video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.webm cannot hold"):
        write_video(tmp_path / "out.webm", probe(video), iter(silence(4.0)))
    with pytest.raises(InputError, match=r"cannot write video as '\.avi'"):
        write_video(tmp_path / "out.avi", probe(video), iter(silence(4.0)))
    assert list(tmp_path.iterdir()) == []


def test_sound_is_read_in_any_pieces_at_any_rate(video: Path, tmp_path: Path) -> None:
    expected = original_sound(4.0)
    whole = read_sound(video, 4.0)
    assert len(whole) == 96_000
    assert np.corrcoef(whole, expected)[0, 1] > 0.99
    with SoundReader(video) as reader:
        pieces = np.concatenate([reader.read(size) for size in (1, 5000, 48_000, 200_000)], axis=1)
    assert pieces.shape == (2, 253_001)
    assert np.all(pieces[:, 200_000:] == 0.0)
    assert np.corrcoef(pieces[0, :192_000:2], expected)[0, 1] > 0.99
    soundfile.write(tmp_path / "bed.flac", np.stack([expected, -expected], axis=1), 24_000)
    with SoundReader(tmp_path / "bed.flac") as reader:
        bed = reader.read(192_000)
    assert bed[0] == pytest.approx(-bed[1], abs=1e-3)
    with pytest.raises(AudioError, match="no audio stream"):
        SoundReader(make_video(tmp_path / "mute.mp4", 0.5, sound=False))
