"""Guidance from the command line and the API down to the decoder, with a tiny model that has an expert."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny import tiny_components

from emotts import EmoTTS
from emotts.cli.main import run
from emotts.emotion.calibration import DoseTable, GuidanceConfig
from emotts.emotion.expert import EmotionExpert, EmotionExpertConfig
from emotts.errors import InputError, ModelError
from emotts.model import load_config, load_model, save_model
from emotts.model_config import GenerationConfig, ModelConfig
from emotts.voice import Voice

TEXT = "The boy was there."
EXPERT = {"dim": 16, "layers": 1, "time_dim": 8, "kernel_size": 3}
GUIDANCE = GuidanceConfig(table=DoseTable(alpha={"angry": (0, 1, 2, 3, 4)}), interval=(0.01, 1.0))


def build(directory: Path, guidance: GuidanceConfig | None = GUIDANCE, shift: float = 0.0) -> Path:
    modules, configs = tiny_components()
    torch.manual_seed(1)
    expert = EmotionExpert(EmotionExpertConfig(**EXPERT))
    decoder = modules["acoustic"]
    expert.set_statistics(decoder.mel_mean + shift, decoder.mel_std)
    generator = torch.Generator().manual_seed(1)
    voice = Voice(
        name="anna",
        embedding=torch.nn.functional.normalize(torch.randn(16, generator=generator), dim=0),
        prompt_mel=torch.randn(40, 80, generator=generator) - 5,
        prompt_codes=torch.randint(0, 12, (10,), generator=generator),
    )
    config = ModelConfig(
        name="guided", licence="CC0-1.0", default_voice="anna", guidance=guidance,
        components={**configs, "expert": expert.config.model_dump(mode="json")},
        generation=GenerationConfig(steps=3, cfg=0.0),
    )  # fmt: skip
    return save_model(directory, {**modules, "expert": expert}, config, voices=[voice])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("guided") / "model")


@pytest.fixture(scope="module")
def tts(model: Path) -> EmoTTS:
    return EmoTTS.from_pretrained(model, "cpu")


def spoken(tts: EmoTTS, emotion: object = "angry", **options: object) -> np.ndarray:
    return tts.synthesize(TEXT, emotion=emotion, tokens=30, seed=3, **options).audio


def test_the_model_directory_keeps_expert_and_table(model: Path) -> None:
    assert load_config(model).guidance == GUIDANCE
    assert "expert" in load_model(model).components


def test_the_intensity_guides_and_none_does_not(tts: EmoTTS) -> None:
    plain = spoken(tts, guidance_schedule="none")
    assert not np.array_equal(spoken(tts), plain)
    assert np.array_equal(spoken(tts), spoken(tts, alpha=4.0, beta=1.0)), "the table says 4 at intensity 1"
    assert not np.array_equal(spoken(tts, guidance_schedule="constant", alpha=2.0), plain)
    assert np.array_equal(spoken(tts, "sad"), spoken(tts, "sad", guidance_schedule="none")), (
        "not in the table"
    )


def test_neutral_never_asks_the_expert(tts: EmoTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("the expert was asked")

    monkeypatch.setattr(tts.model.components["expert"], "forward", fail)
    for emotion in (None, "neutral", "angry:0", "calm"):
        spoken(tts, emotion)
    with pytest.raises(AssertionError, match="asked"):
        spoken(tts, "angry")


def test_a_line_is_guided_alike_alone_and_in_a_list(tts: EmoTTS) -> None:
    lines = [TEXT, "Hello, this is a rather longer sentence.", "No."]
    moods = ["angry", "neutral", "angry:0.5"]
    together = tts.synthesize(lines, emotion=moods, seed=5)
    for line, mood, speech in zip(lines, moods, together, strict=True):
        alone = tts.synthesize(line, emotion=mood, seed=5)
        error = np.square(speech.audio - alone.audio).mean()
        assert error < 0.01 * np.square(alone.audio).mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 10.5}, "alpha must be a number from 0 to 10, not 10.5"),
        ({"alpha": -1}, "alpha must be a number from 0 to 10"),
        ({"beta": float("nan")}, "beta must be a number from 0 to 5"),
        ({"guidance_schedule": "fast"}, "guidance_schedule must be derived, constant, none, not 'fast'"),
        ({"guidance_schedule": "constant"}, "calibrated for derived guidance only: give alpha"),
        ({"guidance_schedule": "none", "beta": 1.0}, "leaves nothing for beta to do"),
        ({"emotion": "neutral", "alpha": 1.0}, "alpha guides towards an emotion: ask for one of happy"),
    ],
)
def test_a_wrong_wish_is_one_clear_line(tts: EmoTTS, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        spoken(tts, **options)
    assert "\n" not in str(caught.value)


def test_a_model_without_an_expert_speaks_and_says_what_it_lacks(tiny_tts: EmoTTS) -> None:
    plain = spoken(tiny_tts)
    assert np.array_equal(spoken(tiny_tts, guidance_schedule="none"), plain)
    with pytest.raises(InputError, match="no emotion expert, so it cannot be guided: leave alpha out"):
        spoken(tiny_tts, alpha=1.0)


def test_a_model_that_was_not_calibrated_is_guided_by_alpha_only(tmp_path: Path) -> None:
    tts = EmoTTS.from_pretrained(build(tmp_path / "model", guidance=None), "cpu")
    plain = spoken(tts, guidance_schedule="none")
    assert np.array_equal(spoken(tts), plain)
    assert not np.array_equal(spoken(tts, alpha=3.0), plain)
    with pytest.raises(InputError, match="not calibrated: give alpha"):
        spoken(tts, beta=1.0)


def test_the_command_line_guides(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = [
        "synthesize",
        TEXT,
        "--model",
        str(model),
        "--emotion",
        "angry:0.7",
        "--seed",
        "1",
        "--tokens",
        "30",
    ]
    for name, more in {
        "knob": [],
        "none": ["--guidance-schedule", "none"],
        "alpha": ["--guidance-schedule", "constant", "--alpha", "3", "--beta", "0.5"],
    }.items():
        assert run([*base, *more, "-q", "-o", str(tmp_path / f"{name}.wav")]) == 0
    contents = {path.read_bytes() for path in tmp_path.glob("*.wav")}
    assert len(contents) == 3
    assert run([*base, "--alpha", "11", "-o", str(tmp_path / "x.wav")]) == 2
    assert capsys.readouterr().err == "emotts: alpha must be a number from 0 to 10, not 11.0\n"
    assert run([*base, "--guidance-schedule", "odd", "-o", str(tmp_path / "x.wav")]) == 2
    assert "guidance_schedule must be derived, constant, none" in capsys.readouterr().err
    assert not (tmp_path / "x.wav").exists()


def test_an_expert_of_another_decoder_is_refused(tmp_path: Path) -> None:
    directory = build(tmp_path / "model", shift=1.0)
    with pytest.raises(ModelError, match="trained for another acoustic decoder: their mel_mean differ"):
        load_model(directory)


def test_guidance_without_an_expert_is_refused(model: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((model / "config.yaml").read_text())
    del values["components"]["expert"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ModelError, match="section guidance, but no component expert"):
        load_config(tmp_path)
    values["guidance"]["gaet"] = 1
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ModelError, match="did you mean 'gate'"):
        load_config(tmp_path)


def test_streams_are_guided_as_offline_speech_is(tts: EmoTTS) -> None:
    def streamed(**options: object) -> np.ndarray:
        chunks = tts.stream(TEXT, tokens=40, seed=3, chunk=0.4, **options)
        return np.concatenate([chunk.audio for chunk in chunks])

    offline = tts.synthesize(TEXT, emotion="angry", tokens=40, seed=3).audio
    np.testing.assert_allclose(streamed(emotion="angry", lookahead=None), offline, atol=1e-4)
    windows = streamed(emotion="angry", lookahead=0.08)
    unguided = streamed(emotion="angry", lookahead=0.08, guidance_schedule="none")
    assert windows.shape == offline.shape and not np.array_equal(windows, unguided)
    with pytest.raises(InputError, match="alpha"):
        tts.stream(TEXT, alpha=1.0)
    with pytest.raises(InputError, match="alpha"):
        tts.stream(iter([TEXT]), alpha=1.0)
