"""Training of the duration predictor on aligned recordings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.errors import DataError
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.timebase import TOKEN_RATE
from emotts.timing.predictor import DurationPredictor, DurationPredictorConfig, inner_mask, to_tokens
from emotts.train.task import Batch, Loss, Task
from emotts.train.voice_swap import borrowed_voice

EVALUATION_BATCH = 32
EVALUATION_SEED = 0

NEUTRAL_BELOW = 0.5
"""Votes for any emotion under which an utterance tells a speaker's tempo."""


class DurationTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the predictor.
        learning_rate: base rate of AdamW.
        weight_decay: of AdamW.
        drop: share of items that hide the voice, and of items that hide the emotion.
        voice_swap: largest share of emotional items that get the voice of any other speaker, and durations
            brought to that speaker's tempo; in proportion to the votes for an emotion, as for the language
            model. Without it an emotion also brings the tempo of the actors who recorded it.
    """

    model: DurationPredictorConfig = DurationPredictorConfig()
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    drop: float = Field(0.1, ge=0, le=1)
    voice_swap: float = Field(0.0, ge=0, le=1)


class DurationTask(Task):
    """Fits a `DurationPredictor` to the aligned plans of a corpus.

    Args:
        config: options.
        train: training utterances with voice embeddings; those without a plan are left out.
        dev: dev utterances, likewise.

    Raises:
        DataError: no training utterance has a plan, or a plan does not fit its utterance.
    """

    name = "duration"

    def __init__(self, config: DurationTaskConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.train, self.dev = config, train, dev
        self.modules = nn.ModuleDict({"duration": DurationPredictor(config.model)})
        self.items, self.dev_items = _aligned(train), _aligned(dev)
        if not self.items:
            raise DataError("no training utterance has an alignment: run the align stage first")
        self.tempo = speaker_tempos(train, self.items) if config.voice_swap else {}
        self.swaps = [i for i in self.items if train.utterances[i].speaker in self.tempo]

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One AdamW, "model"."""
        parameters = self.modules.parameters()
        rate, decay = self.config.learning_rate, self.config.weight_decay
        return {"model": torch.optim.AdamW(parameters, rate, weight_decay=decay)}

    def lengths(self) -> list[int]:
        """Phonemes of every training item."""
        return [len(self.train.utterances[index].phonemes) for index in self.items]

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids of training items."""
        return [self.train.utterances[self.items[index]].id for index in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """A batch whose voice embeddings come from other utterances of the same speakers.

        Returns:
            "ids", "durations" and "mask" (batch, phonemes), "voice" (batch, voice_dim), "emotion"
            (batch, emotion_dim), "acted" (batch,), whether listeners heard any emotion, and "weight" (1,),
            the phonemes that the loss averages over.
        """
        items = [self.items[index] for index in indices]
        batch = _batch(self.train, items, generator)
        for row, item in enumerate(items):
            self._swap_voice(batch, row, item, generator)
        keep = torch.rand(len(indices), 2, generator=generator) >= self.config.drop
        batch["voice"] = batch["voice"] * keep[:, :1]
        batch["emotion"] = batch["emotion"] * keep[:, 1:]
        return batch

    def _swap_voice(self, batch: Batch, row: int, item: int, generator: torch.Generator) -> None:
        """Gives an emotional item another speaker's voice and tempo, now and then."""
        utterance = self.train.utterances[item]
        share = self.config.voice_swap if utterance.speaker in self.tempo else 0.0
        other = borrowed_voice(utterance, share, self.swaps, generator)
        if other is not None:
            change = self.tempo[self.train.utterances[other].speaker] - self.tempo[utterance.speaker]
            batch["voice"][row] = self.train.embedding(other)
            batch["durations"][row] *= math.exp(change)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """One update of "model"."""
        model = self.modules["duration"]
        ids, mask = batch["ids"], batch["mask"]
        predicted = model(ids, mask, batch["voice"], batch["emotion"])
        loss = model.loss(predicted.float(), batch["durations"], ids, mask, batch["acted"])
        yield "model", loss["loss"], {key: value.detach() for key, value in loss.items()}

    @torch.no_grad()
    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Errors on the dev utterances, without what `inner_mask` leaves out.

        Returns:
            "mae_ms", mean absolute error of a phoneme; "total_error_percent", mean absolute error of
            an utterance's length; "total_bias_percent", the signed one: below zero is too fast.
            Empty when no dev utterance has a plan.
        """
        if not self.dev_items:
            return {}
        model = modules["duration"]
        device = model.output.weight.device
        generator = torch.Generator().manual_seed(EVALUATION_SEED)
        errors, ratios = [], []
        for start in range(0, len(self.dev_items), EVALUATION_BATCH):
            batch = _batch(self.dev, self.dev_items[start : start + EVALUATION_BATCH], generator)
            batch = {key: value.to(device) for key, value in batch.items()}
            ids, mask = batch["ids"], batch["mask"]
            inner = inner_mask(ids, mask, batch["acted"])
            tokens = to_tokens(model(ids, mask, batch["voice"], batch["emotion"]).float()) * inner
            actual = batch["durations"] * inner
            errors.append((tokens - actual).abs()[inner])
            heard = inner.any(1)
            ratios.append(tokens.sum(1)[heard] / actual.sum(1)[heard].clamp_min(1) - 1)
        relative = torch.cat(ratios)
        return {
            "mae_ms": 1000 / TOKEN_RATE * torch.cat(errors).mean().item(),
            "total_error_percent": 100 * relative.abs().mean().item(),
            "total_bias_percent": 100 * relative.mean().item(),
        }


def speaker_tempos(corpus: Corpus, items: Sequence[int]) -> dict[str, float]:
    """How slowly each speaker speaks without an emotion.

    Args:
        corpus: with plans.
        items: utterances that count.

    Returns:
        speaker -> mean logarithm of an utterance's length over what its phonemes last on average, for
        speakers with neutral utterances; pauses and outer phonemes as `inner_mask` has it.
    """
    calm = [item for item in items if sum(corpus.utterances[item].emotion) < NEUTRAL_BELOW]
    sums: dict[int, float] = defaultdict(float)
    counts: dict[int, int] = defaultdict(int)
    inner: dict[int, list[tuple[int, int]]] = {}
    for item in calm:
        utterance = corpus.utterances[item]
        ids = torch.tensor(utterance.phonemes)[None]
        heard = inner_mask(
            ids, torch.ones_like(ids, dtype=torch.bool), torch.tensor([any(utterance.emotion)])
        )
        pairs = zip(utterance.phonemes, utterance.durations or (), heard[0].tolist(), strict=True)
        inner[item] = [(phoneme, duration) for phoneme, duration, counted in pairs if counted]
        for phoneme, duration in inner[item]:
            sums[phoneme] += duration
            counts[phoneme] += 1
    ratios: dict[str, list[float]] = defaultdict(list)
    for item, pairs in inner.items():
        length, usual = sum(d for _, d in pairs), sum(sums[p] / counts[p] for p, _ in pairs)
        if length and usual:
            ratios[corpus.utterances[item].speaker].append(math.log(length / usual))
    return {speaker: sum(values) / len(values) for speaker, values in ratios.items()}


def _aligned(corpus: Corpus) -> list[int]:
    """Utterances that have a plan."""
    items = [index for index, record in enumerate(corpus.utterances) if record.durations is not None]
    for index in items:
        record = corpus.utterances[index]
        if len(record.durations or ()) != len(record.phonemes):
            raise DataError(
                f"{record.id} has {len(record.durations or ())} durations for {len(record.phonemes)} "
                "phonemes: align it again"
            )
    return items


def _batch(corpus: Corpus, items: list[int], generator: torch.Generator) -> Batch:
    records = [corpus.utterances[index] for index in items]
    ids, lengths = pad_stack([torch.tensor(record.phonemes) for record in records])
    durations, _ = pad_stack([torch.tensor(record.durations) for record in records])
    mask = lengths_to_mask(lengths)
    emotions = torch.tensor([record.emotion for record in records])
    acted = emotions.sum(1) > 0
    voices = [corpus.embedding(corpus.same_speaker(index, generator)) for index in items]
    return {
        "ids": ids,
        "durations": durations.float(),
        "mask": mask,
        "voice": torch.stack(voices),
        "emotion": emotions,
        "acted": acted,
        "weight": inner_mask(ids, mask, acted).sum()[None],
    }
