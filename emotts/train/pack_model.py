"""Stage `pack`: the model directory, with its named voices and its card."""

from __future__ import annotations

import torch
from torch import Tensor

from emotts.data.shards import Corpus, Utterance
from emotts.emotion import EMOTIONS
from emotts.errors import DataError, ModelError
from emotts.model import COMPONENTS, OPTIONAL_COMPONENTS, save_model
from emotts.model_config import ModelConfig
from emotts.text.symbols import decode, kind
from emotts.timebase import FRAMES_PER_TOKEN, TOKEN_RATE
from emotts.train.recipe import MODULES, RecipeConfig, Run
from emotts.train.stages import load_part, open_corpus
from emotts.voice.library import PROMPT_SECONDS
from emotts.voice.voice import Voice

_SHORTEST_PROMPT = TOKEN_RATE
_NEUTRAL = 0.5
"""Emotion vectors that sum to less are neutral enough for a prompt."""


def pack_model(run: Run) -> str:
    """Stage `pack`: writes the model directory from the trained parts.

    Raises:
        DataError: a part is not trained, or a named voice has no training utterance.
        ModelError: weights that are not finite, or more megabytes than the recipe allows.
    """
    settings = run.recipe.pack
    parts = {component: part for part, component in MODULES.items()}
    extra = [
        name for name in OPTIONAL_COMPONENTS if (run.part(parts[name]) / f"{name}.safetensors").is_file()
    ]
    components = {name: load_part(parts[name], run) for name in (*COMPONENTS, *extra)}
    corpus = open_corpus(run, ("embeddings", "codes", "alignments"), "train", speeds=False)
    config = ModelConfig(
        name=settings.name,
        description=settings.description,
        licence=settings.licence,
        languages=settings.languages,
        default_voice=settings.default_voice or next(iter(settings.voices), ""),
        emotions=taught_emotions(corpus),
        generation=settings.generation,
        guidance=run.recipe.calibrate.guidance if "expert" in components else None,
        components={name: module.config.model_dump(mode="json") for name, module in components.items()},
    )
    voices = [make_voice(corpus, name, v.speaker, v.description) for name, v in settings.voices.items()]
    card = model_card(run.recipe, corpus)
    save_model(run.model, components, config, voices=voices, readme=card, force=True)
    size = sum(path.stat().st_size for path in run.model.rglob("*") if path.is_file()) / 1e6
    if size > settings.max_megabytes:
        raise ModelError(f"{run.model} has {size:.1f} MB; the recipe allows {settings.max_megabytes:g}")
    return f"{run.model}, {size:.1f} MB, voices: {', '.join(settings.voices) or 'none'}"


def taught_emotions(corpus: Corpus) -> tuple[str, ...]:
    """Names of the emotions that were heard in some utterance; the model derives the others."""
    columns = zip(*(utterance.emotion for utterance in corpus.utterances), strict=True)
    return tuple(name for name, values in zip(EMOTIONS, columns, strict=True) if any(values))


def make_voice(corpus: Corpus, name: str, speaker: str, description: str = "") -> Voice:
    """A named voice from a speaker's training utterances.

    Its embedding is their mean, of length one. Its prompt is the neutral utterance of 1 to 3 s whose own
    embedding is nearest to that mean, or, where all are longer, the first words of the nearest one.

    Args:
        corpus: with embeddings, codes and plans.
        name: of the voice.
        speaker: in the corpus.
        description: one line for people.

    Raises:
        DataError: the corpus has no utterance of the speaker.
    """
    items = [i for i, utterance in enumerate(corpus.utterances) if utterance.speaker == speaker]
    if not items:
        raise DataError(f"voice {name}: speaker {speaker!r} has no training utterance")
    vectors = torch.stack([corpus.embedding(item) for item in items])
    embedding = torch.nn.functional.normalize(vectors.mean(0), dim=0)
    nearness = dict(zip(items, (vectors @ embedding).tolist(), strict=True))
    best = max(items, key=lambda item: (_suits(corpus.utterances[item]), nearness[item]))
    utterance = corpus.utterances[best]
    length = prompt_tokens(utterance)
    return Voice(
        name=name,
        embedding=embedding,
        prompt_mel=corpus.mel(best)[: length * FRAMES_PER_TOKEN].clone(),
        prompt_codes=_codes(corpus, best)[:length].clone(),
        bandwidth=utterance.bandwidth,
        language=utterance.language,
        description=description,
    )


def _codes(corpus: Corpus, item: int) -> Tensor:
    return corpus.codes(item).long()


def _suits(utterance: Utterance) -> tuple[bool, bool, bool]:
    """What matters in a prompt, the most important first: neutral, of the right length, text that fits."""
    neutral = sum(utterance.emotion) < _NEUTRAL
    fits = _SHORTEST_PROMPT <= utterance.tokens <= PROMPT_SECONDS * TOKEN_RATE
    return neutral, fits, utterance.durations is not None


def prompt_tokens(utterance: Utterance) -> int:
    """Tokens of an utterance that serve as a prompt: all, or as many whole words as three seconds hold."""
    longest = PROMPT_SECONDS * TOKEN_RATE
    if utterance.tokens <= longest:
        return utterance.tokens
    end, cut = 0, 0
    for symbol, duration in zip(decode(utterance.phonemes), utterance.durations or (), strict=False):
        if kind(symbol) == "pause" and _SHORTEST_PROMPT <= end <= longest:
            cut = end
        end += duration
    return cut or longest


def model_card(recipe: RecipeConfig, corpus: Corpus) -> str:
    """README.md of the model directory: what it is, what it was trained on, whose voices it has."""
    settings = recipe.pack
    hours: dict[str, float] = {}
    speakers: dict[str, set[str]] = {}
    for utterance in corpus.utterances:
        hours[utterance.corpus] = hours.get(utterance.corpus, 0.0) + utterance.tokens / TOKEN_RATE / 3600
        speakers.setdefault(utterance.corpus, set()).add(utterance.speaker)
    lines = [
        f"# {settings.name}",
        "",
        settings.description or "A model directory of emotts.",
        "",
        f"Licence of the weights: {settings.licence}. Languages: {', '.join(settings.languages)}.",
        "",
        "## Training data",
        "",
        "| corpus | hours used | speakers | licence | notice |",
        "|---|---|---|---|---|",
    ]
    for name, config in recipe.corpora.items():
        cells = [name, f"{hours.get(name, 0.0):.2f}", str(len(speakers.get(name, ())))]
        lines.append(f"| {' | '.join([*cells, config.licence, config.notice])} |")
    if settings.voices:
        lines += ["", "## Voices", "", "| name | speaker | description |", "|---|---|---|"]
        lines += [f"| {name} | {v.speaker} | {v.description} |" for name, v in settings.voices.items()]
    if settings.card.strip():
        lines += ["", settings.card.strip()]
    return "\n".join(lines) + "\n"
