"""Training of the emotion expert: what listeners heard, from mels as noisy as the flow makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.acoustic.flow import path
from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.emotion.emotion import EMOTIONS, NEUTRAL
from emotts.emotion.expert import EmotionExpert, EmotionExpertConfig
from emotts.errors import DataError
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.train.mel_augment import MelAugmentConfig, augment_mel
from emotts.train.task import Batch, Loss, Task
from emotts.train.tasks.acoustic import mel_statistics

REPORTED_TIMES = tuple(k / 10 for k in range(1, 11))
"""Times at which the accuracy is reported."""

_EVALUATION_BATCH = 32


class ExpertTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes and classes of the expert.
        learning_rate: of AdamW.
        weight_decay: on matrices only.
        excerpt_tokens: items are cut to a random length between the two, in tokens; shorter ones stay whole.
        epoch_draws: utterances of every speaker in an epoch: all speakers count alike.
        class_balance: within a speaker, an utterance is drawn with a weight of Σ_c label_c / share_c to
            this power; 0 draws all alike, 1 makes the classes equally frequent.
        sharpen: the listeners' shares to this power, then normalised: their votes are few and scattered.
        sigma_min: of the decoder's path.
        full_noise: share of items whose path begins with noise of deviation 1; the others begin with less,
            down to none, because the synthesis may ask for less noise.
        corpora: names of the corpora to learn from. Left empty, those that name an emotion: of read speech
            alone the expert would learn that neutral is another microphone.
        augment: of the mels.
        dev_items: dev utterances that are measured.
    """

    model: EmotionExpertConfig = EmotionExpertConfig()
    learning_rate: float = Field(1.5e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    excerpt_tokens: tuple[int, int] = (40, 80)
    epoch_draws: int = Field(64, ge=1)
    class_balance: float = Field(0.7, ge=0, le=1)
    sharpen: float = Field(1.0, ge=0.5, le=4)
    sigma_min: float = Field(1e-4, ge=0, lt=1)
    full_noise: float = Field(0.6, ge=0, le=1)
    corpora: tuple[str, ...] = ()
    augment: MelAugmentConfig = MelAugmentConfig()
    dev_items: int = Field(200, ge=1)


def soft_label(emotion: Sequence[float], classes: Sequence[str]) -> Tensor | None:
    """Probabilities of the classes, shape (classes,), from an utterance's emotion vector.

    Neutral is what the vector leaves of 1. Emotions that are no class are dropped; None where they were more
    than half of the label.
    """
    values = dict(zip(EMOTIONS, emotion, strict=True))
    values[NEUTRAL] = max(0.0, 1.0 - sum(emotion))
    label = torch.tensor([values[name] for name in classes])
    total = float(label.sum())
    return label / total if total >= 0.5 * max(1.0, sum(emotion)) else None


def emotional_corpora(corpus: Corpus) -> tuple[str, ...]:
    """Names of the corpora with at least one utterance that is not neutral, sorted."""
    return tuple(sorted({u.corpus for u in corpus.utterances if any(u.emotion)}))


class ExpertTask(Task):
    """Emotion expert over excerpts, every speaker as often as any other.

    Args:
        config: options.
        train: utterances to learn from.
        dev: utterances to measure on; those of speakers in `train` are left out.
        statistics: mean and deviation of the mel bands, as the acoustic decoder has them; measured on
            `train` when left out.

    Raises:
        DataError: no utterances with an emotion.
    """

    name = "expert"

    def __init__(
        self,
        config: ExpertTaskConfig,
        train: Corpus,
        dev: Corpus,
        statistics: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.config, self.train, self.dev = config, train, dev
        expert = EmotionExpert(config.model)
        expert.set_statistics(*(mel_statistics(train) if statistics is None else statistics))
        self.modules = nn.ModuleDict({"expert": expert})
        corpora = config.corpora or emotional_corpora(train)
        self.items, self.labels = labelled(train, config.model.classes, corpora)
        if not self.items:
            raise DataError(f"no training utterance of {', '.join(corpora) or 'any corpus'} names an emotion")
        share = self.labels.mean(0).clamp_min(1e-3)
        weight = (self.labels / share**config.class_balance).sum(1)
        names = [train.utterances[item].speaker for item in self.items]
        self.speakers = sorted(set(names))
        self._pools = [[k for k, name in enumerate(names) if name == speaker] for speaker in self.speakers]
        self._weights = [weight[pool] for pool in self._pools]
        self._mean = expert.mel_mean.clone(), expert.mel_std.clone()
        self._dev_items, self._dev_labels = held_out(
            dev, config.model.classes, corpora, set(train.speakers), config.dev_items
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW; gains and biases do not decay."""
        parameters = list(self.modules.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        return {"expert": torch.optim.AdamW(groups, self.config.learning_rate)}

    def lengths(self) -> list[int]:
        """Longest excerpt for every draw; item k draws from speaker k modulo the number of speakers."""
        return [self.config.excerpt_tokens[1]] * (self.config.epoch_draws * len(self.speakers))

    def identify(self, indices: list[int]) -> list[str]:
        """Speakers of the draws."""
        return [self.speakers[index % len(self.speakers)] for index in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """x_t and mask, t, and soft labels; weight is the number of items."""
        rows, labels = [], []
        for index in indices:
            speaker = index % len(self.speakers)
            place = int(torch.multinomial(self._weights[speaker], 1, generator=generator))
            drawn = self._pools[speaker][place]
            mel = self._excerpt(self.train.mel(self.items[drawn]), generator)
            mel = augment_mel(mel, self.config.augment, generator)
            rows.append((mel - self._mean[0]) / self._mean[1])
            labels.append(self.labels[drawn])
        x1, lengths = pad_stack(rows)
        count = len(rows)
        t = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
        level = torch.rand(count, generator=generator)
        full = torch.rand(count, generator=generator) < self.config.full_noise
        level = torch.where(full, torch.ones(count), level)
        noise = torch.randn(x1.shape, generator=generator) * level[:, None, None]
        target = torch.stack(labels) ** self.config.sharpen
        return {
            "x_t": path(x1, noise, t, self.config.sigma_min),
            "lengths": lengths,
            "t": t,
            "label": target / target.sum(-1, keepdim=True),
            "weight": torch.tensor([float(count)]),
        }

    def _excerpt(self, mel: Tensor, generator: torch.Generator) -> Tensor:
        shortest, longest = self.config.excerpt_tokens
        tokens = int(torch.randint(shortest, longest + 1, (1,), generator=generator))
        size = min(len(mel), tokens * FRAMES_PER_TOKEN)
        start = int(torch.randint(len(mel) - size + 1, (1,), generator=generator))
        return mel[start : start + size].clone()

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Divergence KL(label ‖ expert), nats."""
        mask = lengths_to_mask(batch["lengths"], batch["x_t"].shape[1])
        log_probs = self.modules["expert"](batch["x_t"], batch["t"], mask)
        loss = nn.functional.kl_div(log_probs, batch["label"], reduction="batchmean")
        hits = (log_probs.argmax(-1) == batch["label"].argmax(-1)).float().mean()
        yield "expert", loss, {"kl": loss.detach(), "accuracy": hits.detach()}

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Accuracy and balanced accuracy at all `REPORTED_TIMES`, on speakers of dev that are new."""
        if not self._dev_items:
            return {}
        return accuracy_by_time(modules["expert"], self.dev, self._dev_items, self._dev_labels)


def labelled(corpus: Corpus, classes: Sequence[str], corpora: Sequence[str]) -> tuple[list[int], Tensor]:
    """Utterances of some corpora that have a label, and the labels (items, classes)."""
    items, labels = [], []
    for index, utterance in enumerate(corpus.utterances):
        label = soft_label(utterance.emotion, classes) if utterance.corpus in corpora else None
        if label is not None:
            items.append(index)
            labels.append(label)
    return items, torch.stack(labels) if labels else torch.zeros(0, len(classes))


def held_out(
    corpus: Corpus, classes: Sequence[str], corpora: Sequence[str], seen: set[str], limit: int | None = None
) -> tuple[list[int], Tensor]:
    """As `labelled`, without the speakers in `seen`; at most `limit` items, spread evenly."""
    items, labels = labelled(corpus, classes, corpora)
    kept = [k for k, item in enumerate(items) if corpus.utterances[item].speaker not in seen]
    if limit is not None and len(kept) > limit:
        kept = [kept[k * len(kept) // limit] for k in range(limit)]
    return [items[k] for k in kept], labels[kept]


@torch.no_grad()
def accuracy_by_time(
    expert: EmotionExpert,
    corpus: Corpus,
    items: Sequence[int],
    labels: Tensor,
    times: Sequence[float] = REPORTED_TIMES,
    seed: int = 0,
    noise: float = 1.0,
) -> dict[str, float]:
    """How often the expert's first choice is the listeners'.

    Args:
        expert: in evaluation mode.
        corpus: with the mels.
        items: whole utterances to judge, in any order.
        labels: shape (items, classes).
        times: t; 1 is clean speech.
        seed: of the noise.
        noise: its deviation.

    Returns:
        "accuracy_T" and "balanced_T" (mean recall over the classes that occur) for each time, and "kl", the
        mean divergence over all times in nats.
    """
    device, truth = expert.mel_mean.device, labels.argmax(-1)
    generator = torch.Generator().manual_seed(seed)
    order = sorted(range(len(items)), key=lambda k: corpus.utterances[items[k]].tokens)
    guesses = {t: torch.zeros(len(items), dtype=torch.long) for t in times}
    divergence = 0.0
    for first in range(0, len(order), _EVALUATION_BATCH):
        part = order[first : first + _EVALUATION_BATCH]
        mel, lengths = pad_stack([corpus.mel(items[k]) for k in part])
        x1 = expert.normalize(mel.to(device))
        mask = lengths_to_mask(lengths, mel.shape[1]).to(device)
        start = noise * torch.randn(mel.shape, generator=generator).to(device)
        for time in times:
            t = torch.full((len(part),), time, device=device)
            log_probs = expert(path(x1, start, t, 0.0), t, mask).cpu()
            guesses[time][part] = log_probs.argmax(-1)
            divergence += float(nn.functional.kl_div(log_probs, labels[part], reduction="sum"))
    figures = {"kl": divergence / (len(items) * len(times))}
    for time in times:
        right = (guesses[time] == truth).float()
        recalls = [float(right[truth == c].mean()) for c in truth.unique()]
        figures[f"accuracy_{time:g}"] = float(right.mean())
        figures[f"balanced_{time:g}"] = sum(recalls) / len(recalls)
    return figures
