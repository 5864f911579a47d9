"""An engine that beeps: what the server needs of `EmoTTS`, without networks."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from emotts.emotion import Emotion
from emotts.errors import AudioError, InputError

RATE = 24_000


class FakeEngine:
    """Says a tone for each text; `delay` seconds for each call, whatever its size."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.voices = {"anna": "a fake voice", "bert": "another"}
        self.model = SimpleNamespace(config=SimpleNamespace(name="fake-tts"))
        self.calls: list[dict[str, Any]] = []
        self.aborted = 0
        self.gate = threading.Event()
        self.gate.set()

    def voice(self, source: Any) -> Any:
        if isinstance(source, tuple):
            samples, rate = source
            if len(samples) < rate:
                raise AudioError("the reference recording is shorter than 1 s")
            return SimpleNamespace(name="upload", samples=samples)
        return SimpleNamespace(name=source.stem, path=source, description="from a file")

    def synthesize(self, text: list[str], voice: list[Any], progress: Any, **values: list[Any]) -> list[Any]:
        rows = [
            {name: column[index] for name, column in values.items()}
            | {"text": text[index], "voice": voice[index]}
            for index in range(len(text))
        ]
        self.calls.append({"size": len(text), "rows": rows})
        for row in rows:
            if row.get("instruct"):
                raise InputError("unknown option 'instruct'; valid options: steps, cfg")
            if row["text"] == "boom":
                raise RuntimeError("a secret of the inside")
            if row.get("duration") is not None and row["duration"] < 0.2:
                raise InputError("duration 0.10 s is too short for this text")
        end = time.monotonic() + self.delay
        while time.monotonic() < end or not self.gate.is_set():
            time.sleep(0.005)
            try:
                progress("language model", 0.5)
            except Exception:
                self.aborted += 1
                raise
        return [self._speech(row) for row in rows]

    def _speech(self, row: dict[str, Any]) -> Any:
        seconds = row.get("duration") or 0.5 / (row.get("speed") or 1.0)
        count = round(seconds * RATE)
        audio = (0.3 * np.sin(np.arange(count) / 20)).astype(np.float32)
        emotion = row.get("emotion") or Emotion.neutral()
        return SimpleNamespace(
            audio=audio,
            sample_rate=RATE,
            seed=row.get("seed") or 0,
            duration=count / RATE,
            emotion=emotion,
        )
