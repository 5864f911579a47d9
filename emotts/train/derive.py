"""Stages between trainings: what a trained part adds to every utterance of a corpus.

Each writes one safetensors file that maps utterance ids to tensors, under a temporary name first.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from emotts.data.shards import Corpus, Utterance
from emotts.nn.masking import lengths_to_mask, pad_stack
from emotts.semantic.align import Alignment, AlignmentError, align_with_score
from emotts.semantic.tokenizer import HEAD_FRAMES_PER_TOKEN, SemanticTokenizer
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.voice.encoder import VoiceEncoder

BATCH_TOKENS = 4000
_STACK = FRAMES_PER_TOKEN // HEAD_FRAMES_PER_TOKEN


@dataclass(frozen=True)
class AlignmentReport:
    """What became of the utterances.

    Attributes:
        aligned: utterances that have a plan now.
        starved: utterances with too few frames for their phones.
        doubtful: utterances whose score is so low that text and sound probably differ.
    """

    aligned: int
    starved: int
    doubtful: int


@torch.inference_mode()
def write_embeddings(corpus: Corpus, encoder: VoiceEncoder, output: Path) -> None:
    """Voice embedding of every utterance, shape (dim,)."""
    table = {}
    device = next(encoder.parameters()).device
    for indices, mel, mask in _batches(corpus):
        vectors = encoder(mel.to(device), mask.repeat_interleave(FRAMES_PER_TOKEN, 1).to(device)).cpu()
        table.update({corpus.utterances[i].id: v.clone() for i, v in zip(indices, vectors, strict=True)})
    _save(table, output)


@torch.inference_mode()
def write_codes(corpus: Corpus, tokenizer: SemanticTokenizer, output: Path) -> None:
    """Semantic tokens of every utterance, int16, shape (tokens,)."""
    table = {}
    device = next(tokenizer.parameters()).device
    for indices, mel, mask in _batches(corpus):
        codes = tokenizer.encode(mel.to(device), mask.to(device)).cpu()
        for i, row in zip(indices, codes, strict=True):
            table[corpus.utterances[i].id] = row[: corpus.utterances[i].tokens].to(torch.int16)
    _save(table, output)


@torch.inference_mode()
def write_alignments(
    corpus: Corpus,
    tokenizer: SemanticTokenizer,
    output: Path,
    log_prior: Tensor | None = None,
    worst_score: float = -3.0,
    jobs: int = 1,
) -> AlignmentReport:
    """Aligned plan of every utterance, int16, shape (phonemes,); the doubtful are left out.

    Args:
        corpus: what to align.
        tokenizer: its CTC head gives the posteriors.
        output: file that is written.
        log_prior: label prior that the head was trained with, shape (classes,).
        worst_score: mean log posterior along the path under which an alignment is not believed.
        jobs: threads that search the paths.
    """
    table: dict[str, Tensor] = {}
    starved = doubtful = 0
    device = next(tokenizer.parameters()).device
    search = partial(_aligned, log_prior=log_prior)
    with ThreadPoolExecutor(jobs) as pool:
        for indices, mel, mask in _batches(corpus):
            posteriors = tokenizer.ctc_log_probs(mel.to(device), mask.to(device)).cpu()
            utterances = [corpus.utterances[i] for i in indices]
            found = pool.map(search, utterances, posteriors, mel)
            for utterance, alignment in zip(utterances, found, strict=True):
                if alignment is None:
                    starved += 1
                elif alignment.score < worst_score:
                    doubtful += 1
                else:
                    table[utterance.id] = torch.tensor(alignment.durations, dtype=torch.int16)
    _save(table, output)
    return AlignmentReport(len(table), starved, doubtful)


def _aligned(
    utterance: Utterance, posteriors: Tensor, mel: Tensor, log_prior: Tensor | None
) -> Alignment | None:
    """Alignment of one item of a padded batch; None where its frames are too few."""
    frames = HEAD_FRAMES_PER_TOKEN * utterance.tokens
    energy = mel[: _STACK * frames].mean(-1).view(frames, _STACK).mean(-1)
    try:
        return align_with_score(posteriors[:frames], utterance.phonemes, energy, utterance.tokens, log_prior)
    except AlignmentError:
        return None


def _batches(corpus: Corpus) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Padded batches in the order of length: indices, mel (batch, 4T, bins), mask (batch, T)."""
    order = sorted(range(len(corpus)), key=lambda i: corpus.utterances[i].tokens)
    while order:
        size = max(1, BATCH_TOKENS // corpus.utterances[order[-1]].tokens)
        indices, order = order[-size:], order[:-size]
        mel, lengths = pad_stack([corpus.mel(i) for i in indices], value=-11.5)
        yield indices, mel, lengths_to_mask(lengths // FRAMES_PER_TOKEN)


def _save(table: dict[str, Tensor], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".partial")
    save_file(table, temporary)
    temporary.rename(output)
