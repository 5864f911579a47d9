"""From text as written to phonemes: normalisation, segmentation, pronunciation, the table of symbols."""

from emotts.text.phonemize import Phonemes, Phonemizer
from emotts.text.segment import split_text

__all__ = ["Phonemes", "Phonemizer", "split_text"]
