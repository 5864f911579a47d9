"""What a recording says of an emotion: the way from a file to `Emotion`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotts.audio.io import read_audio
from emotts.emotion.emotion import Emotion
from emotts.emotion.encoder import analyse_recording
from emotts.errors import AudioError, ModelError
from emotts.model import Model

COMPONENT = "emotion_encoder"


def emotion_of_recording(model: Model, source: Any, device: torch.device) -> Emotion:
    """The emotion that is heard in a recording; see `emotts.EmoTTS.emotion_of`."""
    if COMPONENT not in model.components:
        raise ModelError(
            f"the model {model.config.name} cannot hear emotions (it has no {COMPONENT}); "
            "name the emotion instead, such as sad:0.7"
        )
    if isinstance(source, tuple) and len(source) == 2:
        samples, rate = source
        waveform = torch.as_tensor(np.asarray(samples), dtype=torch.float32)
        name = "the emotion recording"
        if waveform.dim() != 1 or not len(waveform):
            raise AudioError(f"an emotion recording must have shape (samples,), not {tuple(waveform.shape)}")
        if not isinstance(rate, int | np.integer) or not 4000 <= rate <= 768_000:
            raise AudioError(f"the sample rate of a recording must be 4000 to 768000 Hz, not {rate}")
    elif isinstance(source, str | Path):
        waveform, rate = read_audio(source)
        name = f"the emotion recording {source}"
    else:
        kind = type(source).__name__
        raise AudioError(f"an emotion recording is a path or (samples, sample rate), not {kind}")
    mel, f0 = analyse_recording(waveform, int(rate), name)
    return model.components[COMPONENT].emotion(mel.to(device), f0.to(device))
