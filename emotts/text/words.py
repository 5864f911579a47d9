"""Give each word its phones, where espeak has joined or split words.

espeak reads words in context and runs unstressed ones together ("in the" becomes one group), so its groups
are not the words. They are matched with the words' pronunciations in isolation, first by their consonants,
then phone by phone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from emotts.text.symbols import base, kind

_ALVEOLAR = {"ɾ": "t", "d": "t", "ʔ": "t", "ð": "θ", "z": "s", "v": "f", "n̩": "n"}
_MOST_JOINED = 5

Phones = list[str]
Isolated = Callable[[str], Phones]


class WordPhones(NamedTuple):
    """A word (or joined words that could not be parted) and its symbols, never empty."""

    word: str
    phones: tuple[str, ...]


def _skeleton(phones: Sequence[str]) -> tuple[str, ...]:
    """Return the consonants that survive reduction: no ɹ, for it comes and goes; voicing levelled."""
    found = (_ALVEOLAR.get(phone, phone) for phone in phones if kind(phone) == "consonant")
    return tuple(phone for phone in found if phone != "ɹ")


def assign(words: Sequence[str], groups: Sequence[Phones], isolated: Isolated) -> list[WordPhones]:
    """Return the words with their symbols, in order.

    Args:
        words: Words of one clause as written.
        groups: espeak's word groups of that clause, none empty.
        isolated: Gives the phones of a word said alone.

    Returns:
        One entry a word; words that have no phone of their own are joined with a neighbour, by a space.
    """
    if len(words) == len(groups):
        return [WordPhones(word, tuple(group)) for word, group in zip(words, groups, strict=True)]
    if not groups:
        return []
    alone = [isolated(word) for word in words]
    front, head = _match(words, groups, alone)
    start_word, start_group = front
    rest_words, rest_groups, rest_alone = words[start_word:], groups[start_group:], alone[start_word:]
    return _join_empty(head + _divide(rest_words, rest_groups, rest_alone))


def _match(
    words: Sequence[str], groups: Sequence[Phones], alone: Sequence[Phones]
) -> tuple[tuple[int, int], list[tuple[str, Phones]]]:
    """Walk from the left as long as one group is one word, or plainly some words joined."""
    word, group = 0, 0
    found: list[tuple[str, Phones]] = []
    while word < len(words) and group < len(groups):
        count = _joined_count(groups[group], alone[word : word + _MOST_JOINED])
        if not count:
            break
        found += _divide_joined(
            tuple(words[word : word + count]),
            tuple(groups[group]),
            tuple(tuple(phones) for phones in alone[word : word + count]),
        )
        word, group = word + count, group + 1
    return (word, group), found


def _joined_count(group: Sequence[str], alone: Sequence[Sequence[str]]) -> int:
    """Say how many of the next words a group holds by its consonants and vowels, 0 for no telling."""
    target, vowels = _skeleton(group), _vowels(group)
    best, best_miss = 0, len(group) + 1
    joined: list[str] = []
    for count, phones in enumerate(alone, start=1):
        joined += phones
        skeleton = _skeleton(joined)
        if len(skeleton) > len(target):
            break
        miss = abs(_vowels(joined) - vowels)
        if skeleton == target and miss < best_miss:
            best, best_miss = count, miss
    return best


def _vowels(phones: Sequence[str]) -> int:
    return sum(kind(phone) == "vowel" for phone in phones)


@functools.lru_cache(maxsize=65536)
def _divide_joined(
    words: tuple[str, ...], group: tuple[str, ...], alone: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, list[str]], ...]:
    """Remembered `_divide` of one group, for the same few words are joined again and again."""
    return tuple(_divide(words, [list(group)], [list(phones) for phones in alone]))


def _cost(left: str, right: str) -> float:
    left, right = base(left), base(right)
    if left == right:
        return 0.0
    if kind(left) != kind(right):
        return 2.0
    if kind(left) == "vowel":
        return 0.4
    return 0.1 if _ALVEOLAR.get(left, left) == _ALVEOLAR.get(right, right) else 0.9


def _owners(source: Sequence[str], target: Sequence[str]) -> list[int]:
    """Align two phone sequences (Wagner and Fischer 1974); return each target phone's place in the source.

    A target phone without partner takes the place of the one before it.
    """
    gap = 0.8
    rows = [[gap * column for column in range(len(target) + 1)]]
    for i, left in enumerate(source, start=1):
        row = [gap * i]
        for j, right in enumerate(target, start=1):
            row.append(min(rows[-1][j - 1] + _cost(left, right), rows[-1][j] + gap, row[-1] + gap))
        rows.append(row)
    owners = [0] * len(target)
    i, j = len(source), len(target)
    while j:
        if i and rows[i][j] == rows[i - 1][j - 1] + _cost(source[i - 1], target[j - 1]):
            i, j = i - 1, j - 1
            owners[j] = i
        elif i and rows[i][j] == rows[i - 1][j] + gap:
            i -= 1
        else:
            j -= 1
            owners[j] = max(i - 1, 0)
    return owners


def _divide(
    words: Sequence[str], groups: Sequence[Phones], alone: Sequence[Phones]
) -> list[tuple[str, Phones]]:
    """Divide the phones of some groups among some words; a word may get none."""
    phones = [phone for group in groups for phone in group]
    if not words:
        return [("", phones)] if phones else []
    if len(words) == 1:
        return [(words[0], phones)]
    source = [phone for part in alone for phone in part]
    place = [index for index, part in enumerate(alone) for _ in part]
    owners = [place[owner] for owner in _owners(source, phones)] if source else [0] * len(phones)
    cuts = [sum(owner < index for owner in owners) for index in range(1, len(words))]
    edges = [0, *_snap(cuts, groups), len(phones)]
    return [(word, phones[start:end]) for word, start, end in zip(words, edges[:-1], edges[1:], strict=True)]


def _snap(cuts: list[int], groups: Sequence[Phones]) -> list[int]:
    """Move each cut to a boundary between groups that lies one or two phones off."""
    borders, total = set(), 0
    for group in groups[:-1]:
        total += len(group)
        borders.add(total)
    result: list[int] = []
    for cut in cuts:
        near = [border for border in borders if abs(border - cut) <= 2 and border not in cuts]
        moved = min(near, key=lambda border: abs(border - cut)) if near and cut not in borders else cut
        result.append(max(moved, result[-1] if result else 0))
    return result


def _join_empty(parts: list[tuple[str, Phones]]) -> list[WordPhones]:
    """Join words without phones to the word before them (or, at the start, after them)."""
    result: list[WordPhones] = []
    waiting = ""
    for word, phones in parts:
        if phones and (word or not result):
            result.append(WordPhones(f"{waiting} {word}".strip(), tuple(phones)))
            waiting = ""
        elif result:
            last = result[-1]
            result[-1] = WordPhones(f"{last.word} {word}".strip(), last.phones + tuple(phones))
        else:
            waiting = f"{waiting} {word}".strip()
    return result
