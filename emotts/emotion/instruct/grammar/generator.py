"""Instructions by a generative grammar: phrases of the lexicon in the ways that directors put them.

The lexicon is one YAML file for each emotion, with phrases by kind and intensity; templates.yaml puts them
into sentences, mixed.yaml has phrases of several emotions and of none.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from emotts.emotion.emotion import EMOTIONS, Emotion
from emotts.emotion.instruct.delivery import load_delivery
from emotts.emotion.instruct.grammar.plain import plain_instruction
from emotts.emotion.instruct.grammar.spelling import adverb, stem

KINDS = ("adjectives", "nouns", "behaviours", "idioms", "similes", "scenes", "verbs")
"""Kinds of phrases; each has its own templates."""

_SPILL = {
    "melancholic": {"sad": 0.3},
    "sad": {"melancholic": 0.15},
    "disgusted": {"angry": 0.12},
}
"""Share of an emotion that listeners also hear in another: sadness in melancholy, some anger in disgust."""

_PERSONS = (
    {"he": "he", "she": "she"},
    {
        "he": "she",
        "his": "her",
        "him": "her",
        "himself": "herself",
        "her": "his",
        "she": "he",
        "herself": "himself",
    },
    {"he": "they", "she": "they", "his": "their", "her": "their", "him": "them", "himself": "themselves"},
    {"his": "your", "her": "your", "himself": "yourself", "herself": "yourself"},
    {"his": "my", "her": "my", "him": "me"},
)


@dataclass(frozen=True)
class Phrase:
    """An entry of the lexicon.

    Attributes:
        text: in lower case.
        kind: one of `KINDS`.
        emotion: what it means on its own.
    """

    text: str
    kind: str
    emotion: Emotion


def _read(name: str) -> dict:
    source = resources.files("emotts.emotion.instruct.grammar") / f"{name}.yaml"
    return yaml.safe_load(source.read_text(encoding="utf-8"))


def _split(text: str) -> list[str]:
    return [part for part in (" ".join(part.split()) for part in text.split(",")) if part]


@cache
def lexicon() -> tuple[Phrase, ...]:
    """Every phrase of the grammar that has an emotion."""
    found = []
    for name in EMOTIONS:
        for kind, tiers in _read(name).items():
            for intensity, phrases in tiers.items():
                spill = {other: share * intensity for other, share in _SPILL.get(name, {}).items()}
                emotion = Emotion.from_mapping({name: float(intensity), **spill})
                found += [Phrase(text, kind, emotion) for text in _split(phrases)]
    for item in _read("mixed")["mixed"]:
        emotion = Emotion.from_mapping({key: value for key, value in item.items() if key != "phrases"})
        found += [Phrase(text, "idioms", emotion) for text in _split(item["phrases"])]
    return tuple(found)


@cache
def neutral_phrases() -> tuple[str, ...]:
    """Phrases that say nothing of an emotion, words of delivery among them.

    A word that the lexicon knows ("tired", "gently") is none of them, though it sets a rate as well.
    """
    known = {text for phrase in lexicon() for text in (phrase.text, adverb(phrase.text))}
    stems = {stem(text) for text in known}
    plain = [phrase for phrase in _split(_read("mixed")["neutral"]) if phrase not in known]
    return (*plain, *(phrase for phrase in load_delivery() if stem(phrase) not in stems))


class Grammar:
    """Draws instructions without end.

    Args:
        seed: the same seed gives the same instructions.
        words: words of the language that carry no emotion, for plain instructions.
    """

    def __init__(self, seed: int, words: Sequence[str] = ()) -> None:
        self._random = random.Random(seed)
        self._words = tuple(words)
        templates = _read("templates")
        self._subjects = _split(templates["subjects"])
        self._abouts = _split(templates["about"])
        self._templates = {kind: templates[kind] for kind in KINDS}
        self._phrases = {name: [p for p in lexicon() if p.emotion.name == name] for name in EMOTIONS}
        self._similes = [p.text for p in lexicon() if p.kind == "similes"]

    def __iter__(self) -> Iterator[tuple[str, Emotion]]:
        """Clauses with their emotion: six in ten of one phrase, the rest blends and neutral ones."""
        while True:
            draw = self._random.random()
            if draw < 0.58:
                yield self.one()
            elif draw < 0.76:
                yield self.blend()
            else:
                yield self.neutral()

    def one(self) -> tuple[str, Emotion]:
        """A phrase in a template."""
        phrase = self._pick()
        return self._vary(self._fill(phrase)), phrase.emotion

    def blend(self) -> tuple[str, Emotion]:
        """Two phrases in one clause; each emotion as strong as its stronger phrase."""
        first, second = self._pick(), self._pick()
        if self._random.random() < 0.5:
            second = self._random.choice(self._phrases[first.emotion.name])
        joint = self._random.choice([" ", " ", " with ", " and ", " as ", " in "])
        values = (max(pair) for pair in zip(first.emotion.vector, second.emotion.vector, strict=True))
        return self._vary(f"{self._fill(first)}{joint}{second.text}"), Emotion(tuple(values))

    def neutral(self) -> tuple[str, Emotion]:
        """A plain instruction, or one or two phrases without emotion in the templates of the others."""
        if self._random.random() < 0.5:
            return self._vary(plain_instruction(self._random, self._words)), Emotion.neutral()
        text = self._random.choice(neutral_phrases())
        draw = self._random.random()
        if draw < 0.3:
            text = f"{text} {self._random.choice(neutral_phrases())}"
        elif draw < 0.55:
            text = self._fill(Phrase(text, self._random.choice(("adjectives", "nouns", "idioms")), Emotion()))
        elif draw < 0.7:
            text = f"{self._random.choice(self._subjects)} {text} {self._random.choice(self._abouts)}"
        elif draw < 0.75:
            # Frames without content must not inherit the emotions that they usually carry.
            text = self._fill(Phrase("", self._random.choice(KINDS), Emotion()))
        return self._vary(text) or "read", Emotion.neutral()

    def _pick(self) -> Phrase:
        # By emotion first: the lexicon is not balanced, the training should be.
        return self._random.choice(self._phrases[self._random.choice(EMOTIONS)])

    def _fill(self, phrase: Phrase) -> str:
        kind, text = phrase.kind, phrase.text
        if kind == "adjectives" and self._random.random() < 0.22:
            return f"{self._random.choice(('', 'said ', 'he says '))}{adverb(text)}"
        template = self._random.choice(self._templates[kind])
        return template.format(
            x=text,
            s=self._random.choice(self._subjects),
            p=self._random.choice(("his", "her", "their", "the", "your")),
            about=self._random.choice(self._abouts),
            neutral=self._random.choice(neutral_phrases()),
            simile=self._random.choice(self._similes) if not phrase.emotion.is_neutral else "it",
        )

    def _vary(self, text: str) -> str:
        persons = self._random.choice(_PERSONS)
        return re.sub(r"[a-z]+", lambda match: persons.get(match[0], match[0]), text.lower()).strip()
