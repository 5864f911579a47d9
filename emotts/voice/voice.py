"""A speaker's voice as the pipeline needs it, and its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from emotts.errors import AudioError, InputError
from emotts.files import write_atomically
from emotts.tensors import tensor_bytes
from emotts.timebase import FRAMES_PER_TOKEN, MEL_BINS

VOICE_FORMAT = "emotts-voice"
VOICE_VERSION = 1


@dataclass(frozen=True)
class Voice:
    """What the models know of a speaker.

    Attributes:
        name: for people to read.
        embedding: shape (dim,), of the model's voice encoder.
        prompt_mel: shape (4·tokens, 80), log-mel of a stretch of the speaker's speech.
        prompt_codes: shape (tokens,), semantic tokens of the same stretch.
        bandwidth: highest frequency in the recordings, in Hz.
        language: code of the language spoken in the prompt, as espeak names it.
        description: one line for people to read.
        model: fingerprint of the model that made embedding and codes; empty when not known. Another
            model cannot use them.
    """

    name: str
    embedding: Tensor = field(repr=False)
    prompt_mel: Tensor = field(repr=False)
    prompt_codes: Tensor = field(repr=False)
    bandwidth: int = 12_000
    language: str = "en-us"
    description: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        if self.embedding.dim() != 1:
            raise InputError(f"voice embedding must have shape (dim,), not {tuple(self.embedding.shape)}")
        if self.prompt_mel.dim() != 2 or self.prompt_mel.shape[1] != MEL_BINS:
            shape = tuple(self.prompt_mel.shape)
            raise InputError(f"voice prompt must have shape (frames, {MEL_BINS}), not {shape}")
        tokens = self.prompt_codes.numel()
        if self.prompt_codes.dim() != 1 or len(self.prompt_mel) != FRAMES_PER_TOKEN * tokens:
            raise InputError(
                f"voice prompt of {len(self.prompt_mel)} frames must have a token for each "
                f"{FRAMES_PER_TOKEN} frames, not {tokens} tokens"
            )

    def to(self, device: torch.device | str) -> Voice:
        """The same voice with its tensors on a device."""
        return Voice(
            self.name,
            self.embedding.to(device),
            self.prompt_mel.to(device),
            self.prompt_codes.to(device),
            self.bandwidth,
            self.language,
            self.description,
            self.model,
        )

    def to_bytes(self) -> bytes:
        """Content of a voice file (safetensors)."""
        tensors = {
            "embedding": self.embedding.float(),
            "prompt_mel": self.prompt_mel.half(),
            "prompt_codes": self.prompt_codes.to(torch.int32),
        }
        metadata = {
            "format": VOICE_FORMAT,
            "version": str(VOICE_VERSION),
            "name": self.name,
            "bandwidth": str(self.bandwidth),
            "language": self.language,
            "description": self.description,
            "model": self.model,
        }
        return tensor_bytes({name: x.cpu().contiguous() for name, x in tensors.items()}, metadata)

    def save(self, path: Path | str, force: bool = False) -> Path:
        """Writes a voice file, whole or not at all.

        Raises:
            InputError: the path does not end in .safetensors.
            OutputError: the file exists and `force` is not set, or cannot be written.
        """
        if Path(path).suffix != ".safetensors":
            raise InputError(f"a voice file ends in .safetensors; {path} does not")
        return write_atomically(path, self.to_bytes(), force)

    @classmethod
    def load(cls, path: Path | str) -> Voice:
        """Reads a voice file.

        Raises:
            AudioError: the file does not exist.
            InputError: it is not a voice file, is corrupt, or is of another version.
        """
        path = Path(path)
        if not path.is_file():
            raise AudioError(f"voice file {path} does not exist")
        metadata = read_voice_metadata(path)
        try:
            with safe_open(str(path), framework="pt") as file:
                return cls(
                    name=metadata.get("name", path.stem),
                    embedding=file.get_tensor("embedding").float(),
                    prompt_mel=file.get_tensor("prompt_mel").float(),
                    prompt_codes=file.get_tensor("prompt_codes").long(),
                    bandwidth=int(metadata["bandwidth"]),
                    language=metadata.get("language", "en-us"),
                    description=metadata.get("description", ""),
                    model=metadata.get("model", ""),
                )
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(f"voice file {path} is corrupt: {_first_line(error)}") from None


def read_voice_metadata(path: Path | str) -> dict[str, str]:
    """Name, description, language, ... of a voice file, without its tensors.

    Raises:
        InputError: it is not a voice file, is corrupt, or is of another version.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"voice file {path} is corrupt: {_first_line(error)}") from None
    if metadata.get("format") != VOICE_FORMAT:
        raise InputError(f"{path} is not a voice file; `emotts voices save` makes one from a recording")
    if metadata.get("version") != str(VOICE_VERSION):
        raise InputError(
            f"voice file {path} has version {metadata.get('version')}, this emotts reads {VOICE_VERSION}"
        )
    return metadata


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
