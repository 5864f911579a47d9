"""Acoustic decoder: semantic tokens, latents, voice and emotion to a log-mel spectrogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from emotts.acoustic.conditioner import Conditioner
from emotts.acoustic.config import AcousticConfig
from emotts.acoustic.estimator import Estimator, FlowCondition
from emotts.acoustic.flow import Schedule, draw_noise, path, solve, target_velocity, time_grid
from emotts.acoustic.guidance import Guidance, classifier_free
from emotts.acoustic.inputs import FULL_BANDWIDTH, AcousticInputs, assemble
from emotts.errors import InputError
from emotts.nn.masking import masked_mean
from emotts.timebase import FRAMES_PER_TOKEN

SILENCE = math.log(1e-5)
"""Log-mel of digital silence, which fills the padding of what `decode` returns."""


class AcousticDecoder(nn.Module):
    """Conditional flow matching around a regressed prior.

    Attributes:
        mel_mean: shape (mel_bins,), of the training corpus; saved with the weights.
        mel_std: shape (mel_bins,).
    """

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioner = Conditioner(config)
        self.estimator = Estimator(config)
        self.register_buffer("mel_mean", torch.zeros(config.mel_bins))
        self.register_buffer("mel_std", torch.ones(config.mel_bins))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Sets the normalisation of the mel.

        Args:
            mean: shape (mel_bins,), natural log.
            std: shape (mel_bins,), above 0.

        Raises:
            InputError: wrong shape, or a deviation that is not above 0.
        """
        if mean.shape != self.mel_mean.shape or std.shape != self.mel_std.shape or not bool((std > 0).all()):
            raise InputError(f"mel statistics must be {self.config.mel_bins} means and deviations above 0")
        self.mel_mean.copy_(mean)
        self.mel_std.copy_(std)

    def normalize(self, mel: Tensor) -> Tensor:
        """Log-mel (..., mel_bins) to zero mean and unit deviation."""
        return (mel - self.mel_mean) / self.mel_std

    def denormalize(self, mel: Tensor) -> Tensor:
        """Inverse of `normalize`."""
        return mel * self.mel_std + self.mel_mean

    def condition(self, inputs: AcousticInputs) -> tuple[FlowCondition, Tensor]:
        """Encodes the conditions once for all steps of the solver.

        Returns:
            the condition of the flow, and the prior (batch, frames, mel_bins), normalised, with gradient.
        """
        states, prior, vector = self.conditioner(inputs)
        mask, prompt_mask = inputs.frame_mask, inputs.prompt_mask
        # The flow reads the prior without gradient: it must stay a regression, not a side channel.
        seen = prior.detach() * ~inputs.drop[:, None, None]
        prompt = self.normalize(inputs.prompt_mel) * prompt_mask[..., None]
        return FlowCondition(states, seen, vector, prompt, prompt_mask, mask), prior

    def losses(self, inputs: AcousticInputs, mel: Tensor, t: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Training losses.

        Args:
            inputs: the conditions; `prompt_lengths` frames of `mel` are given as the prompt.
            mel: shape (batch, 4 * tokens, mel_bins), log-mel.
            t: shape (batch,), times in [0, 1].
            noise: same shape as `mel`, standard normal.

        Returns:
            "flow": mean squared error of the velocity off the prompt (Lipman et al. 2023, eq. 23);
            "prior": mean absolute plus half mean squared error of the prior;
            "prior_l1": its first part.
        """
        x1, sigma = self.normalize(mel), self.config.sigma_min
        condition, prior = self.condition(replace(inputs, prompt_mel=mel))
        velocity = self.estimator(path(x1, noise, t, sigma), t, condition)
        error = velocity - target_velocity(x1, noise, sigma)
        heard = condition.mask & ~inputs.drop[:, None]
        distance = prior - x1
        absolute = masked_mean(distance.abs(), heard)
        return {
            "flow": masked_mean(error.square(), condition.mask & ~condition.prompt_mask),
            "prior": absolute + 0.5 * masked_mean(distance.square(), heard),
            "prior_l1": absolute,
        }

    @torch.no_grad()  # not inference_mode: a guidance may switch gradients on for itself
    def decode(
        self,
        codes: Tensor | Sequence[Tensor],
        voice: Tensor,
        emotion: Tensor,
        *,
        lengths: Sequence[int] | Tensor | None = None,
        latents: Tensor | Sequence[Tensor | None] | None = None,
        phonemes: Sequence[Sequence[int] | None] | None = None,
        durations: Sequence[Sequence[int] | None] | None = None,
        bandwidth: float | Tensor = FULL_BANDWIDTH,
        prompt_mel: Tensor | Sequence[Tensor | None] | None = None,
        prompt_codes: Tensor | Sequence[Tensor | None] | None = None,
        steps: int = 8,
        cfg: float = 0.0,
        guidance: Guidance | None = None,
        seeds: int | Sequence[int] = 0,
        temperature: float = 1.0,
        schedule: Schedule = "cosine",
    ) -> tuple[Tensor, Tensor]:
        """Log-mel of exactly 4 frames for each token.

        Args:
            codes: padded (batch, tokens) or a row for each item; `assemble` explains this and all
                conditions down to `prompt_codes`.
            steps: of the solver; 0 returns the prior, without flow.
            cfg: weight of classifier-free guidance; 0 is without, and costs nothing.
            guidance: bends the velocity at each step.
            seeds: of the noise, one for each item; one number s gives item i the seed s + i.
            temperature: standard deviation of the noise.
            schedule: of the solver's times, see `flow.time_grid`.

        Returns:
            mel: shape (batch, longest, mel_bins), natural log, prompt removed, silence on padding.
            frames: shape (batch,), length of each item.

        Raises:
            InputError: conditions that do not fit together, or a setting out of range.
        """
        if steps < 0 or temperature < 0 or not math.isfinite(cfg) or not math.isfinite(temperature):
            raise InputError("steps and temperature must be at least 0, and cfg and temperature finite")
        inputs = assemble(
            self.config, codes, voice, emotion, lengths=lengths, latents=latents, phonemes=phonemes,
            durations=durations, bandwidth=bandwidth, prompt_mel=prompt_mel, prompt_codes=prompt_codes,
        ).to(self.mel_mean.device)  # fmt: skip
        count = len(inputs.lengths)
        items = [seeds + row for row in range(count)] if isinstance(seeds, int) else list(seeds)
        if len(items) != count:
            raise InputError(f"seeds must be one number or {count} numbers, not {len(items)}")
        if steps == 0:
            return self._finish(self.conditioner(inputs)[1], inputs)
        sizes = [FRAMES_PER_TOKEN * int(length) for length in inputs.lengths]
        noise = draw_noise(sizes, self.config.mel_bins, items, temperature).to(self.mel_mean.device)
        return self._finish(self._flow(inputs, noise, time_grid(steps, schedule), cfg, guidance), inputs)

    def _flow(
        self, inputs: AcousticInputs, noise: Tensor, grid: list[float], cfg: float, guidance: Guidance | None
    ) -> Tensor:
        condition, _ = self.condition(inputs.with_null() if cfg else inputs)
        count = len(noise)
        prompt, prompt_mask = condition.prompt[:count], condition.prompt_mask[:count, :, None]
        content = condition.mask[:count, :, None]
        known = target_velocity(prompt, noise, self.config.sigma_min)

        def field(x: Tensor, t: Tensor) -> Tensor:
            if cfg:
                both = self.estimator(torch.cat([x, x]), torch.cat([t, t]), condition)
                velocity = classifier_free(both[:count], both[count:], cfg)
            else:
                velocity = self.estimator(x, t, condition)
            if guidance is not None:
                velocity = guidance(velocity, x, t)
            # The prompt is known, so it moves on its exact path whatever the network says.
            return torch.where(prompt_mask, known, velocity) * content

        return solve(field, noise, grid)

    def _finish(self, mel: Tensor, inputs: AcousticInputs) -> tuple[Tensor, Tensor]:
        mel = self.denormalize(mel.float())
        starts = (FRAMES_PER_TOKEN * inputs.prompt_lengths).tolist()
        frames = FRAMES_PER_TOKEN * (inputs.lengths - inputs.prompt_lengths)
        result = mel.new_full((len(mel), int(frames.max()), mel.shape[-1]), SILENCE)
        for row, (start, size) in enumerate(zip(starts, frames.tolist(), strict=True)):
            result[row, :size] = mel[row, start : start + size]
        return result, frames
