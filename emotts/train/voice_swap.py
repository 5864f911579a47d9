"""Emotional recordings lent to other voices: few speakers act, and all are to be able to."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from emotts.data.shards import Utterance


def borrowed_voice(
    utterance: Utterance, share: float, pool: Sequence[int], generator: torch.Generator
) -> int | None:
    """The recording whose voice an utterance gets, or None where it keeps its speaker's.

    Args:
        utterance: whose votes for an emotion count: a neutral one never changes its voice.
        share: probability for an utterance that everybody heard as emotional.
        pool: recordings that lend a voice.
        generator: random source.
    """
    share *= sum(utterance.emotion)
    if not share or float(torch.rand((), generator=generator)) >= share:
        return None
    return pool[int(torch.randint(len(pool), (1,), generator=generator))]
