"""Training of the emotion encoder: votes of listeners as soft labels, and a speaker classifier to defeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus, Utterance
from emotts.emotion.emotion import EMOTIONS
from emotts.emotion.encoder import HEARD_BINS, EmotionEncoder, EmotionEncoderConfig, calibrate
from emotts.errors import DataError
from emotts.nn.gradient_reversal import reversal_strength, reverse_gradient
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.train.mel_augment import hide_parts
from emotts.train.speaker_probe import SpeakerProbe
from emotts.train.task import Batch, Loss, Task

CLASSES = ("neutral", *EMOTIONS)
"""What the encoder's logits stand for."""


class EmotionEncoderTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the encoder.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        reversal: largest strength of the reversed gradient of the speaker classifier; 0 trains without.
        balance: power of 1 / frequency by which classes are weighted; 0 leaves them as they are.
        held_speakers: training speakers that are kept for the calibration and the dev figures. The dev split
            of CREMA-D has two speakers, too few for either.
        warp: largest stretch of the frequency axis, as a share: another length of the vocal tract (Jaitly
            and Hinton 2013).
        mask_frames: longest stretch of frames that is hidden (SpecAugment, Park et al. 2019).
        mask_bins: widest band that is hidden.
    """

    model: EmotionEncoderConfig = EmotionEncoderConfig()
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    reversal: float = Field(0.1, ge=0)
    balance: float = Field(0.7, ge=0, le=1)
    held_speakers: int = Field(10, ge=0)
    warp: float = Field(0.08, ge=0, lt=0.5)
    mask_frames: int = Field(20, ge=0)
    mask_bins: int = Field(10, ge=0)


class EmotionEncoderTask(Task):
    """Emotion encoder against a speaker classifier, on corpora that hold emotions.

    Raises:
        DataError: no utterance of the training split has an emotion, or too few speakers do.
    """

    name = "emotion_encoder"

    def __init__(self, config: EmotionEncoderTaskConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.train, self.dev = config, train, dev
        items = emotional_items(train)
        if not items:
            raise DataError("no training recording has an emotion; the emotion encoder needs such a corpus")
        held = held_speakers(train, items, config.held_speakers)
        self.items = [i for i in items if train.utterances[i].speaker not in held]
        self.held = [i for i in items if train.utterances[i].speaker in held]
        names = sorted({train.utterances[i].speaker for i in self.items})
        if len(names) < 2:
            raise DataError(
                f"emotional recordings of {len(names)} training speakers; the emotion encoder needs two"
            )
        self.speakers = {name: k for k, name in enumerate(names)}
        labels = torch.stack([vote_shares(train.utterances[i]) for i in self.items])
        frequency = labels.mean(0)
        weights = torch.where(frequency > 0, frequency.clamp_min(1e-6) ** -config.balance, 0.0)
        self.weights = weights / (weights * frequency).sum()
        encoder = EmotionEncoder(config.model)
        probe = SpeakerProbe(config.model.embedding_dim, len(names))
        self.modules = nn.ModuleDict({"emotion_encoder": encoder, "speaker_probe": probe})

    def prepare(self, device: torch.device) -> None:
        """Moves the class weights."""
        self.weights = self.weights.to(device)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW over both modules: the reversed gradient makes one update of the two players."""
        rate, decay = self.config.learning_rate, self.config.weight_decay
        return {"model": torch.optim.AdamW(self.modules.parameters(), rate, weight_decay=decay)}

    def lengths(self) -> list[int]:
        """Tokens of each recording."""
        return [self.train.utterances[i].tokens for i in self.items]

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids."""
        return [self.train.utterances[self.items[i]].id for i in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Augmented mels (batch, frames, bins), vote shares (batch, 9) and speaker indices (batch,)."""
        items = [self.items[i] for i in indices]
        mel, lengths = pad_stack([augment(self.train.mel(i), self.config, generator) for i in items])
        f0, _ = pad_stack([self.train.f0(i) for i in items])
        utterances = [self.train.utterances[i] for i in items]
        return {
            "mel": mel,
            "f0": f0,
            "lengths": lengths // FRAMES_PER_TOKEN,
            "frames": lengths,
            "votes": torch.stack([vote_shares(u) for u in utterances]),
            "speaker": torch.tensor([self.speakers[u.speaker] for u in utterances]),
            "weight": torch.tensor([float(len(items))]),
        }

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Cross-entropy to the votes, and to the speakers through reversed gradients."""
        encoder, probe = self.modules["emotion_encoder"], self.modules["speaker_probe"]
        mask = lengths_to_mask(batch["frames"], batch["mel"].shape[1])
        embedding = encoder.embedding(batch["mel"], batch["f0"], mask)
        logits = encoder.classify(embedding).float()
        votes = batch["votes"] * self.weights
        emotion = -(votes * logits.log_softmax(-1)).sum(-1).mean()
        strength = reversal_strength(self.progress, self.config.reversal)
        speaker_logits = probe(reverse_gradient(embedding, strength)).float()
        speaker = nn.functional.cross_entropy(speaker_logits, batch["speaker"])
        right = (logits.argmax(-1) == batch["votes"].argmax(-1)).float().mean()
        known = (speaker_logits.argmax(-1) == batch["speaker"]).float().mean()
        figures = {"emotion": emotion.detach(), "speaker": speaker.detach()}
        yield "model", emotion + speaker, {**figures, "accuracy": right, "speaker_accuracy": known}

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Agreement with the majority of the listeners, on held and dev speakers."""
        shares, votes = score_items(modules["emotion_encoder"], self.train, self.held)
        more = score_items(modules["emotion_encoder"], self.dev, emotional_items(self.dev))
        shares, votes = torch.cat([shares, more[0]]), torch.cat([votes, more[1]])
        return agreement(shares, votes) if len(votes) else {}

    def calibration(self, encoder: EmotionEncoder) -> tuple[Tensor, Tensor]:
        """`calibrate` on speakers that the encoder was not trained on; the range as it is without any."""
        if not self.held:
            return torch.zeros(len(EMOTIONS)), torch.ones(len(EMOTIONS))
        shares, votes = score_items(encoder, self.train, self.held)
        return calibrate(shares[:, 1:], votes[:, 1:], votes[:, 0])


def emotional_items(corpus: Corpus) -> list[int]:
    """Recordings of corpora in which somebody shows an emotion, the neutral ones among them too."""
    corpora = {u.corpus for u in corpus.utterances if sum(u.emotion) > 0}
    return [i for i, u in enumerate(corpus.utterances) if u.corpus in corpora]


def held_speakers(corpus: Corpus, items: Sequence[int], wanted: int) -> set[str]:
    """Every n-th of the emotional speakers, at most a quarter of them."""
    names = sorted({corpus.utterances[i].speaker for i in items})
    count = min(wanted, len(names) // 4)
    return {names[k * len(names) // count] for k in range(count)} if count else set()


def vote_shares(utterance: Utterance) -> Tensor:
    """Shares of neutral and of the eight emotions, shape (9,), summing to one."""
    emotions = torch.tensor(utterance.emotion)
    emotions = emotions / emotions.sum().clamp_min(1.0)
    return torch.cat([(1.0 - emotions.sum())[None].clamp_min(0.0), emotions])


def augment(mel: Tensor, config: EmotionEncoderTaskConfig, generator: torch.Generator) -> Tensor:
    """Warps the frequency axis and hides a stretch of frames and a band; shape (frames, bins)."""
    mel = warp_bins(mel, 1.0 + config.warp * _between(generator))
    return hide_parts(mel, config.mask_frames, config.mask_bins, HEARD_BINS, generator)


def warp_bins(mel: Tensor, factor: float) -> Tensor:
    """A copy of `mel` (frames, bins) whose bin b is read at b · factor, between bins linearly."""
    bins = mel.shape[1]
    places = (torch.arange(bins) * factor).clamp(max=bins - 1)
    below = places.long().clamp(max=bins - 2)
    share = places - below
    return mel[:, below] * (1 - share) + mel[:, below + 1] * share


def _between(generator: torch.Generator) -> float:
    return float(2 * torch.rand((), generator=generator) - 1)


@torch.no_grad()
def score_items(encoder: EmotionEncoder, corpus: Corpus, items: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The encoder's shares and the listeners', both (items, 9), neutral first."""
    device = next(encoder.parameters()).device
    shares = [
        encoder(corpus.mel(i)[None].to(device), corpus.f0(i)[None].to(device)).softmax(-1)[0].cpu()
        for i in items
    ]
    votes = [vote_shares(corpus.utterances[i]) for i in items]
    empty = torch.zeros(0, len(CLASSES))
    return (torch.stack(shares), torch.stack(votes)) if items else (empty, empty)


def agreement(shares: Tensor, votes: Tensor) -> dict[str, float]:
    """How the encoder's first choice fits that of at least half of the listeners.

    Args:
        shares: shape (items, 9).
        votes: shape (items, 9).

    Returns:
        "recall_<class>" of every class that was heard, "mean_recall", "accuracy", and "cross_entropy" to the
        votes of all items.
    """
    log = shares.clamp_min(1e-6).log()
    figures = {"cross_entropy": float(-(votes * log).sum(1).mean())}
    clear = votes.max(dim=1).values >= 0.5
    said, heard = shares[clear].argmax(1), votes[clear].argmax(1)
    if not len(heard):
        return figures
    recalls = {
        f"recall_{name}": float((said[heard == k] == k).float().mean())
        for k, name in enumerate(CLASSES)
        if bool((heard == k).any())
    }
    mean = sum(recalls.values()) / len(recalls)
    return {**figures, "accuracy": float((said == heard).float().mean()), "mean_recall": mean, **recalls}
