"""From whatever names a speaker to a `Voice` of one model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotts.audio.io import read_audio, resample
from emotts.audio.mel import LogMel
from emotts.errors import AudioError, InputError, ModelError
from emotts.model import Model, list_voices
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLE_RATE, TOKEN_RATE
from emotts.voice.reference import estimate_bandwidth, speech_of_recording
from emotts.voice.voice import Voice

PROMPT_SECONDS = 3
"""Length of the stretch of the reference that the acoustic decoder continues."""

_CACHED_VOICES = 64


class VoiceLibrary:
    """Named voices of a model, voice files, and voices of recordings, each made once.

    Args:
        model: whose voice encoder and tokenizer make the voices.
        device: where the model is, and where the voices' tensors go.
    """

    def __init__(self, model: Model, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.names = list_voices(model.directory)
        self._cache: dict[str, Voice] = {}

    def get(self, source: Any) -> Voice:
        """The voice that `source` names; see `EmoTTS.voice`."""
        if isinstance(source, Voice):
            return self._fitting(source, f"voice {source.name!r}").to(self.device)
        if source is None:
            return self._default()
        if isinstance(source, tuple) and len(source) == 2:
            return self._of_array(*source)
        if isinstance(source, str) and source in self.names:
            return self._of_file(self.model.voice_path(source))
        if isinstance(source, str | Path):
            return self._of_file(self._existing(source))
        kind = type(source).__name__
        raise InputError(f"a voice is a name, a path, a Voice or (samples, sample rate), not {kind}")

    def _default(self) -> Voice:
        name = self.model.config.default_voice
        if name in self.names:
            return self._of_file(self.model.voice_path(name))
        raise InputError(f"the model {self.model.config.name} has no default voice; give one")

    def _existing(self, source: str | Path) -> Path:
        path = Path(source)
        if str(source).strip() and path.exists():
            return path
        if isinstance(source, Path) or path.suffix or len(path.parts) > 1:
            raise AudioError(f"voice file {path} does not exist")
        known = ", ".join(self.names) or "none"
        raise InputError(
            f"unknown voice {source!r}; named voices: {known}; or give a recording or a voice file"
        )

    def _of_file(self, path: Path) -> Voice:
        if path.is_dir():
            raise AudioError(f"{path} is a folder, not a recording or a voice file")
        try:
            key = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from None
        if key not in self._cache:
            if path.suffix == ".safetensors":
                voice = self._fitting(Voice.load(path), f"voice file {path}")
            else:
                waveform, rate = read_audio(path)
                voice = self.encode(waveform, rate, path.stem, str(path))
            self._keep(key, voice)
        return self._cache[key]

    def _of_array(self, samples: Any, rate: Any) -> Voice:
        values = torch.as_tensor(np.asarray(samples), dtype=torch.float32)
        if values.dim() != 1 or not len(values):
            raise AudioError(f"a reference must have shape (samples,), not {tuple(values.shape)}")
        if not isinstance(rate, int | np.integer) or not 4000 <= rate <= 768_000:
            raise AudioError(f"the sample rate of a reference must be 4000 to 768000 Hz, not {rate}")
        key = hashlib.sha256(values.numpy().tobytes() + str(rate).encode()).hexdigest()
        if key not in self._cache:
            self._keep(key, self.encode(values, int(rate), "reference", "the reference recording"))
        return self._cache[key]

    def _keep(self, key: str, voice: Voice) -> None:
        if len(self._cache) >= _CACHED_VOICES:
            self._cache.pop(next(iter(self._cache)))
        self._cache[key] = voice.to(self.device)

    def _fitting(self, voice: Voice, source: str) -> Voice:
        """Refuses a voice that another model made: its numbers would mean something else."""
        if voice.model and voice.model != self.model.fingerprint:
            raise ModelError(f"{source} was made with another model; make it again from its recording")
        width = self.model.components["lm"].config.voice_dim
        if len(voice.embedding) != width:
            raise ModelError(f"{source} has {len(voice.embedding)} values, the model's voices have {width}")
        return voice

    @torch.no_grad()  # not inference_mode: the voice may be used in training code as well
    def encode(self, waveform: Tensor, rate: int, name: str, source: str) -> Voice:
        """Makes a voice of a recording.

        Args:
            waveform: shape (samples,).
            rate: its sample rate in Hz.
            name: of the voice.
            source: what to call the recording in a message.

        Raises:
            AudioError: shorter than 1 s, silent, or not finite.
        """
        speech = speech_of_recording(resample(waveform, rate, SAMPLE_RATE), source)
        mel = LogMel()(speech[None]).to(self.device)
        codes = self.model.components["tokenizer"].encode(mel)[0]
        embedding = self.model.components["voice_encoder"](mel)[0]
        tokens = min(PROMPT_SECONDS * TOKEN_RATE, len(codes))
        return Voice(
            name=name,
            embedding=embedding.float().cpu(),
            prompt_mel=mel[0, : tokens * FRAMES_PER_TOKEN].cpu().clone(),
            prompt_codes=codes[:tokens].long().cpu().clone(),
            bandwidth=estimate_bandwidth(speech, rate),
            model=self.model.fingerprint,
        )
