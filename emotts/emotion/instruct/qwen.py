"""The large mapper: Qwen3, fine-tuned by LoRA to the soft labels that train the embedded one.

IndexTTS2 (arXiv 2506.21619) fine-tunes Qwen3 by LoRA and generates the scores as text. Here a linear head on
the last hidden state gives the eight intensities in one pass: no text to parse, and every score in range.
LoRA: Hu et al., arXiv 2106.09685, equation 3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from emotts.config import StrictModel
from emotts.emotion.emotion import EMOTIONS, Emotion
from emotts.emotion.instruct.delivery import delivery_hints
from emotts.emotion.instruct.direction import Direction, clamp_hints
from emotts.emotion.instruct.features import tokenize
from emotts.emotion.instruct.grammar.composed import ComposedGrammar
from emotts.emotion.instruct.rules import parse
from emotts.emotion.instruct.train import read_corpora
from emotts.errors import InputError, MissingDependencyError, ModelError

_PROMPTS = ("Instruction to the actor: {}\nEmotion:", "Line: {}\nEmotion:")
_CONFIG, _HEAD, _ADAPTER = "config.json", "head.safetensors", "adapter"


class QwenConfig(StrictModel):
    """Settings of a fine-tuning: conf/qwen.yaml.

    Attributes:
        checkpoint: of Qwen3: a folder or a hub id.
        rank: of the LoRA matrices.
        alpha: their scale is alpha / rank.
        targets: modules that get LoRA matrices.
        dropout: before the LoRA matrices.
        corpora: see `emotts.emotion.instruct.train.TrainConfig`.
        steps: updates.
        batch: texts in a batch.
        instruction_share: of each batch that the grammar draws; the rest are lines of the corpora.
        rate: peak learning rate.
        longest: tokens of a text that are read.
        dtype: of the frozen weights: bfloat16 or float32.
        floor: intensities below this are zero.
        seed: of everything random.
    """

    checkpoint: str = "Qwen/Qwen3-0.6B"
    rank: int = Field(16, gt=0)
    alpha: int = Field(32, gt=0)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    dropout: float = Field(0.05, ge=0, lt=1)
    corpora: tuple[str, ...] = ("goemotions_original", "xed")
    steps: int = Field(4000, gt=0)
    batch: int = Field(32, gt=0)
    instruction_share: float = Field(0.5, ge=0, le=1)
    rate: float = Field(2e-4, gt=0)
    longest: int = Field(128, gt=0)
    dtype: str = "bfloat16"
    floor: float = Field(0.15, ge=0, lt=1)
    seed: int = 0


def _train_import(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError:
        raise MissingDependencyError(
            f'fine-tuning Qwen3 needs {module}; install it with: pip install "emotts[train]"'
        ) from None


class QwenMapper(nn.Module):
    """Qwen3 with LoRA matrices and a linear head.

    Attributes:
        config: settings of the fine-tuning.
        tokenizer: of the checkpoint.
        backbone: the decoder with its LoRA matrices.
        head: last hidden state to eight logits, float32.
    """

    def __init__(self, config: QwenConfig, tokenizer: Any, backbone: nn.Module, hidden: int) -> None:
        super().__init__()
        self.config, self.tokenizer, self.backbone = config, tokenizer, backbone
        self.head = nn.Linear(hidden, len(EMOTIONS))

    @classmethod
    def create(cls, config: QwenConfig, adapter: Path | None = None) -> QwenMapper:
        """A mapper of a Qwen3 checkpoint, with fresh LoRA matrices or those of a folder.

        Raises:
            MissingDependencyError: peft is not installed.
            ModelError: the checkpoint is not there or is none of Qwen3.
        """
        peft, transformers = _train_import("peft"), _train_import("transformers")
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(config.checkpoint)
            backbone = transformers.AutoModel.from_pretrained(
                config.checkpoint, dtype=getattr(torch, config.dtype)
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"cannot load the Qwen3 checkpoint {config.checkpoint}: {reason}") from None
        if backbone.config.model_type != "qwen3":
            raise ModelError(
                f"{config.checkpoint} is a {backbone.config.model_type} checkpoint, not a qwen3 one"
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        hidden = backbone.config.hidden_size
        if adapter is not None:
            backbone = peft.PeftModel.from_pretrained(backbone, str(adapter))
        else:
            torch.manual_seed(config.seed)
            settings = peft.LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,
                lora_dropout=config.dropout,
                target_modules=list(config.targets),
            )
            backbone = peft.get_peft_model(backbone, settings)
        return cls(config, tokenizer, backbone, hidden)

    def forward(self, texts: Sequence[str], lines: Sequence[bool]) -> Tensor:
        """Logits (batch, 8) of texts, each an instruction or a line to be spoken."""
        prompts = [_PROMPTS[int(line)].format(text) for text, line in zip(texts, lines, strict=True)]
        batch = self.tokenizer(
            prompts, padding=True, truncation=True, max_length=self.config.longest, padding_side="right",
            return_tensors="pt",
        )  # fmt: skip
        device = self.head.weight.device
        ids, mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
        states = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        # The last token of the text, not of the padding after it, has read the whole.
        last = mask.sum(dim=1) - 1
        return self.head(states[torch.arange(len(last), device=device), last].float())

    def save(self, directory: Path | str) -> Path:
        """Writes the settings, the head and the LoRA matrices; the checkpoint itself is only named."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / _CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        save_file({name: x.detach().cpu().contiguous() for name, x in self.head.state_dict().items()},
                  directory / _HEAD)  # fmt: skip
        self.backbone.save_pretrained(str(directory / _ADAPTER))
        return directory

    @classmethod
    def load(cls, directory: Path | str, device: torch.device | str = "cpu") -> QwenMapper:
        """Reads a mapper that `save` wrote.

        Raises:
            ModelError: it is missing or corrupt; MissingDependencyError: peft is not installed.
        """
        directory = Path(directory)
        try:
            config = QwenConfig.parse(json.loads((directory / _CONFIG).read_text("utf-8")), str(directory))
            head = load_file(directory / _HEAD)
        except (OSError, ValueError, InputError) as error:
            raise ModelError(f"{directory} is no Qwen3 mapper: {str(error).splitlines()[0]}") from None
        mapper = cls.create(config, directory / _ADAPTER)
        mapper.head.load_state_dict(head)
        return mapper.to(device).eval().requires_grad_(False)

    def direct(self, words: str, *, line: bool = False) -> Direction:
        """What an instruction asks for: the emotion by Qwen3, the delivery by its words.

        Raises:
            InputError: no string, or no word in it.
        """
        if not isinstance(words, str) or not tokenize(words):
            raise InputError("the instruction holds no word in English")
        with torch.inference_mode():
            values = self.eval()([words], [line]).sigmoid()[0].tolist()
        emotion = Emotion(tuple(round(x, 3) if x >= self.config.floor else 0.0 for x in values))
        hints = (1.0, 0.0) if line else delivery_hints(parse(words))
        return Direction(emotion, *clamp_hints(*hints))


def train_qwen(config: QwenConfig, root: Path | None, output: Path, device: str = "auto") -> QwenMapper:
    """Fine-tunes and saves a mapper, with a `log.jsonl` of the loss.

    Args:
        config: settings.
        root: folder of the corpora; may be None when the configuration names none.
        output: folder to write.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        ModelError: no such checkpoint; DataError: a corpus is missing; MissingDependencyError: no peft.
    """
    from emotts.device import pick_device

    mapper = QwenMapper.create(config).to(pick_device(device)).train()
    lines = [item for item in read_corpora(root, config.corpora) if item.intensities is not None]
    parameters = [parameter for parameter in mapper.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.rate)
    grammar, generator = iter(ComposedGrammar(config.seed)), torch.Generator().manual_seed(config.seed)
    drawn = round(config.batch * config.instruction_share) if lines else config.batch
    losses: list[float] = []
    for step in range(config.steps):
        done = step / config.steps
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, 20 * done + 0.02, 1.05 - done)
        rows = [(text, False, emotion.vector) for text, emotion in islice(grammar, drawn)]
        chosen = torch.randint(max(1, len(lines)), (config.batch - drawn,), generator=generator).tolist()
        rows += [(lines[index].text, True, lines[index].intensities) for index in chosen]
        texts, kinds, vectors = zip(*rows, strict=True)
        logits = mapper(texts, kinds)
        loss = functional.binary_cross_entropy_with_logits(logits, torch.tensor(vectors).to(logits))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    mapper.save(output)
    text = "".join(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in enumerate(losses))
    (output / "log.jsonl").write_text(text, encoding="utf-8")
    return mapper.eval()
