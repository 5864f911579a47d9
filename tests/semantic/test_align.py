import pytest
import torch
from torch import Tensor

from emotts.errors import EmottsError, InputError
from emotts.semantic.align import (
    AlignmentError,
    align,
    align_with_score,
    count_starved,
    frames_needed,
    round_boundaries,
)
from emotts.text.symbols import BASE_PHONES, encode, encode_base


def posteriors(pieces: list[tuple[str | None, int]], sure: float = 0.9) -> Tensor:
    """Log posteriors (frames, labels) that say each phone, or a blank (None), for some frames."""
    labels: list[int] = []
    for phone, frames in pieces:
        labels += (encode_base([phone]) if phone else [0]) * frames
    size = 1 + len(BASE_PHONES)
    probabilities = torch.full((len(labels), size), (1 - sure) / (size - 1))
    probabilities[torch.arange(len(labels)), torch.tensor(labels)] = sure
    return probabilities.log()


SYMBOLS = ["^", "m", "ˈɛ", "n", " ", "s", "ˈɛ", "t", "."]
IDS = encode(SYMBOLS)
PIECES = [(None, 7), ("m", 4), ("ɛ", 8), ("n", 4), (None, 10), ("s", 6), ("ɛ", 6), ("t", 4), (None, 11)]


def test_known_boundaries_are_found():
    # "^" and "." give one frame back to their phone, the pause one on each side.
    assert align(posteriors(PIECES), IDS, None, 30) == [3, 3, 4, 2, 4, 4, 3, 2, 5]
    assert sum(align(posteriors(PIECES), IDS, None, 30)) == 30


def test_a_short_blank_at_a_word_boundary_is_no_pause():
    pieces = [(None, 2), ("m", 4), ("ɛ", 8), ("n", 4), (None, 2), ("s", 5), ("ɛ", 6), ("t", 4), (None, 1)]
    durations = align(posteriors(pieces), IDS, None, 18)
    assert durations[4] == 0
    assert sum(durations) == 18


def test_blanks_inside_a_word_are_shared_by_the_phones():
    pieces = [(None, 1), ("m", 1), (None, 8), ("ɛ", 2), (None, 8), ("n", 1), (None, 1)]
    durations = align(posteriors(pieces), encode(["^", "m", "ˈɛ", "n", "."]), None, 11)
    assert durations == [0, 3, 5, 3, 0]


def test_equal_neighbours_are_kept_apart():
    pieces = [(None, 1), ("m", 4), (None, 1), ("m", 5), (None, 1)]
    durations = align(posteriors(pieces), encode(["^", "m", " ", "m", "."]), None, 6)
    assert durations[2] == 0
    assert durations[1] >= 2 and durations[3] >= 2


def test_a_phone_grows_into_a_blank_that_sounds():
    energy = torch.full((60,), -8.0)
    energy[7:23] = 0.0  # men
    energy[23:26] = -1.0  # its nasal rings on for three frames
    energy[33:49] = 0.0  # set
    durations = align(posteriors(PIECES), IDS, energy, 30)
    assert durations == [3, 3, 4, 3, 3, 4, 3, 2, 5]


def test_energy_without_silence_changes_nothing():
    assert align(posteriors(PIECES), IDS, torch.zeros(60), 30) == align(posteriors(PIECES), IDS, None, 30)


def test_the_prior_lets_phones_win_back_frames_from_the_blank():
    size = 1 + len(BASE_PHONES)
    log_probs = posteriors([(None, 4), ("m", 8), (None, 4)], sure=0.9)
    (label,) = encode_base(["m"])
    log_probs[4:8] = torch.log(torch.full((size,), 1e-4))  # the blank is a little ahead here
    log_probs[4:8, 0], log_probs[4:8, label] = torch.log(torch.tensor([0.55, 0.44]))
    prior = torch.full((size,), -6.0)
    prior[0] = -0.2
    ids = encode(["^", "m", "."])
    without, with_prior = (align(log_probs, ids, None, 8, p)[1] for p in (None, prior))
    assert with_prior > without


def test_text_that_does_not_fit_scores_lower():
    fits = align_with_score(posteriors(PIECES), IDS, None, 30).score
    other = align_with_score(posteriors(PIECES), encode(["^", "k", "ˈuː", "l", "."]), None, 30).score
    assert other < fits <= 0


@pytest.mark.parametrize("seed", range(20))
def test_the_sum_is_exact_on_any_posteriors(seed: int):
    generator = torch.Generator().manual_seed(seed)
    tokens = int(torch.randint(5, 40, (1,), generator=generator))
    frames = 2 * tokens + int(torch.randint(-1, 2, (1,), generator=generator))
    log_probs = torch.randn(frames, 1 + len(BASE_PHONES), generator=generator).log_softmax(-1)
    energy = torch.randn(frames, generator=generator) * 3
    durations = align(log_probs, IDS, energy, tokens)
    assert sum(durations) == tokens
    assert len(durations) == len(IDS)
    assert min(durations) >= 0


def test_halves_are_rounded_up_so_steady_phones_stay_steady():
    assert round_boundaries([1, 3, 5, 7, 9, 10], 5) == [1, 1, 1, 1, 1, 0]


def test_too_few_frames_for_the_text_is_an_error_of_its_own():
    with pytest.raises(AlignmentError, match="6 phones need 6 frames and the recording has 4"):
        align(posteriors([("m", 4)]), IDS, None, 2)
    assert issubclass(AlignmentError, EmottsError)


def test_nothing_to_align_is_an_error():
    with pytest.raises(AlignmentError, match="no phone"):
        align(posteriors([("m", 4)]), encode(["^", "."]), None, 2)


def test_posteriors_that_are_not_finite_are_an_error():
    with pytest.raises(AlignmentError, match="finite"):
        align(torch.full((20, 1 + len(BASE_PHONES)), float("-inf")), IDS, None, 10)


def test_lengths_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="40 would be right"):
        align(posteriors(PIECES), IDS, None, 20)
    with pytest.raises(InputError, match="energy"):
        align(posteriors(PIECES), IDS, torch.zeros(10), 30)


def test_starved_utterances_are_counted_at_a_rate():
    doubled = encode(["^", "m", " ", "m", "."])
    assert frames_needed(doubled) == 3
    sequences, tokens = [doubled, IDS, IDS], [2, 4, 6]
    assert count_starved(sequences, tokens, frames_per_token=1) == 2
    assert count_starved(sequences, tokens) == 0
