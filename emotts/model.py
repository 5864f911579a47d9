"""The model directory: config.yaml, one safetensors file for each component, voices/, README.md."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module, resources
from pathlib import Path

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from emotts.config import StrictModel
from emotts.errors import InputError, ModelError, OutputError
from emotts.files import temporary_sibling
from emotts.model_config import FORMAT_VERSION, FileRecord, ModelConfig
from emotts.tensors import tensor_bytes
from emotts.timebase import SAMPLE_RATE
from emotts.voice.voice import Voice, read_voice_metadata

CONFIG_FILE = "config.yaml"
EMBEDDED = "embedded"

_STATISTICS_SLACK = 0.1
"""Mel statistics of expert and decoder may differ by this share of the deviation."""

COMPONENTS: dict[str, tuple[str, str, str]] = {
    "tokenizer": ("emotts.semantic.tokenizer", "SemanticTokenizer", "TokenizerConfig"),
    "lm": ("emotts.semantic.lm", "SemanticLM", "SemanticLMConfig"),
    "acoustic": ("emotts.acoustic.decoder", "AcousticDecoder", "AcousticConfig"),
    "vocoder": ("emotts.vocoder", "Vocoder", "VocoderConfig"),
    "voice_encoder": ("emotts.voice.encoder", "VoiceEncoder", "VoiceEncoderConfig"),
    "duration": ("emotts.timing.predictor", "DurationPredictor", "DurationPredictorConfig"),
}
"""Module, class and configuration class of each component."""

OPTIONAL_COMPONENTS: dict[str, tuple[str, str, str]] = {
    "emotion_encoder": ("emotts.emotion.encoder", "EmotionEncoder", "EmotionEncoderConfig"),
    "expert": ("emotts.emotion.expert", "EmotionExpert", "EmotionExpertConfig"),
}
"""Components that a model may lack; what needs one says so."""


@dataclass
class Model:
    """A model directory in memory.

    Attributes:
        directory: where it was read from.
        config: content of config.yaml.
        components: the networks by name (`COMPONENTS`, and those of `OPTIONAL_COMPONENTS` that it has), in
            evaluation mode, float32.
    """

    directory: Path
    config: ModelConfig
    components: dict[str, nn.Module] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Names the parts that a voice depends on: a voice made with one does not fit another."""
        parts = [self.config.files[f"{name}.safetensors"].sha256 for name in ("tokenizer", "voice_encoder")]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    @cached_property
    def code_pitch(self) -> Tensor:
        """Pitch of each semantic code, see `SemanticTokenizer.code_pitch`; on the CPU."""
        return self.components["tokenizer"].code_pitch().cpu()

    @cached_property
    def code_energy(self) -> Tensor:
        """Energy of each semantic code, see `SemanticTokenizer.code_energy`; on the CPU."""
        return self.components["tokenizer"].code_energy().cpu()

    def voice_path(self, name: str) -> Path:
        """File of a named voice, whether or not it exists."""
        return self.directory / "voices" / f"{name}.safetensors"


def save_model(
    directory: Path | str,
    components: Mapping[str, nn.Module],
    config: ModelConfig,
    half: bool = True,
    voices: Iterable[Voice] = (),
    readme: str = "",
    force: bool = False,
) -> Path:
    """Writes a model directory, whole or not at all.

    Args:
        directory: must not exist unless `force` is set.
        components: a network for each name in `COMPONENTS`, and for some in `OPTIONAL_COMPONENTS`.
        config: `files` and `symbols` are filled in here; `components` must hold each network's
            configuration.
        half: store floating-point parameters as float16; buffers stay as they are.
        voices: named voices that come with the model.
        readme: the model card.
        force: replace a directory that exists.

    Raises:
        OutputError: the directory exists, its parent does not, or the disk is full.
        ModelError: a component is missing or holds numbers that are not finite.
    """
    directory = Path(directory)
    wanted = present_components(config)
    missing = [name for name in wanted if name not in components or name not in config.components]
    if missing:
        raise ModelError(f"cannot save {directory}: no component or configuration for {', '.join(missing)}")
    if directory.exists() and not force:
        raise OutputError(f"{directory} exists already; overwrite it with force=True or choose another")
    if not directory.absolute().parent.is_dir():
        raise OutputError(f"cannot write {directory}: the folder {directory.parent} does not exist")
    part = temporary_sibling(directory.absolute())
    try:
        _write_directory(part, components, config, half, voices, readme)
        _replace_directory(part, directory.absolute())
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return directory


def _write_directory(
    folder: Path,
    components: Mapping[str, nn.Module],
    config: ModelConfig,
    half: bool,
    voices: Iterable[Voice],
    readme: str,
) -> None:
    (folder / "voices").mkdir(parents=True)
    files = {}
    for name in present_components(config):
        content = _component_bytes(name, components[name], half)
        files[f"{name}.safetensors"] = FileRecord(sha256=hashlib.sha256(content).hexdigest())
        (folder / f"{name}.safetensors").write_bytes(content)
    config = config.model_copy(update={"files": files, "symbols": symbols_digest()})
    (folder / CONFIG_FILE).write_text(config.dump(), encoding="utf-8")
    (folder / "README.md").write_text(
        readme or f"# {config.name}\n\n{config.description}\n", encoding="utf-8"
    )
    for voice in voices:
        voice.save(folder / "voices" / f"{voice.name}.safetensors")


def _component_bytes(name: str, module: nn.Module, half: bool) -> bytes:
    parameters = {key for key, _ in module.named_parameters(remove_duplicate=False)}
    tensors = {}
    for key, value in module.state_dict().items():
        value = value.detach().cpu()
        if half and key in parameters and value.is_floating_point():
            value = value.half()
        if value.is_floating_point() and not torch.isfinite(value).all():
            kind = "float16" if value.dtype == torch.float16 else str(value.dtype).removeprefix("torch.")
            raise ModelError(f"cannot save component {name}: {key} is not finite as {kind}")
        # Tied weights share memory, which safetensors refuses; a copy of each is written.
        tensors[key] = value.clone().contiguous()
    return tensor_bytes(tensors, {"format": "pt", "component": name})


def _replace_directory(part: Path, directory: Path) -> None:
    if not directory.exists():
        part.rename(directory)
        return
    old = temporary_sibling(directory)
    directory.rename(old)
    part.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def find_model(name: Path | str = EMBEDDED) -> Path:
    """Directory of a model: "embedded", a path, or a hub id "owner/name" that is downloaded.

    Raises:
        ModelError: there is no such model, or the hub cannot be reached.
    """
    if str(name) == EMBEDDED:
        path = Path(str(resources.files("emotts") / "models" / EMBEDDED))
        if not (path / CONFIG_FILE).is_file():
            raise ModelError(f"this installation holds no embedded model ({path / CONFIG_FILE} is missing)")
        return path
    path = Path(name)
    if path.is_dir():
        return path
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", str(name)) and not path.exists():
        return _download(str(name))
    if path.exists():
        raise ModelError(f"{path} is not a model directory but a file")
    raise ModelError(
        f"no model directory {path}; give a directory, {EMBEDDED!r}, or a hub id like owner/name"
    )


def model_digest(name: Path | str = EMBEDDED) -> str:
    """Names what a model directory holds, without loading it: other weights or voices, another digest.

    Raises:
        ModelError: there is no such model.
    """
    directory = find_model(name)
    total = hashlib.sha256(load_config(directory).dump().encode())  # holds the checksums of the weights
    for path in sorted((directory / "voices").glob("*.safetensors")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()[:16]


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=["*.yaml", "*.safetensors", "*.md"]))
    except Exception as error:  # The hub client raises errors of many libraries: network, HTTP, cache.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"no directory {repository}, and the hub does not give a model of that name: {reason}"
        ) from None


def load_config(directory: Path | str) -> ModelConfig:
    """Reads and checks config.yaml of a model directory.

    Raises:
        ModelError: missing, not YAML, of another version, or with a wrong key or value.
    """
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        raise ModelError(f"{directory} is not a model directory: {CONFIG_FILE} is missing")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is corrupt: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} is corrupt: it must hold a mapping of keys to values")
    version = values.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(f"{path} has format version {version}; this emotts reads version {FORMAT_VERSION}")
    try:
        config = ModelConfig.parse(values, source=str(path))
    except InputError as error:
        raise ModelError(str(error)) from None
    if config.sample_rate != SAMPLE_RATE:
        raise ModelError(f"{path}: sample_rate must be {SAMPLE_RATE}, not {config.sample_rate}")
    for name in present_components(config):
        if name not in config.components or f"{name}.safetensors" not in config.files:
            raise ModelError(f"{path} lacks the component {name}")
    if config.guidance is not None and "expert" not in config.components:
        raise ModelError(f"{path} has a section guidance, but no component expert that could guide")
    if config.symbols != symbols_digest():
        raise ModelError(f"{path}: the model was trained with another phoneme table than this emotts has")
    return config


def symbols_digest() -> str:
    """Names the phoneme table: an id would mean another sound under another table."""
    from emotts.text.symbols import SYMBOLS

    return hashlib.sha256("\n".join(SYMBOLS).encode()).hexdigest()[:16]


def present_components(config: ModelConfig) -> list[str]:
    """Components of a model: those that every model has, and the optional ones that it configures."""
    return [*COMPONENTS, *(name for name in OPTIONAL_COMPONENTS if name in config.components)]


def component_class(name: str) -> tuple[type[nn.Module], type[StrictModel]]:
    """Class and configuration class of a component."""
    module_name, class_name, config_name = {**COMPONENTS, **OPTIONAL_COMPONENTS}[name]
    module = import_module(module_name)
    return getattr(module, class_name), getattr(module, config_name)


def load_model(directory: Path | str, device: torch.device | str = "cpu") -> Model:
    """Reads a model directory; weights become float32, in evaluation mode.

    Raises:
        ModelError: a file is missing, corrupt, of another version, or does not fit its configuration.
    """
    directory = Path(directory)
    config = load_config(directory)
    names = present_components(config)
    components = {name: _load_component(directory, config, name).to(device) for name in names}
    _check_expert(directory, components)
    return Model(directory, config, components)


def _check_expert(directory: Path, components: Mapping[str, nn.Module]) -> None:
    """The expert reads what the decoder makes, so both must normalise the mel alike."""
    if "expert" not in components:
        return
    expert, decoder = (components[name].state_dict() for name in ("expert", "acoustic"))
    for key in ("mel_mean", "mel_std"):
        mine, its = expert[key], decoder[key]
        slack = _STATISTICS_SLACK * decoder["mel_std"]
        if mine.shape != its.shape or bool(((mine - its).abs() > slack).any()):
            raise ModelError(
                f"{directory}: the expert was trained for another acoustic decoder: their {key} differ"
            )


def _load_component(directory: Path, config: ModelConfig, name: str) -> nn.Module:
    path = directory / f"{name}.safetensors"
    if not path.is_file():
        raise ModelError(f"model file {path} is missing")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model file {path}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != config.files[path.name].sha256:
        raise ModelError(
            f"model file {path} is corrupt: its checksum differs from {CONFIG_FILE}; install it again"
        )
    network, settings = component_class(name)
    try:
        module = network(settings.parse(config.components[name], source=f"{directory / CONFIG_FILE}: {name}"))
        module.load_state_dict(
            {key: x.float() if x.dtype == torch.float16 else x for key, x in load(content).items()}
        )
    except (SafetensorError, InputError, ValueError) as error:
        raise ModelError(f"model file {path}: {str(error).splitlines()[0]}") from None
    except RuntimeError as error:
        detail = [*str(error).splitlines(), ""][1].strip()
        raise ModelError(f"model file {path} does not fit its configuration: {detail[:160]}") from None
    return module.eval().requires_grad_(False)


def list_voices(directory: Path | str) -> dict[str, str]:
    """Name and description of each named voice of a model directory, sorted by name."""
    paths = sorted((Path(directory) / "voices").glob("*.safetensors"))
    return {path.stem: read_voice_metadata(path).get("description", "") for path in paths}
