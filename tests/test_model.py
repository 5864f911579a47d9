"""The model directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from tiny import tiny_components

from emotts import EmoTTS
from emotts.errors import InputError, ModelError, OutputError
from emotts.model import COMPONENTS, find_model, list_voices, load_config, load_model, save_model
from emotts.model_config import ModelConfig


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def edit_config(directory: Path, **changes: object) -> None:
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def one_line(error: pytest.ExceptionInfo) -> bool:
    return "\n" not in str(error.value)


@pytest.mark.parametrize("half", [True, False])
def test_weights_come_back_as_float32(tmp_path: Path, half: bool) -> None:
    modules, configs = tiny_components()
    config = ModelConfig(name="x", licence="CC0-1.0", components=configs)
    model = load_model(save_model(tmp_path / "m", modules, config, half=half))
    for name, module in modules.items():
        loaded = model.components[name]
        assert not loaded.training
        for key, value in loaded.state_dict().items():
            wanted = module.state_dict()[key]
            assert value.dtype == wanted.dtype
            error = 0.0 if not half else 1e-3
            torch.testing.assert_close(value, wanted, atol=error, rtol=error)


def test_half_makes_the_files_smaller(tmp_path: Path) -> None:
    modules, configs = tiny_components()
    config = ModelConfig(name="x", licence="CC0-1.0", components=configs)
    small = save_model(tmp_path / "half", modules, config) / "lm.safetensors"
    large = save_model(tmp_path / "full", modules, config, half=False) / "lm.safetensors"
    assert small.stat().st_size < 0.7 * large.stat().st_size


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    modules, configs = tiny_components()
    config = ModelConfig(name="x", licence="CC0-1.0", components=configs)
    with torch.no_grad():
        next(modules["vocoder"].parameters()).fill_(1e6)  # infinite as float16
    with pytest.raises(ModelError, match=r"vocoder.*float16"):
        save_model(tmp_path / "m", modules, config)
    assert not list(tmp_path.iterdir())
    save_model(tmp_path / "m", modules, config, half=False)
    with pytest.raises(OutputError, match="exists already"):
        save_model(tmp_path / "m", modules, config, half=False)
    save_model(tmp_path / "m", modules, config, half=False, force=True, readme="# card")
    assert (tmp_path / "m" / "README.md").read_text() == "# card"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    del modules["lm"]
    with pytest.raises(ModelError, match="lm"):
        save_model(tmp_path / "n", modules, config)
    with pytest.raises(OutputError, match="does not exist"):
        save_model(tmp_path / "no" / "m", tiny_components()[0], config)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_missing_or_changed_file_is_named(copy: Path, name: str) -> None:
    path = copy / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}\.safetensors is corrupt") as caught:
        load_model(copy)
    assert one_line(caught)
    path.unlink()
    with pytest.raises(ModelError, match=rf"{name}\.safetensors is missing"):
        load_model(copy)


def test_weights_that_do_not_fit_the_configuration_are_named(copy: Path) -> None:
    components = load_config(copy).components
    components["vocoder"]["dim"] = 32
    edit_config(copy, components=components)
    with pytest.raises(ModelError, match=r"vocoder\.safetensors does not fit") as caught:
        load_model(copy)
    assert one_line(caught)
    components["vocoder"]["dimension"] = 32
    edit_config(copy, components=components)
    with pytest.raises(ModelError, match=r"unknown key 'dimension'.*valid keys") as caught:
        load_model(copy)
    assert one_line(caught)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": 99}, "format version 99; this emotts reads version 1"),
        ({"sample_rate": 16_000}, "sample_rate must be 24000"),
        ({"licens": "x"}, "unknown key 'licens'.*licence"),
        ({"components": {}}, "lacks the component tokenizer"),
        ({"symbols": "0"}, "another phoneme table"),
    ],
)
def test_a_wrong_config_is_explained(copy: Path, changes: dict, words: str) -> None:
    edit_config(copy, **changes)
    with pytest.raises(ModelError, match=words) as caught:
        load_config(copy)
    assert one_line(caught) and "config.yaml" in str(caught.value)


def test_a_corrupt_or_missing_config_is_a_model_error(copy: Path) -> None:
    (copy / "config.yaml").write_text("a: [")
    with pytest.raises(ModelError, match=r"config\.yaml is corrupt"):
        load_config(copy)
    (copy / "config.yaml").write_text("just words")
    with pytest.raises(ModelError, match=r"config\.yaml is corrupt"):
        load_config(copy)
    (copy / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"config\.yaml is missing"):
        load_config(copy)


def test_voices_are_listed_by_name(tiny_model: Path) -> None:
    assert list_voices(tiny_model) == {"anna": "the voice of anna", "bert": "the voice of bert"}


def test_a_model_is_found_by_directory_or_not_at_all(tiny_model: Path, tmp_path: Path) -> None:
    assert find_model(tiny_model) == tiny_model
    with pytest.raises(ModelError, match="no model directory"):
        find_model(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="but a file"):
        find_model(tmp_path / "file")


def test_a_hub_id_is_downloaded(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(repository: str, **options: object) -> str:
        asked.append(repository)
        return str(tiny_model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert EmoTTS.from_pretrained("someone/a-model", "cpu").model.config.name == "tiny"
    assert asked == ["someone/a-model"]


def test_an_unreachable_hub_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(repository: str, **options: object) -> str:
        raise ConnectionError("cannot reach the hub\nand more lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ModelError, match=r"no directory someone/a-model.*cannot reach the hub") as caught:
        find_model("someone/a-model")
    assert one_line(caught)


@pytest.mark.parametrize("pitch", [{"angri": 0.1}, {"angry": -0.4}, {"angry": float("nan")}])
def test_a_pitch_that_cannot_be_is_refused(pitch: dict[str, float]) -> None:
    values = {"name": "x", "licence": "CC0-1.0", "components": {}, "pitch": pitch}
    with pytest.raises(InputError, match=r"at most ±0\.3 nats a semitone"):
        ModelConfig.parse(values)


@pytest.mark.parametrize("loudness", [{"angri": 1.0}, {"angry": 20.0}, {"angry": float("nan")}])
def test_a_loudness_that_cannot_be_is_refused(loudness: dict[str, float]) -> None:
    values = {"name": "x", "licence": "CC0-1.0", "components": {}, "loudness": loudness}
    with pytest.raises(InputError, match="give emotions with at most ±15 dB"):
        ModelConfig.parse(values)
