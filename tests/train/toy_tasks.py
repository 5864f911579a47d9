"""Small tasks for the tests of the trainer; run as a program, it trains one process of several."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from emotts.train.config import TrainConfig
from emotts.train.distributed import join_world
from emotts.train.run import run_task
from emotts.train.task import Batch, Task
from emotts.train.trainer import Trainer

DIM = 4


def toy_config(**changes: object) -> TrainConfig:
    values = {
        "steps": 20,
        "batch_tokens": 60,
        "max_batch_items": 8,
        "learning_rate": 1e-2,
        "warmup_steps": 3,
        "ema": 0.9,
        "log_every": 5,
        "evaluate_every": 0,
        "device": "cpu",
        "tensorboard": False,
    }
    return TrainConfig.parse({**values, **changes})


class Regression(Task):
    """Maps padded sequences to their rotation; the loss is the mean over valid tokens."""

    name = "regression"

    def __init__(
        self, config: TrainConfig, items: int = 40, dropout: float = 0.0, noise: float = 0.0
    ) -> None:
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(DIM, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, DIM))
        self.modules = nn.ModuleDict({"net": net})
        self.config = config
        self.noise = noise
        source = torch.Generator().manual_seed(2)
        self._lengths = torch.randint(3, 12, (items,), generator=source).tolist()
        self.inputs = [torch.randn(length, DIM, generator=source) for length in self._lengths]
        self.seen: list[list[int]] = []
        self.poison: set[int] = set()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"model": torch.optim.AdamW(self.modules.parameters(), lr=self.config.learning_rate)}

    def lengths(self) -> list[int]:
        return self._lengths

    def collate(self, indices: list[int], generator: torch.Generator) -> Batch:
        self.seen.append(indices)
        inputs = nn.utils.rnn.pad_sequence([self.inputs[i] for i in indices], batch_first=True)
        lengths = torch.tensor([self._lengths[i] for i in indices])
        mask = torch.arange(inputs.shape[1])[None] < lengths[:, None]
        target = inputs.roll(1, dims=-1)
        inputs = inputs + self.noise * torch.randn(inputs.shape, generator=generator)
        poison = torch.tensor([float("nan") if i in self.poison else 0.0 for i in indices])
        return {"inputs": inputs + poison[:, None, None], "target": target, "mask": mask}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor, dict[str, float | Tensor]]]:
        error = (self.modules["net"](batch["inputs"]) - batch["target"]).float().square()
        loss = error[batch["mask"]].mean()
        yield "model", loss, {"error": loss.detach()}

    def evaluate(self, modules: nn.ModuleDict) -> dict[str, float]:
        torch.rand(7)  # an evaluation that draws numbers must not change the training
        inputs = torch.cat(self.inputs)
        return {"error": (modules["net"](inputs) - inputs.roll(1, dims=-1)).square().mean().item()}

    def samples(self, modules: nn.ModuleDict) -> dict[str, Tensor]:
        return {"toy.audio": torch.sin(torch.arange(2400) / 10), "toy.mel": torch.randn(20, 80)}


class Adversarial(Regression):
    """A generator and a discriminator with one optimiser each."""

    name = "adversarial"

    def __init__(self, config: TrainConfig, **options: float) -> None:
        super().__init__(config, **options)
        self.modules["judge"] = nn.Linear(DIM, 1)
        self.trace: list[tuple[str, float]] = []

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.config.learning_rate
        return {
            "judge": torch.optim.SGD(self.modules["judge"].parameters(), lr=2 * rate),
            "net": torch.optim.SGD(self.modules["net"].parameters(), lr=rate),
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor, dict[str, float | Tensor]]]:
        net, judge = self.modules["net"], self.modules["judge"]
        real, mask = batch["target"], batch["mask"]
        with torch.no_grad():
            fake = net(batch["inputs"])
        self.trace.append(("judge before", float(judge.bias.detach())))
        spread = (judge(real)[mask] - 1).square().mean() + judge(fake)[mask].square().mean()
        yield "judge", spread, {}
        self.trace.append(("judge after", float(judge.bias.detach())))
        fooled = (judge(net(batch["inputs"]))[mask] - 1).square().mean()
        yield "net", fooled, {"fooled": float(fooled.detach())}
        self.trace.append(("judge end", float(judge.bias.detach())))


def main(directory: str) -> None:
    """Trains both tasks; one after the other in the same group of processes, if there is one."""
    config = toy_config(steps=6, clip=0.5, threads=1)
    world = join_world("cpu")
    Trainer(Adversarial(config), config, Path(directory) / "adversarial", world).run()
    run_task(lambda: Regression(config), config, Path(directory) / "regression")


if __name__ == "__main__":
    main(sys.argv[1])
