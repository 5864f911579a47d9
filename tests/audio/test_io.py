"""Reading and writing of audio files."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from emotts.audio import io as audio_io
from emotts.audio.io import load_audio, read_audio, save_audio
from emotts.errors import AudioError, InputError, OutputError
from emotts.files import AUDIO_FORMATS, audio_format, check_output, write_atomically


def tone(seconds: float = 0.5, rate: int = 24_000, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("name", AUDIO_FORMATS)
def test_every_format_comes_back_as_the_same_sound(tmp_path: Path, name: str) -> None:
    samples = tone()
    path = save_audio(tmp_path / f"x.{name}", samples)
    back = load_audio(path).numpy()
    size = min(len(back), len(samples)) - 4000  # lossy coders may delay and pad
    spectrum = np.abs(np.fft.rfft(back[2000:size] * np.hanning(size - 2000)))
    peak = np.fft.rfftfreq(size - 2000, 1 / 24_000)[spectrum.argmax()]
    assert abs(peak - 440) < 5
    assert abs(np.abs(back[2000:size]).max() - 0.5) < 0.05


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_lossless_formats_keep_length_and_samples(tmp_path: Path, name: str) -> None:
    samples = tone(0.321)
    back = load_audio(save_audio(tmp_path / f"x.{name}", torch.from_numpy(samples))).numpy()
    assert len(back) == len(samples)
    assert np.abs(back - samples).max() <= 1 / 32768


def test_a_long_ogg_is_written_whole(tmp_path: Path) -> None:
    path = save_audio(tmp_path / "long.ogg", tone(20.0))
    assert abs(soundfile.info(path).duration - 20.0) < 0.01


def test_format_argument_beats_the_extension(tmp_path: Path) -> None:
    path = save_audio(tmp_path / "x.bin", tone(), format="flac")
    assert soundfile.info(path).format == "FLAC"


def test_stereo_is_mixed_down_and_resampled(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(1.0, 16_000), -0.5 * tone(1.0, 16_000)], axis=1), 16_000)
    back = load_audio(path)
    assert back.dtype == torch.float32 and back.shape == (24_000,)
    # Mean of the channels: (0.5 - 0.25) / 2.
    assert abs(float(back[4000:-4000].abs().max()) - 0.125) < 0.005
    assert read_audio(path)[1] == 16_000


def test_missing_folder_garbage_and_empty_files_are_audio_errors(tmp_path: Path) -> None:
    (tmp_path / "garbage.wav").write_bytes(b"this is not audio at all" * 10)
    (tmp_path / "zero.wav").write_bytes(b"")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 24_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan], np.float32), 24_000, subtype="FLOAT")
    expected = {
        "missing.wav": "does not exist",
        "": "is a folder",
        "garbage.wav": "cannot read",
        "zero.wav": "cannot read",
        "empty.wav": "holds no audio",
        "nan.wav": "not finite",
    }
    for name, words in expected.items():
        with pytest.raises(AudioError, match=words) as caught:
            load_audio(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_unknown_formats_name_the_valid_ones(tmp_path: Path) -> None:
    for path, format in (("x.xyz", None), ("x", None), ("x.wav", "aac")):
        with pytest.raises(InputError, match="wav, flac, ogg, mp3"):
            save_audio(tmp_path / path, tone(), format=format)
    assert not list(tmp_path.iterdir())
    assert audio_format("A.WAV") == "wav" and audio_format("x", ".MP3") == "mp3"


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        save_audio(path, tone())
    assert path.read_bytes() == b"precious"
    save_audio(path, tone(), force=True)
    assert soundfile.info(path).frames == 12_000


def test_a_missing_folder_and_a_folder_as_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "no" / "x.wav")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "folder.wav", force=True)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("emotts.files.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_audio(path, tone(), force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    assert path.read_bytes() == b"old"


def test_an_interrupt_while_writing_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emotts.files.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x.wav", b"content")
    assert not list(tmp_path.iterdir())


def test_only_one_channel_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="samples"):
        audio_io.encode_audio(np.zeros((2, 100), np.float32), 24_000, "wav")
