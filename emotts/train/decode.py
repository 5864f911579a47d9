"""Stages `decode` and `score`: the test sentences spoken by the packed model, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotts.data.shards import Corpus
from emotts.data.splits import sentence_key
from emotts.errors import DataError, InputError
from emotts.evaluate.lists import Sentence, load_sentences, write_sentences
from emotts.files import write_atomically
from emotts.timebase import tokens_to_seconds
from emotts.train.recipe import Run
from emotts.train.stages import find_stage, open_corpus

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

NATURAL = "natural"
"""Folder of the recordings that synthesis is held against."""

_BATCH = 8


@dataclass(frozen=True)
class SentenceList:
    """Sentences that are scored together; the name is that of the list's file and of its audio's folder."""

    name: str
    sentences: tuple[Sentence, ...]


def decode(run: Run) -> str:
    """Stage `decode`: writes sentence lists (JSON Lines), their natural recordings, and their synthesis.

    Everything lies in `decode/`: NAME.jsonl with the folder NAME of audio files, and `natural/`. Files
    that the same model has made before are kept.

    Raises:
        DataError: no model, no named voice, or no test utterance of one.
    """
    from emotts.tts import EmoTTS

    if not (run.model / "config.yaml").is_file():
        raise DataError(f"{run.model} is missing: run stage {find_stage('pack')} (pack) first")
    if not run.recipe.pack.voices:
        raise DataError("the recipe names no voices (pack.voices), so there is nobody to speak")
    corpus = open_corpus(run, split="test")
    (run.decode / NATURAL).mkdir(parents=True, exist_ok=True)
    for old in run.decode.glob("*.jsonl"):
        old.unlink()
    engine = EmoTTS.from_pretrained(run.model)
    spoken = refused = 0
    for part in sentence_lists(run, corpus):
        done = _speak(engine, part, run.decode / part.name)
        if done:
            write_sentences(done, run.decode / f"{part.name}.jsonl")
        spoken, refused = spoken + len(done), refused + len(part.sentences) - len(done)
    note = f", {refused} refused because their length does not suit the text" if refused else ""
    return f"{spoken} files in {run.decode}{note}"


def sentence_lists(run: Run, corpus: Corpus) -> Iterator[SentenceList]:
    """What is spoken: free-VOICE for each named voice; emotion-NAME and scaled-FACTOR for the default voice.

    Writes the natural recordings of the sentences into `decode/natural`, since the lists name them.
    """
    settings, pack = run.recipe.decode, run.recipe.pack
    free = {name: voice_sentences(run, corpus, name, run.recipe.decode.sentences) for name in pack.voices}
    for name, sentences in free.items():
        yield SentenceList(f"free-{name}", tuple(sentences))
    default = free[pack.default_voice or next(iter(pack.voices))]
    chosen = default[: settings.emotional]
    for emotion in ("neutral", *settings.emotions) if chosen and settings.emotions else ():
        mood = emotion if emotion == "neutral" else f"{emotion}:1"
        emotional = [replace(sentence, emotion=mood, reference=None) for sentence in chosen]
        yield SentenceList(f"emotion-{emotion}", tuple(emotional))
    lengths = {u.id: tokens_to_seconds(u.tokens) for u in corpus.utterances}
    for factor in settings.factors if settings.scaled else ():
        scaled = [replace(s, duration=round(lengths[s.id] * factor, 3)) for s in default[: settings.scaled]]
        yield SentenceList(f"scaled-{factor:g}", tuple(scaled))


def voice_sentences(run: Run, corpus: Corpus, voice: str, wanted: int) -> list[Sentence]:
    """Sentences of a corpus in a named voice, each text once, at most `wanted`.

    Their natural recordings are written into `decode/natural`.

    Raises:
        DataError: the corpus has none of the voice's speaker.
    """
    from emotts.audio.io import save_audio

    speaker = run.recipe.pack.voices[voice].speaker
    first: dict[str, int] = {}
    for item, utterance in enumerate(corpus.utterances):
        if utterance.speaker == speaker:
            first.setdefault(sentence_key(utterance.text), item)
    items = list(first.values())
    if not items:
        raise DataError(f"voice {voice}: speaker {speaker!r} has no utterance in this split")
    sentences = []
    for item in (items[i * len(items) // min(wanted, len(items))] for i in range(min(wanted, len(items)))):
        utterance = corpus.utterances[item]
        place = Path(NATURAL) / f"{utterance.id}.wav"
        save_audio(run.decode / place, corpus.audio(item), force=True)
        sentences.append(
            Sentence(
                id=utterance.id,
                text=utterance.text,
                voice=voice,
                reference=str(place),
                seed=run.recipe.decode.seed,
                language=utterance.language,
            )
        )
    return sentences


def _speak(engine: EmoTTS, part: SentenceList, folder: Path) -> list[Sentence]:
    """Speaks a list into a folder; returns the sentences that could be spoken."""
    from emotts.evaluate.synthesis import synthesize_list

    if all(sentence.duration is None for sentence in part.sentences):
        synthesize_list(engine, part.sentences, folder, batch=_BATCH)
        return list(part.sentences)
    done = []
    for sentence in part.sentences:
        try:
            synthesize_list(engine, [sentence], folder)
        except InputError:  # a length that does not suit its text is refused, and counted
            continue
        done.append(sentence)
    return done


def score(run: Run) -> str:
    """Stage `score`: scores every list of `decode/`, and writes RESULTS.md with the command of each table.

    Raises:
        DataError: nothing was decoded.
        MissingDependencyError: a package of the extra `evaluate` is not installed.
    """
    from emotts.evaluate.evaluation import evaluate
    from emotts.evaluate.report import render

    lists = sorted(run.decode.glob("*.jsonl"))
    if not lists:
        raise DataError(
            f"{run.decode} holds no sentence lists: run stage {find_stage('decode')} (decode) first"
        )
    pages = [f"# Results of {run.recipe.pack.name}"]
    for path in lists:
        metrics, audio = list_metrics(path.stem, run.recipe.decode.quality), path.with_suffix("")
        result = evaluate(load_sentences(path), audio, metrics=metrics, jobs=run.recipe.jobs)
        command = f"emotts evaluate --sentences {path} --audio {audio} --metrics {','.join(metrics)}"
        pages.append(f"## {path.stem}\n\n`{command}`\n\n{render(result).strip()}")
    results = run.exp / "RESULTS.md"
    write_atomically(results, ("\n\n".join(pages) + "\n").encode(), force=True)
    return f"{len(lists)} tables in {results}"


def list_metrics(name: str, quality: bool) -> tuple[str, ...]:
    """What a list of that name is scored for."""
    if name.startswith("scaled-"):
        return ("wer", "duration")
    found = ("wer", "prosody", "bursts")
    if not name.startswith("emotion-"):
        found = (*found, "similarity")
    return (*found, "dnsmos") if quality else found
