"""Of several draws of one text, the one that says it best: what `GenerationConfig.takes` asks for.

The language model loses phones in some draws, most of all in strong emotions, and to draw is cheap beside
decoding. The tokenizer's phone head reads the codes back, so that draws are compared before anything is
decoded. TorToise (Betker 2023, arXiv 2305.07243) ranks the draws of its autoregressive model too, by a model
that is trained for that alone (CLVP); here words and timing plan are known, and the head is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from emotts.semantic.align import AlignmentError, align
from emotts.semantic.tokenizer import SemanticTokenizer
from emotts.text.symbols import decode, encode_base

TIMING_WEIGHT = 1.0
"""Nats a phone that a draw may be worse to read, for phones that lie a token (40 ms) nearer to their plan."""

PITCH_WEIGHT = 1.0
"""Nats a phone that a draw may be worse to read, for a mean pitch that lies a semitone nearer to that of all
draws. High voices are harder to read, so that without it the choice would calm happy, angry and afraid speech
down by one semitone."""


def take_seed(seed: int, take: int) -> int:
    """Seed of one of the draws of a request; the first is that of a request that asks for no more."""
    if take == 0:
        return seed
    return int(np.random.SeedSequence([seed, take]).generate_state(1, np.uint64)[0]) >> 1


def best_take(
    tokenizer: SemanticTokenizer,
    takes: Sequence[Tensor],
    phoneme_ids: Sequence[int],
    durations: Sequence[int],
    pitch_weight: float = 0.0,
) -> int:
    """Index of the draw whose phones are there, and where the plan has them; the first of equals.

    Args:
        tokenizer: that made the codes, in evaluation mode.
        takes: draws of one text, codes (tokens,) each, all of one length.
        phoneme_ids: of the text, pauses included.
        durations: tokens of each phoneme; they sum to the length of a draw.
        pitch_weight: cost of a semitone off the mean pitch of all draws, nats a phone.
    """
    codes = torch.stack(list(takes)).to(next(tokenizer.parameters()).device)
    with torch.inference_mode():
        read = tokenizer.phone_log_probs(codes).cpu()
        pitch = tokenizer.mean_pitch(codes).cpu() if pitch_weight else torch.zeros(len(codes))
    off = (pitch_weight * (pitch - pitch.mean()).abs()).tolist()
    phones = encode_base(decode(list(phoneme_ids)))
    costs = [
        phone_cost(row, phones) + TIMING_WEIGHT * _misplaced(row, phoneme_ids, durations) + own
        for row, own in zip(read, off, strict=True)
    ]
    return min(range(len(costs)), key=costs.__getitem__)


def phone_cost(log_probs: Tensor, phones: Sequence[int]) -> float:
    """CTC loss of a text, nats a phone; 0 where there are too few frames for it to be told.

    Args:
        log_probs: shape (frames, 1 + base phones), natural log posteriors, blank first.
        phones: of the text, as `encode_base` numbers them.
    """
    loss = torch.nn.functional.ctc_loss(
        log_probs[:, None],
        torch.tensor([list(phones)]),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(phones)]),
        reduction="sum",
        zero_infinity=True,
    )
    return float(loss) / max(1, len(phones))


def _misplaced(log_probs: Tensor, phoneme_ids: Sequence[int], durations: Sequence[int]) -> float:
    """Mean distance of the phonemes' ends to their plan, in tokens; 0 where they cannot be aligned."""
    try:
        found = align(log_probs, phoneme_ids, None, sum(durations))
    except AlignmentError:
        return 0.0
    ends = zip(accumulate(found), accumulate(durations), strict=True)
    return sum(abs(own - planned) for own, planned in ends) / len(found)
