"""Training of the acoustic decoder: a regressed prior and conditional flow matching around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.acoustic.config import AcousticConfig
from emotts.acoustic.decoder import AcousticDecoder
from emotts.acoustic.flow import sample_times
from emotts.acoustic.inputs import FULL_BANDWIDTH, AcousticInputs
from emotts.config import StrictModel
from emotts.data.shards import Corpus, Utterance
from emotts.errors import DataError
from emotts.nn.masking import masked_mean, pad_stack
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.train.latents import LatentSource, LatentTable
from emotts.train.task import Batch, Loss, Task

STATISTICS_ITEMS = 400
"""Utterances that the mel statistics are taken from, spread evenly over the corpus."""

STD_FLOOR = 0.1
"""Smallest deviation of a mel band: one that never changes must not be blown up."""


_ROWS = ("codes", "mel", "latents", "voice", "phonemes", "phoneme_index")


class AcousticTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the decoder.
        learning_rate: peak; small transformers under adaptive normalisation stand more than the 1e-4 of
            the large ones.
        weight_decay: on matrices only.
        max_tokens: longer items give a random excerpt of this length.
        prior_weight: weight of the prior's loss.
        drop_condition: share of items trained under the null condition, for classifier-free guidance.
        drop_emotion: share of items whose emotion is hidden.
        drop_latents: share of items without latents, for voices and texts without a language model.
        latent_swap: share of items whose latents come from the language model under another emotion, half of
            them under another voice too. Few voices were recorded in every emotion: without it, latents of
            the others in an emotion are new to the decoder, and it loses words.
        prompt: share of items that begin with a given prompt (infilling).
        prompt_shares: shortest and longest prompt, as a share of the item.
        drop_phonemes: share of items whose phonemes are hidden.
        drop_prompt_latents: share of prompts without latents and phonemes; at synthesis a prompt has tokens
            only.
        corrupt_codes: largest share of an item's tokens that are replaced at random, in half of the items:
            a language model draws worse tokens than a recording has, and words must not hang on them.
        uniform_times: share of uniform times in the mix of `sample_times`.
        cache_latents: make the latents of all utterances before the training, and keep them in memory (half
            precision); otherwise each batch makes its own, which cannot be done by `workers`.
        dev_items: dev utterances of the loss; the mel distance takes a quarter of them.
    """

    model: AcousticConfig = AcousticConfig()
    learning_rate: float = Field(8e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    max_tokens: int = Field(200, ge=8)
    prior_weight: float = Field(1.0, ge=0)
    drop_condition: float = Field(0.1, ge=0, le=1)
    drop_emotion: float = Field(0.1, ge=0, le=1)
    drop_latents: float = Field(0.2, ge=0, le=1)
    latent_swap: float = Field(0.0, ge=0, le=1)
    prompt: float = Field(0.5, ge=0, le=1)
    prompt_shares: tuple[float, float] = (0.1, 0.4)
    drop_phonemes: float = Field(0.15, ge=0, le=1)
    drop_prompt_latents: float = Field(0.5, ge=0, le=1)
    corrupt_codes: float = Field(0.3, ge=0, le=1)
    uniform_times: float = Field(0.5, ge=0, le=1)
    cache_latents: bool = True
    dev_items: int = Field(32, ge=1)


def mel_statistics(corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the log-mel, each of shape (mel_bins,), from evenly spread utterances.

    Raises:
        DataError: an empty corpus.
    """
    if not len(corpus):
        raise DataError("the training corpus holds no utterances")
    step = max(1, len(corpus) // STATISTICS_ITEMS)
    frames = torch.cat([corpus.mel(item) for item in range(0, len(corpus), step)]).double()
    return frames.mean(0).float(), frames.std(0).float().clamp_min(STD_FLOOR)


class AcousticTask(Task):
    """Acoustic decoder over whole utterances or long excerpts of a corpus.

    Args:
        config: options.
        train: utterances to learn from, with codes and voice embeddings.
        dev: utterances to measure on.
        language_model: frozen; moved and called, but neither trained nor saved. Without one every item is
            trained without latents.
    """

    name = "acoustic"

    def __init__(
        self,
        config: AcousticTaskConfig,
        train: Corpus,
        dev: Corpus,
        language_model: LatentSource | None = None,
    ) -> None:
        self.config, self.train, self.dev = config, train, dev
        decoder = AcousticDecoder(config.model)
        decoder.set_statistics(*mel_statistics(train))
        self.modules = nn.ModuleDict({"acoustic": decoder})
        self.language_model = language_model
        if isinstance(language_model, nn.Module):
            language_model.eval().requires_grad_(False)
        width, cache = config.model.latent_dim, config.cache_latents
        self.latents = LatentTable(train, language_model, width, cache)
        self.swapped = LatentTable(train, language_model, width, cache, swapped=True)
        self.dev_latents = LatentTable(dev, language_model, width, cache)

    def prepare(self, device: torch.device) -> None:
        """Moves the language model to the device and makes the latents."""
        if isinstance(self.language_model, nn.Module):
            self.language_model.to(device)
        if self.config.cache_latents:
            self.latents.fill()
            self.dev_latents.fill()
            if self.config.latent_swap:
                self.swapped.fill()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW; gains, biases and learned nulls do not decay."""
        parameters = [p for p in self.modules.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        return {"acoustic": torch.optim.AdamW(groups, self.config.learning_rate, (0.9, 0.95))}

    def lengths(self) -> list[int]:
        """Tokens of each item after the excerpt is cut."""
        return [min(u.tokens, self.config.max_tokens) for u in self.train.utterances]

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids."""
        return [self.train.utterances[index].id for index in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Conditions as `AcousticInputs`, and mel, t, noise and weight (frames in the flow's loss)."""
        batch = self._gather(self.train, self._latents(indices, generator), indices, generator)
        config, count, lengths = self.config, len(indices), batch["lengths"]

        def chance(share: float) -> Tensor:
            return torch.rand(count, generator=generator) < share

        least, most = config.prompt_shares
        shares = least + (most - least) * torch.rand(count, generator=generator)
        prompts = (shares * lengths).long() * chance(config.prompt)
        silent = torch.where(chance(config.drop_prompt_latents), prompts, 0)[:, None]
        places = torch.arange(batch["codes"].shape[1])
        batch["latent_mask"] &= (places >= silent) & ~chance(config.drop_latents)[:, None]
        hidden = (places < silent) | chance(config.drop_phonemes)[:, None]
        batch["phoneme_index"] = batch["phoneme_index"].masked_fill(hidden, -1)
        wrong = config.corrupt_codes * torch.rand(count, generator=generator) * chance(0.5)
        others = torch.randint(config.model.codebook_size, batch["codes"].shape, generator=generator)
        spoilt = torch.rand(batch["codes"].shape, generator=generator) < wrong[:, None]
        batch["codes"] = torch.where(spoilt & (places >= prompts[:, None]), others, batch["codes"])
        batch["prompt_lengths"] = prompts
        batch["drop"], batch["drop_emotion"] = chance(config.drop_condition), chance(config.drop_emotion)
        batch["t"] = sample_times(count, generator, config.uniform_times)
        batch["weight"] = (FRAMES_PER_TOKEN * (lengths - prompts)).sum().float()[None]
        return batch

    def _latents(self, items: list[int], generator: torch.Generator) -> list[Tensor] | None:
        """Latents (tokens, dim) of training items, a share of them swapped."""
        if not self.config.latent_swap:
            return self.latents(items)
        swap = (torch.rand(len(items), generator=generator) < self.config.latent_swap).tolist()
        own = self.latents([item for item, other in zip(items, swap, strict=True) if not other])
        others = self.swapped([item for item, other in zip(items, swap, strict=True) if other])
        if own is None or others is None:
            return None
        own, others = iter(own), iter(others)
        return [next(others if other else own) for other in swap]

    def _gather(
        self,
        corpus: Corpus,
        latents: list[Tensor] | None,
        items: Sequence[int],
        generator: torch.Generator,
    ) -> Batch:
        """Excerpts with everything known and nothing dropped; noise drawn, no times."""
        model = self.config.model
        rows: dict[str, list[Tensor]] = {key: [] for key in _ROWS}
        for row, item in enumerate(items):
            size = corpus.utterances[item].tokens
            length = min(size, self.config.max_tokens)
            start = int(torch.randint(size - length + 1, (1,), generator=generator))
            end = start + length
            rows["codes"].append(corpus.codes(item)[start:end])
            rows["mel"].append(corpus.mel(item)[start * FRAMES_PER_TOKEN : end * FRAMES_PER_TOKEN])
            rows["voice"].append(corpus.embedding(corpus.same_speaker(item, generator)))
            known = torch.zeros(length, model.latent_dim) if latents is None else latents[row][start:end]
            rows["latents"].append(known)
            rows["phonemes"].append(torch.tensor(corpus.utterances[item].phonemes))
            rows["phoneme_index"].append(_phoneme_index(corpus.utterances[item])[start:end])
        codes, lengths = pad_stack(rows["codes"])
        mel, _ = pad_stack(rows["mel"])
        count, flags = len(items), torch.zeros(len(items), dtype=torch.bool)
        return {
            "codes": codes,
            "lengths": lengths,
            "voice": torch.stack(rows["voice"]),
            "emotion": torch.tensor([corpus.utterances[item].emotion for item in items], dtype=torch.float32),
            "bandwidth": torch.tensor(
                [min(float(corpus.utterances[item].bandwidth), FULL_BANDWIDTH) for item in items]
            ),
            "latents": pad_stack(rows["latents"])[0],
            "phonemes": pad_stack(rows["phonemes"])[0],
            # Raised by 1 while padded with 0.
            "phoneme_index": pad_stack([row + 1 for row in rows["phoneme_index"]])[0] - 1,
            "latent_mask": (torch.arange(codes.shape[1]) < lengths[:, None]) & (latents is not None),
            "prompt_lengths": torch.zeros(count, dtype=torch.long),
            "drop": flags,
            "drop_emotion": flags.clone(),
            "mel": mel,
            "noise": torch.randn(mel.shape, generator=generator),
        }

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Flow and prior together."""
        parts = self.modules["acoustic"].losses(_inputs(batch), batch["mel"], batch["t"], batch["noise"])
        loss = parts["flow"] + self.config.prior_weight * parts["prior"]
        yield "acoustic", loss, {key: value.detach() for key, value in parts.items()}

    @torch.no_grad()
    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Figures on fixed dev items, times and noise.

        Returns:
            flow: loss of the velocity; prior_l1: of the prior, in deviations; mel_l1 and prior_mel_l1: mean
            absolute error of an 8-step decode and of the prior, in nats of log-mel; contrast and
            prior_contrast: deviation over time of the same, relative to the recordings (1 is right, less is
            over-smoothed).
        """
        if not len(self.dev):
            return {}
        decoder = modules["acoustic"]
        device = decoder.mel_mean.device
        items = self._fixed_items(self.config.dev_items)
        totals: dict[str, list[float]] = {"flow": [], "prior_l1": []}
        for first in range(0, len(items), 8):
            part = items[first : first + 8]
            batch = self._gather(self.dev, self.dev_latents(part), part, torch.Generator().manual_seed(first))
            # Evenly spread over the whole set: every evaluation sees the same times.
            batch["t"] = (torch.arange(first, first + len(part)) * 0.618034 + 0.5) % 1.0
            batch = {key: value.to(device) for key, value in batch.items()}
            parts = decoder.losses(_inputs(batch), batch["mel"], batch["t"], batch["noise"])
            for key in totals:
                totals[key].append(float(parts[key]) * len(part))
        figures = {key: sum(values) / max(1, len(items)) for key, values in totals.items()}
        return figures | self._decode_figures(decoder)

    def _decode_figures(self, decoder: AcousticDecoder) -> dict[str, float]:
        items = self._fixed_items(max(1, self.config.dev_items // 4))
        batch = self._gather(self.dev, self.dev_latents(items), items, torch.Generator().manual_seed(0))
        mask = _inputs(batch).frame_mask
        figures = {}
        for prefix, steps in (("", 8), ("prior_", 0)):
            mel = self._decode(decoder, batch, steps)
            figures[f"{prefix}mel_l1"] = float(masked_mean((mel - batch["mel"]).abs(), mask))
            figures[f"{prefix}contrast"] = float((_spread(mel, mask) / _spread(batch["mel"], mask)).mean())
        return figures

    def _decode(self, decoder: AcousticDecoder, batch: Batch, steps: int) -> Tensor:
        has_latents = bool(batch["latent_mask"].any())
        mel, _ = decoder.decode(
            batch["codes"],
            batch["voice"],
            batch["emotion"],
            lengths=batch["lengths"],
            latents=batch["latents"] if has_latents else None,
            phonemes=batch["phonemes"],
            durations=_durations(batch) if self.config.model.symbols else None,
            bandwidth=batch["bandwidth"],
            steps=steps,
        )
        return mel.cpu()

    def samples(self, modules: nn.ModuleDict) -> dict[str, Tensor]:
        """Mel of two dev items: decoded, and recorded."""
        if not len(self.dev):
            return {}
        items = self._fixed_items(2)
        batch = self._gather(self.dev, self.dev_latents(items), items, torch.Generator().manual_seed(0))
        mel = self._decode(modules["acoustic"], batch, 8)
        result = {}
        for row, item in enumerate(items):
            frames = FRAMES_PER_TOKEN * int(batch["lengths"][row])
            result[f"{self.dev.utterances[item].id}/decoded.mel"] = mel[row, :frames]
            result[f"{self.dev.utterances[item].id}/natural.mel"] = batch["mel"][row, :frames]
        return result

    def _fixed_items(self, count: int) -> list[int]:
        step = max(1, len(self.dev) // count)
        return list(range(0, len(self.dev), step))[:count]


def _inputs(batch: Batch) -> AcousticInputs:
    """The conditions in a batch; the recording itself is the mel of the prompt."""
    named = {f.name: batch[f.name] for f in fields(AcousticInputs) if f.name != "prompt_mel"}
    return AcousticInputs(prompt_mel=batch["mel"], **named)


def _phoneme_index(utterance: Utterance) -> Tensor:
    """The phoneme at each token, -1 where the utterance has no plan."""
    if utterance.durations is None:
        return torch.full((utterance.tokens,), -1)
    durations = torch.tensor(utterance.durations)
    return torch.arange(len(durations)).repeat_interleave(durations)


def _durations(batch: Batch) -> list[list[int] | None]:
    """The plan of each item, as far as its excerpt goes."""
    width = batch["phonemes"].shape[1]
    rows = [row[row >= 0].bincount(minlength=width) for row in batch["phoneme_index"].cpu()]
    lengths = batch["lengths"].tolist()
    return [row.tolist() if int(row.sum()) == size else None for row, size in zip(rows, lengths, strict=True)]


def _spread(mel: Tensor, mask: Tensor) -> Tensor:
    """Deviation of each band over all content, shape (mel_bins,)."""
    return mel[mask].std(0)
