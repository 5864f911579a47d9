"""Voices: what a speaker sounds like, from a few seconds of speech."""

from emotts.voice.voice import Voice

__all__ = ["Voice"]
