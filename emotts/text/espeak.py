"""Access to espeak-ng through the `phonemizer` package and the library that `espeakng-loader` brings.

Nothing is loaded at import. espeak keeps global state, so each language has its own copy of the library (the
wrapper makes one) and one lock guards every call.
"""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from typing import TYPE_CHECKING

from emotts.errors import InputError

if TYPE_CHECKING:
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

_LOCK = threading.RLock()
_ALIASES = {
    "en": "en-us",
    "fr": "fr-fr",
    "zh": "cmn",
    "zh-cn": "cmn",
    "pt-pt": "pt",
    "no": "nb",
    "es-es": "es",
}
_EXAMPLES = ("en-us", "en-gb", "de", "es", "fr-fr", "it", "pt-br", "ja", "cmn")
# espeak keeps its data path in a buffer of 160 bytes and ends the process when the path does not fit.
_LONGEST_PATH = 120


def canonical_language(language: str) -> str:
    """Return espeak's code of a language (``"en"`` → ``"en-us"``, ``"de_DE"`` → ``"de"``).

    Raises:
        InputError: espeak does not know the language.
    """
    code = language.strip().lower().replace("_", "-")
    code = _ALIASES.get(code, code)
    known = {name.lower(): name for name in languages()}
    for candidate in (code, _ALIASES.get(code.split("-")[0], code.split("-")[0])):
        if candidate in known:
            return known[candidate]
    raise InputError(f"unknown language {language!r}: use an espeak code such as {', '.join(_EXAMPLES)}")


@functools.cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages that espeak speaks, sorted."""
    with _LOCK:
        voices = _new_wrapper().available_voices()
    return tuple(sorted({str(voice.language) for voice in voices}))


def ipa(text: str, language: str) -> str:
    """Return espeak's IPA of a text: phones parted by ``_``, words by spaces, stress before its phone.

    Args:
        text: Words without punctuation.
        language: A code from `canonical_language`.
    """
    # A null byte would end the text for espeak.
    text = text.replace("\0", " ")
    with _LOCK:
        return str(_wrapper(language).text_to_phonemes(text))


@functools.cache
def _wrapper(language: str) -> EspeakWrapper:
    wrapper = _new_wrapper()
    wrapper.set_voice(language)
    return wrapper


def _new_wrapper() -> EspeakWrapper:
    import espeakng_loader
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(short_path(espeakng_loader.get_data_path()))
    return EspeakWrapper()


@functools.cache
def short_path(path: str) -> str:
    """Return the path, or a link to it in a temporary folder where it is too long for espeak."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    folder = tempfile.mkdtemp(prefix="espeak-")
    link = os.path.join(folder, "espeak-ng-data")
    os.symlink(path, link)
    return link
