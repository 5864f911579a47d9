"""What dubbing needs of a synthesiser, and `EmoTTS` as one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

from emotts.emotion import Emotion

if TYPE_CHECKING:
    from emotts.speech import Speech
    from emotts.text.phonemize import Phonemes
    from emotts.timing import TimingPlan
    from emotts.tts import EmoTTS


class Engine(Protocol):
    """A synthesiser of exact lengths; the same arguments always give the same samples.

    Attributes:
        fingerprint: changes whenever the same arguments would give other samples.
    """

    fingerprint: str

    def voice_key(self, voice: str | None) -> str:
        """Names what a voice sounds like; raises an `EmottsError` if there is no such voice."""
        ...

    def lengths(
        self, text: str, voice: str | None, emotion: Emotion, language: str | None
    ) -> tuple[int, int, int]:
        """Fewest, natural and most tokens in which a text can be spoken."""
        ...

    def synthesize(
        self,
        text: str,
        voice: str | None,
        emotion: Emotion,
        *,
        tokens: int | None,
        plan: TimingPlan | None,
        seed: int,
        language: str | None,
    ) -> Speech:
        """Speech of exactly `tokens`, or of the plan's length, at 24 kHz."""
        ...


class EmoTTSEngine:
    """`EmoTTS` as an `Engine`: one line at a time, so that a line never depends on its company.

    Args:
        tts: the loaded model.
    """

    def __init__(self, tts: EmoTTS) -> None:
        from emotts import __version__

        self.tts = tts
        described = f"{__version__}\n{tts.device.type}\n{tts.model.config.dump()}"
        self.fingerprint = hashlib.sha256(described.encode()).hexdigest()[:16]

    def voice_key(self, voice: str | None) -> str:
        """Digest of the voice's numbers: a recording that is replaced is another voice."""
        found = self.tts.voice(voice)
        digest = hashlib.sha256(f"{found.bandwidth}".encode())
        for tensor in (found.embedding, found.prompt_mel, found.prompt_codes):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def lengths(
        self, text: str, voice: str | None, emotion: Emotion, language: str | None
    ) -> tuple[int, int, int]:
        """See `EmoTTS.lengths`."""
        return self.tts.lengths(text, voice, emotion, language)

    def natural(
        self, text: str, voice: str | None, emotion: Emotion, language: str | None
    ) -> tuple[Phonemes, list[float]]:
        """See `EmoTTS.natural`."""
        return self.tts.natural(text, voice, emotion, language)

    def synthesize(self, text: str, voice: str | None, emotion: Emotion, **wishes: Any) -> Speech:
        """See `EmoTTS.synthesize`."""
        if wishes.get("plan") is not None:
            wishes["tokens"] = None
        return self.tts.synthesize(text, voice, emotion, **wishes)


def as_engine(engine: Any) -> Engine:
    """An `Engine` of an `EmoTTS`; anything else is taken as it is."""
    if hasattr(engine, "lengths") and hasattr(engine, "voice_key"):
        return engine
    return EmoTTSEngine(engine)
