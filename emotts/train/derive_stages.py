"""Stages `embeddings`, `tokens` and `align`: what trained parts add to every utterance."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import nn

from emotts.semantic.align import HEAD_FRAMES_PER_TOKEN, count_starved
from emotts.timebase import TOKEN_RATE
from emotts.train.derive import write_alignments, write_codes, write_embeddings
from emotts.train.recipe import Run
from emotts.train.stages import load_part, open_corpus, write_json
from emotts.train.tasks.tokenizer import LabelPrior
from emotts.train.weights import load_module


def _quick(module: nn.Module) -> nn.Module:
    """The module on a GPU, if there is one."""
    return module.to("cuda" if torch.cuda.is_available() else "cpu")


def embeddings(run: Run) -> str:
    """Stage 5: the voice embedding of every utterance."""
    corpus = open_corpus(run)
    write_embeddings(corpus, _quick(load_part("voice", run)), run.embeddings)
    return f"{len(corpus)} utterances of {len(corpus.speakers)} speakers"


def tokens(run: Run) -> str:
    """Stage 7: the semantic tokens of every utterance."""
    corpus = open_corpus(run)
    write_codes(corpus, _quick(load_part("tokenizer", run)), run.codes)
    return f"{sum(utterance.tokens for utterance in corpus.utterances)} tokens of {len(corpus)} utterances"


def align(run: Run) -> str:
    """Stage 8: the plan of every utterance; counts go to alignments.json beside the plans."""
    corpus = open_corpus(run)
    tokenizer, prior = _quick(load_part("tokenizer", run)), _label_prior(run)
    worst, jobs = run.recipe.align.worst_score, run.recipe.jobs
    report = write_alignments(corpus, tokenizer, run.alignments, prior.log_prior, worst, jobs)
    sequences = [utterance.phonemes for utterance in corpus.utterances]
    lengths = [utterance.tokens for utterance in corpus.utterances]
    counts = {"utterances": len(corpus), **asdict(report)}
    for factor in sorted({1, HEAD_FRAMES_PER_TOKEN}):
        counts[f"starved_at_{factor * TOKEN_RATE}_hz"] = count_starved(sequences, lengths, factor)
    write_json(run.alignments.with_suffix(".json"), counts)
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in counts.items())


def _label_prior(run: Run) -> LabelPrior:
    prior = LabelPrior(run.recipe.task_config("tokenizer").model.phones + 1)
    load_module(prior, run.part("tokenizer") / "prior.safetensors")
    return prior
