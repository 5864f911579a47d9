"""A small n-gram language model of a domain, in the ARPA format that recognisers read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from emotts.errors import InputError
from emotts.evaluate.wer import to_words
from emotts.files import write_atomically

_START, _END = "<s>", "</s>"
_NEVER = -99.0

Gram = tuple[str, ...]


def write_arpa(
    sentences: Iterable[str],
    path: Path | str,
    order: int = 3,
    vocabulary: Iterable[str] = (),
    discount: float = 0.5,
    force: bool = False,
) -> Path:
    """Estimates an n-gram model with interpolated absolute discounting and writes it as an ARPA file.

    Ney, Essen and Kneser, "On structuring probabilistic dependences in stochastic language modelling",
    Computer Speech and Language 8, 1994. Probabilities of each history sum to one.

    The sentences say what the figure means. On 75 natural ARCTIC recordings pocketsphinx errs in 27 % with
    its general model; 57 % with a model of the 1,057 other prompts, for it lacks words; and 4 % with
    one of all prompts, the tested ones among them. The last is a closed test: it hears small
    differences between systems, but as an absolute rate it flatters.

    Args:
        sentences: text of the domain; normalised by `to_words`.
        path: file to write.
        order: longest n-gram, 1 to 3.
        vocabulary: further words that may be recognised.
        discount: taken from each count, in (0, 1).
        force: overwrite a file that exists.

    Raises:
        InputError: no words, or an argument out of range.
        OutputError: the file cannot be written.
    """
    if not 1 <= order <= 3:
        raise InputError(f"order must be 1, 2 or 3, not {order}")
    if not 0.0 < discount < 1.0:
        raise InputError(f"discount must be between 0 and 1, not {discount}")
    lines = [words for words in map(to_words, sentences) if words]
    if not lines:
        raise InputError("a language model needs at least one sentence with words")
    counts = _count(lines, order)
    extra = {word for text in vocabulary for word in to_words(text)}
    probabilities, backoffs = _estimate(counts, extra, discount)
    return write_atomically(path, _format(probabilities, backoffs, order).encode(), force)


def _count(lines: list[list[str]], order: int) -> list[Counter[Gram]]:
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for words in lines:
        padded = [_START, *words, _END]
        for size in range(1, order + 1):
            for start in range(len(padded) - size + 1):
                counts[size - 1][tuple(padded[start : start + size])] += 1
    del counts[0][(_START,)]  # never predicted
    return counts


def _estimate(
    counts: list[Counter[Gram]], extra: set[str], discount: float
) -> tuple[dict[Gram, float], dict[Gram, float]]:
    """Interpolated probabilities of the n-grams seen, and backoff weights of the histories."""
    words = {gram[0] for gram in counts[0]} | extra
    totals = [Counter[Gram]() for _ in counts]
    kinds = [Counter[Gram]() for _ in counts]
    for size, grams in enumerate(counts):
        for gram, count in grams.items():
            totals[size][gram[:-1]] += count
            kinds[size][gram[:-1]] += 1
    uniform = discount * kinds[0][()] / totals[0][()] / len(words)
    probabilities = {
        (word,): max(counts[0][(word,)] - discount, 0.0) / totals[0][()] + uniform for word in sorted(words)
    }
    backoffs: dict[Gram, float] = {}
    for size in range(1, len(counts)):
        for history, total in totals[size].items():
            backoffs[history] = discount * kinds[size][history] / total
        for gram, count in sorted(counts[size].items()):
            lower = probabilities[gram[1:]]
            weight = backoffs[gram[:-1]]
            probabilities[gram] = (count - discount) / totals[size][gram[:-1]] + weight * lower
    return probabilities, backoffs


def _format(probabilities: dict[Gram, float], backoffs: dict[Gram, float], order: int) -> str:
    by_size: list[list[Gram]] = [[] for _ in range(order)]
    for gram in probabilities:
        by_size[len(gram) - 1].append(gram)
    by_size[0].append((_START,))
    lines = ["\\data\\", *(f"ngram {size}={len(grams)}" for size, grams in enumerate(by_size, start=1))]
    for size, grams in enumerate(by_size, start=1):
        lines += ["", f"\\{size}-grams:"]
        for gram in sorted(grams):
            value = math.log10(probabilities[gram]) if gram in probabilities else _NEVER
            # A history that was never seen backs off without loss.
            backoff = f" {math.log10(backoffs.get(gram, 1.0)):.6f}" if size < order else ""
            lines.append(f"{value:.6f} {' '.join(gram)}{backoff}")
    return "\n".join([*lines, "", "\\end\\", ""])
