"""The decoding loop of the semantic language model: batched, cached, each item with its own random source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emotts.errors import InputError
from emotts.nn.transformer import KeyValueCache
from emotts.semantic.lm_inputs import LMInputs
from emotts.semantic.sampling import SamplingConfig, item_generator, sample

if TYPE_CHECKING:
    from emotts.semantic.lm import SemanticLM


@dataclass(frozen=True)
class Generation:
    """Drawn codes, one entry for each text.

    Attributes:
        codes: (tokens,) each, int64.
        latents: (tokens, dim) each; row n is the state that predicted code n.
    """

    codes: list[Tensor]
    latents: list[Tensor]


class FixedCache(KeyValueCache):
    """Key-value cache in a buffer of a known size, so that a step copies one position and not all of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes behind what is there and returns views of everything seen so far."""
        if self.keys is None or self.values is None:
            batch, heads, _, width = keys.shape
            self.keys = keys.new_empty(batch, heads, self.size, width)
            self.values = values.new_empty(batch, heads, self.size, width)
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class _Item:
    """One text that is being decoded."""

    def __init__(self, total: int | None, bounds: tuple[int, int], generator: torch.Generator) -> None:
        self.fewest, self.most = (total, total) if total is not None else bounds
        self.generator = generator
        self.codes: list[int] = []
        self.done = False

    def choose(self, logits: Tensor, config: SamplingConfig) -> int:
        """Draws the next code and returns what to feed next; the last class of `logits` is the end."""
        end = len(logits) - 1
        if len(self.codes) < self.fewest:
            logits = logits[:end]
        code = sample(logits, self.codes, config, self.generator)
        if code == end:
            self.done = True
            return 0
        self.codes.append(code)
        self.done = len(self.codes) >= self.most
        return code


def decode(
    model: SemanticLM,
    inputs: LMInputs,
    sampling: SamplingConfig,
    seed: int | Sequence[int],
    indices: Sequence[int] | None,
    bounds: tuple[int, int | None],
) -> Generation:
    """Draws codes until every item has ended; see `SemanticLM.generate`."""
    limit = model.config.max_tokens
    fewest, most = bounds[0], limit if bounds[1] is None else bounds[1]
    if not 1 <= fewest <= most <= limit:
        raise InputError(f"tokens of free length must be bounded by 1 <= fewest <= most <= {limit}")
    size = len(inputs.phonemes)
    numbers = list(range(size)) if indices is None else list(indices)
    if len(numbers) != size:
        raise InputError(f"{len(numbers)} item indices for {size} texts; give one for each")
    seeds = [seed] * size if isinstance(seed, int) else list(seed)
    if len(seeds) != size:
        raise InputError(f"{len(seeds)} seeds for {size} texts; give one for each, or one for all")
    totals = [int(n) if known else None for n, known in zip(inputs.totals, inputs.has_total, strict=True)]
    items = [
        _Item(total, (fewest, most), item_generator(own, number))
        for total, own, number in zip(totals, seeds, numbers, strict=True)
    ]
    with torch.inference_mode():
        states = _loop(model, inputs, items, sampling)
    # Cloned outside of inference mode, so that the caller may use the latents in any way.
    latents = [states[row, : len(item.codes)].clone() for row, item in enumerate(items)]
    return Generation([torch.tensor(item.codes, dtype=torch.long) for item in items], latents)


def _loop(model: SemanticLM, inputs: LMInputs, items: list[_Item], sampling: SamplingConfig) -> Tensor:
    steps = max(item.most for item in items)
    context = model.context(inputs, steps)
    batch, prefix, _ = context.prefix.shape
    device = context.prefix.device
    caches = [FixedCache(prefix + steps) for _ in model.layers]
    # One text alone has no padding and needs no mask.
    mask = None
    if not bool(context.prefix_mask.all()):
        mask = torch.cat([context.prefix_mask, context.prefix_mask.new_ones(batch, steps)], dim=1)
    x = context.prefix
    for layer, cache in zip(model.layers, caches, strict=True):
        x = layer(x, context.prefix_positions, context.prefix_mask if mask is not None else None, cache)
    positions = torch.arange(steps, device=device, dtype=context.prefix_positions.dtype).expand(batch, -1)
    previous = torch.full((batch,), model.start_code, device=device)
    states: list[Tensor] = []
    for step in range(steps):
        x = (model.code_embedding(previous) + context.slots[:, step])[:, None]
        seen = None if mask is None else mask[:, : prefix + step + 1]
        for layer, cache in zip(model.layers, caches, strict=True):
            x = layer(x, positions[:, step : step + 1], seen, cache)
        x = model.final_norm(x[:, 0])
        states.append(x)
        logits = model.head(x).double().cpu()
        chosen = [
            0 if item.done else item.choose(row, sampling) for item, row in zip(items, logits, strict=True)
        ]
        if all(item.done for item in items):
            break
        previous = torch.tensor(chosen, device=device)
    return torch.stack(states, dim=1)
