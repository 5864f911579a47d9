"""Errors as messages on the page: one clear line, never a traceback."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from emotts.errors import EmottsError

_SECONDS = 15
_TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"/(?:[^\s/'\"]+/)*")

_log = logging.getLogger(__name__)


def shown(function: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose errors are shown on the page.

    What is wrong with an input is shown in the words of its `EmottsError`. Anything else is a fault of the
    program: the page names it, and the traceback goes to the log of the server.
    """
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stepwise(*arguments: Any, **named: Any) -> Iterator[Any]:
            with _as_message():
                yield from function(*arguments, **named)

        return stepwise

    @functools.wraps(function)
    def whole(*arguments: Any, **named: Any) -> Any:
        with _as_message():
            return function(*arguments, **named)

    return whole


@contextmanager
def _as_message() -> Iterator[None]:
    try:
        yield
    except EmottsError as error:
        raise _message(str(error), "This does not work") from None
    except gr.Error:
        raise
    except Exception as error:  # The last resort: nobody reads a traceback on a page.
        _log.exception("unexpected error")
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _message(f"unexpected error: {said}", "Something went wrong") from None


def _message(text: str, title: str) -> gr.Error:
    return gr.Error(plain_line(text), duration=_SECONDS, title=title, print_exception=False)


def plain_line(text: str) -> str:
    """One line of HTML that shows the text as it is, without the folders of uploads."""
    return html.escape(_TEMPORARY.sub("", " ".join(text.split())), quote=False)
