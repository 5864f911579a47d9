"""`emotts synthesize`."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotts.cli.progress import progress_bar
from emotts.errors import InputError

if TYPE_CHECKING:
    from emotts.markup import Lexicon
    from emotts.tts import Speech


def synthesize(
    text: Annotated[str | None, typer.Argument(help="What to say; - reads standard input.")] = None,
    text_file: Annotated[
        str | None, typer.Option("--text-file", "-f", help="File to read the text from; - is standard input.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Audio file to write; - streams to standard output.")
    ] = Path("out.wav"),
    voice: Annotated[
        str | None, typer.Option(help="Named voice, a recording of one, or a .safetensors voice file.")
    ] = None,
    emotion: Annotated[
        str | None,
        typer.Option(
            help="Emotion with intensity 0 to 1: happy:0.7, or a blend happy:0.5,sad:0.2.",
            show_default="neutral",
        ),
    ] = None,
    emotion_audio: Annotated[
        Path | None, typer.Option(help="Recording whose emotion is taken over, whoever speaks in it.")
    ] = None,
    instruct: Annotated[
        str | None,
        typer.Option(help='Emotion in words, as to an actor: "choking back tears, barely audible".'),
    ] = None,
    emotion_from_text: Annotated[
        bool, typer.Option("--emotion-from-text", help="Read the emotion from the text itself.")
    ] = False,
    duration: Annotated[float | None, typer.Option(help="Exact length in seconds.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Exact length in tokens of 40 ms.")] = None,
    speed: Annotated[float | None, typer.Option(help="Speaking rate, 0.5 to 2; 1 is natural.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same speech; random when left out.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")] = None,
    cfg: Annotated[float | None, typer.Option(help="Strength of classifier-free guidance.")] = None,
    takes: Annotated[
        int | None,
        typer.Option(help="Draws of the language model, of which the one that says the text best is kept."),
    ] = None,
    emotion_cfg: Annotated[
        float | None,
        typer.Option(help="Exaggeration of the delivery from neutral to the emotion; 1 has none."),
    ] = None,
    guidance_schedule: Annotated[
        str | None,
        typer.Option(help="Guidance by the emotion expert: derived, constant (as published) or none."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Weight of the wanted emotion, 0 to 10, instead of its intensity's.")
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(help="Weight of the unwanted emotions, 0 to 5; a quarter of alpha if left out."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Randomness of the delivery; 0 has none.")] = None,
    language: Annotated[str | None, typer.Option(help="Language code of the text, such as en-us.")] = None,
    markup: Annotated[
        bool, typer.Option("--markup", help="Read the markup in the text: docs/markup.md, or SSML.")
    ] = False,
    lexicon: Annotated[
        Path | None, typer.Option(help="File of pronunciations: word, tab, IPA in each line.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    format: Annotated[
        str | None,
        typer.Option(
            help="wav, flac, ogg or mp3; the output's extension tells it otherwise. With -o -: wav or pcm."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a record of the result on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Speak a text into an audio file."""
    from emotts.files import check_output
    from emotts.request import check_request

    piped = str(output) == "-"
    # What needs the whole text must wait for its end; anything else is spoken as it comes.
    whole = markup or emotion_from_text or duration is not None or tokens is not None
    live = piped and not whole and {text, text_file} == {"-", None}
    content = "standard input" if live else read_text(text, text_file)
    if piped:
        from emotts.cli.stream import check_stream_output, speak_to_stdout

        format = check_stream_output(format, as_json)
    else:
        check_output(output, force, format)
    options = {
        "emotion": emotion,
        "emotion_audio": emotion_audio,
        "instruct": instruct,
        "emotion_from_text": emotion_from_text,
        "duration": duration,
        "tokens": tokens,
        "speed": speed,
        "seed": seed,
        "steps": steps,
        "cfg": cfg,
        "takes": takes,
        "emotion_cfg": emotion_cfg,
        "guidance_schedule": guidance_schedule,
        "alpha": alpha,
        "beta": beta,
        "temperature": temperature,
    }
    check_request(said_text(content, markup, language), **options)
    words = load_lexicon(lexicon)
    check_voice(voice)
    check_emotion_audio(emotion_audio)
    if piped:
        asked = {"voice": voice, "language": language, "markup": markup, "lexicon": words, **options}
        speak_to_stdout(None if live else content, str(format), model, device, quiet, asked)
        return
    with progress_bar(quiet) as progress:
        from emotts.tts import EmoTTS

        engine = EmoTTS.from_pretrained(model, device)
        started = time.perf_counter()
        speech = engine.synthesize(
            content,
            voice=voice,
            language=language,
            markup=markup,
            lexicon=words,
            progress=progress,
            **options,
        )
        elapsed = time.perf_counter() - started
    speech.save(output, force=force, format=format)
    if speech.emotion.is_neutral and not quiet and (instruct is not None or emotion_from_text):
        from emotts.cli.emotion import report_neutral

        report_neutral(instruct or content, line=instruct is None)
    report(speech, output, elapsed, as_json, quiet)


def said_text(text: str, markup: bool, language: str | None = None) -> str:
    """The words of a text: without its markup, which is checked."""
    if not markup:
        return text
    from emotts.markup import check_markup

    return check_markup(text, language or "en-us")


def load_lexicon(path: Path | None) -> Lexicon | None:
    """The lexicon of a file, if one is given."""
    if path is None:
        return None
    from emotts.markup import Lexicon

    return Lexicon.load(path)


def check_voice(voice: str | None) -> None:
    """Refuses what looks like a file and is none, before the model is loaded."""
    from emotts.errors import AudioError

    if voice is None:
        return
    if not voice.strip():
        raise InputError(
            "--voice is empty; give a named voice (see emotts voices), a recording or a voice file"
        )
    path = Path(voice)
    if (path.suffix or len(path.parts) > 1) and not path.exists():
        raise AudioError(f"voice file {path} does not exist")


def check_emotion_audio(path: Path | None) -> None:
    """Refuses a recording that is not there, before the model is loaded."""
    from emotts.errors import AudioError

    if path is not None and not path.is_file():
        raise AudioError(f"emotion recording {path} does not exist")


def read_text(text: str | None, text_file: str | None) -> str:
    """The text to speak, from the argument, a file, or standard input.

    Raises:
        InputError: none or both given, the file is missing or not UTF-8, or there is nothing in it.
    """
    if (text is None) == (text_file is None):
        raise InputError("give the text either as an argument or with --text-file (- reads standard input)")
    source = "-" if text == "-" else text_file
    if source == "-":
        try:
            content = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError("the text on standard input is not UTF-8") from None
    elif source is not None:
        try:
            content = Path(source).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"text file {source} is not UTF-8") from None
        except OSError as error:
            raise InputError(f"cannot read text file {source}: {error.strerror}") from None
    else:
        content = text or ""
    if not content.strip():
        raise InputError("the text is empty; give at least one word")
    return content


def report(speech: Speech, output: Path, elapsed: float, as_json: bool, quiet: bool) -> None:
    """One line on stderr, and with `as_json` a record on stdout."""
    factor = elapsed / speech.duration if speech.duration else math.nan
    if as_json:
        record = {
            "path": str(output),
            "seconds": speech.duration,
            "samples": len(speech.audio),
            "sample_rate": speech.sample_rate,
            "tokens": len(speech.tokens),
            "seed": speech.seed,
            "voice": speech.voice,
            "emotion": speech.emotion.as_mapping(),
            "real_time_factor": round(factor, 4),
            "timings": {stage: round(seconds, 4) for stage, seconds in speech.timings.items()},
            "words": [
                {"word": word, "start": round(start, 3), "end": round(end, 3)}
                for word, start, end in speech.word_timings
            ],
        }
        typer.echo(json.dumps(record, ensure_ascii=False))
    if not quiet:
        line = f"{output}  {speech.duration:.3f} s  seed {speech.seed}  real-time factor {factor:.2f}"
        typer.echo(line, err=True)
