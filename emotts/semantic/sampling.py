"""Choosing one code from the language model's logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from emotts.config import StrictModel
from emotts.errors import InputError, ModelError


class SamplingConfig(StrictModel):
    """How codes are drawn.

    Attributes:
        temperature: divides the logits, 0 to 5; 0 always takes the most probable code.
        top_p: nucleus (Holtzman et al. 2020): the smallest set of codes that holds this probability, 0 to 1.
        top_k: only the k most probable codes; 0 switches the limit off.
        repetition_penalty: the odds of a code heard in the window are divided by this, 1 to 20. Codes
            repeat legitimately (a held vowel), so 1, no penalty, is the default.
        repetition_window: how many of the last codes are penalised.
        emotion_cfg: classifier-free guidance (Ho and Salimans 2022) from neutral speech to the emotion: the
            logits are n + s (e - n) for those of neutral speech n and those of the emotion e. 1 is none; an
            item without an emotion is never guided.
    """

    temperature: float = Field(default=0.7, ge=0.0, le=5.0)
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    top_k: int = Field(default=50, ge=0)
    repetition_penalty: float = Field(default=1.0, ge=1.0, le=20.0)
    repetition_window: int = Field(default=10, ge=0)
    emotion_cfg: float = Field(default=1.0, ge=0.0, le=5.0)


def item_generator(seed: int, index: int) -> torch.Generator:
    """The random source of item `index` of a request: the same alone as in a batch.

    Raises:
        InputError: a negative seed or index.
    """
    if seed < 0 or index < 0:
        raise InputError(f"seed and item index must be 0 or more, not {seed} and {index}")
    state = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


def sample(logits: Tensor, history: Sequence[int], config: SamplingConfig, generator: torch.Generator) -> int:
    """Draws one code.

    The penalty is subtracted from the logits as its logarithm rather than multiplied into them, so that it
    means the same odds whatever constant the logits carry.

    Args:
        logits: shape (codes,); -inf forbids a code.
        history: codes chosen so far, oldest first.
        config: the sampling rule.
        generator: a CPU generator; not used when the temperature is 0.

    Raises:
        ModelError: no code is allowed, or the logits are not numbers.
    """
    logits = logits.detach().double().cpu()
    if torch.isnan(logits).any() or not torch.isfinite(logits).any():
        raise ModelError("the semantic model gave logits that are not finite; its weights are corrupt")
    if config.repetition_penalty > 1.0 and config.repetition_window and len(history):
        recent = torch.tensor(sorted(set(history[-config.repetition_window :])))
        logits = logits.clone()
        logits[recent] -= float(np.log(config.repetition_penalty))
    if config.temperature == 0.0:
        return int(logits.argmax())
    size = len(logits) if config.top_k == 0 else min(config.top_k, len(logits))
    values, codes = logits.topk(size)
    # Relative to the best, so that a minute temperature cannot overflow.
    probabilities = ((values - values[0]) / config.temperature).softmax(0)
    # A code stays while the probability before it is below top_p, so the best one always stays.
    before = probabilities.cumsum(0) - probabilities
    probabilities = torch.where(before < config.top_p, probabilities, 0.0)
    return int(codes[torch.multinomial(probabilities, 1, generator=generator)])
