"""One group of lines through the models. Runs where the work is done: here, or on a node of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emotts.batch.lines import Line
from emotts.emotion import Emotion
from emotts.errors import EmottsError

if TYPE_CHECKING:
    from emotts.speech import Speech
    from emotts.tts import EmoTTS


@dataclass(frozen=True)
class EngineSettings:
    """What makes an engine, on whatever machine.

    Attributes:
        model: directory, hub id or "embedded".
        device: auto, cpu or cuda.
        threads: of the CPU for one engine; None leaves them as they are.
        format: of the audio files.
        options: of `EmoTTS.synthesize`: steps, cfg, temperature, ...
        lexicon: pronunciations, word -> IPA.
    """

    model: str = "embedded"
    device: str = "auto"
    threads: int | None = None
    format: str = "wav"
    options: Mapping[str, Any] = field(default_factory=dict)
    lexicon: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Result:
    """What became of a line.

    Attributes:
        line: the line.
        record: what the manifest says of it.
        content: of its audio file; None where it failed.
    """

    line: Line
    record: dict[str, Any]
    content: bytes | None = None


class Renderer:
    """Speaks groups of lines.

    Args:
        settings: of the engine, which is loaded here.
    """

    def __init__(self, settings: EngineSettings) -> None:
        import torch

        from emotts.markup import Lexicon
        from emotts.tts import EmoTTS

        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.settings = settings
        self.engine: EmoTTS = EmoTTS.from_pretrained(settings.model, settings.device)
        self.lexicon = Lexicon(settings.lexicon) if settings.lexicon else None

    def render(self, lines: Sequence[Line], together: bool = True) -> list[Result]:
        """Speaks lines.

        Args:
            lines: of one group.
            together: pass the models at once; where a line fails, each passes them alone.
        """
        if together and len(lines) > 1:
            try:
                return [self._spoken(*pair) for pair in zip(lines, self._synthesize(lines), strict=True)]
            except Exception:  # Whichever line it was, it fails again alone, and says why.
                pass
        return [self._alone(line) for line in lines]

    def _alone(self, line: Line) -> Result:
        try:
            return self._spoken(line, self._synthesize([line])[0])
        except EmottsError as error:
            return failed(line, str(error))
        except Exception as error:  # One line must not stop the others, whatever it meets.
            return failed(line, f"unexpected {type(error).__name__}: {error}")

    def _synthesize(self, lines: Sequence[Line]) -> list[Speech]:
        names = ("voice", "duration", "tokens", "speed", "seed", "language", "markup")
        values: dict[str, Any] = {name: [getattr(line, name) for line in lines] for name in names}
        values["emotion"] = [None if line.emotion is None else Emotion(line.emotion) for line in lines]
        if any(line.instruct for line in lines):
            values["instruct"] = [line.instruct for line in lines]
        options = {**self.settings.options, "lexicon": self.lexicon}
        return self.engine.synthesize([line.text for line in lines], **values, **options)

    def _spoken(self, line: Line, speech: Speech) -> Result:
        from emotts.audio.io import encode_audio

        record = {
            "id": line.id,
            "line": line.number,
            "status": "ok",
            "path": f"{line.id}.{self.settings.format}",
            "seconds": speech.duration,
            "samples": len(speech.audio),
            "sample_rate": speech.sample_rate,
            "seed": speech.seed,
            "voice": speech.voice,
            "emotion": speech.emotion.as_mapping(),
            "text": line.text,
        }
        content = encode_audio(speech.audio, speech.sample_rate, self.settings.format)
        return Result(line, record, content)


def failed(line: Line, error: str) -> Result:
    """The result of a line that could not be spoken."""
    record = {"id": line.id, "line": line.number, "status": "failed", "error": " ".join(error.split())}
    return Result(line, {**record, "text": line.text})
