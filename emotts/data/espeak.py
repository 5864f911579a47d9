"""Speech of the espeak-ng library, with the time of each phoneme.

It is a formant synthesiser: no model of ours should sound like it, but it speaks any text at once, in known
timing, which makes it the speaker of miniature corpora and of tests.
"""

from __future__ import annotations

import _ctypes
import ctypes
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from emotts.errors import InputError

RATES = (80, 450)
"""Words a minute that espeak can speak, slowest and fastest."""

_LOCK = threading.RLock()
_SYNCHRONOUS = 2
_OPTIONS = 0x0001 | 0x0002 | 0x8000  # phoneme events, in IPA, and no exit() of the process on an error
_UTF8 = 1
_EVENT_END, _EVENT_PHONEME = 0, 7
_PARAMETER_RATE, _PARAMETER_PITCH, _PARAMETER_RANGE = 1, 3, 4


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class PhonemeEvent:
    """A phoneme that begins.

    Attributes:
        symbol: IPA; empty where espeak pauses.
        start: seconds from the beginning.
    """

    symbol: str
    start: float


@dataclass(frozen=True)
class EspeakSpeech:
    """What espeak said.

    Attributes:
        samples: shape (samples,), int16.
        rate: samples a second (22,050).
        phonemes: in the order of time.
    """

    samples: np.ndarray
    rate: int
    phonemes: tuple[PhonemeEvent, ...]


def speak(
    text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50, pitch_range: int = 50
) -> EspeakSpeech:
    """Speaks a text. The same arguments give the same samples.

    Args:
        text: what to say.
        voice: espeak's code of the language, with a variant if wanted: "en-us", "en-us+f3", "de+m2".
        rate: words a minute, within `RATES`.
        pitch: 0 (low) to 99 (high).
        pitch_range: 0 (monotone) to 99 (lively).

    Raises:
        InputError: a value out of range, a voice that espeak lacks, or a text that gives no sound.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"rate must be {RATES[0]} to {RATES[1]} words a minute, not {rate}")
    for name, value in (("pitch", pitch), ("pitch_range", pitch_range)):
        if not 0 <= value <= 99:
            raise InputError(f"{name} must be 0 to 99, not {value}")
    with _LOCK, _fresh_library() as (library, sample_rate):
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"espeak has no voice {voice!r}; give a language code such as en-us or en-us+f3")
        settings = {_PARAMETER_RATE: rate, _PARAMETER_PITCH: pitch, _PARAMETER_RANGE: pitch_range}
        for parameter, value in settings.items():
            library.espeak_SetParameter(parameter, value, 0)
        return _synthesize(library, sample_rate, text)


def _synthesize(library: ctypes.CDLL, sample_rate: int, text: str) -> EspeakSpeech:
    chunks: list[np.ndarray] = []
    phonemes: list[PhonemeEvent] = []

    def receive(samples: ctypes._Pointer, count: int, events: ctypes._Pointer) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                symbol = bytes(event.id.string).split(b"\0")[0].decode("utf-8", "ignore")
                phonemes.append(PhonemeEvent(symbol, event.sample / sample_rate))
            index += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    # A null byte would end the text for espeak.
    content = text.replace("\0", " ").encode()
    status = library.espeak_Synth(content, len(content) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    if status != 0 or not chunks or not any(chunk.any() for chunk in chunks):
        raise InputError(f"espeak gives no sound for the text {text[:40]!r}")
    return EspeakSpeech(np.concatenate(chunks), sample_rate, tuple(phonemes))


@contextmanager
def _fresh_library() -> Iterator[tuple[ctypes.CDLL, int]]:
    """A new copy of the library, initialised, and its sample rate.

    espeak's wave generator carries state from one text to the next, whatever is reset, so that the same
    text would differ in length by a few samples. A copy of its own, some 10 ms of work, does not.
    """
    import espeakng_loader

    from emotts.text.espeak import short_path

    source = espeakng_loader.get_library_path()
    with tempfile.TemporaryDirectory(prefix="espeak-", ignore_cleanup_errors=True) as folder:
        library = ctypes.CDLL(shutil.copy(source, folder))
        try:
            library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
            library.espeak_SetSynthCallback.restype = None
            library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
            library.espeak_Synth.argtypes = [
                ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
                ctypes.c_void_p, ctypes.c_void_p,
            ]  # fmt: skip
            data = short_path(espeakng_loader.get_data_path())
            sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _OPTIONS)
            if sample_rate <= 0:
                raise InputError(f"espeak cannot be started with its data in {data}")
            library.espeak_ng_SetRandSeed(1)
            yield library, sample_rate
            library.espeak_Terminate()
        finally:
            _close(library)


def _close(library: ctypes.CDLL) -> None:
    """Unloads a copy; ctypes never does by itself."""
    if hasattr(_ctypes, "dlclose"):
        _ctypes.dlclose(library._handle)
