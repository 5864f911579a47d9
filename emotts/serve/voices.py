"""The voices of a server: those of the model, those it was started with, and those that were uploaded.

A voice in a request is a name to look up here, and never a path.
"""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotts.errors import AudioError, InputError
from emotts.serve.errors import ApiError
from emotts.serve.settings import ServeSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SUFFIXES = (".safetensors", ".wav", ".flac", ".ogg", ".mp3", ".opus")
_MOST_SECONDS = 60


class VoiceRegistry:
    """Voices by name.

    Args:
        engine: whose voices they are.
        settings: aliases and limits.
        folder: of voice files and recordings to offer, read once, here.

    Raises:
        EmottsError: a file of the folder is no voice, or an alias names none.
    """

    def __init__(self, engine: Any, settings: ServeSettings, folder: Path | None = None) -> None:
        self.engine, self.settings = engine, settings
        self._lock = threading.Lock()
        self._builtin: dict[str, str] = dict(engine.voices)
        self._own: dict[str, Any] = {}
        self._uploaded: dict[str, Any] = {}
        if folder is not None:
            self._read(folder)
        for alias, name in settings.aliases.items():
            if name not in self._builtin and name not in self._own:
                raise InputError(f"the alias {alias!r} names {name!r}, which is no voice here")

    def _read(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"the folder of voices {folder} does not exist")
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _SUFFIXES:
                if not _NAME.fullmatch(path.stem):
                    raise InputError(f"{path.name} is no name for a voice; use letters, digits, _ and -")
                self._own[path.stem] = self.engine.voice(path)

    def listing(self) -> list[dict[str, str]]:
        """Names, kinds and descriptions."""
        with self._lock:
            rows = [(name, "model", text) for name, text in self._builtin.items()]
            rows += [(name, "server", getattr(v, "description", "")) for name, v in self._own.items()]
            rows += [(name, "uploaded", "") for name in self._uploaded]
        rows += [(alias, "alias", f"the voice {name}") for alias, name in self.settings.aliases.items()]
        return [{"id": name, "name": name, "kind": kind, "description": text} for name, kind, text in rows]

    def find(self, name: str | None) -> Any:
        """What the engine takes as the voice of a name; None is its default.

        Raises:
            ApiError: 400, no such voice.
        """
        if name is None:
            return None
        with self._lock:
            for voices in (self._uploaded, self._own):
                if name in voices:
                    return voices[name]
        target = self.settings.aliases.get(name, name)
        if target in self._own:
            return self._own[target]
        if target in self._builtin:
            return target
        known = ", ".join(voice["name"] for voice in self.listing())
        raise ApiError(400, f"unknown voice {name[:64]!r}; voices: {known}", "voice_not_found", "voice")

    def check_open(self) -> None:
        """Refuses uploads where they are off.

        Raises:
            ApiError: 403.
        """
        if not self.settings.max_voices:
            raise ApiError(403, "this server takes no voices; start it with --max-voices", "uploads_disabled")

    def check_name(self, name: str) -> None:
        """Refuses a name that cannot be registered.

        Raises:
            ApiError: the name is taken, or none; or there are as many voices as may be.
        """
        if not _NAME.fullmatch(name):
            raise ApiError(
                400, "name must be 1 to 64 letters, digits, _ or -, and begin with no mark", None, "name"
            )
        with self._lock:
            taken = name in self._builtin or name in self._own or name in self.settings.aliases
            full = len(self._uploaded) >= self.settings.max_voices and name not in self._uploaded
        if taken:
            raise ApiError(409, f"the name {name!r} belongs to a voice of this server", "name_taken", "name")
        if full:
            raise ApiError(409, "as many voices are uploaded as may be; delete one first", "voices_full")

    def add(self, name: str, content: bytes) -> None:
        """Makes a voice of a recording; runs in the thread that holds the models.

        Raises:
            EmottsError: the recording cannot be used.
        """
        samples, rate = _decode(content)
        voice = self.engine.voice((samples, rate))
        voice = replace(voice, name=name) if hasattr(voice, "embedding") else voice
        with self._lock:
            self._uploaded[name] = voice

    def remove(self, name: str) -> None:
        """Forgets an uploaded voice.

        Raises:
            ApiError: 404, no such voice was uploaded.
        """
        with self._lock:
            if self._uploaded.pop(name, None) is None:
                raise ApiError(404, f"no uploaded voice {name[:64]!r}", "voice_not_found", "name")


def _decode(content: bytes) -> tuple[Any, int]:
    """Samples (samples,) and rate of an audio file in memory."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            samples = file.read(rate * _MOST_SECONDS, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError):
        raise AudioError("the upload is no recording that can be read; send wav, flac, ogg or mp3") from None
    if not len(samples):
        raise AudioError("the uploaded recording holds no audio")
    return samples.mean(axis=1), rate
