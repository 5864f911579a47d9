"""The compositional layer: an instruction is cut into clauses, and cues say how they count.

Closed classes of words (negation, degree, contrast, pretence, concealment) are few and work the same with
every emotion, so they are rules that can be read (grammar/rules.yaml) and hold for words that the network
never met; what a clause means is open and is the network's part.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources

import yaml

from emotts.config import StrictModel
from emotts.emotion.instruct.features import fold


class Rules(StrictModel):
    """Content of grammar/rules.yaml."""

    protected: tuple[str, ...]
    negators: tuple[str, ...]
    litotes: dict[str, float]
    not_negation: tuple[str, ...]
    weaker: dict[str, float]
    stronger: dict[str, float]
    not_weakened: tuple[str, ...]
    fake: tuple[str, ...]
    surface: tuple[str, ...]
    felt: tuple[str, ...]
    hidden: tuple[str, ...]
    contrast: tuple[str, ...]
    concession: tuple[str, ...]
    sequence: tuple[str, ...]


@dataclass(frozen=True)
class Clause:
    """A stretch of an instruction that is read in one piece.

    Attributes:
        text: its words, cues taken out; may be empty.
        full: its words with the negation left in.
        link: the word or mark before it.
        factor: on the intensity, from words that weaken or an explicit share.
        exponent: of what lacks from full intensity, from words that strengthen.
        negated: stands in the scope of a negation.
        weight: share in the whole.
        hidden: the emotion is held back, which makes the voice softer.
        exact: intensity that was given in figures ("angry at 30 %"), or None.
    """

    text: str
    full: str
    link: str = ""
    factor: float = 1.0
    exponent: float = 1.0
    negated: bool = False
    weight: float = 1.0
    hidden: bool = False
    exact: float | None = None

    def scale(self, value: float) -> float:
        """An intensity of the clause after its degree words."""
        value = 1.0 - (1.0 - min(1.0, max(0.0, value))) ** self.exponent
        return min(1.0, value * self.factor)


@functools.cache
def load_rules() -> Rules:
    """The rules inside the package."""
    source = resources.files("emotts.emotion.instruct.grammar") / "rules.yaml"
    return Rules.parse(yaml.safe_load(source.read_text(encoding="utf-8")), source="rules.yaml")


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Finds the longest of some phrases, as whole words."""
    ordered = sorted(phrases, key=len, reverse=True)
    return re.compile(r"(?<![\w'])(?:" + "|".join(map(re.escape, ordered)) + r")(?![\w'])")


_AMOUNTS = "bit|touch|hint|trace|tad|dash|drop|note|little|lot|pinch|tinge|flicker|glimmer|twinge"
_QUANTITY = (
    rf"(?:(?:a|an|some|no|just|only|the)\s+)+(?:\w+\s+)?(?:{_AMOUNTS})\b|some\b|undertones?\b|traces\b"
)
_CONCEALING = "hiding|masking|covering|concealing|hides|disguising"
_PLACES = "in|under|from|behind|inside|at"
_DEGREES = r"\b(\d{1,3}) ?(?:%|percent|per cent)|\b(\d{1,2})(?:/| out of | of )10\b"


@functools.cache
def _patterns() -> dict[str, re.Pattern[str]]:
    rules = load_rules()
    conceal = rf"(?:{_CONCEALING})(?: up)?(?= (?!(?:{_PLACES}) ))"
    links = [
        *rules.concession, *rules.sequence, *rules.contrast, "and", "or", "nor", "while", "whereas",
        "rather than", "instead of", "without", "except", "plus", "because", "as well as", "along with",
        "mixed with",
    ]  # fmt: skip
    words = "|".join(map(re.escape, sorted(links, key=len, reverse=True)))
    linked = rf"(?<![\w'])(?<!as )(?<!so )(?:{words})(?![\w'])"
    split = rf"[,.;:!?()…]+|{linked}|(?<![\w']){conceal}|(?<!\w)with(?= (?:{_QUANTITY}))"
    groups = (
        "negators",
        "litotes",
        "not_negation",
        "weaker",
        "stronger",
        "fake",
        "surface",
        "felt",
        "hidden",
    )
    found = {name: _any_of(getattr(rules, name)) for name in groups}
    kept = _any_of(rules.not_weakened).pattern
    found["weakening"] = re.compile(rf"{found['weaker'].pattern}(?! (?:{kept}))")
    found["split"] = re.compile(split)
    found["protected"] = _any_of(rules.protected)
    return found


_NEVER_MORE = re.compile(
    r"\b(?:could not|couldn't|cannot|can't|never|not ever) (?:be |been |feel |felt )(?:any )?"
    r"(?!(?:bitter|clever|eager|ever|in|other|over|proper|sinister|sober|tender|together|under)\b)(?=\w+er\b)"
)
"""A denied comparison is a superlative: "she could not be happier"; not all that ends in -er compares."""

_NEW_ORDER = re.compile(
    r"\b(?=give me |make it |go for |i want |let us |let's |play it |play him |play her |just |only )"
)


def parse(text: str) -> list[Clause]:
    """Cuts an instruction into clauses and reads their cues.

    Args:
        text: an instruction in English.

    Returns:
        clauses in order; those in the scope of a negation are marked.
    """
    patterns = _patterns()
    folded = re.sub(r"\b(?:not|never|isn't) without\b", "with", fold(text))
    folded = _NEVER_MORE.sub("extremely ", folded)
    folded = patterns["protected"].sub(lambda match: match[0].replace(" ", "_"), folded)
    # Commas inside of numbers or after nothing leave empty stretches, which carry their link on.
    pieces: list[tuple[str, str]] = []
    link, start = "", 0
    for match in patterns["split"].finditer(folded):
        pieces.append((link, folded[start : match.start()].strip()))
        link, start = match[0].strip(), match.end()
    pieces.append((link, folded[start:].strip()))
    clauses: list[Clause] = []
    for link, piece in _join_links(pieces):
        clauses += _negations(piece, link, clauses)
    degrees = _join_degrees([_degrees(clause) for clause in clauses])
    return [replace(clause, hidden=_is_hidden(clause)) for clause in degrees]


def _join_links(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leaves out empty stretches; of several links in a row the last word counts ("; but" is "but")."""
    joined: list[tuple[str, str]] = []
    waiting = ""
    for link, piece in pieces:
        waiting = link if link[:1].isalpha() or not waiting else waiting
        if piece:
            joined.append((waiting, piece))
            waiting = ""
    return joined


def _negations(piece: str, link: str, before: list[Clause]) -> list[Clause]:
    patterns = _patterns()
    if link in ("without", "rather than", "instead of", "except", "nor"):
        orders = [part.strip() for part in _NEW_ORDER.split(piece) if part.strip()]
        rest = [Clause(part, part, ",") for part in orders[1:]]
        return [Clause(orders[0], f"{link} {orders[0]}", link, negated=True), *rest]
    carried = before and before[-1].negated and _carries(link, piece, before[-1])
    harmless = [m.span() for m in patterns["not_negation"].finditer(piece)]
    degree = [m.span() for m in patterns["litotes"].finditer(piece)]
    cues = [
        match
        for match in patterns["negators"].finditer(piece)
        if not any(start <= match.start() < end for start, end in (*harmless, *degree))
    ]
    if not cues:
        return [Clause(piece, piece, link, negated=bool(carried))]
    cue = cues[0]
    head, tail = piece[: cue.start()].strip(), piece[cue.end() :].strip()
    parts = [part.strip() for part in _NEW_ORDER.split(tail) if part.strip()]
    found = [Clause(head, head, link)] if head else []
    if parts:
        found.append(
            Clause(parts[0], piece if not head else f"{head} {cue[0]} {parts[0]}", link, negated=True)
        )
    return found + [Clause(part, part, ",") for part in parts[1:]]


def _carries(link: str, piece: str, last: Clause) -> bool:
    """Whether a negation goes on: "without fear or anger", "no tears and no anger"."""
    if link in ("or", "nor"):
        return True
    return link == "and" and last.full.startswith(("no ", "without ", "neither ")) and len(piece.split()) <= 2


def _degrees(clause: Clause) -> Clause:
    patterns, rules = _patterns(), load_rules()
    text, factor, exponent, exact = clause.text, 1.0, 1.0, None
    match = re.search(_DEGREES, text)
    if match:
        exact = min(1.0, int(match[1]) / 100 if match[1] else int(match[2]) / 10)
        text = text[: match.start()] + " " + text[match.end() :]
    if not clause.negated:
        for match in patterns["litotes"].finditer(text):
            factor *= rules.litotes[match[0]]
        text = patterns["litotes"].sub(" ", text)
        text = patterns["not_negation"].sub(" ", text)
    for match in patterns["weakening"].finditer(text):
        factor *= rules.weaker[match[0]]
    text = patterns["weakening"].sub(" ", text)
    for match in patterns["stronger"].finditer(text):
        exponent *= rules.stronger[match[0]]
    text = " ".join(patterns["stronger"].sub(" ", text).split())
    return replace(clause, text=text, factor=factor, exponent=min(exponent, 3.5), exact=exact)


def _join_degrees(clauses: list[Clause]) -> list[Clause]:
    """A clause of nothing but degree belongs to the one before it: "sad, 3 out of 10"."""
    joined: list[Clause] = []
    for clause in clauses:
        bare = not set(clause.text.split()) - {"only", "just", "maybe", "at"}
        graded = clause.exact is not None or clause.factor != 1.0 or clause.exponent != 1.0
        if not (bare and graded):
            joined.append(clause)
        elif joined:
            last = joined[-1]
            joined[-1] = replace(
                last,
                factor=last.factor * clause.factor,
                exponent=min(3.5, last.exponent * clause.exponent),
                exact=last.exact if clause.exact is None else clause.exact,
            )
    return joined


def weigh(clauses: Sequence[Clause], named: Sequence[bool]) -> list[Clause]:
    """Shares of the clauses by contrast, order, pretence and concealment.

    Args:
        clauses: of `parse`.
        named: which of them name an emotion: a "but" without one contrasts nothing ("cheerful, but brief").

    Returns:
        the clauses with their weights.
    """
    patterns = _patterns()
    felt = [patterns["felt"].search(clause.full) is not None for clause in clauses]
    surface = [
        patterns["surface"].search(clause.full) is not None and not inner
        for clause, inner in zip(clauses, felt, strict=True)
    ]
    weights, seen = [1.0] * len(clauses), False
    for index, clause in enumerate(clauses):
        several = len(clauses) > 1
        if named[index]:
            earlier = _contrast(clauses, index, felt)
            weights[:index] = [weight * factor for weight, factor in zip(weights, earlier, strict=False)]
            # What is named first is meant first: "sad and afraid".
            weights[index] *= (
                _AFTER if seen and clause.link in ("and", ",", "with", "mixed with", "") else 1.0
            )
            seen = True
        if clause.link in load_rules().contrast and surface[index]:
            weights[index] *= 0.6
        if clause.link in ("despite", "in spite of") or (
            index == 0 and clause.link in load_rules().concession
        ):
            weights[index] *= 0.5
        if patterns["fake"].search(clause.full):
            weights[index] *= 0.4
        if surface[index] and several:
            weights[index] *= 0.8
        if felt[index] and several:
            weights[index] *= 1.15
        weights[index] *= 0.85 if clause.hidden else 1.0
    return [replace(clause, weight=weight) for clause, weight in zip(clauses, weights, strict=True)]


_AFTER = 0.92


def _contrast(clauses: Sequence[Clause], index: int, felt: Sequence[bool]) -> list[float]:
    """What a clause does to the weight of each clause before it."""
    rules, patterns, clause = load_rules(), _patterns(), clauses[index]
    if clause.link in rules.contrast or clause.link in rules.sequence:
        if any(patterns["not_negation"].search(before.full) for before in clauses[:index]):
            return [1.0] * index  # "not only angry but sad" contrasts nothing
        # What is felt stays as strong, whichever side of the "but" it stands on.
        return [0.9 if felt[earlier] and not felt[index] else 0.5 for earlier in range(index)]
    if clause.link in rules.concession and clause.link not in ("despite", "in spite of"):
        return [0.65] * index
    return [1.0] * index


def _is_hidden(clause: Clause) -> bool:
    conceals = clause.link.startswith(tuple(_CONCEALING.split("|")))
    return conceals or _patterns()["hidden"].search(clause.full) is not None
