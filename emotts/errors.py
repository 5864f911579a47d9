"""Errors that a user can cause and mend.

Each message is one line that names what is wrong and what would be right. The command line prints
it and exits with `exit_code`; the Python API raises it.
"""

from __future__ import annotations


class EmottsError(Exception):
    """Base of all errors that are the input's fault, not the program's."""

    exit_code = 2


class InputError(EmottsError):
    """A value, a text or an option that cannot be used as given."""


class AudioError(EmottsError):
    """An audio file that is missing, unreadable, silent or too short."""


class ModelError(EmottsError):
    """A model directory that is missing, incomplete, corrupt or of another version."""


class DataError(EmottsError):
    """A corpus or a data directory that breaks a rule; names file and line."""


class OutputError(EmottsError):
    """An output that exists already, or cannot be written."""


class MissingDependencyError(EmottsError):
    """An optional package is not installed; the message names the extra that brings it."""
