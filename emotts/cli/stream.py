"""`emotts synthesize -o -`: samples on standard output while they are made."""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any

import typer

from emotts.errors import InputError, OutputError

if TYPE_CHECKING:
    from emotts.stream import Chunk

STREAM_FORMATS = ("wav", "pcm")
"""Formats that need no end to begin: 16 bit, little-endian, mono; pcm has no header."""


def check_stream_output(format: str | None, as_json: bool) -> str:
    """The format of a stream.

    Raises:
        InputError: a format that cannot be streamed, --json, which would share the output, or a terminal.
    """
    name = (format or "wav").lower().lstrip(".")
    if name not in STREAM_FORMATS:
        raise InputError(f"{name} cannot be streamed; valid formats of -o -: {', '.join(STREAM_FORMATS)}")
    if as_json:
        raise InputError("--json prints on stdout, where -o - puts the audio; leave one of the two out")
    if sys.stdout.isatty():
        raise InputError(
            "-o - writes audio into a pipe, not on a terminal: emotts synthesize ... -o - | player"
        )
    return name


def read_pieces(stream: IO[bytes]) -> Iterator[str]:
    """Text from a pipe as it comes.

    Raises:
        InputError: it is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    read = getattr(stream, "read1", stream.read)
    try:
        while data := read(4096):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InputError("the text on standard input is not UTF-8") from None


def write_stream(chunks: Iterable[Chunk], output: IO[bytes], format: str) -> tuple[int, int]:
    """Writes each chunk as it comes.

    Args:
        chunks: of `EmoTTS.stream`, at least one.
        output: binary.
        format: one of `STREAM_FORMATS`.

    Returns:
        samples written, and the seed.

    Raises:
        OutputError: it cannot be written to, unless its reader has gone.
        BrokenPipeError: its reader has gone.
    """
    from emotts.audio.raw import pcm, wav_header

    samples = seed = 0
    try:
        for chunk in chunks:
            if not samples and format == "wav":
                output.write(wav_header(chunk.sample_rate, chunk.total))
            output.write(pcm(chunk.audio))
            output.flush()
            samples, seed = samples + len(chunk.audio), chunk.seed
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the audio to stdout: {error.strerror or error}") from None
    return samples, seed


def speak_to_stdout(
    text: str | None, format: str, model: str, device: str, quiet: bool, asked: dict[str, Any]
) -> None:
    """Streams a text to standard output, and says on stderr how it went.

    Args:
        text: the text, or None to speak standard input as it comes.
        format: one of `STREAM_FORMATS`.
        model: directory, hub id, or "embedded".
        device: "auto", "cpu" or "cuda".
        quiet: say nothing.
        asked: arguments of `EmoTTS.stream`.
    """
    from emotts.tts import EmoTTS

    engine = EmoTTS.from_pretrained(model, device)
    began = time.perf_counter()
    first: list[float] = []

    def timed(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            first.append(time.perf_counter() - began)
            yield chunk

    pieces = read_pieces(sys.stdin.buffer) if text is None else text
    try:
        with closing(engine.stream(pieces, **asked)) as chunks:
            samples, seed = write_stream(timed(chunks), sys.stdout.buffer, format)
    except BrokenPipeError:
        # A player that was closed is no error; what is left in the buffer must not become one at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    if quiet:
        return
    seconds = samples / engine.sample_rate
    factor = (time.perf_counter() - began) / seconds
    line = (
        f"-  {seconds:.3f} s  seed {seed}  first audio after {first[0]:.2f} s  real-time factor {factor:.2f}"
    )
    typer.echo(line, err=True)
