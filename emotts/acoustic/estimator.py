"""Estimator: the velocity of the flow, a diffusion transformer over patches of mel frames.

The network is preconditioned on the prior, as EDM (Karras et al. 2022, section 5) does for zero-mean data.
With x1 = prior + e, e of standard deviation s, and x_t = a x0 + t x1, a = 1 - (1 - σ) t, the residual
r = x_t - t prior has variance q = a² + t² s², and the best linear guess of the velocity is

    prior + (t s² - (1 - σ) a) / q · r,    which leaves an error of standard deviation s / √q  (σ → 0).

The network reads r / √q and predicts that error in units of its deviation. Untrained, it is therefore the
Wiener filter around the prior instead of zero, which saves the first thousands of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from emotts.acoustic.config import AcousticConfig
from emotts.nn.transformer import TransformerBlock


@dataclass(frozen=True)
class FlowCondition:
    """Everything the velocity depends on besides x_t and t.

    Attributes:
        states: shape (batch, frames / patch, dim), of the conditioner.
        prior: shape (batch, frames, mel_bins), normalised, detached; zeros under the null condition.
        vector: shape (batch, condition_dim).
        prompt: shape (batch, frames, mel_bins), normalised, zeros off the prompt.
        prompt_mask: shape (batch, frames), True on the prompt.
        mask: shape (batch, frames), True on content.
    """

    states: Tensor
    prior: Tensor
    vector: Tensor
    prompt: Tensor
    prompt_mask: Tensor
    mask: Tensor


def time_features(t: Tensor, dim: int) -> Tensor:
    """Sines and cosines of t in [0, 1], shape (batch,) -> (batch, dim), rates from 100 down to about 0.01."""
    half = dim // 2
    rates = 100.0 * 10_000.0 ** (-torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = t.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Estimator(nn.Module):
    """Velocity of the normalised mel at time t."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, config.patch * config.mel_bins
        self.input = nn.Linear(3 * width + 1, dim)
        self.mixing = nn.Conv1d(dim, dim, 5, padding=2, groups=dim)
        self.time = nn.Sequential(
            nn.Linear(config.condition_dim, config.condition_dim),
            nn.SiLU(),
            nn.Linear(config.condition_dim, config.condition_dim),
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(dim, config.heads, config.expansion, config.condition_dim, config.dropout)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.modulation = nn.Linear(config.condition_dim, 2 * dim)
        self.output = nn.Linear(dim, width)
        for layer in (self.modulation, self.output):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x_t: Tensor, t: Tensor, condition: FlowCondition) -> Tensor:
        """Velocity.

        Args:
            x_t: shape (batch, frames, mel_bins), normalised units; not read on prompt and padding.
            t: shape (batch,), 0 is noise and 1 is speech.
            condition: see `FlowCondition`.

        Returns:
            same shape as x_t, float32, zero on padding; meaningless on the prompt.
        """
        s, sigma = self.config.residual_std, self.config.sigma_min
        time = t.float()[:, None, None]
        noise_share = 1 - (1 - sigma) * time
        variance = noise_share**2 + (time * s) ** 2
        unknown = (condition.mask & ~condition.prompt_mask)[..., None]
        residual = (x_t.float() - time * condition.prior) * unknown
        guess = condition.prior + (time * s**2 - (1 - sigma) * noise_share) / variance * residual
        error = self._network(residual * variance.rsqrt(), t, condition)
        return (guess + s * variance.rsqrt() * error) * condition.mask[..., None]

    def _network(self, residual: Tensor, t: Tensor, condition: FlowCondition) -> Tensor:
        batch, frames, _ = residual.shape
        patch = self.config.patch
        parts = (residual, condition.prior, condition.prompt)
        known = [rearrange(part, "b (t p) m -> b t (p m)", p=patch) for part in parts]
        flag = condition.prompt_mask[:, ::patch, None].to(residual.dtype)
        mask = condition.mask[:, ::patch]
        x = (self.input(torch.cat([*known, flag], dim=-1)) + condition.states) * mask[..., None]
        x = x + self.mixing(x.transpose(1, 2)).transpose(1, 2)
        features = time_features(t, self.config.condition_dim)
        steering = nn.functional.silu(self.time(features) + condition.vector)
        positions = torch.arange(frames // patch, device=x.device) / self.config.patches_per_token
        positions = positions.expand(batch, -1)
        for block in self.blocks:
            x = block(x, positions, mask, condition=steering)
        scale, shift = self.modulation(steering)[:, None].chunk(2, dim=-1)
        x = self.output(self.norm(x) * (1 + scale) + shift)
        return rearrange(x, "b t (p m) -> b (t p) m", p=patch).float()
