import torch
from safetensors import safe_open
from safetensors.torch import load

from emotts.tensors import tensor_bytes


def test_the_same_tensors_are_the_same_bytes(tmp_path):
    tensors = {"b.weight": torch.randn(3, 5), "a": torch.arange(7), "half": torch.randn(2).half()}
    metadata = {"format": "pt", "component": "lm", "licence": "ODbL, “open”", "version": "1"}
    contents = {tensor_bytes(tensors, dict(reversed(metadata.items()))) for _ in range(20)}
    contents |= {tensor_bytes(tensors, metadata) for _ in range(20)}
    (content,) = contents
    found = load(content)
    assert found.keys() == tensors.keys() and all(torch.equal(found[name], tensors[name]) for name in found)
    (tmp_path / "x.safetensors").write_bytes(content)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == metadata
