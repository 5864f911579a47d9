"""Whole instructions with their emotion, for a model that has to learn composition by itself.

The embedded mapper composes by rules and is trained on clauses; a language model is trained on what these
rules say of whole instructions, whose parts are drawn here and so are known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from emotts.emotion.emotion import Emotion
from emotts.emotion.instruct.grammar.generator import Grammar, Phrase, lexicon
from emotts.emotion.instruct.mapper import compose
from emotts.emotion.instruct.rules import Clause, load_rules

_DENIALS = (
    "not {0}, {1}",
    "not {0} but {1}",
    "{1}, not {0}",
    "{1} rather than {0}",
    "no longer {0}, now {1}",
)
_CONTRASTS = ("{0}, but {1}", "{0} at first, then {1}", "{0}, yet {1}", "pretending to be {0}, {1}")
_BLENDS = ("{0} and {1}", "{0}, {1}", "both {0} and {1}", "{0} with {1} underneath", "half {0}, half {1}")


class ComposedGrammar:
    """Draws whole instructions without end.

    Args:
        seed: the same seed gives the same instructions.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._clauses = Grammar(seed)
        self._adjectives = [phrase for phrase in lexicon() if phrase.kind == "adjectives"]
        rules = load_rules()
        self._weaker = {word: value for word, value in rules.weaker.items() if word.endswith("ly")}
        self._stronger = {word: value for word, value in rules.stronger.items() if word.endswith("ly")}

    def __iter__(self) -> Iterator[tuple[str, Emotion]]:
        """Instructions with their emotion: clauses, degrees, negation, contrast, blends, neutral ones."""
        while True:
            draw = self._random.random()
            if draw < 0.35:
                yield self._clauses.one()
            elif draw < 0.5:
                yield self._degree()
            elif draw < 0.65:
                yield self._two(_DENIALS, denied=True)
            elif draw < 0.75:
                yield self._two(_CONTRASTS, weight=0.5)
            elif draw < 0.88:
                yield self._two(_BLENDS)
            else:
                yield self._clauses.neutral()

    def _degree(self) -> tuple[str, Emotion]:
        phrase = self._pick()
        weak = self._random.random() < 0.5
        word, value = self._random.choice(list((self._weaker if weak else self._stronger).items()))
        clause = Clause(phrase.text, phrase.text, factor=value) if weak else Clause("", "", exponent=value)
        emotion = Emotion(tuple(clause.scale(number) for number in phrase.emotion.vector))
        return f"{word} {phrase.text}", emotion

    def _two(
        self, templates: tuple[str, ...], denied: bool = False, weight: float = 1.0
    ) -> tuple[str, Emotion]:
        first, second = self._pick(), self._pick()
        clauses = [
            Clause(first.text, first.text, negated=denied, weight=weight),
            Clause(second.text, second.text),
        ]
        vector = compose(clauses, [first.emotion.vector, second.emotion.vector])
        text = self._random.choice(templates).format(first.text, second.text)
        return text, Emotion(tuple(vector))

    def _pick(self) -> Phrase:
        return self._random.choice(self._adjectives)
