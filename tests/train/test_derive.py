from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_corpus import write_fake_shards
from safetensors.torch import load_file

from emotts.data.shards import Corpus
from emotts.semantic.tokenizer import SemanticTokenizer, TokenizerConfig
from emotts.text.symbols import BASE_PHONES, encode
from emotts.timebase import FRAMES_PER_TOKEN
from emotts.train import derive
from emotts.train.derive import write_alignments, write_codes, write_embeddings
from emotts.voice.encoder import VoiceEncoder, VoiceEncoderConfig


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_shards(tmp_path_factory.mktemp("derive"), speakers=2, each=3)


@pytest.fixture(scope="module")
def tokenizer() -> SemanticTokenizer:
    torch.manual_seed(0)
    config = TokenizerConfig(
        phones=len(BASE_PHONES), levels=(8, 5, 5), dim=16, layers=1, token_layers=1, expansion=1, voice_dim=4
    )
    return SemanticTokenizer(config).eval()


def test_codes_do_not_depend_on_the_batch(
    shards: Path, tokenizer: SemanticTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derive, "BATCH_TOKENS", 45)
    corpus, path = Corpus(shards), tmp_path / "new" / "codes.safetensors"
    write_codes(corpus, tokenizer, path)
    derived = Corpus(shards, codes=path)
    for index, record in enumerate(corpus.utterances):
        codes = derived.codes(index)
        assert codes.shape == (record.tokens,)
        assert torch.equal(codes, tokenizer.encode(corpus.mel(index)[None])[0])
    assert [p.name for p in path.parent.iterdir()] == ["codes.safetensors"]


def test_embeddings_do_not_depend_on_the_batch(shards: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = VoiceEncoder(VoiceEncoderConfig(dim=8, layers=1)).eval()
    corpus = Corpus(shards)
    write_embeddings(corpus, encoder, tmp_path / "voices.safetensors")
    derived = Corpus(shards, embeddings=tmp_path / "voices.safetensors")
    for index in range(len(corpus)):
        torch.testing.assert_close(derived.embedding(index), encoder(corpus.mel(index)[None])[0].detach())


def test_plans_sum_to_the_tokens(shards: Path, tokenizer: SemanticTokenizer, tmp_path: Path) -> None:
    corpus, path = Corpus(shards), tmp_path / "plans.safetensors"
    report = write_alignments(corpus, tokenizer, path, worst_score=float("-inf"))
    assert (report.aligned, report.starved, report.doubtful) == (6, 0, 0)
    for record in Corpus(shards, alignments=path).utterances:
        assert record.durations is not None
        assert len(record.durations) == len(record.phonemes) and sum(record.durations) == record.tokens
        assert min(record.durations) >= 0


class Spelling(SemanticTokenizer):
    """Hears the phones of one text, each for as many head frames as it is told."""

    def ctc_log_probs(self, mel: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        frames = mel.shape[1] // FRAMES_PER_TOKEN * 2
        classes = [0] * 8 + [k for k in self.heard for _ in range(4)]
        classes = (classes + [0] * frames)[:frames]
        sure = torch.nn.functional.one_hot(torch.tensor(classes), len(BASE_PHONES) + 1).float()
        return (30 * sure).log_softmax(-1).expand(len(mel), -1, -1)


def test_plans_follow_the_posteriors_and_doubtful_ones_are_left_out(shards: Path, tmp_path: Path) -> None:
    corpus = Corpus(shards)
    tokenizer = Spelling(TokenizerConfig(phones=len(BASE_PHONES), dim=8, layers=1))
    tokenizer.heard = [1 + BASE_PHONES.index(p) for p in ("h", "ə", "l", "oʊ")]
    report = write_alignments(corpus, tokenizer, tmp_path / "plans.safetensors")
    right = [u.id for u in corpus.utterances if u.phonemes == encode(["^", "h", "ə", "l", "ˈoʊ", "."])]
    assert sorted(load_file(tmp_path / "plans.safetensors")) == right == ["s0-0", "s1-0"]
    assert (report.aligned, report.doubtful) == (2, 4)
    plan = load_file(tmp_path / "plans.safetensors")["s0-0"].tolist()
    assert plan[2:4] == [2, 2] and abs(plan[0] - 4) <= 1 and sum(plan) == 16


def test_utterances_without_room_for_their_phones_are_counted(
    tokenizer: SemanticTokenizer, tmp_path: Path
) -> None:
    corpus = Corpus(write_fake_shards(tmp_path / "shards", speakers=1, each=2, tokens=1))
    report = write_alignments(corpus, tokenizer, tmp_path / "plans.safetensors", worst_score=float("-inf"))
    assert report.starved >= 1 and report.aligned + report.starved == 2
    assert len(load_file(tmp_path / "plans.safetensors")) == report.aligned


def test_an_empty_corpus_gives_an_empty_file(
    shards: Path, tokenizer: SemanticTokenizer, tmp_path: Path
) -> None:
    write_codes(Corpus(shards, splits=["test"]), tokenizer, tmp_path / "codes.safetensors")
    assert load_file(tmp_path / "codes.safetensors") == {}
