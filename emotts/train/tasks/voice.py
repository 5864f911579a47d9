"""Training of the voice encoder: tell the training speakers apart from short excerpts."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.train.task import Batch, Loss, Task
from emotts.voice.encoder import SpeakerClassifier, VoiceEncoder, VoiceEncoderConfig


class VoiceTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the encoder.
        learning_rate: of AdamW.
        excerpt_tokens: length of the excerpts; shorter items are repeated to fill it.
        gain_decibels: excerpts are made louder or quieter by up to this much.
    """

    model: VoiceEncoderConfig = VoiceEncoderConfig()
    learning_rate: float = 1e-3
    excerpt_tokens: int = Field(50, ge=5)
    gain_decibels: float = 6.0


class VoiceTask(Task):
    """Voice encoder and speaker classifier; every epoch holds all items."""

    name = "voice"

    def __init__(self, config: VoiceTaskConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.train, self.dev = config, train, dev
        self.speakers = {name: k for k, name in enumerate(train.speakers)}
        self.modules = nn.ModuleDict(
            {
                "voice_encoder": VoiceEncoder(config.model),
                "classifier": SpeakerClassifier(config.model.dim, len(self.speakers)),
            }
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW over both modules."""
        parameters = self.modules.parameters()
        return {"model": torch.optim.AdamW(parameters, self.config.learning_rate, weight_decay=0.05)}

    def lengths(self) -> list[int]:
        """Every item gives one excerpt."""
        return [self.config.excerpt_tokens] * len(self.train)

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids."""
        return [self.train.utterances[i].id for i in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Random excerpts (batch, frames, bins) with random gain, and speaker indices."""
        rows = []
        for index in indices:
            mel = excerpt(self.train.mel(index), self.config.excerpt_tokens * FRAMES_PER_TOKEN, generator)
            decibels = (2 * torch.rand((), generator=generator) - 1) * self.config.gain_decibels
            rows.append(mel + decibels * 0.115129)  # ln(10) / 20
        speakers = [self.speakers[self.train.utterances[i].speaker] for i in indices]
        return {"mel": torch.stack(rows), "speaker": torch.tensor(speakers)}

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Margin softmax."""
        embedding = self.modules["voice_encoder"](batch["mel"])
        loss, accuracy = self.modules["classifier"](embedding, batch["speaker"])
        yield "model", loss, {"loss": loss.detach(), "accuracy": accuracy.detach()}

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Equal-error rate over all pairs of dev items, and mean cosines of the two kinds of pairs."""
        if not len(self.dev):
            return {}
        device = next(modules.parameters()).device
        step = max(1, len(self.dev) // 160)
        items = list(range(0, len(self.dev), step))
        vectors = torch.cat([modules["voice_encoder"](self.dev.mel(i)[None].to(device)).cpu() for i in items])
        names = [self.dev.utterances[i].speaker for i in items]
        same = torch.tensor([[a == b for b in names] for a in names])
        upper = torch.triu(torch.ones_like(same), diagonal=1).bool()
        cosines = vectors @ vectors.T
        genuine, impostor = cosines[same & upper], cosines[~same & upper]
        return {
            "equal_error_rate": equal_error_rate(genuine, impostor),
            "same_speaker": float(genuine.mean()) if len(genuine) else float("nan"),
            "other_speaker": float(impostor.mean()) if len(impostor) else float("nan"),
        }


def excerpt(mel: Tensor, frames: int, generator: torch.Generator) -> Tensor:
    """A random part of exactly `frames` frames; a shorter recording is repeated."""
    if len(mel) < frames:
        mel = mel.repeat(-(-frames // len(mel)), 1)
    start = int(torch.randint(len(mel) - frames + 1, (1,), generator=generator))
    return mel[start : start + frames]


def equal_error_rate(genuine: Tensor, impostor: Tensor) -> float:
    """Error rate at the threshold where false accepts equal false rejects."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    thresholds = torch.cat([genuine, impostor]).sort().values
    rejects = torch.searchsorted(genuine.sort().values, thresholds).float() / len(genuine)
    accepts = 1 - torch.searchsorted(impostor.sort().values, thresholds).float() / len(impostor)
    best = (rejects - accepts).abs().argmin()
    return float((rejects[best] + accepts[best]) / 2)
