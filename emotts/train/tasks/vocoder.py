"""Training of the vocoder: spectral losses first, then small discriminators."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.timebase import FRAMES_PER_TOKEN, HOP_LENGTH, SAMPLES_PER_TOKEN
from emotts.train.mel_augment import blurred
from emotts.train.task import Batch, Loss, Task
from emotts.vocoder.discriminator import MultiResolutionDiscriminator, discriminator_loss, generator_loss
from emotts.vocoder.excitation import interpolate_unvoiced
from emotts.vocoder.losses import SpectralLoss
from emotts.vocoder.model import Vocoder, VocoderConfig


class VocoderTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the vocoder.
        learning_rate: of both optimisers.
        segment_tokens: length of the random excerpts.
        adversarial_from: share of the training after which the discriminators join, in [0, 1].
        adversarial_tokens: length of the excerpts that they see.
        adversarial_channels: their width.
        adversarial_weight: weight of the adversarial loss.
        matching_weight: weight of the feature-matching loss.
        mel_weight: weight of the log-mel distance.
        mel_noise: largest deviation, in nats, of the noise that half of the mels are read with: a decoder's
            mels are not those of recordings, and the vocoder must live with it.
        blur: share of the mels that are smoothed over time and bands, as a decoder does.
    """

    model: VocoderConfig = VocoderConfig()
    learning_rate: float = 1e-3
    segment_tokens: int = Field(15, ge=4)
    adversarial_from: float = Field(0.5, ge=0, le=1)
    adversarial_tokens: int = Field(10, ge=4)
    adversarial_channels: int = 16
    adversarial_weight: float = 0.3
    matching_weight: float = 1.0
    mel_weight: float = 1.5
    mel_noise: float = Field(0.0, ge=0)
    blur: float = Field(0.0, ge=0, le=1)


class VocoderTask(Task):
    """Vocoder and discriminators over random excerpts of a corpus."""

    name = "vocoder"

    def __init__(self, config: VocoderTaskConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.train, self.dev = config, train, dev
        self.modules = nn.ModuleDict(
            {
                "vocoder": Vocoder(config.model),
                "discriminator": MultiResolutionDiscriminator(channels=config.adversarial_channels),
            }
        )
        self.spectral = SpectralLoss()
        self.items = [i for i, u in enumerate(train.utterances) if u.tokens >= config.segment_tokens]

    def prepare(self, device: torch.device) -> None:
        """Moves the loss's filters to the device."""
        self.spectral.to(device)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW for each of the two networks."""
        return {
            name: torch.optim.AdamW(
                self.modules[name].parameters(), self.config.learning_rate, (0.8, 0.99), weight_decay=0.01
            )
            for name in ("vocoder", "discriminator")
        }

    def lengths(self) -> list[int]:
        """Every item gives one excerpt."""
        return [self.config.segment_tokens] * len(self.items)

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids."""
        return [self.train.utterances[self.items[i]].id for i in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Random excerpts: audio (batch, samples), mel (batch, frames, bins), f0 (batch, frames)."""
        rows: dict[str, list[Tensor]] = {"audio": [], "mel": [], "f0": []}
        length = self.config.segment_tokens
        for index in indices:
            item = self.items[index]
            spare = self.train.utterances[item].tokens - length
            start = int(torch.randint(spare + 1, (1,), generator=generator))
            frames = slice(start * FRAMES_PER_TOKEN, (start + length) * FRAMES_PER_TOKEN)
            samples = slice(start * SAMPLES_PER_TOKEN, (start + length) * SAMPLES_PER_TOKEN)
            rows["audio"].append(self.train.audio(item)[samples])
            rows["mel"].append(self._decoded(self.train.mel(item)[frames], generator))
            rows["f0"].append(self.train.f0(item)[frames])
        return {key: torch.stack(values) for key, values in rows.items()}

    def _decoded(self, mel: Tensor, generator: torch.Generator) -> Tensor:
        """The mel as a decoder might make it; as it is without `mel_noise` and `blur`."""
        if self.config.blur and float(torch.rand((), generator=generator)) < self.config.blur:
            mel = blurred(mel)
        if self.config.mel_noise and float(torch.rand((), generator=generator)) < 0.5:
            deviation = self.config.mel_noise * torch.rand((), generator=generator)
            mel = mel + deviation * torch.randn(mel.shape, generator=generator)
        return mel

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Discriminator loss once it has joined, then the generator's."""
        vocoder, discriminator = self.modules["vocoder"], self.modules["discriminator"]
        real, f0 = batch["audio"], batch["f0"]
        fake = vocoder(batch["mel"], interpolate_unvoiced(f0), (f0 > 0).float())
        adversarial = self.progress >= self.config.adversarial_from
        if adversarial:
            short_real, short_fake = self._excerpt(real), self._excerpt(fake)
            loss = discriminator_loss(discriminator(short_real), discriminator(short_fake.detach()))
            yield "discriminator", loss, {"discriminator": loss.detach()}
        stft, mel = self.spectral(fake, real)
        pitch, voicing = vocoder.pitch.loss(batch["mel"], f0)
        loss = stft + self.config.mel_weight * mel + 0.3 * pitch + 0.3 * voicing
        logs = {"stft": stft, "mel": mel, "pitch": pitch, "voicing": voicing}
        if adversarial:
            gan, matching = generator_loss(discriminator(short_real), discriminator(short_fake))
            loss = loss + self.config.adversarial_weight * gan + self.config.matching_weight * matching
            logs |= {"adversarial": gan, "matching": matching}
        yield "vocoder", loss, {key: value.detach() for key, value in logs.items()}

    def _excerpt(self, waveform: Tensor) -> Tensor:
        """The middle of each excerpt, away from the edges of the overlap-add."""
        size = self.config.adversarial_tokens * SAMPLES_PER_TOKEN
        start = max(0, (waveform.shape[1] - size) // 2)
        return waveform[:, start : start + size]

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Copy-synthesis of dev items with estimated F0: spectral distances and pitch errors."""
        totals: dict[str, list[float]] = {
            "stft": [],
            "mel": [],
            "gross_pitch_errors": [],
            "voicing_errors": [],
        }
        for index in self._fixed_items(12):
            waveform, f0 = self.dev.audio(index), self.dev.f0(index)
            fake = self._copy(modules["vocoder"], index)
            stft, mel = self.spectral(fake[None], waveform[None].to(fake.device))
            guess, voicing = modules["vocoder"].pitch.estimate(self.dev.mel(index)[None].to(fake.device))
            guess, voicing = guess[0].cpu(), voicing[0].cpu()
            voiced = f0 > 0
            if voiced.any():
                error = (guess[voiced] / f0[voiced]).log2().abs() > 0.2
                totals["gross_pitch_errors"].append(float(error.float().mean()))
            totals["voicing_errors"].append(float(((voicing > 0.5) != voiced).float().mean()))
            totals["stft"].append(float(stft))
            totals["mel"].append(float(mel))
        return {key: sum(values) / len(values) for key, values in totals.items() if values}

    def samples(self, modules: nn.ModuleDict) -> dict[str, Tensor]:
        """Copy-synthesis of two dev items, beside the recordings."""
        result = {}
        for index in self._fixed_items(2):
            name = self.dev.utterances[index].id
            result[f"{name}/copy.audio"] = self._copy(modules["vocoder"], index).cpu()
            result[f"{name}/natural.audio"] = self.dev.audio(index)
        return result

    def _copy(self, vocoder: nn.Module, index: int) -> Tensor:
        device = next(vocoder.parameters()).device
        mel = self.dev.mel(index)[None].to(device)
        return vocoder(mel, generator=torch.Generator().manual_seed(0))[0, : HOP_LENGTH * mel.shape[1]]

    def _fixed_items(self, count: int) -> list[int]:
        step = max(1, len(self.dev) // count)
        return list(range(0, len(self.dev), step))[:count]
