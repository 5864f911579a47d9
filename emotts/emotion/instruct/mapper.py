"""The mapper: clauses by rules, meanings by the network, one emotion and its delivery out."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load

from emotts.config import StrictModel
from emotts.emotion.emotion import EMOTIONS, Emotion
from emotts.emotion.instruct.delivery import delivery_hints
from emotts.emotion.instruct.direction import Direction, Reading, clamp_hints
from emotts.emotion.instruct.features import tokenize
from emotts.emotion.instruct.network import MapperConfig, MapperNet
from emotts.emotion.instruct.rules import Clause, parse, weigh
from emotts.errors import InputError, ModelError
from emotts.tensors import tensor_bytes

CONFIG_FILE, WEIGHTS_FILE = "config.yaml", "mapper.safetensors"


class MapperDirectory(StrictModel):
    """Content of config.yaml beside the mapper's weights.

    Attributes:
        name: of the mapper.
        licence: of the weights.
        floor: what the network says of a clause counts from here; keeps instructions without emotion
            neutral.
        line_floor: the same for lines to be spoken.
        line_gain: factor on the intensities of lines, whose labels were votes and so are weak.
        network: size of the network.
        sha256: checksum of the weights.
    """

    name: str = "instruct"
    licence: str
    floor: float = Field(0.2, ge=0, lt=1)
    line_floor: float = Field(0.2, ge=0, lt=1)
    line_gain: float = Field(1.3, gt=0)
    network: MapperConfig = MapperConfig()
    sha256: str = ""


class InstructionMapper:
    """Words in, emotion and delivery out.

    Attributes:
        config: floors and sizes.
        network: in evaluation mode, on the CPU.
    """

    def __init__(self, network: MapperNet, config: MapperDirectory) -> None:
        self.network = network.eval()
        self.config = config

    @classmethod
    def load(cls, directory: Path | str) -> InstructionMapper:
        """Reads config.yaml and mapper.safetensors.

        Raises:
            ModelError: a file is missing or corrupt, or they do not fit each other.
        """
        directory = Path(directory)
        try:
            config = MapperDirectory.load(directory / CONFIG_FILE)
            content = (directory / WEIGHTS_FILE).read_bytes()
        except InputError as error:
            raise ModelError(str(error)) from None
        except OSError as error:
            raise ModelError(f"cannot read {directory / WEIGHTS_FILE}: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != config.sha256:
            raise ModelError(
                f"{directory / WEIGHTS_FILE} is corrupt: its checksum differs from {CONFIG_FILE}; "
                "install it again"
            )
        network = MapperNet(config.network)
        try:
            network.load_state_dict({name: value.float() for name, value in load(content).items()})
        except (SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{directory / WEIGHTS_FILE} does not fit {CONFIG_FILE}: {reason}") from None
        return cls(network.requires_grad_(False), config)

    def save(self, directory: Path | str) -> Path:
        """Writes config.yaml and the weights, as float16, into a folder that is made if need be."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        state = {name: value.half().contiguous() for name, value in self.network.state_dict().items()}
        content = tensor_bytes(state, {"format": "pt", "component": "instruct"})
        config = self.config.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
        (directory / WEIGHTS_FILE).write_bytes(content)
        (directory / CONFIG_FILE).write_text(config.dump(), encoding="utf-8")
        return directory

    def direct(self, words: str, *, line: bool = False) -> Direction:
        """What an instruction asks for.

        Args:
            words: at least one word.
            line: `words` are the text that is to be spoken; its words set no rate and no loudness.

        Raises:
            InputError: no string, or no word in it.
        """
        if not isinstance(words, str):
            raise InputError(f"an instruction is a string, not {type(words).__name__}")
        if not tokenize(words):
            raise InputError(
                'the instruction holds no word in English; write e.g. "furious, through clenched teeth"'
            )
        if line:
            return self._read_line(words)
        clauses, values = self._meanings(parse(words))
        emotion = Emotion(tuple(_floor(value, _FAINTEST) for value in compose(clauses, values)))
        speed, energy = clamp_hints(*delivery_hints(clauses))
        return Direction(emotion, speed, energy, readings(clauses, values))

    def intensities(self, texts: Sequence[str], line: bool = False) -> list[list[float]]:
        """Eight intensities of each text by the network alone; a text without words has none."""
        words = [tokenize(text.replace("_", " ")) for text in texts]
        result = [[0.0] * len(EMOTIONS) for _ in texts]
        filled = [index for index, found in enumerate(words) if found]
        if filled:
            domain = torch.full((len(filled),), int(line), dtype=torch.int64)
            with torch.inference_mode():
                logits, _ = self.network([words[index] for index in filled], domain)
            for index, row in zip(filled, logits.sigmoid().tolist(), strict=True):
                result[index] = row
        return result

    def _meanings(self, clauses: Sequence[Clause]) -> tuple[list[Clause], list[list[float]]]:
        """Intensities of each clause after its degree words.

        "He does not answer" denies no emotion: a negation without an emotion in its scope is lifted, and the
        clause is read whole, as an assertion.
        """
        texts = [clause.text for clause in clauses]
        found = self.intensities([*texts, *(clause.full for clause in clauses)])
        read, values = [], []
        for index, clause in enumerate(clauses):
            value = found[index]
            if clause.negated and max(value) < _DENIABLE:
                clause, value = replace(clause, negated=False), found[len(clauses) + index]
                value = value if max(value) > 2 * _DENIABLE else [0.0] * len(EMOTIONS)
            read.append(clause)
            # The floor comes before the degree: what is left of "a hint of fear" is faint and yet meant.
            values.append([_degree(clause, _floor(number, self.config.floor)) for number in value])
        named = [
            max(value) >= _DENIABLE and not clause.negated for clause, value in zip(read, values, strict=True)
        ]
        return weigh(read, named), values

    def _read_line(self, text: str) -> Direction:
        row = self.intensities([text], line=True)[0]
        gain, floor = self.config.line_gain, self.config.line_floor
        emotion = Emotion(tuple(_floor(min(1.0, gain * value), floor) for value in row))
        return Direction(emotion, readings=(Reading(text, emotion),))


_FAINTEST = 0.05
"""An intensity of the whole below this is zero."""

_DENIABLE = 0.22
"""A clause that does not reach this in any emotion names none."""


def _degree(clause: Clause, value: float) -> float:
    if clause.exact is not None and value >= _DENIABLE:
        return clause.exact
    return clause.scale(value)


def is_denial(clause: Clause, value: Sequence[float]) -> bool:
    """Whether a clause takes an emotion away rather than asserting one."""
    return clause.negated and max(value) > 0.0


def compose(clauses: Sequence[Clause], values: Sequence[Sequence[float]]) -> list[float]:
    """Eight intensities of the whole: the strongest assertion of each, less what is denied.

    A denied emotion that is asserted elsewhere stays, but weaker than what was denied: "not furious, only
    irritated".
    """
    asserted, denied = [0.0] * len(EMOTIONS), [0.0] * len(EMOTIONS)
    for clause, value in zip(clauses, values, strict=True):
        for index, number in enumerate(value):
            if is_denial(clause, value):
                denied[index] = max(denied[index], number)
            else:
                asserted[index] = max(asserted[index], min(1.0, number * clause.weight))
    result = []
    for number, other in zip(asserted, denied, strict=True):
        if other >= 0.3:
            number = 0.0 if number < 0.25 else min(number, max(0.25, other - 0.1))
        result.append(number)
    return result


def readings(clauses: Sequence[Clause], values: Sequence[Sequence[float]]) -> tuple[Reading, ...]:
    """How each clause was read, for people."""
    return tuple(
        Reading(
            clause.text.replace("_", " "),
            Emotion(tuple(_floor(number, 0.05) for number in value)),
            clause.weight,
            is_denial(clause, value),
        )
        for clause, value in zip(clauses, values, strict=True)
    )


def _floor(value: float, floor: float) -> float:
    return round(value, 3) if value >= floor else 0.0


@functools.cache
def embedded_mapper() -> InstructionMapper:
    """The mapper inside the package, read once.

    Raises:
        ModelError: its files are missing or corrupt.
    """
    return InstructionMapper.load(Path(str(resources.files("emotts") / "models" / "instruct")))
