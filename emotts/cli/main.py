"""Entry point of the `emotts` command: its sub-commands, and one line for every error.

Nothing heavy is imported here: each command imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from emotts import __version__
from emotts.cli.batch import batch
from emotts.cli.check import check
from emotts.cli.demo import demo
from emotts.cli.dub import dub
from emotts.cli.emotion import emotion
from emotts.cli.serve import serve
from emotts.cli.synthesize import synthesize
from emotts.cli.voices import voices_app
from emotts.errors import EmottsError

# typer carries its own copy of click from some release on; this finds the base of usage errors in both.
_UsageError = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="emotts",
    help="Speech synthesis whose emotion and duration are controlled exactly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(synthesize)
app.command()(dub)
app.command()(batch)
app.command()(serve)
app.command()(demo)
app.add_typer(voices_app, name="voices")
app.command()(check)
app.command()(emotion)

_FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"emotts {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Speech synthesis whose emotion and duration are controlled exactly."""


@app.command(context_settings=_FORWARD)
def evaluate(context: typer.Context) -> None:
    """Measure a model: word error rate, quality, durations, emotions, speed."""
    from emotts.cli.evaluate import evaluate as command

    forwarded = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    forwarded.command()(command)
    code = forwarded(list(context.args), prog_name="emotts evaluate", standalone_mode=False)
    raise typer.Exit(code if isinstance(code, int) else 0)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status.

    0 success, 1 a failed check or an unexpected error, 2 bad input, 130 interrupted. Every error is one
    line on stderr; EMOTTS_DEBUG=1 adds the traceback of an unexpected one.
    """
    try:
        code = app(arguments, prog_name="emotts", standalone_mode=False)
    except EmottsError as error:
        return _report(str(error), error.exit_code)
    except _UsageError as error:
        message = error.format_message()
        if not message:  # no_args_is_help has printed the help already
            return error.exit_code
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "emotts"
        return _report(f"{message} (see {command} --help)", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _report("interrupted", 130)
    except BrokenPipeError:
        # The reader of stdout has gone; a second failure at interpreter exit must stay silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # The last resort: users get a line, developers the traceback.
        if os.environ.get("EMOTTS_DEBUG") == "1":
            traceback.print_exc()
        detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _report(f"unexpected error: {detail}; set EMOTTS_DEBUG=1 for the traceback", 1)
    return code if isinstance(code, int) else 0


def _report(message: str, code: int) -> int:
    print(f"emotts: {' '.join(message.split())}", file=sys.stderr)
    return code


def main() -> None:
    """Console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
