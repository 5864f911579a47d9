"""`emotts check`: what is installed, what the model is, and whether it speaks."""

from __future__ import annotations

import json
import platform
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from emotts import __version__
from emotts.errors import EmottsError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("tensorboard", "tqdm", "matplotlib"),
    "evaluate": ("jiwer", "pyworld", "pocketsphinx", "speechmos", "onnxruntime", "sklearn", "matplotlib"),
    "demo": ("gradio",),
    "serve": ("fastapi", "uvicorn", "python_multipart"),
    "video": ("av", "pysubs2", "pyloudnorm"),
}
"""Modules that each extra brings."""

_SENTENCE = "This is a short test."
_SECONDS = 1.5


def check(
    model: Annotated[str, typer.Option(help="Model directory, hub id, or embedded.")] = "embedded",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record.")] = False,
) -> None:
    """Show what is installed and what the model is, and let it speak a sentence."""
    record: dict[str, Any] = {"emotts": __version__, "versions": versions(), "extras": extras()}
    record["espeak"] = _attempt(espeak_library)
    record["model"] = _attempt(lambda: describe_model(model))
    record["self_test"] = _attempt(lambda: self_test(model, device))
    record["ok"] = all("error" not in record[part] for part in ("espeak", "model", "self_test"))
    typer.echo(json.dumps(record, ensure_ascii=False) if as_json else "\n".join(lines(record)))
    if not record["ok"]:
        raise typer.Exit(1)


def _attempt(part: Any) -> dict[str, Any]:
    """A part of the record, or its error in one line: one failure must not hide the other parts."""
    try:
        return part()
    except EmottsError as error:
        return {"error": str(error)}
    except Exception as error:  # Whatever is broken here is what the user runs this command to learn.
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"}


def versions() -> dict[str, str]:
    """Python and the packages that the path from text to speech needs."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchaudio", "transformers", "phonemizer", "soundfile", "safetensors", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def extras() -> dict[str, dict[str, Any]]:
    """Each optional extra: whether it is there, what is missing, and how to install it."""
    result: dict[str, dict[str, Any]] = {}
    for name, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        result[name] = {
            "installed": not missing,
            "missing": missing,
            "install": f"pip install 'emotts[{name}]'",
        }
    return result


def espeak_library() -> dict[str, Any]:
    """Finds the espeak-ng library and lets it phonemise a word."""
    from emotts.text.phonemize import Phonemizer

    symbols = Phonemizer().phonemize("hello").symbols
    found: dict[str, Any] = {"hello": " ".join(symbols)}
    try:
        import espeakng_loader

        found["library"] = str(espeakng_loader.get_library_path())
    except ImportError:
        found["library"] = "of the system"
    return found


def describe_model(name: str) -> dict[str, Any]:
    """Name, licence, size on disk, and parameters of each component."""
    from emotts.model import find_model, list_voices, load_config, load_model

    directory = find_model(name)
    config = load_config(directory)
    model = load_model(directory)
    files = [path for path in Path(directory).rglob("*") if path.is_file()]
    return {
        "name": config.name,
        "licence": config.licence,
        "directory": str(directory),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 2),
        "languages": list(config.languages),
        "voices": list(list_voices(directory)),
        "default_voice": config.default_voice,
        "parameters": {
            part: sum(p.numel() for p in model.components[part].parameters()) for part in model.components
        },
    }


def self_test(name: str, device: str) -> dict[str, Any]:
    """Speaks a short sentence of an exact length and checks the samples.

    Raises:
        EmottsError: the speech has another length, is not finite, or is silent.
    """
    import numpy as np

    from emotts.tts import EmoTTS

    engine = EmoTTS.from_pretrained(name, device)
    started = time.perf_counter()
    speech = engine.synthesize(_SENTENCE, duration=_SECONDS, seed=0)
    elapsed = time.perf_counter() - started
    wanted = round(_SECONDS * speech.sample_rate)
    if len(speech.audio) != wanted:
        raise EmottsError(f"the speech has {len(speech.audio)} samples, not {wanted}")
    if not np.isfinite(speech.audio).all():
        raise EmottsError("the speech holds samples that are not finite")
    level = float(np.sqrt(np.mean(speech.audio**2)))
    if level < 1e-4:
        raise EmottsError("the speech is silent")
    return {
        "text": _SENTENCE,
        "samples": len(speech.audio),
        "level_dbfs": round(20 * float(np.log10(level)), 1),
        "seconds": round(elapsed, 3),
        "real_time_factor": round(elapsed / speech.duration, 3),
        "device": str(engine.device),
    }


def lines(record: dict[str, Any]) -> list[str]:
    """The record for people to read."""
    shown = [f"emotts {record['emotts']}"]
    shown += [f"  {package:<13} {version}" for package, version in record["versions"].items()]
    shown.append("extras")
    for name, extra in record["extras"].items():
        missing = ", ".join(extra["missing"])
        state = f"missing {missing}: {extra['install']}" if missing else "installed"
        shown.append(f"  {name:<13} {state}")
    for part in ("espeak", "model", "self_test"):
        content = record[part]
        shown.append(f"{part.replace('_', '-')}: {'FAILED' if 'error' in content else 'ok'}")
        for key, value in content.items():
            shown += _entry(key, value)
    return shown


def _entry(key: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"  {key}", *(f"    {name:<14} {number:>12,}" for name, number in value.items())]
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return [f"  {key:<16} {value}"]
