"""emotts: speech synthesis whose emotion and duration are controlled exactly.

Public names, loaded on first use so that importing the package stays light:
EmoTTS, Speech, Chunk, Voice, Emotion, TimingPlan, dub, EmottsError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emotts.errors import EmottsError

if TYPE_CHECKING:
    from emotts.dubbing.dub import dub
    from emotts.emotion import Emotion
    from emotts.stream import Chunk
    from emotts.timing import TimingPlan
    from emotts.tts import EmoTTS, Speech
    from emotts.voice import Voice

__version__ = "0.1.0"
__all__ = ["Chunk", "EmoTTS", "Emotion", "EmottsError", "Speech", "TimingPlan", "Voice", "__version__", "dub"]

_HOMES = {
    "EmoTTS": "emotts.tts",
    "Speech": "emotts.tts",
    "Chunk": "emotts.stream",
    "Voice": "emotts.voice",
    "Emotion": "emotts.emotion",
    "TimingPlan": "emotts.timing",
    "dub": "emotts.dubbing.dub",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emotts' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
