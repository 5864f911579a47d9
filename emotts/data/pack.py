"""Stages `features` and `shards`: from a data directory to packed training data."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from emotts.data.features import TARGET_LEVEL, RecordingFeatures, decode, measure
from emotts.data.kaldi import DataDir, Record
from emotts.data.shards import ShardWriter, Utterance
from emotts.errors import AudioError
from emotts.text.phonemize import Phonemizer
from emotts.timebase import SAMPLE_RATE

_COMPRESSED = {".ogg", ".opus", ".mp3"}


@dataclass(frozen=True)
class SpeakerStatistics:
    """What is shared by all recordings of a speaker.

    Attributes:
        gain: factor that brings the speaker's neutral speech to `TARGET_LEVEL`; emotions keep their
            loudness relative to it.
        f0_mean: mean of log F0, natural logarithm of Hz.
        f0_std: its standard deviation.
    """

    gain: float
    f0_mean: float
    f0_std: float


def extract_features(data_dir: Path, output: Path, jobs: int = 1) -> int:
    """Measures every recording of a data directory; what cannot be used is left out and counted.

    Args:
        data_dir: Kaldi data directory.
        output: file that is written (safetensors: F0 tracks, measurements in the header).
        jobs: processes.

    Returns:
        the number of recordings that were left out.
    """
    records = list(DataDir.load(data_dir))
    if jobs > 1:
        with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            results = list(pool.map(_measure_record, records, chunksize=16))
    else:
        results = [_measure_record(record) for record in records]
    kept = {r.id: f for r, f in zip(records, results, strict=True) if f is not None}
    scalars = {key: [f.start, f.tokens, f.level] for key, f in kept.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".partial")
    save_file(
        {key: f.f0.to(torch.float16) for key, f in kept.items()},
        temporary,
        metadata={"scalars": json.dumps(scalars)},
    )
    temporary.rename(output)
    return len(records) - len(kept)


def load_features(path: Path) -> dict[str, RecordingFeatures]:
    """Reads what `extract_features` wrote."""
    with safe_open(path, "pt") as file:
        scalars = json.loads(file.metadata()["scalars"])
    tracks = load_file(path)
    return {
        key: RecordingFeatures(int(start), int(tokens), float(level), tracks[key].float())
        for key, (start, tokens, level) in scalars.items()
    }


def _measure_record(record: Record) -> RecordingFeatures | None:
    try:
        return measure(decode(record.audio, *_limits(record)))
    except AudioError:
        return None


def _limits(record: Record) -> tuple[float | None, float | None]:
    whole = record.start == 0.0 and record.end is None
    return (None, None) if whole else (record.start, record.end)


def pack(data_dir: Path, features: Path, output: Path, corpus: str) -> int:
    """Writes the shards of one data directory; returns the number of items."""
    measured = load_features(features)
    records = [record for record in DataDir.load(data_dir) if record.id in measured]
    speakers = speaker_statistics(records, measured)
    writer = ShardWriter(output, corpus)
    for language in sorted({record.language or "en-us" for record in records}):
        group = [record for record in records if (record.language or "en-us") == language]
        phonemes = Phonemizer(language).phonemize_many([record.text for record in group])
        for record, spoken in zip(group, phonemes, strict=True):
            utterance = _utterance(record, measured[record.id], speakers[record.speaker], corpus)
            utterance.language, utterance.phonemes = language, list(spoken.ids)
            writer.add(utterance, _audio_bytes(record), measured[record.id].f0)
    writer.close()
    return len(records)


def speaker_statistics(
    records: Iterable[Record], measured: dict[str, RecordingFeatures]
) -> dict[str, SpeakerStatistics]:
    """Gain and pitch of each speaker, from the recordings heard as mostly neutral, where there are any.

    An actor's emotions keep their loudness and pitch relative to the actor's own neutral speech, so
    that they mean the same to a voice that only ever spoke neutrally.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.speaker, []).append(record)
    result = {}
    for speaker, group in groups.items():
        calm = [r for r in group if r.emotion is None or sum(r.emotion.vector) < 0.5] or group
        level = sum(measured[r.id].level for r in calm) / len(calm)
        tracks: list[Tensor] = [measured[r.id].f0 for r in calm]
        voiced = torch.cat(tracks)
        log_f0 = voiced[voiced > 0].log()
        mean = float(log_f0.mean()) if len(log_f0) else math.log(150.0)
        std = float(log_f0.std().clamp_min(0.05)) if len(log_f0) > 1 else 0.2
        result[speaker] = SpeakerStatistics(10 ** ((TARGET_LEVEL - level) / 20), mean, std)
    return result


def _utterance(
    record: Record, features: RecordingFeatures, speaker: SpeakerStatistics, corpus: str
) -> Utterance:
    return Utterance(
        id=record.id,
        speaker=record.speaker,
        corpus=corpus,
        text=record.text,
        split=record.split or "train",
        language=record.language or "en-us",
        phonemes=[],
        emotion=[0.0] * 8 if record.emotion is None else list(record.emotion.vector),
        intensity=record.intensity or 0.0,
        bandwidth=record.bandwidth or SAMPLE_RATE // 2,
        tokens=features.tokens,
        start=features.start,
        gain=speaker.gain,
        f0_mean=speaker.f0_mean,
        f0_std=speaker.f0_std,
    )


def _audio_bytes(record: Record) -> bytes:
    """The compressed file as it is; anything else as FLAC, which loses nothing."""
    path = Path(record.audio)
    if path.suffix.lower() in _COMPRESSED and _limits(record) == (None, None):
        return path.read_bytes()
    buffer = io.BytesIO()
    soundfile.write(buffer, decode(path, *_limits(record)), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
