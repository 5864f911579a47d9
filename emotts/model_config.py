"""Content of a model directory's config.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from emotts.config import StrictModel
from emotts.emotion.calibration import GuidanceConfig, GuidanceSchedule
from emotts.emotion.derived import ACTED
from emotts.emotion.emotion import EMOTIONS
from emotts.timebase import SAMPLE_RATE

FORMAT_VERSION = 1
MOST_LOUDNESS = 15.0
MOST_PITCH = 0.3


class GenerationConfig(StrictModel):
    """What `synthesize` uses where the caller says nothing.

    Attributes:
        steps: of the acoustic decoder.
        cfg: strength of classifier-free guidance.
        noise: standard deviation of the noise that the flow starts from. Under 1 the speech is smoother
            and clearer, and less varied (Grad-TTS, Popov et al. 2021, section 3).
        temperature: of the language model's sampling.
        top_p: share of the probability that it draws from.
        top_k: number of codes that it draws from.
        repetition_penalty: on codes of the last tokens; 1 is none.
        takes: draws of the language model, of which the one that says the text best is decoded
            (`emotts.semantic.takes`). Streams make one draw, unless they are asked for more.
        emotion_cfg: strength of the language model's guidance from neutral to emotional speech; 1 is none.
        guidance_schedule: of the guidance by the emotion expert; None is the one in `ModelConfig.guidance`.
        alpha: weight of the wanted emotion, instead of what the intensity is calibrated to.
        beta: weight of the unwanted emotions; None is a quarter of alpha.
    """

    steps: int = 8
    cfg: float = 1.0
    noise: float = 1.0
    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 50
    repetition_penalty: float = 1.0
    takes: int = Field(1, ge=1)
    emotion_cfg: float = 1.0
    guidance_schedule: GuidanceSchedule | None = None
    alpha: float | None = Field(None, ge=0)
    beta: float | None = Field(None, ge=0)


class FileRecord(StrictModel):
    """What config.yaml knows of another file of the directory."""

    sha256: str


class ModelConfig(StrictModel):
    """Content of config.yaml.

    Attributes:
        format_version: of the directory's layout.
        name: of the model.
        description: one line.
        licence: of the weights.
        languages: espeak codes; the first is the default.
        sample_rate: in Hz; always `SAMPLE_RATE`.
        default_voice: a name in voices/, or empty.
        emotions: what recordings taught; others are derived from these (`emotts.emotion.derived`).
        symbols: digest of the phoneme table that the networks were trained with.
        generation: defaults of `EmoTTS.synthesize`.
        guidance: how the emotion expert guides the decoder; None where there is no expert, or no calibration.
        loudness: emotion -> dB that the networks' speech lacks of the natural change against neutral, at
            intensity 1, as the calibration measured it; at most ±`MOST_LOUDNESS`. Added to the samples.
        pitch: emotion -> how much more likely the language model is made to choose a code for each semitone
            that the code lies above the speaker's mean, nats at intensity 1; at most ±`MOST_PITCH`. It makes
            up what its speech lacks of the natural change, as the calibration measured it.
        components: configuration of each network.
        files: checksum of each network's file.
    """

    format_version: int = FORMAT_VERSION
    name: str
    description: str = ""
    licence: str
    languages: tuple[str, ...] = ("en-us",)
    sample_rate: int = SAMPLE_RATE
    default_voice: str = ""
    emotions: tuple[str, ...] = ACTED
    symbols: str = ""
    generation: GenerationConfig = GenerationConfig()
    guidance: GuidanceConfig | None = None
    loudness: dict[str, float] = Field(default_factory=dict)
    pitch: dict[str, float] = Field(default_factory=dict)
    components: dict[str, dict[str, Any]]
    files: dict[str, FileRecord] = Field(default_factory=dict)

    @field_validator("loudness")
    @classmethod
    def _known_and_small(cls, loudness: dict[str, float]) -> dict[str, float]:
        for name, value in loudness.items():
            if name not in EMOTIONS or not abs(value) <= MOST_LOUDNESS:
                raise ValueError(f"{name}: {value}; give emotions with at most ±{MOST_LOUDNESS:g} dB")
        return loudness

    @field_validator("pitch")
    @classmethod
    def _known_and_gentle(cls, pitch: dict[str, float]) -> dict[str, float]:
        for name, value in pitch.items():
            if name not in EMOTIONS or not abs(value) <= MOST_PITCH:
                raise ValueError(
                    f"{name}: {value}; give emotions with at most ±{MOST_PITCH:g} nats a semitone"
                )
        return pitch
