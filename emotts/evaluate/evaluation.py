"""Evaluation of a directory of synthesised speech, beside natural recordings by the same tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emotts.evaluate.duration import DurationSummary, summarize_durations
from emotts.evaluate.lists import AUDIO_SUFFIXES, Sentence, find_all_audio, find_references
from emotts.evaluate.scoring import (
    METRICS,
    NATURAL,
    SYNTHESISED,
    FileScore,
    Job,
    Progress,
    score_files,
    voice_name,
)
from emotts.evaluate.similarity import (
    SIMILARITY_RATE,
    ClassicalEncoder,
    Similarity,
    SpeakerEncoder,
    compare_voices,
    independent_encoder,
)
from emotts.evaluate.wer import GENERAL, WordErrors, bootstrap_interval

ALL_VOICES = "all"

OwnEncoder = Callable[[Path], np.ndarray]
"""Embedding of a recording by the model's own voice encoder."""


@dataclass(frozen=True)
class Row:
    """Scores of the files of one voice from one source; None for what was not measured.

    Attributes:
        source: synthesised or natural.
        voice: name, or `ALL_VOICES`.
        files: how many.
        seconds: their length together.
        words: word errors of all files.
        interval: 95 % bootstrap interval of the word error rate.
        quality: mean DNSMOS scores.
        duration: errors of the files that had a request.
        prosody: mean over the files of each measure.
        bursts: share of the files with a burst before the speech.
        similarity: by encoder.
    """

    source: str
    voice: str
    files: int
    seconds: float
    words: WordErrors | None = None
    interval: tuple[float, float] | None = None
    quality: dict[str, float] | None = None
    duration: DurationSummary | None = None
    prosody: dict[str, float] | None = None
    bursts: float | None = None
    similarity: tuple[Similarity, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate`.

    Attributes:
        metrics: what was measured.
        rows: a row for each voice and source; the row over all voices comes last.
        files: scores of each file.
        language_model: of the recogniser.
        unknown_words: words of the sentences that the recogniser cannot know; each costs an error at least.
    """

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    files: tuple[FileScore, ...] = field(repr=False)
    language_model: str = GENERAL
    unknown_words: tuple[str, ...] = ()

    def row(self, source: str, voice: str = ALL_VOICES) -> Row:
        """The row of a source and a voice."""
        return next(row for row in self.rows if (row.source, row.voice) == (source, voice))

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        rows = []
        for row in self.rows:
            values = {name: value for name, value in asdict(row).items() if value not in (None, ())}
            if row.words is not None:
                values["wer"] = row.words.rate
            rows.append(values)
        return {
            "metrics": list(self.metrics),
            "language_model": self.language_model,
            "unknown_words": list(self.unknown_words),
            "rows": rows,
            "files": [score.record() for score in self.files],
        }


def evaluate(
    sentences: Sequence[Sentence],
    audio: Path | str,
    reference: Path | str | None = None,
    metrics: Sequence[str] = METRICS,
    language_model: str = GENERAL,
    others: Path | str | None = None,
    own_encoder: OwnEncoder | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Scores the synthesised files of a list, and the natural recordings of the same sentences.

    Args:
        sentences: the list.
        audio: directory with a file `<id>.wav` (or another format) for every sentence.
        reference: directory of natural recordings by the same ids; else the list's column `reference`.
        metrics: some of `METRICS`; similarity needs natural recordings.
        language_model: of the recogniser: `GENERAL` or an ARPA file.
        others: directory of recordings of other speakers, for the other-speaker baseline; those of the
            list's other voices serve too.
        own_encoder: the model's own voice encoder, reported beside the independent one.
        jobs: processes.
        progress: told the share that is done.

    Raises:
        DataError: a file of any sentence is missing; all that are missing are named.
        AudioError: a file is unreadable or silent.
        MissingDependencyError: a metric needs a package that is not installed.
    """
    made = find_all_audio(audio, sentences)
    natural = find_references(sentences) if reference is None else find_all_audio(reference, sentences)
    files = [Job(sentence, SYNTHESISED, made[sentence.id]) for sentence in sentences]
    files += [Job(sentence, NATURAL, natural[sentence.id]) for sentence in sentences if natural]
    scores = score_files(files, metrics, language_model, jobs, progress)
    similarity: dict[str, tuple[Similarity, ...]] = {}
    if "similarity" in metrics and natural:
        similarity = compare_all(sentences, made, natural, others, own_encoder)
    unknown: list[str] = []
    if "wer" in metrics:
        from emotts.evaluate.wer import Recognizer

        unknown = Recognizer(language_model).out_of_vocabulary(sentence.text for sentence in sentences)
    rows = summarize(scores, metrics, similarity)
    return Evaluation(tuple(metrics), tuple(rows), tuple(scores), language_model, tuple(unknown))


def summarize(
    scores: Sequence[FileScore],
    metrics: Sequence[str],
    similarity: Mapping[str, tuple[Similarity, ...]] | None = None,
) -> list[Row]:
    """Rows of a report: each voice from each source, then all voices together."""
    similarity = similarity or {}
    sources = [s for s in (SYNTHESISED, NATURAL) if any(score.source == s for score in scores)]
    voices = sorted({score.voice for score in scores})
    rows = []
    for voice in [*voices, ALL_VOICES] if len(voices) > 1 else [*voices]:
        for source in sources:
            group = [s for s in scores if s.source == source and voice in (s.voice, ALL_VOICES)]
            if group:
                rows.append(_row(source, voice, group, metrics, similarity))
    if len(voices) == 1:  # `row(source)` must find it under the common name too
        rows += [
            _row(s, ALL_VOICES, [x for x in scores if x.source == s], metrics, similarity) for s in sources
        ]
    return rows


def _row(
    source: str,
    voice: str,
    group: Sequence[FileScore],
    metrics: Sequence[str],
    similarity: Mapping[str, tuple[Similarity, ...]],
) -> Row:
    counts = [score.words for score in group if score.words is not None]
    requests = [score.duration for score in group if score.duration is not None]
    bursts = [score.burst for score in group if score.burst is not None]
    return Row(
        source=source,
        voice=voice,
        files=len(group),
        seconds=sum(score.seconds for score in group),
        words=sum(counts, WordErrors()) if counts else None,
        interval=bootstrap_interval(counts) if counts else None,
        quality=_means([asdict(score.quality) for score in group if score.quality is not None]),
        duration=summarize_durations(requests) if requests else None,
        prosody=_means([asdict(score.prosody) for score in group if score.prosody is not None]),
        bursts=float(np.mean(bursts)) if bursts else None,
        similarity=similarity.get(voice, ()) if source == SYNTHESISED else (),
    )


def _means(records: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    if not records:
        return None
    result = {}
    for name in records[0]:
        values = np.array([record[name] for record in records])
        values = values[np.isfinite(values)]
        result[name] = float(values.mean()) if len(values) else float("nan")
    return result


def compare_all(
    sentences: Sequence[Sentence],
    made: Mapping[str, Path],
    natural: Mapping[str, Path],
    others: Path | str | None = None,
    own_encoder: OwnEncoder | None = None,
) -> dict[str, tuple[Similarity, ...]]:
    """Similarity of each voice, by the independent encoder and by the model's own where it is given."""
    voices: dict[str, list[str]] = {}
    for sentence in sentences:
        voices.setdefault(voice_name(sentence), []).append(sentence.id)
    strangers = _audio_in(Path(others)) if others is not None else []
    found: dict[str, list[Similarity]] = {voice: [] for voice in voices}
    encoders = [_file_encoder(independent_encoder(), voices, natural)]
    if own_encoder is not None:
        encoders.append(("own", own_encoder))
    for name, embed in encoders:
        of_made = {key: embed(path) for key, path in made.items()}
        of_natural = {key: embed(path) for key, path in natural.items()}
        of_strangers = [embed(path) for path in strangers]
        for voice, ids in voices.items():
            rest = [of_natural[key] for other, keys in voices.items() if other != voice for key in keys]
            own = {key: of_natural[key] for key in ids}
            result = compare_voices({key: of_made[key] for key in ids}, own, rest + of_strangers, name)
            found[voice].append(result)
    table = {voice: tuple(results) for voice, results in found.items()}
    return {**table, ALL_VOICES: _mean_similarity(table)}


def _file_encoder(
    encoder: SpeakerEncoder, voices: Mapping[str, Sequence[str]], natural: Mapping[str, Path]
) -> tuple[str, OwnEncoder]:
    from emotts.audio.io import load_audio

    def load(path: Path) -> np.ndarray:
        return load_audio(path, SIMILARITY_RATE).numpy()

    if isinstance(encoder, ClassicalEncoder):
        encoder.fit({voice: [load(natural[key]) for key in ids] for voice, ids in voices.items()})
    return encoder.name, lambda path: encoder.embed(load(path))


def _mean_similarity(table: Mapping[str, tuple[Similarity, ...]]) -> tuple[Similarity, ...]:
    results = []
    for group in zip(*table.values(), strict=True):
        values = {n: float(np.mean([getattr(s, n) for s in group])) for n in ("synthesised", "same", "other")}
        results.append(Similarity(group[0].encoder, **values))
    return tuple(results)


def _audio_in(directory: Path) -> list[Path]:
    from emotts.errors import DataError

    found = sorted(path for path in directory.glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise DataError(f"the directory of other speakers {directory} holds no audio")
    return found
