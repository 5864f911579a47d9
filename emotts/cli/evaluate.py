"""`emotts evaluate`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emotts.evaluate.evaluation import Evaluation
    from emotts.tts import EmoTTS


def evaluate(
    sentences: Annotated[
        Path,
        typer.Option("--sentences", "-s", help="Sentence list: .jsonl, or .tsv with a line of column names."),
    ],
    audio: Annotated[
        Path, typer.Option("--audio", "-a", help="Directory of the speech: <id>.wav for each sentence.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference", "-r", help="Directory of natural recordings; else the list's column reference."
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Some of wer, dnsmos, duration, prosody, bursts, similarity.")
    ] = "wer,dnsmos,duration,prosody,similarity",
    language_model: Annotated[
        str,
        typer.Option(
            help="Of the recogniser: general, an .arpa file, or a text file of the domain's sentences."
        ),
    ] = "general",
    others: Annotated[
        Path | None,
        typer.Option(help="Directory of other speakers' recordings, for the baseline of similarity."),
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="Report similarity by the model's own encoder too.")
    ] = False,
    synthesize: Annotated[
        bool, typer.Option("--synthesize", help="Make the speech first; what is there already is kept.")
    ] = False,
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of sentences without their own.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of the acoustic decoder.")] = None,
    cfg: Annotated[float | None, typer.Option(help="Strength of classifier-free guidance.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Randomness of the delivery; 0 has none.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Sentences synthesised at once.")] = 1,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that score.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the scores of every file.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the report: .json or .md.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Score synthesised speech, beside natural recordings by the same tools."""
    from dataclasses import replace

    from emotts.errors import InputError
    from emotts.evaluate.evaluation import evaluate as run
    from emotts.evaluate.lists import load_sentences
    from emotts.evaluate.scoring import parse_metrics
    from emotts.files import check_writable

    wanted = parse_metrics(metrics)
    listed = load_sentences(sentences)
    if output is not None:
        if output.suffix not in (".json", ".md"):
            raise InputError(f"the report ends in .json or .md; {output} does not")
        check_writable(output, force)
    engine = _engine(model, device) if synthesize or (own and "similarity" in wanted) else None
    if synthesize and engine is not None:
        from emotts.evaluate.synthesis import synthesize_list

        options = {"steps": steps, "cfg": cfg, "temperature": temperature}
        with _progress("synthesising", quiet) as tell:
            synthesize_list(engine, listed, audio, seed, batch, tell, **options)
    encoder = (lambda path: engine.voice(path).embedding.cpu().numpy()) if own and engine else None
    with _progress("scoring", quiet) as tell, _arpa(language_model) as arpa:
        result = run(listed, audio, reference, wanted, arpa, others, encoder, jobs, tell)
    result = replace(result, language_model=language_model)  # not the name of a temporary file
    _write(result, output, force, as_json, quiet)


def _engine(model: str, device: str) -> EmoTTS:
    from emotts.tts import EmoTTS

    return EmoTTS.from_pretrained(model, device)


def _write(result: Evaluation, output: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    from emotts.evaluate.report import render
    from emotts.files import write_atomically

    report, record = render(result), json.dumps(_plain(result.record()), ensure_ascii=False, indent=1)
    if output is not None:
        content = record + "\n" if output.suffix == ".json" else report
        write_atomically(output, content.encode(), force)
    if as_json:
        typer.echo(record)
    elif not quiet:
        typer.echo(report.rstrip("\n"))


def _plain(value: object) -> object:
    """NaN, which JSON does not have, becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value


@contextmanager
def _arpa(language_model: str) -> Iterator[str]:
    """The language model as the recogniser wants it; a text file is made into one for the time being."""
    from emotts.errors import InputError
    from emotts.evaluate.wer import GENERAL

    if language_model == GENERAL or Path(language_model).suffix == ".arpa":
        yield language_model
        return
    from emotts.evaluate.language_model import write_arpa

    try:
        lines = Path(language_model).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the sentences of the language model {language_model}: {error}"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        yield str(write_arpa(lines, Path(folder) / f"{Path(language_model).stem}.arpa"))


@contextmanager
def _progress(title: str, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    from emotts.cli.progress import progress_bar

    with progress_bar(quiet or not sys.stderr.isatty()) as show:
        yield None if show is None else (lambda share: show(title, share))
