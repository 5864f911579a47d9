"""From pictures of a mouth and the phonemes of a text to a timing plan; and the model directory of that."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from emotts.config import StrictModel
from emotts.errors import InputError, ModelError
from emotts.lips.features import standardize
from emotts.lips.network import LipAligner, LipAlignerConfig
from emotts.lips.search import Prior, length_scores, monotonic_search
from emotts.tensors import tensor_bytes
from emotts.text.phonemize import Phonemes
from emotts.text.symbols import SENTENCE_ENDS, START, kind
from emotts.timing import TimingPlan
from emotts.timing.scale import scale_plan

CONFIG_FILE, WEIGHTS_FILE = "config.yaml", "lips.safetensors"

FRAMES_AROUND = 5
"""Frames before and after a window that help to read the lips in it."""

FEWEST_FRAMES = 5
"""Windows shorter than this many frames are not read."""


class LipSettings(StrictModel):
    """A directory of the lip aligner.

    Attributes:
        name: of the model.
        licence: of the weights.
        network: sizes.
        lengths: weight of the lengths that voice and emotion suggest: the blend of the plan.
        spread: standard deviation of the logarithm of a phoneme's length.
        pause_spread: that of a pause's inside of the text.
        skipped: log-probability that a phone has no frame.
        rate_spread: standard deviation of the logarithm of the speaking rate, over that of the voice.
        shares: parts of a window that speech may fill; the rest is silence at its edges.
        least_likelihood: see `LipPlan.likelihood`; below it the lips say something else than the text.
        sha256: checksum of the weights.
    """

    name: str = "lips"
    licence: str = "CC BY 4.0"
    network: LipAlignerConfig = LipAlignerConfig()
    lengths: float = 1.0
    spread: float = 0.35
    pause_spread: float = 0.5
    skipped: float = -3.0
    rate_spread: float = 0.4
    shares: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
    least_likelihood: float = 0.0
    sha256: str = ""


@dataclass(frozen=True)
class LipPlan:
    """What the lips say of a text.

    Attributes:
        plan: tokens of each phoneme, the silence at the edges of the window included.
        likelihood: mean log-probability of the path's phoneme in a frame, less that of chance: how well the
            lips suit the text.
    """

    plan: TimingPlan
    likelihood: float


class LipTimer:
    """Times the phonemes of a text by a mouth.

    Args:
        network: the trained aligner.
        settings: how it is searched.
    """

    def __init__(self, network: LipAligner, settings: LipSettings) -> None:
        self.network = network.eval()
        self.settings = settings

    @classmethod
    def load(cls, directory: Path | str) -> LipTimer:
        """Reads config.yaml and lips.safetensors.

        Raises:
            ModelError: a file is missing or corrupt, or they do not fit each other.
        """
        directory = Path(directory)
        weights = directory / WEIGHTS_FILE
        try:
            settings = LipSettings.load(directory / CONFIG_FILE)
            content = weights.read_bytes()
        except InputError as error:
            raise ModelError(str(error)) from None
        except OSError as error:
            raise ModelError(f"cannot read {weights}: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != settings.sha256:
            raise ModelError(
                f"{weights} is corrupt: its checksum differs from {CONFIG_FILE}; install it again"
            )
        network = LipAligner(settings.network)
        try:
            network.load_state_dict({name: value.float() for name, value in load(content).items()})
        except (SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{weights} does not fit {CONFIG_FILE}: {reason}") from None
        return cls(network.requires_grad_(False), settings)

    def save(self, directory: Path | str) -> Path:
        """Writes config.yaml and the weights, as float16, into a folder that is made if need be."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        state = {name: value.half().contiguous() for name, value in self.network.state_dict().items()}
        content = tensor_bytes(state, {"format": "pt", "component": "lips"})
        settings = self.settings.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
        (directory / WEIGHTS_FILE).write_bytes(content)
        (directory / CONFIG_FILE).write_text(settings.dump(), encoding="utf-8")
        return directory

    def plan(
        self,
        pictures: np.ndarray,
        phonemes: Phonemes,
        natural: Sequence[float],
        first: int = 0,
        tokens: int | None = None,
    ) -> LipPlan | None:
        """Times a text by the pictures of a mouth.

        Args:
            pictures: uint8, shape (frames, 16, 32), at 25 frames a second.
            phonemes: of the text.
            natural: predicted length of each in tokens.
            first: the frame in which the window begins; frames before and after it are read too.
            tokens: of the window; all frames from `first` on when left out.

        Returns:
            the plan of exactly `tokens`, or None where the window is too short to read.
        """
        tokens = len(pictures) - first if tokens is None else tokens
        if tokens < FEWEST_FRAMES or len(pictures) < first + tokens:
            return None
        score = self.scores(pictures, phonemes, natural)[first : first + tokens]
        return self.search(score, phonemes, natural)

    @torch.inference_mode()
    def scores(self, pictures: np.ndarray, phonemes: Phonemes, natural: Sequence[float]) -> np.ndarray:
        """Log-probability of each phoneme of the text in each frame, shape (frames, phonemes)."""
        views = standardize(torch.from_numpy(pictures))[None]
        ids = torch.tensor([phonemes.ids])
        lengths = torch.tensor([list(natural)], dtype=torch.float32)
        similarity: Tensor = self.network(
            views,
            torch.ones(views.shape[:2], dtype=torch.bool),
            ids,
            lengths,
            torch.ones_like(ids, dtype=torch.bool),
        )[0]
        return similarity.log_softmax(1).double().numpy()

    def search(self, score: np.ndarray, phonemes: Phonemes, natural: Sequence[float]) -> LipPlan:
        """The best path through log-probabilities of shape (frames, phonemes)."""
        settings, frames = self.settings, len(score)
        prior = Prior(settings.lengths, settings.spread, settings.pause_spread, settings.skipped)
        pauses = [kind(symbol) == "pause" for symbol in phonemes.symbols]
        outer = [symbol == START for symbol in phonemes.symbols]
        outer[-1] = phonemes.symbols[-1] in SENTENCE_ENDS
        inner = np.where(outer, 0.0, np.asarray(natural, dtype=float))
        best: tuple[float, list[int]] | None = None
        for share in settings.shares:
            factor = share * frames / max(inner.sum(), 1e-6)
            lengths = length_scores(inner * factor, pauses, frames, prior)
            lengths[outer] = 0.0
            durations, value = monotonic_search(score, lengths)
            value -= settings.lengths * 0.5 * (math.log(factor) / settings.rate_spread) ** 2
            if best is None or value > best[0]:
                best = value, durations
        assert best is not None
        owners = np.repeat(np.arange(len(best[1])), best[1])
        likelihood = float(score[np.arange(frames), owners].mean()) + math.log(score.shape[1])
        return LipPlan(TimingPlan(tuple(best[1])), likelihood)


def inner_plan(phonemes: Phonemes, natural: Sequence[float], tokens: int) -> TimingPlan:
    """Predicted lengths scaled to a window that has no silence at its edges."""
    lengths = list(natural)
    lengths[0] = lengths[-1] = 0.0
    return scale_plan(lengths, [kind(symbol) for symbol in phonemes.symbols], tokens)


@functools.lru_cache(maxsize=1)
def embedded_timer() -> LipTimer:
    """The lip aligner inside the package.

    Raises:
        ModelError: the package is incomplete.
    """
    from importlib import resources

    return LipTimer.load(Path(str(resources.files("emotts") / "models" / "lips")))
