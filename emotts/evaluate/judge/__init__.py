"""An independent judge of emotion, for evaluation only: trained on RAVDESS, which trains no model here."""

from __future__ import annotations

from emotts.evaluate.judge.cache import Clip, measure_clips
from emotts.evaluate.judge.features import FEATURES, extract_features, features_of_file
from emotts.evaluate.judge.model import CLASSES, FIVE, SIX, EmotionJudge, against_neutral, train_judge

__all__ = [
    "CLASSES",
    "FEATURES",
    "FIVE",
    "SIX",
    "Clip",
    "EmotionJudge",
    "against_neutral",
    "extract_features",
    "features_of_file",
    "measure_clips",
    "train_judge",
]
