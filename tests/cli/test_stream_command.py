"""`emotts synthesize -o -`: audio and nothing else on standard output, as it is made."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from emotts.audio.raw import pcm, wav_header
from emotts.cli import main as cli
from emotts.cli.stream import read_pieces
from emotts.errors import InputError

TEXT = "The boy was there."


class Pipe(io.RawIOBase):
    """Standard output that is no terminal; closes on the reader's side after some writes."""

    def __init__(self, writes: int | None = None) -> None:
        self.content, self.left = bytearray(), writes

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        if self.left == 0:
            raise BrokenPipeError(32, "Broken pipe")
        self.left = None if self.left is None else self.left - 1
        self.content += data
        return len(data)


@pytest.fixture
def command(tiny_tts, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, tmp_path: Path):
    """Runs the command with the tiny model; gives the status, the bytes of stdout, and stderr."""
    monkeypatch.setattr("emotts.tts.EmoTTS.from_pretrained", lambda *a: tiny_tts)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: bytes = b"", writes: int | None = None) -> tuple[int, bytes, str]:
        pipe = Pipe(writes)
        out = SimpleNamespace(buffer=pipe, isatty=lambda: False, fileno=lambda: os.dup(1))
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(stdin))))
            code = cli.run(["synthesize", *arguments, "-o", "-"])
        captured = capfd.readouterr()
        assert captured.out == ""
        return code, bytes(pipe.content), captured.err

    return run


def test_a_wav_file_comes_out(command, tiny_tts) -> None:
    code, content, err = command(TEXT, "--duration", "1.234", "--seed", "3")
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert code == 0 and rate == 24_000 and len(samples) == round(1.234 * 24_000)
    offline = tiny_tts.synthesize(TEXT, duration=1.234, seed=3).audio
    assert np.square(samples - offline).mean() < 0.01 * np.square(offline).mean() + 1e-8
    assert err.count("\n") == 1 and "seed 3" in err and "first audio after" in err
    assert not list(Path().iterdir())


def test_raw_samples_have_no_header(command) -> None:
    code, content, err = command(TEXT, "--tokens", "30", "--seed", "3", "--format", "pcm", "-q")
    assert (code, len(content), err) == (0, 2 * 30 * 960, "")


def test_text_that_is_piped_in_has_no_known_length(command) -> None:
    code, content, _ = command("-", "--seed", "1", stdin="Bonne idée. Go on.\n".encode())
    assert code == 0
    assert struct.unpack("<I", content[4:8]) == struct.unpack("<I", content[40:44]) == (0xFFFFFFFF,)
    assert (len(content) - 44) % 1920 == 0 and len(content) > 44
    code, content, _ = command("-", "--seed", "1", "--duration", "1.0", stdin=TEXT.encode())
    assert code == 0 and struct.unpack("<I", content[40:44]) == (48_000,) and len(content) == 48_044


def test_a_reader_that_leaves_ends_it_quietly(command) -> None:
    code, content, err = command(TEXT, "--seed", "1", writes=1)
    assert code != 0 and len(content) == 44 and err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((TEXT, "--format", "flac"), "valid formats of -o -: wav, pcm"),
        ((TEXT, "--json"), "--json"),
        ((TEXT, "--duration", "99"), "would do"),
        (("-",), "empty"),
        (("-", "--emotion", "bored"), "bored"),
    ],
)
def test_errors_leave_the_pipe_empty(command, arguments: tuple[str, ...], words: str) -> None:
    code, content, err = command(*arguments)
    assert (code, content) == (2, b"")
    assert words in err and err.startswith("emotts: ") and err.count("\n") == 1


def test_letters_are_whole_wherever_a_pipe_cuts_them() -> None:
    class Slow(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:
            return self.read(1)

    assert "".join(read_pieces(Slow("\ufeffÄöü – 汉字".encode()))) == "Äöü – 汉字"
    with pytest.raises(InputError, match="UTF-8"):
        list(read_pieces(io.BytesIO(b"\xff\xfe")))
    with pytest.raises(InputError, match="UTF-8"):
        list(read_pieces(io.BytesIO("é".encode()[:1])))


def test_the_header_is_that_of_a_wav_file() -> None:
    wave = np.linspace(-1, 1, 100, dtype=np.float32)
    samples, rate = soundfile.read(io.BytesIO(wav_header(24_000, 100) + pcm(wave)))
    assert rate == 24_000
    np.testing.assert_allclose(samples, wave, atol=1e-4)
