"""The decoding loop of the semantic language model: batched, cached, each item with its own random source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    def __init__(
        self,
        total: int | None,
        bounds: tuple[int, int],
        generator: torch.Generator,
        bias: Tensor | None = None,
    ) -> None:
        self.fewest, self.most = (total, total) if total is not None else bounds
        self.generator = generator
        self.bias = None if bias is None else bias.double().cpu()
        self.codes: list[int] = []
        self.done = False

    def choose(self, logits: Tensor, config: SamplingConfig) -> int:
        """Draws the next code and returns what to feed next; the last class of `logits` is the end."""
        end = len(logits) - 1
        if self.bias is not None:
            logits[:end] += self.bias
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
    bias: Tensor | None = None,
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
        _Item(total, (fewest, most), item_generator(own, number), row)
        for total, own, number, row in zip(
            totals, seeds, numbers, [None] * size if bias is None else bias, strict=True
        )
    ]
    with torch.inference_mode():
        states = torch.stack(list(_steps(model, inputs, items, sampling)), dim=1)
    # Cloned outside of inference mode, so that the caller may use the latents in any way.
    latents = [states[row, : len(item.codes)].clone() for row, item in enumerate(items)]
    return Generation([torch.tensor(item.codes, dtype=torch.long) for item in items], latents)


def stream_codes(
    model: SemanticLM,
    inputs: LMInputs,
    sampling: SamplingConfig,
    seed: int,
    index: int = 0,
    bias: Tensor | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Draws the codes of one text one by one: those of `SemanticLM.generate`, as soon as each is known.

    Args:
        model: in evaluation mode.
        inputs: a batch of one.
        sampling: the sampling rule.
        seed: of the request.
        index: number of the item in the request.
        bias: see `SemanticLM.generate`.

    Yields:
        a code, and the latent that predicted it (dim,).

    Raises:
        InputError: several texts, or a total that the model cannot reach.
    """
    if len(inputs.phonemes) != 1:
        raise InputError(f"codes are streamed for one text at a time, not {len(inputs.phonemes)}")
    total = int(inputs.totals[0]) if bool(inputs.has_total[0]) else None
    row = None if bias is None else bias[0]
    item = _Item(total, (1, model.config.max_tokens), item_generator(seed, index), row)
    for step, state in enumerate(_steps(model, inputs, [item], sampling)):
        if step < len(item.codes):
            # Cloned outside of inference mode, as `decode` does.
            yield item.codes[step], state[0].clone()


@torch.inference_mode()  # of a generator this covers each step, not what the caller does between them
def _steps(
    model: SemanticLM, inputs: LMInputs, items: list[_Item], sampling: SamplingConfig
) -> Iterator[Tensor]:
    """States (batch, dim) of one step after the other; its codes are in the items by then."""
    steps = max(item.most for item in items)
    size, guided = len(items), _guided(inputs, sampling)
    context = model.context(inputs.with_neutral_twins(guided) if guided else inputs, steps)
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
    for step in range(steps):
        x = (model.code_embedding(previous) + context.slots[:, step])[:, None]
        seen = None if mask is None else mask[:, : prefix + step + 1]
        for layer, cache in zip(model.layers, caches, strict=True):
            x = layer(x, positions[:, step : step + 1], seen, cache)
        x = model.final_norm(x[:, 0])
        logits = model.head(x).double().cpu()
        if guided:
            plain = logits[size:]
            logits[guided] = plain + sampling.emotion_cfg * (logits[guided] - plain)
        chosen = [
            0 if item.done else item.choose(row, sampling)
            for item, row in zip(items, logits[:size], strict=True)
        ]
        yield x[:size]
        if all(item.done for item in items):
            break
        previous = torch.tensor(chosen + [chosen[row] for row in guided], device=device)


def _guided(inputs: LMInputs, sampling: SamplingConfig) -> list[int]:
    """Rows that need a neutral twin beside them."""
    if sampling.emotion_cfg == 1.0:
        return []
    return inputs.emotion.any(1).nonzero()[:, 0].tolist()
