"""Forced alignment of phonemes to speech from the CTC posteriors of the semantic tokenizer.

The CTC head runs at twice the token rate (50 Hz), because quick speech passes 20 phonemes a second.
Its model is trained with label priors (Huang et al. 2024, "Less peaky and more accurate CTC forced
alignment by label priors", arXiv 2406.02560), so that a phone's posterior covers the phone rather
than one spike inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torchaudio.functional import forced_align

from emotts.errors import EmottsError, InputError
from emotts.text.symbols import BASE_PHONES, decode, encode_base, kind

HEAD_FRAMES_PER_TOKEN = 2
"""CTC head frames in one semantic token: the head runs at 50 Hz."""

PAUSE_FRAMES = 4
"""Shortest blank run at a word boundary, in head frames, that is a pause (80 ms). The closure of a
plosive is shorter, and belongs to the plosive."""

MARGIN_FRAMES = 1
"""Head frames of a blank run that stay with the phone beside it: posteriors end before the sound does."""

LARGEST_MARGIN_FRAMES = 6
"""The most a phone grows into a blank run that is not quiet (120 ms)."""

PRIOR_SCALE = 0.3
"""Weight of the label prior at alignment (arXiv 2406.02560 trains and aligns with 0.2 to 0.4)."""

_QUIET_FRACTION = 0.3
_SMALLEST_ENERGY_SPAN = 1.0
_SMALLEST_LOG_PRIOR = -12.0  # a label that training never saw has a prior of minus infinity


class AlignmentError(EmottsError):
    """A recording and its text that cannot be aligned."""


@dataclass(frozen=True)
class Alignment:
    """The durations of one utterance.

    Attributes:
        durations: tokens of each symbol, pauses included; they sum to the utterance's length.
        score: mean natural log posterior along the path, at most 0. Text that does not fit the
            recording scores low.
    """

    durations: list[int]
    score: float


def align(
    log_probs: Tensor,
    phoneme_ids: Sequence[int],
    energy: Tensor | None,
    tokens: int,
    log_prior: Tensor | None = None,
) -> list[int]:
    """Durations alone; see `align_with_score`."""
    return align_with_score(log_probs, phoneme_ids, energy, tokens, log_prior).durations


def align_with_score(
    log_probs: Tensor,
    phoneme_ids: Sequence[int],
    energy: Tensor | None,
    tokens: int,
    log_prior: Tensor | None = None,
    prior_scale: float = PRIOR_SCALE,
) -> Alignment:
    """Finds how long each symbol of a text lasts in a recording.

    Blanks inside a word are shared by the phones beside them. Blanks at a word boundary become the
    pause there when they last `PAUSE_FRAMES`; leading and trailing blanks always do.

    Args:
        log_probs: shape (frames, 1 + base phones), natural log posteriors, blank first, 50 Hz.
        phoneme_ids: symbol ids of the whole sequence, pauses included.
        energy: shape (frames,), natural log energy at the same rate, or None. With it a phone grows
            into a blank run beside a pause for as long as the sound lasts.
        tokens: length of the utterance in tokens (25 Hz).
        log_prior: shape (1 + base phones,), natural log priors of the labels, or None.
        prior_scale: weight of the prior.

    Raises:
        AlignmentError: no phone to align, fewer frames than CTC needs, or posteriors that are not
            finite.
        InputError: lengths that do not belong together.
    """
    symbols = decode(list(phoneme_ids))
    pauses = [kind(symbol) == "pause" for symbol in symbols]
    targets = encode_base(symbols)
    _check(log_probs, energy, targets, pauses, tokens)
    log_probs = log_probs.detach().float().cpu()
    scores = log_probs
    if log_prior is not None:
        prior = log_prior.detach().float().cpu().clamp_min(_SMALLEST_LOG_PRIOR)
        scores = log_probs - prior_scale * prior
    path, _ = forced_align(scores[None].contiguous(), torch.tensor([targets]), blank=0)
    path = path[0].long()
    score = log_probs.gather(1, path[:, None]).mean().item()
    spans = _phone_spans(path.tolist())
    quiet = _quiet_frames(energy)
    ends = _symbol_ends(spans, pauses, len(path), quiet)
    return Alignment(round_boundaries(ends, tokens), score)


def round_boundaries(ends: Sequence[float], tokens: int) -> list[int]:
    """Durations in tokens from boundaries in head frames, rounded cumulatively.

    Each boundary is rounded, not each duration, so errors never add up. Halves go up: to the nearest
    even would turn steady one-token phones into 2, 0, 2, 0.

    Args:
        ends: where each symbol ends, in head frames, not decreasing.
        tokens: the sum of the result; the last boundary is put there.
    """
    marks = [min(tokens, int(end / HEAD_FRAMES_PER_TOKEN + 0.5)) for end in ends]
    marks[-1] = tokens
    return [after - before for before, after in zip([0, *marks[:-1]], marks, strict=True)]


def frames_needed(phoneme_ids: Sequence[int]) -> int:
    """Fewest frames in which CTC can say a sequence: its phones, and a blank between equal neighbours."""
    return _frames_needed(encode_base(decode(list(phoneme_ids))))


def count_starved(
    sequences: Iterable[Sequence[int]],
    tokens: Iterable[int],
    frames_per_token: int = HEAD_FRAMES_PER_TOKEN,
) -> int:
    """Counts the utterances that CTC cannot align at a frame rate.

    Args:
        sequences: symbol ids of each utterance.
        tokens: length of each utterance in tokens.
        frames_per_token: rate of the CTC head: 1 is 25 Hz, 2 is 50 Hz.
    """
    pairs = zip(sequences, tokens, strict=True)
    return sum(frames_needed(ids) > length * frames_per_token for ids, length in pairs)


def _frames_needed(targets: Sequence[int]) -> int:
    return len(targets) + sum(a == b for a, b in pairwise(targets))


def _check(
    log_probs: Tensor, energy: Tensor | None, targets: list[int], pauses: list[bool], tokens: int
) -> None:
    frames, expected = len(log_probs), HEAD_FRAMES_PER_TOKEN * tokens
    if abs(frames - expected) > HEAD_FRAMES_PER_TOKEN:
        raise InputError(f"{frames} frames of posteriors for {tokens} tokens; {expected} would be right")
    if log_probs.dim() != 2 or log_probs.shape[1] != 1 + len(BASE_PHONES):
        raise InputError(
            f"posteriors of shape {tuple(log_probs.shape)}; (frames, {1 + len(BASE_PHONES)}) would be right"
        )
    if not log_probs.isfinite().all():
        raise AlignmentError("the posteriors hold values that are not finite")
    if energy is not None and energy.shape != (frames,):
        raise InputError(f"energy of shape {tuple(energy.shape)}; ({frames},) would be right")
    if not targets or len(targets) != pauses.count(False):
        raise AlignmentError("the sequence has no phone to align")
    needed = _frames_needed(targets)
    if frames < needed:
        raise AlignmentError(
            f"{len(targets)} phones need {needed} frames and the recording has {frames}: "
            "it is too short for its text"
        )


def _phone_spans(path: list[int]) -> list[tuple[int, int]]:
    """First and one-past-last frame of each phone on a CTC path."""
    spans: list[tuple[int, int]] = []
    previous = 0
    for frame, label in enumerate(path):
        if label and label != previous:
            spans.append((frame, frame + 1))
        elif label:
            spans[-1] = (spans[-1][0], frame + 1)
        previous = label
    return spans


def _quiet_frames(energy: Tensor | None) -> list[bool] | None:
    """Which frames are silence, judged against the utterance's own range; None when it has no silence."""
    if energy is None:
        return None
    values = energy.detach().float().cpu()
    low, high = torch.quantile(values, torch.tensor([0.05, 0.95])).tolist()
    if not high - low > _SMALLEST_ENERGY_SPAN:
        return None
    return (values < low + _QUIET_FRACTION * (high - low)).tolist()


def _symbol_ends(
    spans: list[tuple[int, int]], pauses: list[bool], frames: int, quiet: list[bool] | None
) -> list[int]:
    """End of every symbol in head frames: phones, and the pauses in the gaps between them."""
    counts = [0]  # pauses before each phone, and after the last
    for pause in pauses:
        if pause:
            counts[-1] += 1
        else:
            counts.append(0)
    ends: list[int] = []
    for gap, count in enumerate(counts):
        leading, trailing = gap == 0, gap == len(spans)
        start = 0 if leading else spans[gap - 1][1]
        stop = frames if trailing else spans[gap][0]
        left, right = _share_gap(start, stop, count > 0, leading, trailing, quiet)
        if not leading:
            ends.append(left)
        ends.extend([right] * count)
    return ends


def _share_gap(
    start: int, stop: int, pause: bool, leading: bool, trailing: bool, quiet: list[bool] | None
) -> tuple[int, int]:
    """Where the phone before a blank run ends and the phone after it begins; the pause lies between."""
    if leading:
        return (0, stop - _margin(range(stop - 1, start - 1, -1), quiet)) if pause else (0, 0)
    if trailing:
        return (start + _margin(range(start, stop), quiet), stop) if pause else (stop, stop)
    if pause and stop - start >= PAUSE_FRAMES:
        left = start + _margin(range(start, stop), quiet)
        right = stop - _margin(range(stop - 1, start - 1, -1), quiet)
        if right - left >= PAUSE_FRAMES - 2 * MARGIN_FRAMES:
            return left, right
    middle = (start + stop) // 2
    return middle, middle


def _margin(outward: range, quiet: list[bool] | None) -> int:
    """Frames of a blank run that belong to the phone it touches, walking away from that phone."""
    least = min(MARGIN_FRAMES, len(outward))
    if quiet is None:
        return least
    sounding = 0
    for frame in outward[:LARGEST_MARGIN_FRAMES]:
        if quiet[frame]:
            break
        sounding += 1
    return max(least, sounding)
