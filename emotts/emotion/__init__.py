"""Emotion as the whole system sees it, and the corpora's labels for it."""

from __future__ import annotations

from emotts.emotion.emotion import EMOTIONS, NEUTRAL, Emotion

__all__ = ["EMOTIONS", "NEUTRAL", "Emotion"]
