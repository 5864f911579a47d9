"""Safetensors files whose bytes depend on nothing but what they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetensors.torch import save
from torch import Tensor

_LENGTH_BYTES = 8
_ALIGNMENT = 8


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Content of a safetensors file.

    safetensors writes the metadata in an order that is drawn anew each time, so that the same weights would
    be another file, with another checksum, whenever they are saved. Here they are sorted.

    Args:
        tensors: contiguous, on the CPU.
        metadata: of the file.
    """
    content = save(dict(tensors), dict(metadata))
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:start])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text + content[start:]
