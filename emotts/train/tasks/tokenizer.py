"""Training of the semantic tokenizer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.nn.masking import lengths_to_mask, masked_mean, pad_stack
from emotts.semantic.tokenizer import (
    F0_SCALE,
    HEAD_FRAMES_PER_TOKEN,
    SemanticTokenizer,
    TokenizerConfig,
    TokenizerOutput,
    normalize_mel,
)
from emotts.text.symbols import BASE_ID
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS
from emotts.train.mel_augment import hide_parts
from emotts.train.task import Batch, Loss, Task
from emotts.vocoder.excitation import interpolate_unvoiced


class TokenizerTaskConfig(StrictModel):
    """Options of the training.

    Attributes:
        model: sizes of the tokenizer.
        learning_rate: of AdamW.
        prior_scale: strength of the label priors (see `prior_ctc_loss`).
        ctc_weight: weight of the CTC loss before the quantiser.
        phone_weight: weight of the phones from the codes.
        prosody_weight: weight of F0, voicing and energy.
        mel_weight: weight of the mel reconstruction.
        mask_frames: longest stretch of frames that the encoder does not hear (SpecAugment, Park et al. 2019);
            a few epochs go without, hundreds do not.
        mask_bins: widest band that it does not hear.
    """

    model: TokenizerConfig
    learning_rate: float = 1.5e-3
    prior_scale: float = 0.3
    ctc_weight: float = 1.0
    phone_weight: float = 1.0
    prosody_weight: float = 1.0
    mel_weight: float = 0.5
    mask_frames: int = Field(0, ge=0)
    mask_bins: int = Field(0, ge=0)


class TokenizerTask(Task):
    """Semantic tokenizer over whole utterances."""

    name = "tokenizer"

    def __init__(self, config: TokenizerTaskConfig, train: Corpus, dev: Corpus) -> None:
        self.config, self.train, self.dev = config, train, dev
        self.modules = nn.ModuleDict(
            {"tokenizer": SemanticTokenizer(config.model), "prior": LabelPrior(config.model.phones + 1)}
        )

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """AdamW."""
        parameters = self.modules["tokenizer"].parameters()
        return {
            "model": torch.optim.AdamW(parameters, self.config.learning_rate, (0.9, 0.98), weight_decay=0.02)
        }

    def lengths(self) -> list[int]:
        """Tokens of each utterance."""
        return [u.tokens for u in self.train.utterances]

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids."""
        return [self.train.utterances[i].id for i in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Whole utterances with the embedding of another utterance of the same speaker."""
        voices = [self.train.embedding(self.train.same_speaker(i, generator)) for i in indices]
        batch = {**_batch(self.train, indices), "voice": torch.stack(voices)}
        frames, bins = self.config.mask_frames, self.config.mask_bins
        if frames or bins:
            batch["heard"] = batch["mel"].clone()
            for row, index in enumerate(indices):
                length = FRAMES_PER_TOKEN * self.train.utterances[index].tokens
                hide_parts(batch["heard"][row, :length], frames, bins, MEL_BINS, generator)
        return batch

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """CTC, phones from the codes, prosody and mel."""
        heard = batch.get("heard", batch["mel"])
        output = self.modules["tokenizer"](heard, batch["mask"], batch["voice"])
        prior = self.modules["prior"]
        fine = batch["mask"].repeat_interleave(HEAD_FRAMES_PER_TOKEN, 1)
        prior.update(output.ctc.detach().float().log_softmax(-1), fine)
        logs = self._losses(output, batch, prior)
        c = self.config
        loss = (
            c.ctc_weight * logs["ctc"]
            + c.phone_weight * logs["phones"]
            + c.prosody_weight * (logs["f0"] + logs["voicing"] + logs["energy"])
            + c.mel_weight * logs["mel"]
        )
        yield "model", loss, {key: value.detach() for key, value in logs.items()}

    def _losses(self, output: TokenizerOutput, batch: Batch, prior: LabelPrior) -> dict[str, Tensor]:
        mask = batch["mask"]
        fine = mask.repeat_interleave(HEAD_FRAMES_PER_TOKEN, 1)
        frames = mask.repeat_interleave(FRAMES_PER_TOKEN, 1)
        log_probs = output.ctc.float().log_softmax(-1)
        scaled_prior = self.config.prior_scale * prior.log_prior
        ctc = prior_ctc_loss(log_probs, scaled_prior, batch["phones"], fine, batch["phone_lengths"])
        # The codes must tell what the encoder heard: cross entropy against its posteriors.
        heard = log_probs.detach().exp()
        told = -(heard * output.phones.float().log_softmax(-1)).sum(-1)
        voiced = (batch["f0"] > 0) & frames
        target = (interpolate_unvoiced(batch["f0"]).log() - batch["f0_mean"][:, None]) / F0_SCALE
        mel = normalize_mel(batch["mel"])
        voicing = nn.functional.binary_cross_entropy_with_logits(
            output.voicing.float(), voiced.float(), reduction="none"
        )
        return {
            "ctc": ctc,
            "phones": masked_mean(told, fine),
            "f0": masked_mean((output.f0.float() - target).abs(), voiced),
            "voicing": masked_mean(voicing, frames),
            "energy": masked_mean((output.energy.float() - mel.mean(-1)).abs(), frames),
            "mel": masked_mean((output.mel.float() - mel).abs(), frames),
        }

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Phone error rates before and after the quantiser, F0 error, mel distance, use of the codebook."""
        if not len(self.dev):
            return {}
        device = next(modules.parameters()).device
        step = max(1, len(self.dev) // 96)
        items = list(range(0, len(self.dev), step))
        totals: dict[str, float] = {}
        errors = {"ctc": 0, "phones": 0}
        count, used = 0, []
        for begin in range(0, len(items), 16):
            part = items[begin : begin + 16]
            batch = _batch(self.dev, part)
            batch["voice"] = torch.stack([self.dev.embedding(i) for i in part])
            batch = {key: value.to(device) for key, value in batch.items()}
            output = modules["tokenizer"](batch["mel"], batch["mask"], batch["voice"])
            for key, value in self._losses(output, batch, modules["prior"]).items():
                totals[key] = totals.get(key, 0.0) + float(value) * len(part) / len(items)
            used.append(output.codes[batch["mask"]].cpu())
            for row in range(len(part)):
                target = batch["phones"][row, : int(batch["phone_lengths"][row])].tolist()
                length = HEAD_FRAMES_PER_TOKEN * int(batch["mask"][row].sum())
                count += len(target)
                for key in errors:
                    best = getattr(output, key)[row, :length].argmax(-1)
                    errors[key] += edit_distance(collapse(best.tolist()), target)
        codes = torch.cat(used).bincount(minlength=modules["tokenizer"].codebook_size).float()
        share = codes / codes.sum()
        entropy = -(share * share.clamp_min(1e-9).log()).sum()
        rates = {f"{key}_error_rate": value / max(1, count) for key, value in errors.items()}
        return {**totals, **rates, "code_perplexity": float(entropy.exp())}


class LabelPrior(nn.Module):
    """Running mean of the CTC posteriors over frames.

    Args:
        classes: CTC classes with the blank.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("prior", torch.full((classes,), 1.0 / classes))

    @property
    def log_prior(self) -> Tensor:
        """Logarithm, shape (classes,)."""
        return self.prior.clamp_min(1e-6).log()

    def update(self, log_probs: Tensor, mask: Tensor, rate: float = 0.02) -> None:
        """Moves towards the mean of a batch: log posteriors (batch, frames, classes)."""
        mean = log_probs.exp()[mask].mean(0)
        self.prior.lerp_(mean / mean.sum(), rate)


def prior_ctc_loss(
    log_probs: Tensor, scaled_prior: Tensor, targets: Tensor, mask: Tensor, target_lengths: Tensor
) -> Tensor:
    """CTC loss with label priors (Huang et al. 2024, arXiv 2406.02560, eq. 4), mean over phones.

    Every frame's score is log p - α log prior, which makes emitting a rare phone for longer cheap and blanks
    dear: alignments stop being peaky. torch's gradient assumes normalised scores, so they are
    normalised here and the normaliser, which every path pays once a frame, is added outside. Items
    with too few frames for their phones count nothing.

    Args:
        log_probs: shape (batch, frames, classes), normalised; class 0 is the blank.
        scaled_prior: α log prior, shape (classes,).
        targets: shape (batch, phones), padded.
        mask: shape (batch, frames).
        target_lengths: shape (batch,).
    """
    scores = log_probs - scaled_prior
    normalizer = scores.logsumexp(-1)
    normalized = scores - normalizer[..., None]
    loss = nn.functional.ctc_loss(
        normalized.transpose(0, 1), targets, mask.sum(1), target_lengths, reduction="none", zero_infinity=True
    )
    same = targets[:, 1:] == targets[:, :-1]
    place = torch.arange(1, same.shape[1] + 1, device=targets.device)
    repeats = (same & (place < target_lengths[:, None])).sum(1)
    feasible = mask.sum(1) >= target_lengths + repeats
    total = loss.sum() - (normalizer * (mask & feasible[:, None])).sum()
    return total / target_lengths.sum().clamp_min(1)


def collapse(path: list[int]) -> list[int]:
    """Greedy CTC decoding of class indices: repeats merged, blanks dropped."""
    return [k for n, k in enumerate(path) if k and (n == 0 or path[n - 1] != k)]


def edit_distance(hypothesis: list[int], reference: list[int]) -> int:
    """Levenshtein distance."""
    row = list(range(len(reference) + 1))
    for i, h in enumerate(hypothesis, 1):
        previous, row[0] = row[0], i
        for j, r in enumerate(reference, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (h != r))
    return row[-1]


def _batch(corpus: Corpus, indices: list[int]) -> Batch:
    utterances = [corpus.utterances[i] for i in indices]
    mel, frame_lengths = pad_stack([corpus.mel(i) for i in indices], value=-11.5)
    f0, _ = pad_stack([corpus.f0(i) for i in indices])
    phones, phone_lengths = pad_stack(
        [torch.tensor([BASE_ID[p] for p in u.phonemes if BASE_ID[p]], dtype=torch.long) for u in utterances]
    )
    return {
        "mel": mel,
        "mask": lengths_to_mask(frame_lengths // FRAMES_PER_TOKEN),
        "f0": f0,
        "f0_mean": torch.tensor([u.f0_mean for u in utterances]),
        "phones": phones.long(),
        "phone_lengths": phone_lengths,
    }
