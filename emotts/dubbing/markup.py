"""What stands in a subtitle beside the words: tags, sounds, lyrics, names and emotions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from emotts.emotion import EMOTIONS, Emotion
from emotts.errors import InputError

_OVERRIDE = re.compile(r"\{[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.IGNORECASE)
_TAG = re.compile(r"</?\s*[a-zA-Z][^<>]*>|<\d[\d:.]*>")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_LYRIC = re.compile(r"[♪♫♬][^♪♫♬]*[♪♫♬]?")
# Descriptions for the deaf are in capitals or fill the whole cue: (SIGHS), (door closes).
_ASIDE = re.compile(r"\((?:[^()a-z]*[A-Z][^()a-z]*)\)")
_WHOLE_ASIDE = re.compile(r"\([^()]*\)")
_CAPITAL_NAME = re.compile(r"([A-Z][A-Z0-9 .'’-]{0,30}[A-Z0-9.]|[A-Z]):\s+")
_TITLE_NAME = re.compile(r"((?:[A-Z][\w.'’-]*)(?: [A-Z][\w.'’-]*){0,2}):\s+")
_NAME = re.compile(r"([^:\n]{1,40}):\s*")
_DASH = re.compile(r"^\s*[-–—]\s*(?=\S)", re.MULTILINE)
_WEIGHTED = re.compile(r"\w+\s*:\s*-?[\d.]+")
_NAMES = {*EMOTIONS, "neutral"}


@dataclass
class Cleaned:
    """Words of a cue, and what its markup said about them."""

    text: str
    speaker: str = ""
    emotion: str = ""
    notes: list[str] = field(default_factory=list)


def prefix_name(text: str) -> str:
    """What looks like the name of a speaker before a colon at the beginning of a text, or nothing."""
    text = _DASH.sub("", _BRACKET.sub(" ", _TAG.sub("", _OVERRIDE.sub("", text)))).strip()
    match = _TITLE_NAME.match(text) or _CAPITAL_NAME.match(text)
    return match[1].strip() if match else ""


def clean(text: str, speakers: Sequence[str] = (), place: str = "line", prefixed: bool = False) -> Cleaned:
    r"""Takes the markup off a text.

    `{\i1}`, `<i>` and `<c.loud>` are dropped; `<v Anna>`, `[Anna]`, `Anna:` and `ANNA:` name the speaker;
    `[sad:0.4]` or `[Anna, sad:0.4]` tells the emotion; other brackets, `♪ lyrics ♪` and `(SOUNDS)` are not
    spoken.

    Args:
        text: of one cue; may have several rows.
        speakers: names that are known.
        place: of the line, for messages.
        prefixed: whether the script names speakers before a colon, so that "Eve: ..." names one even if she
            is not known.

    Raises:
        InputError: an emotion with a number that is not one of the eight, or out of range.
    """
    result = Cleaned("")
    known = {name.casefold(): name for name in speakers}
    text = text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ").replace("\xa0", " ")
    voice = _VOICE.search(text)
    if voice:
        result.speaker = known.get(voice[1].strip().casefold(), voice[1].strip())
    text = _TAG.sub("", _OVERRIDE.sub("", text))
    text = _BRACKET.sub(lambda match: _bracket(match[1], known, result, place), text)
    text = _ASIDE.sub(" ", _LYRIC.sub(" ", text))
    if _WHOLE_ASIDE.fullmatch(text.strip()):
        text = ""
    if len(_DASH.findall(text)) > 1:
        result.notes.append("two people speak in one cue; give each a cue of their own")
    text = _DASH.sub("", text).strip()
    result.text = " ".join(_prefix(text, known, result, prefixed).split())
    if not any(character.isalnum() for character in result.text):
        result.text = ""
    return result


def _prefix(text: str, known: dict[str, str], result: Cleaned, prefixed: bool) -> str:
    """The text without a name at its beginning."""
    match = _NAME.match(text)
    if match and match[1].strip().casefold() in known:
        result.speaker = result.speaker or known[match[1].strip().casefold()]
        return text[match.end() :]
    match = _CAPITAL_NAME.match(text) or (_TITLE_NAME.match(text) if prefixed else None)
    if match:
        result.speaker = result.speaker or match[1].strip()
        return text[match.end() :]
    return text


def _bracket(content: str, known: dict[str, str], result: Cleaned, place: str) -> str:
    """Reads names and emotions in a bracket; nothing in brackets is spoken."""
    emotions, other = [], []
    for item in filter(None, (part.strip() for part in re.split(r"[,;]", content))):
        if item.casefold() in known:
            result.speaker = known[item.casefold()]
        elif item.casefold() in _NAMES or _WEIGHTED.fullmatch(item):
            emotions.append(re.sub(r"\s", "", item))
        else:
            other.append(item)
    if emotions:
        if other and not result.speaker and other[0][:1].isupper():
            result.speaker = other.pop(0)  # "[Eve, sad:0.4]" names her, known or not
        try:
            result.emotion = str(Emotion.parse(",".join(emotions)))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
    if other:
        result.notes.append(f"[{', '.join(other)}] is taken for a sound, and not spoken")
    return " "
