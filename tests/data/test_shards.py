from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_corpus import flac, harmonic_tone, utterance, write_fake_shards
from safetensors.torch import save_file

from emotts.audio.mel import LogMel
from emotts.data import shards as module
from emotts.data.shards import Corpus, ShardWriter, build_cache, read_shard
from emotts.errors import DataError
from emotts.timebase import FRAMES_PER_TOKEN, SAMPLES_PER_TOKEN


def add(writer: ShardWriter, identifier: str, tokens: int = 3, f0: float = 200.0, **fields: object) -> None:
    record = utterance(identifier, tokens, **fields)
    audio = flac(harmonic_tone(record.start + tokens * SAMPLES_PER_TOKEN, f0))
    writer.add(record, audio, torch.full((tokens * FRAMES_PER_TOKEN,), f0))


def write(directory: Path, *identifiers: str, prefix: str = "fake", **fields: object) -> Path:
    writer = ShardWriter(directory, prefix)
    for identifier in identifiers:
        add(writer, identifier, **fields)
    writer.close()
    return directory


def test_a_shard_gives_back_what_was_written(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "new", "fake")
    records = [
        utterance("a-1", 3, text="«é» ˈaɪ", emotion=[0.25] * 8, durations=[3, 0]),
        utterance("a-2", 5, bandwidth=8000),
    ]
    tracks = [torch.tensor([0.0, 101.0, 250.5] * 4), torch.zeros(20)]
    for record, track in zip(records, tracks, strict=True):
        writer.add(record, record.id.encode(), track)
    writer.flush()
    found = list(read_shard(tmp_path / "new" / "fake-000.safetensors"))
    assert [item[0] for item in found] == records
    assert [item[1] for item in found] == [b"a-1", b"a-2"]
    assert all(torch.equal(item[2], track) for item, track in zip(found, tracks, strict=True))
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["fake-000.safetensors"]


def test_a_shard_closes_at_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_BYTES", 10)
    writer = ShardWriter(tmp_path, "fake")
    for number in range(3):
        writer.add(utterance(f"a-{number}", 1), b"123456", torch.zeros(4))
    writer.close()
    sizes = [len(list(read_shard(path))) for path in sorted(tmp_path.iterdir())]
    assert sizes == [2, 1]


def test_writing_again_leaves_no_stale_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_BYTES", 1)
    write(tmp_path, "a-1", "a-2", "a-3")
    write(tmp_path, "b-1", prefix="fake-more")
    write(tmp_path, "a-1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fake-000.safetensors", "fake-more-000.safetensors"]


def test_the_corpus_is_as_long_as_its_tokens_say(tmp_path: Path) -> None:
    corpus = Corpus(write_fake_shards(tmp_path))
    assert len(corpus) == 8 and corpus.speakers == ["s0", "s1"]
    log_mel = LogMel()
    for index, record in enumerate(corpus.utterances):
        audio, mel, f0 = corpus.audio(index), corpus.mel(index), corpus.f0(index)
        assert audio.shape == (record.tokens * SAMPLES_PER_TOKEN,) and audio.dtype == torch.float32
        assert f0.tolist() == [110.0 if record.speaker == "s0" else 165.0] * (4 * record.tokens)
        torch.testing.assert_close(mel, log_mel(audio[None])[0], atol=0.01, rtol=1e-3)
    tone = harmonic_tone(corpus.utterances[0].tokens * SAMPLES_PER_TOKEN, 110.0, tilt=0.5)
    assert np.abs(corpus.audio(0).numpy() - tone).mean() < 0.003


def test_start_and_gain_apply_and_missing_sound_is_silence(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "fake")
    tone = harmonic_tone(2 * SAMPLES_PER_TOKEN, 200.0)
    writer.add(utterance("a-1", 2, start=SAMPLES_PER_TOKEN, gain=0.5), flac(tone), torch.zeros(8))
    writer.add(utterance("a-2", 1, gain=100.0), flac(tone), torch.zeros(4))
    writer.close()
    corpus = Corpus(tmp_path)
    audio = corpus.audio(0)
    np.testing.assert_allclose(audio[:SAMPLES_PER_TOKEN], 0.5 * tone[SAMPLES_PER_TOKEN:], atol=1e-3)
    assert float(audio[SAMPLES_PER_TOKEN:].abs().max()) == 0
    assert 0.99 < float(corpus.audio(1).abs().max()) <= 1.0


def test_splits_choose_items_and_keep_their_data(tmp_path: Path) -> None:
    everything = Corpus(write_fake_shards(tmp_path))
    dev = Corpus(tmp_path, splits=["dev"])
    assert [u.id for u in dev.utterances] == ["s0-3", "s1-3"]
    assert torch.equal(dev.mel(1), everything.mel(7)) and torch.equal(dev.audio(0), everything.audio(3))
    assert len(Corpus(tmp_path, splits=["test"])) == 0


def test_the_cache_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a-1")
    cache = build_cache(tmp_path)
    monkeypatch.setattr(module, "_decode_all", lambda *_: pytest.fail("built again"))
    assert build_cache(tmp_path) == cache


def test_new_shards_rebuild_the_cache(tmp_path: Path) -> None:
    write(tmp_path, "a-1")
    assert len(Corpus(tmp_path)) == 1
    write(tmp_path, "b-1", prefix="other")
    assert [u.id for u in Corpus(tmp_path).utterances] == ["a-1", "b-1"]


def test_changed_labels_rebuild_the_cache_even_if_the_size_stays(tmp_path: Path) -> None:
    write(tmp_path, "a-1", intensity=0.5)
    size = (tmp_path / "fake-000.safetensors").stat().st_size
    old = Corpus(tmp_path)
    index = tmp_path / "cache" / "index.json"
    os.utime(index, (1e9, 1e9))
    os.utime(tmp_path / "fake-000.safetensors", (1e9, 1e9))
    write(tmp_path, "a-1", intensity=0.6)
    assert (tmp_path / "fake-000.safetensors").stat().st_size == size
    assert Corpus(tmp_path).utterances[0].intensity == 0.6
    assert old.audio(0).abs().max() > 0, "a corpus that is open stays readable"


def test_what_a_killed_builder_left_does_not_disturb(tmp_path: Path) -> None:
    write(tmp_path, "a-1")
    (tmp_path / "cache.partial").mkdir()
    (tmp_path / "cache.partial" / "audio.i16").write_bytes(b"rubbish")
    assert len(Corpus(tmp_path).audio(0)) == 3 * SAMPLES_PER_TOKEN
    assert not (tmp_path / "cache.partial").exists()


def test_of_two_builders_one_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_shards(tmp_path, speakers=1, each=2)
    calls, real = [], module._decode_all
    monkeypatch.setattr(module, "_decode_all", lambda *a: calls.append(1) or real(*a))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: Corpus(tmp_path), range(4)))
    assert len(calls) == 1
    assert all(torch.equal(corpus.audio(1), found[0].audio(1)) for corpus in found)


def test_mates_are_others_of_the_same_speaker_and_all_of_them(tmp_path: Path) -> None:
    write_fake_shards(tmp_path, speakers=2, each=4, tokens=2)
    writer = ShardWriter(tmp_path, "single")
    add(writer, "lonely-1")
    writer.close()
    corpus, generator = Corpus(tmp_path), torch.Generator().manual_seed(0)
    for index, record in enumerate(corpus.utterances):
        drawn = [corpus.same_speaker(index, generator) for _ in range(60)]
        assert {corpus.utterances[mate].speaker for mate in drawn} == {record.speaker}
        if record.speaker == "lonely":
            assert set(drawn) == {index}
        else:
            counts = {mate: drawn.count(mate) for mate in drawn}
            assert index not in counts and len(counts) == 3 and min(counts.values()) > 8


def test_side_files_are_read_by_id(tmp_path: Path) -> None:
    shards = write(tmp_path / "shards", "a-1", "a-2", phonemes=[1, 2])
    save_file({"a-1": torch.tensor([5, 6, 7], dtype=torch.int16)}, tmp_path / "codes")
    save_file({"a-1": torch.tensor([1, 2], dtype=torch.int16)}, tmp_path / "plans")
    save_file({"a-2": torch.ones(4, dtype=torch.float16)}, tmp_path / "voices")
    corpus = Corpus(shards, tmp_path / "codes", tmp_path / "plans", tmp_path / "voices")
    assert corpus.codes(0).tolist() == [5, 6, 7] and corpus.codes(0).dtype == torch.int64
    assert [u.durations for u in corpus.utterances] == [[1, 2], None]
    assert corpus.embedding(1).dtype == torch.float32
    with pytest.raises(DataError, match="no semantic tokens for a-2"):
        corpus.codes(1)
    with pytest.raises(DataError, match="no voice embeddings for a-1"):
        corpus.embedding(0)
    with pytest.raises(DataError, match="no semantic tokens"):
        Corpus(shards).codes(0)


@pytest.mark.parametrize("plan", [[1, 1], [1, 1, 1]])
def test_plans_of_other_recordings_are_refused(tmp_path: Path, plan: list[int]) -> None:
    shards = write(tmp_path / "shards", "a-1", phonemes=[1, 2])
    save_file({"a-1": torch.tensor(plan, dtype=torch.int16)}, tmp_path / "plans")
    with pytest.raises(DataError, match=r"plan of a-1 .* run the alignment stage again"):
        Corpus(shards, alignments=tmp_path / "plans")


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no shards"):
        Corpus(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        Corpus(write(tmp_path / "good", "a-1"), codes=tmp_path / "missing")
    save_file({"0/f0": torch.zeros(4)}, tmp_path / "no-header.safetensors")
    save_file({"0/f0": torch.zeros(4)}, tmp_path / "bad-json.safetensors", metadata={"utterances": "["})
    save_file(
        {"0/f0": torch.zeros(4), "0/audio": torch.zeros(4)},
        tmp_path / "old.safetensors",
        metadata={"utterances": json.dumps([{"id": "a", "colour": 1}])},
    )
    (tmp_path / "text.safetensors").write_text("hello")
    for name in ("no-header", "bad-json", "old", "text"):
        with pytest.raises(DataError, match=f"{name}.safetensors is not a shard"):
            list(read_shard(tmp_path / f"{name}.safetensors"))


def test_audio_that_cannot_be_decoded_is_named_and_leaves_no_cache(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "fake")
    writer.add(utterance("a-1", 1), b"no sound", torch.zeros(4))
    writer.close()
    for _ in range(2):
        with pytest.raises(DataError, match="the audio of a-1"):
            Corpus(tmp_path)
    assert not (tmp_path / "cache").exists()
