"""Makes the audio of a sentence list. Can be stopped and run again: what is there already is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotts.errors import OutputError
from emotts.evaluate.lists import Sentence, find_audio
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

RECORD = "synthesis.json"
"""File in the directory of audio that says how each file was made."""

Progress = Callable[[float], None]


def synthesize_list(
    engine: EmoTTS,
    sentences: Sequence[Sentence],
    directory: Path | str,
    seed: int = 0,
    batch: int = 1,
    progress: Progress | None = None,
    **options: Any,
) -> int:
    """Writes `<id>.wav` for every sentence of a list.

    A file that was made from the same sentence with the same model and options is kept.

    Args:
        engine: the synthesiser.
        sentences: the list.
        directory: where the files go; made if need be.
        seed: of sentences that have none of their own.
        batch: sentences synthesised at once.
        progress: told the share that is done.
        **options: of `EmoTTS.synthesize`: steps, cfg, temperature, ...

    Returns:
        how many files were made anew.

    Raises:
        OutputError: the directory cannot be written, or holds audio of a sentence that was not made here.
    """
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the directory {directory}: {error.strerror}") from None
    record = _load_record(directory)
    keys = {s.id: _key(engine, s, s.seed if s.seed is not None else seed, options) for s in sentences}
    todo = [s for s in sentences if record.get(s.id) != keys[s.id] or find_audio(directory, s.id) is None]
    for sentence in todo:
        old = find_audio(directory, sentence.id)
        if old is not None and sentence.id not in record:
            raise OutputError(f"{old} was not made by emotts evaluate; give --audio another directory")
    done = len(sentences) - len(todo)
    for start in range(0, len(todo), batch):
        group = todo[start : start + batch]
        _make(engine, group, directory, seed, options)
        record.update({sentence.id: keys[sentence.id] for sentence in group})
        content = json.dumps(record, indent=1, sort_keys=True) + "\n"
        write_atomically(directory / RECORD, content.encode(), force=True)
        if progress is not None:
            progress((done + start + len(group)) / len(sentences))
    return len(todo)


def _make(
    engine: EmoTTS, group: Sequence[Sentence], directory: Path, seed: int, options: dict[str, Any]
) -> None:
    speeches = engine.synthesize(
        [sentence.text for sentence in group],
        voice=[sentence.voice for sentence in group],
        emotion=[sentence.emotion for sentence in group],
        duration=[sentence.duration for sentence in group],
        tokens=[sentence.tokens for sentence in group],
        speed=[sentence.speed for sentence in group],
        seed=[seed if sentence.seed is None else sentence.seed for sentence in group],
        language=[sentence.language for sentence in group],
        **options,
    )
    for sentence, speech in zip(group, speeches, strict=True):
        speech.save(directory / f"{sentence.id}.wav", force=True)


def _key(engine: EmoTTS, sentence: Sentence, seed: int, options: dict[str, Any]) -> str:
    """Names everything that the samples of a sentence depend on."""
    asked = {
        name: value for name, value in asdict(sentence).items() if name not in ("id", "reference", "seed")
    }
    config = engine.model.config
    files = {name: file.sha256 for name, file in sorted(config.files.items())}
    given = {name: value for name, value in sorted(options.items()) if value is not None}
    fixed = config.model_dump(
        mode="json", include={"generation", "guidance", "loudness", "pitch", "emotions"}
    )
    content = json.dumps([asked, seed, files, fixed, given], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _load_record(directory: Path) -> dict[str, str]:
    try:
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}
