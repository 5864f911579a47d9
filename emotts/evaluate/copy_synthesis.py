"""Copy-synthesis: natural recordings remade from ever less of themselves, which shows what each stage costs.

| stage     | natural                                  | made                                |
|-----------|------------------------------------------|-------------------------------------|
| vocoder   | mel spectrogram                          | waveform                            |
| tokens    | semantic tokens, durations               | mel, without the LM's latents       |
| latents   | the same, and latents read from them     | mel                                 |
| durations | duration of every phoneme                | tokens, mel                         |
| full      | text                                     | everything                          |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotts.audio.io import load_audio, save_audio
from emotts.audio.mel import LogMel
from emotts.data.features import decode, measure
from emotts.data.kaldi import DataDir, Record
from emotts.data.pack import speaker_statistics
from emotts.emotion import Emotion
from emotts.errors import AudioError, DataError
from emotts.evaluate.evaluation import ALL_VOICES, Row, evaluate
from emotts.evaluate.lists import Sentence, find_audio, load_sentences, write_sentences
from emotts.evaluate.report import markdown_table, number, percent
from emotts.evaluate.scoring import NATURAL, SYNTHESISED
from emotts.evaluate.wer import GENERAL
from emotts.pipeline import Segment, run_acoustic, run_lm, run_vocoder
from emotts.semantic.align import AlignmentError, align_with_score
from emotts.semantic.lm_inputs import LMInputs
from emotts.semantic.tokenizer import HEAD_FRAMES_PER_TOKEN
from emotts.text.phonemize import Phonemizer
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN
from emotts.tts import EmoTTS
from emotts.voice.reference import MINIMUM_SECONDS
from emotts.voice.voice import Voice

STAGES = ("vocoder", "tokens", "latents", "durations", "full")
"""Directories that are written, beside `natural`."""

LIST = "list.jsonl"

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Original:
    """A natural recording, cut and levelled as in training.

    Attributes:
        record: of the data directory.
        samples: shape (960 · tokens,).
    """

    record: Record
    samples: Tensor


def copy_synthesis(
    engine: EmoTTS,
    data: Path | str,
    directory: Path | str,
    split: str | None = "test",
    limit: int | None = None,
    stages: Sequence[str] = STAGES,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[str]:
    """Writes `<stage>/<id>.wav` for every utterance, `natural/<id>.wav` and the sentence list.

    The voice is the model's named voice of the speaker, or else that of another utterance of the speaker.

    Args:
        engine: the model.
        data: Kaldi data directory.
        directory: where the stages' directories go.
        split: of the data directory; all when None.
        limit: most utterances, evenly spread.
        stages: some of `STAGES`.
        seed: of all randomness.
        progress: told the share that is done.

    Returns:
        ids of the utterances that could not be aligned or used, and are in no directory.

    Raises:
        DataError: no utterances.
    """
    directory = Path(directory)
    records = _chosen(DataDir.load(data), split, limit)
    originals, left_out = _load(records)
    prior = _label_prior(engine, originals)
    voices = _Voices(engine, originals)
    sentences = []
    for place, original in enumerate(originals):
        try:
            segment = _segment(engine, original, voices.of(original), prior, seed)
        except (AlignmentError, AudioError):
            left_out.append(original.record.id)
            continue
        made = {NATURAL: original.samples, **dict(_stages(engine, original, segment, stages))}
        for stage, samples in made.items():
            path = directory / stage / f"{original.record.id}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_audio(path, samples, force=True)
        sentences.append(_sentence(original.record))
        if progress is not None:
            progress((place + 1) / len(originals))
    if not sentences:
        raise DataError(f"none of the {len(records)} utterances of {data} could be used")
    write_sentences(sentences, directory / LIST, force=True)
    return left_out


def _chosen(data: DataDir, split: str | None, limit: int | None) -> list[Record]:
    records = list(data if split is None else [r for r in data if r.split == split])
    if not records:
        raise DataError(f"the data directory has no utterances of the split {split!r}")
    count = len(records) if limit is None else min(limit, len(records))
    return [records[i * len(records) // count] for i in range(count)]


def _load(records: Sequence[Record]) -> tuple[list[Original], list[str]]:
    sound, measured, left_out = {}, {}, []
    for record in records:
        whole = record.start == 0.0 and record.end is None
        try:
            samples = decode(record.audio, *(() if whole else (record.start, record.end)))
            measured[record.id] = measure(samples)
        except AudioError:
            left_out.append(record.id)
            continue
        found = measured[record.id]
        sound[record.id] = samples[found.start : found.start + found.tokens * SAMPLES_PER_TOKEN]
    kept = [record for record in records if record.id in sound]
    speakers = speaker_statistics(kept, measured)
    originals = []
    for record in kept:
        samples = torch.from_numpy(np.ascontiguousarray(sound[record.id])) * speakers[record.speaker].gain
        originals.append(Original(record, samples.clamp(-1.0, 1.0)))
    return originals, left_out


class _Voices:
    """The voice that speaks each utterance."""

    def __init__(self, engine: EmoTTS, originals: Sequence[Original]) -> None:
        self.engine = engine
        self.originals = originals

    def of(self, original: Original) -> Voice:
        record = original.record
        if record.speaker in self.engine.voices:
            return self.engine.voice(record.speaker)
        rate = self.engine.sample_rate
        mates = [x for x in self.originals if x.record.speaker == record.speaker and x is not original]
        mates = [x for x in mates if len(x.samples) >= MINIMUM_SECONDS * rate]
        # The longest says most; without another one the recording is its own reference.
        reference = max(mates, key=lambda mate: len(mate.samples), default=original)
        voice = self.engine.voice((reference.samples.numpy(), rate))
        return replace(voice, name=record.speaker, bandwidth=record.bandwidth or voice.bandwidth)


@torch.inference_mode()
def _log_posteriors(engine: EmoTTS, samples: Tensor) -> tuple[Tensor, Tensor]:
    """CTC log posteriors at 50 Hz, (2 · tokens, classes), and the log-mel (4 · tokens, 80)."""
    mel = LogMel()(samples[None])
    posteriors = engine.model.components["tokenizer"].ctc_log_probs(mel.to(engine.device))[0]
    return posteriors.cpu(), mel[0]


def _label_prior(engine: EmoTTS, originals: Sequence[Original]) -> Tensor:
    """Mean posterior over these recordings: the prior that training kept is not in a model directory."""
    total = sum(_log_posteriors(engine, original.samples)[0].exp().sum(0) for original in originals)
    assert isinstance(total, Tensor)
    return (total / total.sum()).clamp_min(1e-6).log()


def _segment(engine: EmoTTS, original: Original, voice: Voice, prior: Tensor, seed: int) -> Segment:
    """The utterance with its natural durations."""
    record = original.record
    phonemes = Phonemizer(record.language or "en-us").phonemize(record.text)
    posteriors, mel = _log_posteriors(engine, original.samples)
    tokens = len(mel) // FRAMES_PER_TOKEN
    energy = mel.mean(-1).view(tokens * HEAD_FRAMES_PER_TOKEN, -1).mean(-1)
    found = align_with_score(posteriors, phonemes.ids, energy, tokens, prior)
    emotion = record.emotion or Emotion.neutral()
    return Segment(phonemes, tuple(found.durations), voice, emotion, seed, 0)


def _stages(
    engine: EmoTTS, original: Original, segment: Segment, stages: Sequence[str]
) -> Iterator[tuple[str, Tensor | np.ndarray]]:
    model, settings = engine.model, engine.model.config.generation
    mel = LogMel()(original.samples[None]).to(engine.device)
    codes = model.components["tokenizer"].encode(mel)[0].cpu()
    if "vocoder" in stages:
        yield "vocoder", run_vocoder(model, segment, mel[0])
    for stage in ("tokens", "latents"):
        if stage in stages:
            latents = [_latents(engine, segment, codes)] if stage == "latents" else [None]
            made = run_acoustic(model, [segment], [codes], latents, settings)  # type: ignore[arg-type]
            yield stage, run_vocoder(model, segment, made[0])
    if "durations" in stages:
        drawn, found = run_lm(model, [segment], settings)
        made = run_acoustic(model, [segment], drawn, found, settings)
        yield "durations", run_vocoder(model, segment, made[0])
    if "full" in stages:
        yield (
            "full",
            engine.synthesize(
                original.record.text,
                segment.voice,
                segment.emotion,
                seed=segment.seed,
                language=original.record.language,
            ).audio,
        )


def _latents(engine: EmoTTS, segment: Segment, codes: Tensor) -> Tensor:
    """Latents of the language model that reads the natural tokens, (tokens, dim)."""
    inputs = LMInputs.build(
        [segment.phonemes.ids],
        [segment.durations],
        [segment.total],
        segment.voice.embedding[None].to(engine.device),
        segment.emotion.tensor()[None].to(engine.device),
    )
    row = codes[None].to(engine.device)
    return engine.model.components["lm"].latents(inputs, row, torch.ones_like(row, dtype=torch.bool))[0]


def _sentence(record: Record) -> Sentence:
    emotion = str(record.emotion or Emotion.neutral())
    return Sentence(
        id=record.id,
        text=record.text,
        emotion=emotion,
        voice=record.speaker,
        reference=f"{NATURAL}/{record.id}.wav",
        language=record.language or "en-us",
    )


def mel_distance(first: Path | str, second: Path | str) -> float:
    """Mean absolute difference of two files' log-mel spectrograms, nats; they must be equally long.

    Raises:
        DataError: they are not.
    """
    mels = [LogMel()(load_audio(path)[None])[0] for path in (first, second)]
    if mels[0].shape != mels[1].shape:
        raise DataError(f"{first} and {second} differ in length")
    return float((mels[0] - mels[1]).abs().mean())


def score_stages(
    directory: Path | str,
    metrics: Sequence[str] = ("wer", "dnsmos", "similarity"),
    language_model: str = GENERAL,
    jobs: int = 1,
) -> dict[str, tuple[Row, float]]:
    """Scores what `copy_synthesis` wrote: the row over all voices, and the log-mel distance to natural.

    The distance is NaN where the timing is free, since frames cannot be paired.

    Raises:
        DataError: a file is missing.
    """
    directory = Path(directory)
    sentences = load_sentences(directory / LIST)
    table: dict[str, tuple[Row, float]] = {}
    for stage in STAGES:
        if not (directory / stage).is_dir():
            continue
        result = evaluate(sentences, directory / stage, None, metrics, language_model, jobs=jobs)
        if not table:
            table[NATURAL] = (result.row(NATURAL, ALL_VOICES), 0.0)
        table[stage] = (result.row(SYNTHESISED, ALL_VOICES), _mean_distance(directory, stage, sentences))
    if not table:
        raise DataError(f"{directory} holds no stage of copy-synthesis; valid names: {', '.join(STAGES)}")
    return table


def _mean_distance(directory: Path, stage: str, sentences: Sequence[Sentence]) -> float:
    if stage == "full":
        return float("nan")
    distances = []
    for sentence in sentences:
        made = find_audio(directory / stage, sentence.id)
        distances.append(mel_distance(made or stage, directory / NATURAL / f"{sentence.id}.wav"))
    return float(np.mean(distances))


def render_stages(table: dict[str, tuple[Row, float]]) -> str:
    """The scores in Markdown, one line for each stage."""
    rows = []
    for stage, (row, distance) in table.items():
        words = ["–", "–"]
        if row.words is not None and row.interval is not None:
            words = [percent(row.words.rate), f"{percent(row.interval[0])}–{percent(row.interval[1])}"]
        quality = row.quality or {}
        alike = row.similarity[0].synthesised if row.similarity else None
        scores = [number(quality.get("p808")), number(quality.get("overall")), number(alike)]
        rows.append([stage, *words, *scores, "–" if stage == NATURAL else number(distance)])
    header = ["stage", "WER %", "95 % interval", "P.808", "OVRL", "voice cosine", "log-mel distance"]
    return markdown_table(header, rows) + "\n"
