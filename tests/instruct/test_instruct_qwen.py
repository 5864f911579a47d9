"""The large mapper on a Qwen3 of a few thousand random weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from emotts.emotion.instruct.qwen import QwenConfig, QwenMapper, train_qwen
from emotts.errors import InputError, MissingDependencyError, ModelError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("peft")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    folder = tmp_path_factory.mktemp("qwen3")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(["<pad>", *alphabet])}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<pad>").save_pretrained(
        folder
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 8}
    Qwen3Model(
        Qwen3Config(vocab_size=len(vocabulary), num_attention_heads=2, num_key_value_heads=1, **sizes)
    ).save_pretrained(folder)
    return folder


def config(checkpoint: Path, **values: object) -> QwenConfig:
    settings = {"checkpoint": str(checkpoint), "rank": 2, "corpora": [], "steps": 30, "batch": 8}
    return QwenConfig.parse({**settings, "rate": 0.02, "dtype": "float32", **values})


def test_fine_tuning_lowers_the_loss_moves_only_lora_and_reads_back(checkpoint: Path, tmp_path: Path) -> None:
    mapper = train_qwen(config(checkpoint), None, tmp_path / "out", "cpu")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < sum(losses[:5])
    moved = {name for name, parameter in mapper.named_parameters() if parameter.requires_grad}
    assert moved and all("lora" in name or name.startswith("head.") for name in moved)
    loaded = QwenMapper.load(tmp_path / "out")
    words = "furious, shouting"
    assert loaded.direct(words) == mapper.direct(words)
    assert loaded.direct(words).energy == 6.0
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.safetensors"))
    assert size < (checkpoint / "model.safetensors").stat().st_size


def test_padding_changes_nothing(checkpoint: Path) -> None:
    mapper = QwenMapper.create(config(checkpoint)).eval()
    alone = mapper(["sad"], [False])
    beside = mapper(["sad", "so happy that it hurts, and so on"], [False, False])
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=1e-4)


def test_a_checkpoint_that_is_none_is_one_line(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the Qwen3 checkpoint"):
        QwenMapper.create(config(tmp_path / "nothing"))
    with pytest.raises(ModelError, match="is no Qwen3 mapper"):
        QwenMapper.load(tmp_path)
    with pytest.raises(InputError, match="no word"):
        QwenMapper.create(config(checkpoint)).direct("!!")


def test_without_peft_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "emotts\[train\]"'):
        QwenMapper.create(QwenConfig(checkpoint=str(tmp_path)))
