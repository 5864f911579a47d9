"""Packed training data: compressed audio with its labels, and the corpus that training reads.

A shard is one safetensors file: for item k the tensors `k/audio` (bytes of a compressed audio file)
and `k/f0` (float16, Hz), and the records as JSON in the header. A folder of shards is all that a
training node needs; it is decoded once into memory-mapped arrays beside the shards. With a file
`speeds.json` (`emotts.data.speeds`) the training recordings are there at other speeds too.
"""

from __future__ import annotations

import fcntl
import io
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emotts.audio.mel import LogMel
from emotts.data.features import decode
from emotts.data.speeds import SPEEDS_FILE, play, play_f0, read_speeds
from emotts.errors import AudioError, DataError
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS, SAMPLE_RATE, SAMPLES_PER_TOKEN

SHARD_BYTES = 48 * 2**20
"""A shard is closed once its audio passes this size."""

CACHE_VERSION = 2


@dataclass
class Utterance:
    """One training item.

    Attributes:
        id: utterance id, unique over all corpora.
        speaker: speaker id.
        corpus: name of the corpus.
        text: transcript as written.
        split: train, dev or test.
        language: espeak language code.
        phonemes: symbol ids, pauses included (`emotts.text.symbols`).
        emotion: eight intensities in the order of `emotts.emotion.EMOTIONS`.
        intensity: perceived or acted strength, 0 to 1.
        bandwidth: highest frequency that the source carries, Hz.
        tokens: length in semantic tokens.
        start: first sample of the decoded file that is used.
        gain: factor on the decoded samples.
        f0_mean: mean of the speaker's log F0 (natural logarithm of Hz).
        f0_std: its standard deviation.
        durations: aligned plan in tokens, one for each phoneme; None before alignment.
        speed: how fast the recording is played; 1 as it was made.
    """

    id: str
    speaker: str
    corpus: str
    text: str
    split: str
    language: str
    phonemes: list[int]
    emotion: list[float]
    intensity: float
    bandwidth: int
    tokens: int
    start: int = 0
    gain: float = 1.0
    f0_mean: float = 5.0
    f0_std: float = 0.2
    durations: list[int] | None = field(default=None)
    speed: float = 1.0

    def at_speed(self, speed: float) -> Utterance:
        """The same recording played faster (above 1) or slower: pitch and formants move with it.

        It is another speaker's, as in Ko et al. 2015, "Audio augmentation for speech recognition".
        """
        return replace(
            self,
            id=f"{self.id}@{speed:g}",
            speaker=f"{self.speaker}@{speed:g}",
            bandwidth=min(int(self.bandwidth * speed), SAMPLE_RATE // 2),
            tokens=max(1, int(self.tokens / speed)),
            f0_mean=self.f0_mean + math.log(speed),
            speed=speed,
        )


class ShardWriter:
    """Writes shards of about `SHARD_BYTES` into a folder, each under a temporary name first.

    Args:
        directory: folder of shards; made if it is missing.
        prefix: beginning of the shards' names; shards of other prefixes are left alone.
    """

    def __init__(self, directory: Path | str, prefix: str) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prefix = prefix
        self._tensors: dict[str, Tensor] = {}
        self._records: list[dict] = []
        self._bytes = 0
        self._count = 0

    def add(self, utterance: Utterance, audio: bytes, f0: Tensor) -> None:
        """Adds an item; `f0` has shape (frames,), Hz."""
        index = len(self._records)
        self._tensors[f"{index}/audio"] = torch.frombuffer(bytearray(audio), dtype=torch.uint8)
        self._tensors[f"{index}/f0"] = f0.to(torch.float16)
        self._records.append(asdict(utterance))
        self._bytes += len(audio)
        if self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Closes the open shard, if it holds anything."""
        if not self._records:
            return
        path = self.directory / f"{self.prefix}-{self._count:03d}.safetensors"
        temporary = path.with_suffix(".partial")
        save_file(self._tensors, temporary, metadata={"utterances": json.dumps(self._records)})
        temporary.rename(path)
        self._tensors, self._records, self._bytes = {}, [], 0
        self._count += 1

    def close(self) -> None:
        """Closes the open shard, and removes shards that an earlier, longer writing left behind."""
        self.flush()
        for path in self.directory.glob("*.safetensors"):
            match = re.fullmatch(re.escape(self.prefix) + r"-(\d{3,})", path.stem)
            if match and int(match[1]) >= self._count:
                path.unlink()


def read_shard(path: Path) -> Iterator[tuple[Utterance, bytes, Tensor]]:
    """Yields (record, compressed audio, F0) of one shard.

    Raises:
        DataError: the file is not a shard.
    """
    try:
        with safe_open(path, "pt") as shard:
            records = json.loads((shard.metadata() or {})["utterances"])
            for index, record in enumerate(records):
                audio = shard.get_tensor(f"{index}/audio").numpy().tobytes()
                yield Utterance(**record), audio, shard.get_tensor(f"{index}/f0").float()
    except (SafetensorError, KeyError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a shard of this version: {error}") from None


class Corpus:
    """All items of a folder of shards, decoded, with what later stages add to them.

    Args:
        shards: folder that `ShardWriter` filled.
        codes: file of semantic tokens (utterance id to codes), or None.
        alignments: file of aligned plans (utterance id to durations), or None.
        embeddings: file of voice embeddings (utterance id to vector), or None.
        splits: keep these splits only; all when left out.
        speeds: keep the recordings that are played at other speeds.

    Raises:
        DataError: no shards, a file that cannot be read, or aligned plans of other recordings.
    """

    def __init__(
        self,
        shards: Path | str,
        codes: Path | str | None = None,
        alignments: Path | str | None = None,
        embeddings: Path | str | None = None,
        splits: Sequence[str] | None = None,
        speeds: bool = True,
    ) -> None:
        directory = Path(shards)
        cache = build_cache(directory)
        index = json.loads((cache / "index.json").read_text())
        records = [Utterance(**record) for record in index["utterances"]]
        offsets = np.concatenate([[0], np.cumsum([record.tokens for record in records])])
        total = int(offsets[-1])
        self._audio = np.memmap(cache / "audio.i16", np.int16, "r", shape=(total * SAMPLES_PER_TOKEN,))
        frames = total * FRAMES_PER_TOKEN
        self._mel = np.memmap(cache / "mel.f16", np.float16, "r", shape=(frames, MEL_BINS))
        self._f0 = np.memmap(cache / "f0.f16", np.float16, "r", shape=(frames,))
        self._codes = _load_side_file(codes)
        plans = _load_side_file(alignments)
        self._embeddings = _load_side_file(embeddings)
        kept = [
            i
            for i, record in enumerate(records)
            if (splits is None or record.split in splits) and (speeds or record.speed == 1)
        ]
        self.utterances = [records[i] for i in kept]
        self._offsets = [int(offsets[i]) for i in kept]
        if plans is not None:
            for utterance in self.utterances:
                utterance.durations = _plan_of(utterance, plans)
        self._by_speaker: dict[str, list[int]] = {}
        for i, utterance in enumerate(self.utterances):
            self._by_speaker.setdefault(utterance.speaker, []).append(i)

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def speakers(self) -> list[str]:
        """Speaker ids, sorted."""
        return sorted(self._by_speaker)

    def audio(self, index: int) -> Tensor:
        """Waveform, shape (tokens * SAMPLES_PER_TOKEN,)."""
        start = self._offsets[index] * SAMPLES_PER_TOKEN
        length = self.utterances[index].tokens * SAMPLES_PER_TOKEN
        return torch.from_numpy(self._audio[start : start + length].astype(np.float32) / 32768.0)

    def mel(self, index: int) -> Tensor:
        """Log-mel spectrogram, shape (tokens * FRAMES_PER_TOKEN, MEL_BINS)."""
        return torch.from_numpy(self._mel[self._frames(index)].astype(np.float32))

    def f0(self, index: int) -> Tensor:
        """Fundamental frequency, Hz, zero where unvoiced; shape (tokens * FRAMES_PER_TOKEN,)."""
        return torch.from_numpy(self._f0[self._frames(index)].astype(np.float32))

    def codes(self, index: int) -> Tensor:
        """Semantic tokens, shape (tokens,), int64."""
        return self._side(self._codes, index, "semantic tokens").long()

    def embedding(self, index: int) -> Tensor:
        """Voice embedding of this utterance, shape (voice_dim,)."""
        return self._side(self._embeddings, index, "voice embeddings").float()

    def same_speaker(self, index: int, generator: torch.Generator) -> int:
        """Index of another utterance of the same speaker; the same one if there is no other."""
        mates = self._by_speaker[self.utterances[index].speaker]
        if len(mates) == 1:
            return index
        choice = int(torch.randint(len(mates) - 1, (1,), generator=generator))
        return mates[choice] if mates[choice] != index else mates[-1]

    def _frames(self, index: int) -> slice:
        start = self._offsets[index] * FRAMES_PER_TOKEN
        return slice(start, start + self.utterances[index].tokens * FRAMES_PER_TOKEN)

    def _side(self, table: dict[str, Tensor] | None, index: int, what: str) -> Tensor:
        identifier = self.utterances[index].id
        if table is None or identifier not in table:
            raise DataError(f"no {what} for {identifier}: run the stage that makes them")
        return table[identifier]


def _load_side_file(path: Path | str | None) -> dict[str, Tensor] | None:
    if path is None:
        return None
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"cannot read {path}: {error}") from None


def _plan_of(utterance: Utterance, plans: dict[str, Tensor]) -> list[int] | None:
    plan = plans[utterance.id].tolist() if utterance.id in plans else None
    if plan is not None and (sum(plan) != utterance.tokens or len(plan) != len(utterance.phonemes)):
        raise DataError(
            f"the aligned plan of {utterance.id} has {len(plan)} phonemes and {sum(plan)} tokens, the "
            f"shards say {len(utterance.phonemes)} and {utterance.tokens}: run the alignment stage again"
        )
    return plan


def build_cache(directory: Path) -> Path:
    """Decodes a folder of shards into memory-mapped arrays, once; returns their folder.

    Several processes may ask at the same time: one builds, the others wait for it.

    Raises:
        DataError: no shards, or one that cannot be read.
    """
    shards = sorted(directory.glob("*.safetensors"))
    if not shards:
        raise DataError(f"{directory} holds no shards (*.safetensors)")
    cache = directory / "cache"
    if _is_current(cache, shards):
        return cache
    with _locked(directory / "cache.lock"):
        if not _is_current(cache, shards):
            building = directory / "cache.partial"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            records = _decode_all(shards, building, read_speeds(directory))
            content = {"version": CACHE_VERSION, "shards": _fingerprint(shards), "utterances": records}
            (building / "index.json").write_text(json.dumps(content))
            shutil.rmtree(cache, ignore_errors=True)
            building.rename(cache)
    return cache


def _fingerprint(shards: list[Path]) -> list[list]:
    speeds = list(read_speeds(shards[0].parent))
    return [[SPEEDS_FILE, speeds], *([shard.name, shard.stat().st_size] for shard in shards)]


def _is_current(cache: Path, shards: list[Path]) -> bool:
    index = cache / "index.json"
    # Labels can change while the size stays, so the cache must also be younger than every shard.
    if not index.exists() or index.stat().st_mtime < max(shard.stat().st_mtime for shard in shards):
        return False
    known = json.loads(index.read_text())
    return known["version"] == CACHE_VERSION and known["shards"] == _fingerprint(shards)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a file lock, which the system frees even if the process is killed."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _decode_all(shards: list[Path], cache: Path, speeds: Sequence[float]) -> list[dict]:
    records = []
    # Decoding releases Python's lock: threads use every core without copying audio between processes.
    workers = os.cpu_count() or 1
    with (
        (cache / "audio.i16").open("wb") as audio_file,
        (cache / "mel.f16").open("wb") as mel_file,
        (cache / "f0.f16").open("wb") as f0_file,
        ThreadPoolExecutor(workers) as pool,
    ):
        log_mel = LogMel()
        for shard in shards:
            items = read_shard(shard)
            while block := list(islice(items, 64 * workers)):
                for versions in pool.map(lambda item: _decode_item(*item, speeds, log_mel), block):
                    for utterance, audio, mel, f0 in versions:
                        audio_file.write(audio.tobytes())
                        mel_file.write(mel.tobytes())
                        f0_file.write(f0.tobytes())
                        records.append(asdict(utterance))
    return records


def _decode_item(
    utterance: Utterance, encoded: bytes, f0: Tensor, speeds: Sequence[float], log_mel: LogMel
) -> list[tuple[Utterance, np.ndarray, np.ndarray, np.ndarray]]:
    """An item as recorded, and at other speeds if it is for training.

    Returns:
        for each version its record, waveform (int16), log-mel and F0 (float16), as long as its tokens say.
    """
    try:
        samples = decode(io.BytesIO(encoded))
    except AudioError as error:
        raise DataError(f"the audio of {utterance.id} cannot be decoded: {error}") from None
    length = utterance.tokens * SAMPLES_PER_TOKEN
    samples = samples[utterance.start : utterance.start + length] * utterance.gain
    versions = [(utterance, samples, f0.numpy())]
    for speed in speeds if utterance.split == "train" else ():
        played = utterance.at_speed(speed)
        track = play_f0(f0.numpy(), speed, played.tokens * FRAMES_PER_TOKEN)
        versions.append((played, play(samples, speed), track))
    return [
        (version, *_exactly(audio, version.tokens, log_mel), track.astype(np.float16))
        for version, audio, track in versions
    ]


def _exactly(samples: np.ndarray, tokens: int, log_mel: LogMel) -> tuple[np.ndarray, np.ndarray]:
    """Waveform (int16) of exactly that many tokens, and its log-mel (float16)."""
    length = tokens * SAMPLES_PER_TOKEN
    samples = np.pad(samples[:length], (0, max(0, length - len(samples)))).clip(-1.0, 1.0)
    quantised = np.round(samples * 32767).astype(np.int16)
    mel = log_mel(torch.from_numpy(quantised.astype(np.float32) / 32768.0)[None])[0]
    return quantised, mel.numpy().astype(np.float16)
