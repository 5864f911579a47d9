"""Readers of published corpora: each turns its owners' layout into records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from emotts.data.corpora.arctic import read_cmu_arctic, read_kathleen
from emotts.data.corpora.crema_d import read_crema_d
from emotts.data.corpora.librispeech import read_librispeech
from emotts.data.corpora.ljspeech import read_ljspeech
from emotts.data.corpora.ravdess import read_ravdess
from emotts.data.kaldi import Record

CORPORA: Mapping[str, Callable[[Path], list[Record]]] = {
    "kathleen": read_kathleen,
    "cmu_arctic": read_cmu_arctic,
    "ljspeech": read_ljspeech,
    "librispeech": read_librispeech,
    "crema_d": read_crema_d,
    "ravdess": read_ravdess,
}
"""Corpus -> reader of its folder."""

__all__ = ["CORPORA"]
