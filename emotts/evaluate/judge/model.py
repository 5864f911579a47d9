"""The judge: a linear classifier of emotion from what changed against the speaker's own neutral speech.

It is of another family than anything that synthesises here (no network, no mel, no gradient that guidance
could follow), and is trained on a corpus that nothing else learns from. It is for measuring only.
"""

from __future__ import annotations

import io
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotts.errors import InputError, ModelError
from emotts.evaluate.judge.features import FEATURES, FEATURES_VERSION
from emotts.evaluate.optional import optional_import
from emotts.files import write_atomically

FIVE = ("neutral", "angry", "happy", "sad", "afraid")
"""Classes of the figure that every system reports."""

SIX = (*FIVE, "disgusted")
"""Classes of CREMA-D, whose natural recordings synthesis is held against."""

CLASSES = (*FIVE, "disgusted", "surprised", "calm")
"""All that RAVDESS has."""

_FADE_LEAST = 0.4
_LIMIT = 4.0


@dataclass(frozen=True)
class EmotionJudge:
    """Linear discriminants of scaled feature differences.

    Probabilities over a part of the classes are those of all, renormalised.

    Attributes:
        classes: names, among them "neutral".
        scale: shape (features,), what differences are divided by.
        weights: shape (features, classes).
        bias: shape (classes,).
        natural: class -> its recall on natural recordings, what synthesis is held against: a table for each
            choice of classes. `CLASSES` on RAVDESS, actors that it never heard; `FIVE` and `SIX` on CREMA-D,
            recordings whose listeners agreed with the actor. None where it was not measured.
    """

    classes: tuple[str, ...]
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    natural: tuple[Mapping[str, float], ...] = ()

    def probabilities(self, moved: np.ndarray, classes: Sequence[str] | None = None) -> np.ndarray:
        """Probability of each class.

        Args:
            moved: shape (recordings, features), differences from neutral: `against_neutral`.
            classes: some of the judge's; all when left out.

        Returns:
            shape (recordings, classes), each row summing to one.

        Raises:
            InputError: a class that the judge was not trained for, or features of another number.
        """
        columns = [self._column(name) for name in (classes or self.classes)]
        moved = np.atleast_2d(np.asarray(moved, np.float64))
        if moved.shape[1] != len(self.scale):
            raise InputError(f"the judge reads {len(self.scale)} features, not {moved.shape[1]}")
        logits = (squash(moved / self.scale) @ self.weights + self.bias)[:, columns]
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def decide(self, moved: np.ndarray, classes: Sequence[str] | None = None) -> list[str]:
        """The most probable class of each recording; see `probabilities`."""
        names = tuple(classes or self.classes)
        return [names[k] for k in self.probabilities(moved, names).argmax(axis=1)]

    def natural_recall(self, classes: Sequence[str]) -> dict[str, float]:
        """Recall of natural recordings where the judge chooses from these classes; empty if unmeasured."""
        return next((dict(table) for table in self.natural if set(table) == set(classes)), {})

    def _column(self, name: str) -> int:
        if name not in self.classes:
            raise InputError(f"the judge knows no class {name!r}; its classes: {', '.join(self.classes)}")
        return self.classes.index(name)

    def save(self, path: Path | str) -> Path:
        """Writes the judge as one .npz file of plain numbers.

        Raises:
            OutputError: it cannot be written.
        """
        about = {"version": FEATURES_VERSION, "classes": self.classes, "features": FEATURES}
        about["natural"] = [dict(table) for table in self.natural]
        buffer = io.BytesIO()
        np.savez(
            buffer, about=np.array(json.dumps(about)), scale=self.scale, weights=self.weights, bias=self.bias
        )
        return write_atomically(path, buffer.getvalue(), force=True)

    @classmethod
    def load(cls, path: Path | str) -> EmotionJudge:
        """Reads a judge.

        Raises:
            ModelError: there is none at this path, or it was made for other features; says how to make one.
        """
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"no judge at {path}; egs/judge/run.sh --corpus RAVDESS_FOLDER makes one")
        try:
            with np.load(path, allow_pickle=False) as content:
                about = json.loads(str(content["about"]))
                arrays = [content[name].astype(np.float64) for name in ("scale", "weights", "bias")]
            current = (about["version"], tuple(about["features"])) == (FEATURES_VERSION, FEATURES)
            judge = cls(tuple(about["classes"]), *arrays, tuple(dict(t) for t in about["natural"]))
        except (OSError, ValueError, KeyError, EOFError, TypeError):
            raise ModelError(f"{path} is not a judge; egs/judge/run.sh makes one") from None
        if not current or judge.weights.shape != (len(FEATURES), len(judge.classes)):
            raise ModelError(f"{path} was made for other features; make it again with egs/judge/run.sh")
        return judge


def squash(scaled: np.ndarray) -> np.ndarray:
    """Keeps single wild measurements from deciding: linear near zero, at most ±`_LIMIT`."""
    return _LIMIT * np.tanh(scaled / _LIMIT)


def train_judge(
    moved: np.ndarray, labels: Sequence[str], shrinkage: float = 0.8, seed: int = 0
) -> EmotionJudge:
    """Fits a judge: linear discriminants, all classes held to be equally frequent.

    The covariance within the classes is shrunk towards a multiple of the identity: what a corpus says of how
    measurements go together is the part that another corpus does not share.

    Emotions are seen a second time, each faded towards neutral by a random factor: acted corpora are
    stronger than what is to be judged.

    Args:
        moved: shape (recordings, features), differences from neutral.
        labels: class of each recording.
        shrinkage: 0 is the measured covariance, 1 none of it (Friedman, "Regularized discriminant analysis",
            JASA 84, 1989).
        seed: of the fading.

    Raises:
        InputError: "neutral" or any second class is missing.
        MissingDependencyError: scikit-learn is not installed.
    """
    linear = optional_import("sklearn.discriminant_analysis")
    names = np.array(labels)
    present = set(names.tolist())
    classes = tuple(n for n in CLASSES if n in present) + tuple(sorted(present.difference(CLASSES)))
    if "neutral" not in classes or len(classes) < 2:
        raise InputError(f"a judge needs neutral and emotional recordings, not only: {', '.join(classes)}")
    scale = np.maximum(moved.std(axis=0), 1e-6)
    factors = np.random.default_rng(seed).uniform(_FADE_LEAST, 1.0, (len(moved), 1))
    emotional = names != "neutral"
    inputs = squash(np.concatenate([moved, (moved * factors)[emotional]]) / scale)
    targets = np.array([classes.index(name) for name in np.concatenate([names, names[emotional]])])
    even = np.full(len(classes), 1.0 / len(classes))
    model = linear.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=even)
    model.fit(inputs, targets)
    weights, bias = model.coef_.T, model.intercept_
    if len(classes) == 2:  # scikit-learn keeps one row for two classes
        weights = np.concatenate([-weights, weights], axis=1) / 2
        bias = np.concatenate([-bias, bias]) / 2
    return EmotionJudge(classes, scale, weights, bias)


def against_neutral(
    features: np.ndarray, neutral: Sequence[bool] | np.ndarray, speakers: Sequence[Hashable]
) -> np.ndarray:
    """Differences of recordings from the mean of their speaker's neutral recordings.

    A neutral recording is compared with the speaker's others, not with itself.

    Args:
        features: shape (recordings, features).
        neutral: which recordings are neutral.
        speakers: of each recording.

    Returns:
        same shape; NaN where a speaker has no (other) neutral recording.
    """
    features, neutral = np.asarray(features, np.float64), np.asarray(neutral, bool)
    people, person = np.unique(np.array([str(s) for s in speakers]), return_inverse=True)
    sums = np.zeros((len(people), features.shape[1]))
    np.add.at(sums, person[neutral], features[neutral])
    counts = np.bincount(person[neutral], minlength=len(people)).astype(float)
    own = np.where(neutral, 1.0, 0.0)[:, None]  # taken out of the speaker's mean
    rest = counts[person][:, None] - own
    mean = (sums[person] - own * features) / np.where(rest > 0, rest, np.nan)
    return features - mean
