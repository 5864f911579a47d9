"""Training of the semantic language model on aligned codes, in one stage or in three.

IndexTTS2 (arXiv 2506.21619) trains on all data first, then on emotional data with a gradient reversal
that keeps the speaker out of what the emotion says and with its voice side frozen, and last on all data
with both conditioners frozen. Here that is `emotional`, `speaker_reversal` and `frozen`. We depart in
where the reversed classifier listens: our emotions are eight intensities, which hold no timbre, so it
reads the latents, through which an actor's voice could reach the decoder together with the emotion.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.data.shards import Corpus
from emotts.emotion.corpora import CLEAR_SHARE
from emotts.errors import DataError, InputError
from emotts.nn.gradient_reversal import reversal_strength, reverse_gradient
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.semantic.lm import SemanticLM
from emotts.semantic.lm_inputs import LMInputs, SemanticLMConfig
from emotts.timebase import TOKEN_RATE
from emotts.train.speaker_probe import SpeakerProbe
from emotts.train.task import Batch, Loss, Task
from emotts.train.tasks.emotion_encoder import emotional_items
from emotts.train.voice_swap import borrowed_voice

EVALUATION_BATCH = 16

PIECE = (3, 8)
"""Phonemes of a piece that `shuffle_pieces` moves: about half a word to two words."""


class SemanticLMTaskConfig(StrictModel):
    """How the semantic language model is trained.

    Attributes:
        model: size of the model.
        learning_rate: initial rate of AdamW; the trainer's schedule goes on from it.
        weight_decay: on matrices only, not on vectors and tables.
        label_smoothing: share of the target spread over all codes.
        free_share: items whose length is not told (IndexTTS2: 30 %).
        no_plan_share: items without a plan.
        jitter_share: items whose plan is disturbed.
        boundary_jitter: phoneme boundaries of such an item that move by one token.
        mask_share: input codes that are withheld.
        random_share: input codes that are replaced by a random code.
        voice_drop: items without a voice.
        emotion_drop: items without an emotion.
        max_seconds: longer utterances are left out.
        dev_items: most dev utterances of one evaluation.
        voice_swap: largest share of emotional items that get the voice of any other speaker; an item whose
            listeners heard an emotion in half of their votes gets half of it. Without it a voice that was
            only ever recorded in neutral speech keeps most of its calm under every emotion.
        shuffle_share: items whose phonemes are cut into short pieces that change places, codes and plan with
            them (`shuffle_pieces`). Emotional corpora have few texts: the model would know them by heart and
            hold any other text to be calm.
        clear_repeats: times that an item counts whose listeners agreed on its emotion (`CLEAR_SHARE`).
        emotional: train on corpora that hold emotions only.
        frozen: names of submodules that keep their weights, such as `voice_projection`.
        speaker_reversal: largest strength of the reversed gradient of a speaker classifier that reads the
            mean latent of an utterance; 0 trains without one.
    """

    model: SemanticLMConfig
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    free_share: float = Field(default=0.3, ge=0.0, le=1.0)
    no_plan_share: float = Field(default=0.15, ge=0.0, le=1.0)
    jitter_share: float = Field(default=0.5, ge=0.0, le=1.0)
    boundary_jitter: float = Field(default=0.3, ge=0.0, le=1.0)
    mask_share: float = Field(default=0.15, ge=0.0, le=1.0)
    random_share: float = Field(default=0.05, ge=0.0, le=1.0)
    voice_drop: float = Field(default=0.05, ge=0.0, le=1.0)
    emotion_drop: float = Field(default=0.1, ge=0.0, le=1.0)
    max_seconds: float = Field(default=15.0, gt=0.0)
    dev_items: int = Field(default=128, ge=1)
    voice_swap: float = Field(default=0.0, ge=0.0, le=1.0)
    shuffle_share: float = Field(default=0.0, ge=0.0, le=1.0)
    clear_repeats: int = Field(default=1, ge=1)
    emotional: bool = False
    frozen: tuple[str, ...] = ()
    speaker_reversal: float = Field(default=0.0, ge=0.0)


def jitter_plan(durations: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Moves phoneme boundaries by one token, keeping the total.

    Boundaries that coincide move together, so a phoneme of no duration keeps none: whether a word boundary is
    a pause stays the plan's to say.

    Args:
        durations: shape (phonemes,), tokens.
        share: probability that a boundary moves.
        generator: random source.

    Returns:
        shape (phonemes,), none negative, with the same sum.
    """
    ends = durations.cumsum(0)
    total = int(ends[-1])
    moves = torch.rand(total + 1, generator=generator) < share
    signs = 2 * torch.randint(2, (total + 1,), generator=generator) - 1
    moved = ends + (moves * signs)[ends]
    # The end stays, and so does a boundary at zero (a leading pause that is not there).
    moved = torch.where((ends == 0) | (ends == total), ends, moved)
    moved = moved.clamp(0, total).cummax(0).values
    return torch.diff(moved, prepend=moved.new_zeros(1))


def shuffle_pieces(durations: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A new order of an utterance's phonemes, in pieces of 3 to 8; the first and the last keep their places.

    Args:
        durations: shape (phonemes,), tokens.
        generator: random source.

    Returns:
        the places that phonemes (phonemes,) and tokens (tokens,) are taken from.
    """
    count = len(durations)
    sizes = torch.randint(PIECE[0], PIECE[1] + 1, (max(1, count),), generator=generator)
    last = max(1, count - 1)
    cuts = [1, *(cut for cut in (1 + sizes.cumsum(0)).tolist() if cut < last), last]
    inner = [torch.arange(start, end) for start, end in itertools.pairwise(cuts)]
    moved = [inner[place] for place in torch.randperm(len(inner), generator=generator).tolist()]
    order = torch.cat([torch.arange(1), *moved, torch.arange(last, count)])
    ends = durations.cumsum(0)
    tokens = [torch.arange(int(ends[place] - durations[place]), int(ends[place])) for place in order.tolist()]
    return order, torch.cat(tokens)


def corrupt_codes(
    codes: Tensor, codebook_size: int, mask_share: float, random_share: float, generator: torch.Generator
) -> Tensor:
    """Withholds and falsifies input codes, so that the model leans on the text and survives its own errors.

    Args:
        codes: shape (tokens,).
        codebook_size: the id past the codes stands for a withheld code.
        mask_share: probability that a code is withheld.
        random_share: probability that it is replaced by a random one instead.
        generator: random source.
    """
    draw = torch.rand(len(codes), generator=generator)
    false = torch.randint(codebook_size, (len(codes),), generator=generator)
    fed = torch.where(draw < mask_share, codebook_size, codes)
    return torch.where((draw >= mask_share) & (draw < mask_share + random_share), false, fed)


class SemanticLMTask(Task):
    """Cross entropy of the codes given phonemes, plan, length, voice and emotion.

    Args:
        config: the model, and how it is trained.
        train: training data with codes, plans and voice embeddings; items without a plan are left out.
        dev: data of `evaluate`, likewise, or None.

    Raises:
        DataError: no training item can be used.
        InputError: the model has no submodule of a name in `frozen`.
    """

    name = "semantic_lm"

    def __init__(self, config: SemanticLMTaskConfig, train: Corpus, dev: Corpus | None = None) -> None:
        self.config, self.train, self.dev = config, train, dev
        self.items = self._usable(train)
        self.swaps = self.items
        if config.emotional:
            self.items = sorted(set(self.items) & set(emotional_items(train)))
        clear = [i for i in self.items if max(train.utterances[i].emotion) >= CLEAR_SHARE]
        self.items = sorted(self.items + clear * (config.clear_repeats - 1))
        if not self.items:
            raise DataError(
                "no training utterance has an aligned plan and a usable length: align the corpus first"
            )
        self.dev_items = [] if dev is None else self._usable(dev)[: self.config.dev_items]
        names = sorted({train.utterances[index].speaker for index in self.items})
        self.speakers = {name: number for number, name in enumerate(names)}
        self.modules = nn.ModuleDict({"lm": SemanticLM(config.model)})
        _freeze(self.modules["lm"], config.frozen)
        if config.speaker_reversal:
            self.modules["speaker_probe"] = SpeakerProbe(config.model.dim, len(names))

    def _usable(self, corpus: Corpus) -> list[int]:
        longest = min(self.config.model.max_tokens, int(self.config.max_seconds * TOKEN_RATE))
        kept = []
        for index, utterance in enumerate(corpus.utterances):
            plan = utterance.durations
            fits = plan is not None and len(plan) == len(utterance.phonemes) and sum(plan) == utterance.tokens
            if fits and 0 < utterance.tokens <= longest:
                kept.append(index)
        return kept

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One AdamW; tables and vectors do not decay."""
        tables = {id(m.weight) for m in self.modules.modules() if isinstance(m, nn.Embedding)}
        decayed, free = [], []
        for parameter in self.modules.parameters():
            if not parameter.requires_grad:
                continue
            (decayed if parameter.dim() > 1 and id(parameter) not in tables else free).append(parameter)
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ]
        return {"model": torch.optim.AdamW(groups, lr=self.config.learning_rate, betas=(0.9, 0.98))}

    def lengths(self) -> list[int]:
        """Tokens of every training item."""
        return [self.train.utterances[index].tokens for index in self.items]

    def identify(self, indices: list[int]) -> list[str]:
        """Utterance ids of training items."""
        return [self.train.utterances[self.items[index]].id for index in indices]

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        """A training batch: the fields of `LMInputs`, and "codes", "code_mask", "input_codes", "weight".

        The voice is that of another utterance of the same speaker, or of another speaker (`voice_swap`).
        """
        items = [self.items[index] for index in indices]
        voices = [self._voice(item, generator) for item in items]
        batch = self._assemble(self.train, items, voices)
        shares = self.config
        for row, item in enumerate(items):
            tokens, phonemes = self.train.utterances[item].tokens, len(self.train.utterances[item].phonemes)
            draw = torch.rand(6, generator=generator)
            if draw[5] < shares.shuffle_share:
                order, places = shuffle_pieces(batch["durations"][row, :phonemes], generator)
                for key in ("phonemes", "durations"):
                    batch[key][row, :phonemes] = batch[key][row, :phonemes][order]
                batch["codes"][row, :tokens] = batch["codes"][row, :tokens][places]
            batch["has_total"][row] = bool(draw[0] >= shares.free_share)
            batch["has_plan"][row] = bool(draw[1] >= shares.no_plan_share)
            if draw[2] < shares.jitter_share:
                plan = batch["durations"][row, :phonemes]
                batch["durations"][row, :phonemes] = jitter_plan(plan, shares.boundary_jitter, generator)
            batch["voice"][row] *= float(draw[3] >= shares.voice_drop)
            batch["emotion"][row] *= float(draw[4] >= shares.emotion_drop)
            size, codes = self.config.model.codebook_size, batch["codes"][row, :tokens]
            batch["input_codes"][row, :tokens] = corrupt_codes(
                codes, size, shares.mask_share, shares.random_share, generator
            )
        return batch

    def _voice(self, item: int, generator: torch.Generator) -> Tensor:
        """The voice (voice_dim,) that a training item is told."""
        utterance = self.train.utterances[item]
        other = borrowed_voice(utterance, self.config.voice_swap, self.swaps, generator)
        return self.train.embedding(self.train.same_speaker(item, generator) if other is None else other)

    def _assemble(self, corpus: Corpus, items: list[int], voices: list[Tensor]) -> Batch:
        utterances = [corpus.utterances[item] for item in items]
        phonemes, counts = pad_stack([torch.tensor(u.phonemes) for u in utterances])
        durations, _ = pad_stack([torch.tensor(u.durations) for u in utterances])
        listed = [corpus.codes(item) for item in items]
        for utterance, item_codes in zip(utterances, listed, strict=True):
            if (
                len(item_codes) != utterance.tokens
                or int(item_codes.max()) >= self.config.model.codebook_size
            ):
                raise DataError(
                    f"codes of {utterance.id} do not fit its length or the codebook: make them again"
                )
        codes, totals = pad_stack(listed)
        known = torch.ones(len(items), dtype=torch.bool)
        return {
            "phonemes": phonemes,
            "phoneme_mask": lengths_to_mask(counts),
            "durations": durations,
            "has_plan": known,
            "totals": totals,
            "has_total": known.clone(),
            "voice": torch.stack(voices).float(),
            "emotion": torch.tensor([u.emotion for u in utterances], dtype=torch.float32),
            "codes": codes,
            "code_mask": lengths_to_mask(totals),
            "input_codes": codes.clone(),
            "speaker": torch.tensor([self.speakers.get(u.speaker, 0) for u in utterances]),
            "weight": (totals + 1).sum().float(),  # the end is a target too
        }

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """The cross entropy in nats for each token, the share of codes guessed, and the speaker's loss."""
        lm, mask = self.modules["lm"], batch["code_mask"]
        hidden = lm.hidden(LMInputs.from_batch(batch), batch["input_codes"], mask)
        smoothing = self.config.label_smoothing
        loss, logits, targets = lm.hidden_loss(hidden, batch["codes"], mask, smoothing)
        accuracy = (logits.detach().argmax(-1) == targets).float().mean()
        figures = {"cross_entropy": loss.detach(), "accuracy": accuracy}
        if self.config.speaker_reversal:
            speaker, known = self._speaker_loss(hidden[:, :-1], mask, batch["speaker"])
            figures |= {"speaker": speaker.detach(), "speaker_accuracy": known}
            loss = loss + speaker
        yield "model", loss, figures

    def _speaker_loss(self, latents: Tensor, mask: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """Cross entropy of the speaker (batch,) by the mean latent, with reversed gradients; accuracy."""
        shares = mask[..., None].to(latents.dtype)
        mean = (latents * shares).sum(1) / shares.sum(1)
        strength = reversal_strength(self.progress, self.config.speaker_reversal)
        logits = self.modules["speaker_probe"](reverse_gradient(mean, strength)).float()
        known = (logits.detach().argmax(-1) == speaker).float().mean()
        return nn.functional.cross_entropy(logits, speaker), known

    @torch.no_grad()
    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        """Dev-set cross entropy and accuracy, with the plan and without (names end in `_no_plan`).

        The voice is that of the utterance itself; the length is always told.
        """
        if self.dev is None or not self.dev_items:
            return {}
        model = modules["lm"]
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        sums = {plan: torch.zeros(4, dtype=torch.float64) for plan in (True, False)}
        try:
            for start in range(0, len(self.dev_items), EVALUATION_BATCH):
                items = self.dev_items[start : start + EVALUATION_BATCH]
                batch = self._assemble(self.dev, items, [self.dev.embedding(item) for item in items])
                batch = {key: value.to(device) for key, value in batch.items()}
                for plan, total in sums.items():
                    batch["has_plan"].fill_(plan)
                    total += _measure(model, batch)
        finally:
            model.train(training)
        names = ("cross_entropy", "top1", "top10")
        return {
            name + ("" if plan else "_no_plan"): float(total[place] / total[3])
            for plan, total in sums.items()
            for place, name in enumerate(names)
        }


def _freeze(model: SemanticLM, names: Sequence[str]) -> None:
    parts = dict(model.named_children()) | dict(model.named_parameters(recurse=False))
    for name in names:
        if name not in parts:
            raise InputError(
                f"frozen: the language model has no {name!r}; it has: {', '.join(sorted(parts))}"
            )
        parts[name].requires_grad_(False)


def _measure(model: SemanticLM, batch: Mapping[str, Tensor]) -> Tensor:
    """Sums over the slots of a batch: cross entropy, top-1 hits, top-10 hits, slots; shape (4,)."""
    loss, logits, targets = model.loss(LMInputs.from_batch(batch), batch["codes"], batch["code_mask"])
    ranked = logits.topk(min(10, logits.shape[-1]), dim=-1).indices == targets[:, None]
    count = len(targets)
    figures = [float(loss) * count, float(ranked[:, 0].sum()), float(ranked.any(-1).sum()), count]
    return torch.tensor(figures, dtype=torch.float64)
