"""What emotional speech is and what it costs: the judge's opinion, words, voice and quality of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from emotts.emotion import Emotion
from emotts.emotion.emotion import NEUTRAL
from emotts.errors import DataError, InputError
from emotts.evaluate.judge.cache import Clip, measure_clips
from emotts.evaluate.judge.model import FIVE, EmotionJudge, against_neutral
from emotts.evaluate.lists import Sentence, find_all_audio
from emotts.evaluate.scoring import SYNTHESISED, Job, score_files, voice_name
from emotts.evaluate.similarity import SIMILARITY_RATE, ClassicalEncoder, cosine, independent_encoder
from emotts.evaluate.wer import WordErrors
from emotts.files import write_atomically

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""

_SCORES = "scores.json"
_FEATURES = "judge-features.npz"
_BATCH = 64
"""Files of each process between two records of the scores: processes take seconds to start."""


@dataclass(frozen=True)
class Measured:
    """One spoken sentence.

    Attributes:
        id: of the sentence.
        voice: name.
        probabilities: class -> the judge's probability.
        words: word errors.
        quality: DNSMOS, overall, 1 to 5; NaN where it was not asked for.
        similarity: cosine to the voice.
    """

    id: str
    voice: str
    probabilities: Mapping[str, float]
    words: WordErrors
    quality: float
    similarity: float

    @property
    def decision(self) -> str:
        """The judge's choice."""
        return self.choice(tuple(self.probabilities))

    def choice(self, classes: Sequence[str]) -> str:
        """The judge's choice from some of the classes that it was asked for."""
        return max(classes, key=lambda name: self.probabilities[name])


def judged_classes(emotions: Sequence[str]) -> tuple[str, ...]:
    """What the judge may choose from: the five classes, and what else is asked for."""
    return (*FIVE, *(name for name in emotions if name not in FIVE))


def check_judge(judge: EmotionJudge, emotions: Sequence[str]) -> None:
    """Tells before any work that a judge cannot judge these emotions.

    Raises:
        InputError: no emotions, neutral among them, or one that the judge was not trained for.
    """
    if not emotions or "neutral" in emotions:
        raise InputError("give the emotions to measure, without neutral, such as angry,happy,sad,afraid")
    for name in judged_classes(emotions):
        if name not in judge.classes:
            raise InputError(
                f"the judge knows no {name}; it knows: {', '.join(judge.classes)} (egs/judge makes one that "
                "knows all classes of RAVDESS)"
            )


def measure_spoken(
    sentences: Sequence[Sentence],
    folder: Path,
    judge: EmotionJudge,
    emotions: Sequence[str],
    neutral: Mapping[str, Path] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    quality_every: int = 1,
) -> list[Measured]:
    """Measures the audio of a list; what an earlier call has measured in this folder is kept.

    A voice is compared with its natural recordings (the list's `reference`), or where it has none, with
    its own neutral speech of other texts.

    Args:
        sentences: the list; emotions are compared with its neutral sentences of the same voice.
        folder: of the audio, and of what is kept.
        judge: of emotion.
        emotions: that are asked for in the list.
        neutral: further neutral files that the judge compares with: sentence id -> audio; the ids must not be
            in the list, and begin with the voice's name and a dash.
        jobs: processes.
        progress: told what is done.
        quality_every: DNSMOS of every n-th text only; it takes half as long as the recogniser.

    Returns:
        a record for each sentence, in their order.

    Raises:
        DataError: a file is missing.
        AudioError: a file is silent.
    """
    tell = progress or (lambda stage, share: None)
    files = find_all_audio(folder, sentences)
    rated = texts_of_every(sentences, quality_every)
    scores = _scores(sentences, files, folder, jobs, lambda share: tell("words and quality", share), rated)
    probabilities = _probabilities(sentences, files, folder, judge, emotions, neutral or {}, jobs, tell)
    similarity = _similarity(sentences, files, neutral or {})
    return [
        Measured(s.id, voice_name(s), probabilities[s.id], *scores[s.id], similarity[s.id]) for s in sentences
    ]


def texts_of_every(sentences: Sequence[Sentence], every: int) -> set[str]:
    """Every n-th text of a list, the first among them: the same at all doses and in all voices."""
    return set(list(dict.fromkeys(s.text for s in sentences))[::every])


def _scores(
    sentences: Sequence[Sentence],
    files: Mapping[str, Path],
    folder: Path,
    jobs: int,
    progress: Callable[[float], None],
    rated: set[str],
) -> dict[str, tuple[WordErrors, float]]:
    """Word errors, and DNSMOS of the rated texts; kept in the folder by the content of the files."""
    path = folder / _SCORES
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    keys = {s.id: _key(s.text, files[s.id]) for s in sentences}

    def lacks(sentence: Sentence) -> bool:
        found = known.get(keys[sentence.id])
        return found is None or (found["quality"] is None and sentence.text in rated)

    todo = [s for s in sentences if lacks(s)]
    # Rated ones by themselves, as a worker measures all its files alike.
    todo.sort(key=lambda s: s.text not in rated)
    step = _BATCH * jobs
    for start in range(0, len(todo), step):
        group = todo[start : start + step]
        for wanted in (True, False):
            part = [s for s in group if (s.text in rated) is wanted]
            metrics = ("wer", "dnsmos") if wanted else ("wer",)
            work = [Job(s, SYNTHESISED, files[s.id]) for s in part]
            for sentence, score in zip(
                part, score_files(work, metrics, jobs=jobs) if work else (), strict=True
            ):
                assert score.words is not None
                quality = score.quality.overall if score.quality is not None else None
                known[keys[sentence.id]] = {"words": asdict(score.words), "quality": quality}
        write_atomically(path, json.dumps(known, indent=0).encode(), force=True)
        progress((start + len(group)) / len(todo))
    found = {key: known[name] for key, name in keys.items()}
    return {
        key: (WordErrors(**record["words"]), float("nan") if record["quality"] is None else record["quality"])
        for key, record in found.items()
    }


def _key(text: str, path: Path) -> str:
    return hashlib.sha256(text.encode() + path.read_bytes()).hexdigest()[:24]


def _probabilities(
    sentences: Sequence[Sentence],
    files: Mapping[str, Path],
    folder: Path,
    judge: EmotionJudge,
    emotions: Sequence[str],
    neutral: Mapping[str, Path],
    jobs: int,
    tell: Progress,
) -> dict[str, dict[str, float]]:
    clips = [Clip(files[s.id]) for s in sentences] + [Clip(path) for path in neutral.values()]
    vectors = measure_clips(clips, folder / _FEATURES, jobs, lambda share: tell("judge", share))
    for clip, vector in zip(clips, vectors, strict=True):
        if vector is None:
            raise DataError(f"{clip.path} is silent: there is nothing to judge")
    voices = [voice_name(s) for s in sentences] + [_voice_of(key, sentences) for key in neutral]
    calm = [Emotion.parse(s.emotion).is_neutral for s in sentences] + [True] * len(neutral)
    moved = against_neutral(np.stack([v for v in vectors if v is not None]), calm, voices)[: len(sentences)]
    if not np.isfinite(moved).all():
        raise DataError("every voice needs two neutral sentences or more, for the judge to compare with")
    classes = judged_classes(emotions)
    rows = judge.probabilities(moved, classes)
    return {
        s.id: dict(zip(classes, map(float, row), strict=True)) for s, row in zip(sentences, rows, strict=True)
    }


def _voice_of(key: str, sentences: Sequence[Sentence]) -> str:
    names = {voice_name(s) for s in sentences}
    for name in sorted(names, key=len, reverse=True):
        if key.startswith(f"{name}-"):
            return name
    raise DataError(f"the neutral recording {key} belongs to no voice of the list")


@dataclass(frozen=True)
class Baseline:
    """Natural recordings of the sentences, neutral: what words, voice and quality cost nothing.

    Attributes:
        wer: word error rate.
        similarity: cosine to the voice's other recordings, mean.
        quality: DNSMOS, mean.
        files: how many.
    """

    wer: float
    similarity: float
    quality: float
    files: int


def measure_natural(
    sentences: Sequence[Sentence], folder: Path, jobs: int = 1, quality_every: int = 1
) -> Baseline | None:
    """Measures the recordings that the sentences name; None where they name none.

    Args:
        sentences: with references, or some of them.
        folder: where the scores are kept.
        jobs: processes.
        quality_every: see `measure_spoken`.
    """
    found = {s.reference: s for s in sentences if s.reference and Path(s.reference).is_file()}
    if not found:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    own = [replace(s, id=path, emotion=NEUTRAL) for path, s in found.items()]
    files = {s.id: Path(s.id) for s in own}
    rated = texts_of_every(own, quality_every)
    scores = _scores(own, files, folder, jobs, lambda share: None, rated)
    similarity = _similarity(own, files, {})
    return Baseline(
        wer=sum((words for words, _ in scores.values()), WordErrors()).rate,
        similarity=float(np.mean(list(similarity.values()))),
        quality=float(np.nanmean([quality for _, quality in scores.values()])),
        files=len(own),
    )


def _similarity(
    sentences: Sequence[Sentence], files: Mapping[str, Path], neutral: Mapping[str, Path]
) -> dict[str, float]:
    """Cosine of each file to its voice: natural recordings or neutral speech, of other texts if there are."""
    from emotts.audio.io import load_audio

    encoder = independent_encoder()
    loaded: dict[str, np.ndarray] = {}

    def embed(path: Path) -> np.ndarray:
        if str(path) not in loaded:
            loaded[str(path)] = encoder.embed(load_audio(path, SIMILARITY_RATE).numpy())
        return loaded[str(path)]

    models = _voice_models(sentences, files, neutral)
    if isinstance(encoder, ClassicalEncoder):
        waves = {v: [load_audio(p, SIMILARITY_RATE).numpy() for _, p in m] for v, m in models.items()}
        encoder.fit(waves)
    found = {}
    for sentence in sentences:
        own = models[voice_name(sentence)]
        chosen = [path for text, path in own if text != sentence.text] or [path for _, path in own]
        found[sentence.id] = cosine(embed(files[sentence.id]), np.mean([embed(p) for p in chosen], axis=0))
    return found


def _voice_models(
    sentences: Sequence[Sentence], files: Mapping[str, Path], neutral: Mapping[str, Path]
) -> dict[str, list[tuple[str, Path]]]:
    """Voice -> (text, recording) of what it is compared with."""
    natural: dict[str, dict[str, Path]] = {}
    calm: dict[str, list[tuple[str, Path]]] = {}
    for sentence in sentences:
        voice = voice_name(sentence)
        if sentence.reference and Path(sentence.reference).is_file():
            natural.setdefault(voice, {})[sentence.text] = Path(sentence.reference)
        if Emotion.parse(sentence.emotion).is_neutral:
            calm.setdefault(voice, []).append((sentence.text, files[sentence.id]))
    for key, path in neutral.items():
        calm.setdefault(_voice_of(key, sentences), []).append((key, path))
    return {**calm, **{voice: list(own.items()) for voice, own in natural.items()}}


def choose_sentences(
    sentences: Sequence[Sentence], voices: Sequence[str] = (), count: int = 30
) -> list[Sentence]:
    """The first `count` texts of each voice.

    Args:
        sentences: of one or several lists.
        voices: speak every text with each of these instead of the lists' own voices; references of other
            speakers are dropped.
        count: texts for each voice.

    Raises:
        InputError: fewer than two texts for a voice: the judge needs neutral speech to compare with.
    """
    if voices:
        texts = list(dict.fromkeys(s.text for s in sentences))
        own = {(s.voice, s.text): s.reference for s in sentences}
        pairs = [(voice, text) for voice in voices for text in texts[:count]]
        return _checked([Sentence("x", t, voice=v, reference=own.get((v, t))) for v, t in pairs])
    chosen: dict[str, dict[str, Sentence]] = {}
    for sentence in sentences:
        group = chosen.setdefault(voice_name(sentence), {})
        if len(group) < count:
            group.setdefault(sentence.text, sentence)
    return _checked([sentence for group in chosen.values() for sentence in group.values()])


def _checked(sentences: list[Sentence]) -> list[Sentence]:
    names = [voice_name(s) for s in sentences]
    for name in set(names):
        if names.count(name) < 2:
            raise InputError(
                f"voice {name} has one sentence; the judge compares with others: give two or more"
            )
    return sentences


def mean_words(measured: Sequence[Measured]) -> float:
    """Word error rate of all together."""
    return sum((m.words for m in measured), WordErrors()).rate
