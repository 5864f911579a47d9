"""The error that ends a training."""

from __future__ import annotations

from emotts.errors import EmottsError


class TrainError(EmottsError):
    """A training that cannot go on: it diverged, or its task broke the trainer's protocol."""
