"""Stages `prepare`, `features` and `shards`: from published corpora to packed training data."""

from __future__ import annotations

from pathlib import Path

from emotts.data.kaldi import DataDir, Record
from emotts.data.splits import SPLITS
from emotts.data.validate import validate
from emotts.errors import DataError
from emotts.train.recipe import CorpusConfig, Run

_HELD_OUT_SHARE = 6
"""A limited corpus gives one in this many utterances to dev, and as many to test."""

_UTTERANCES_PER_SPEAKER = 4


def prepare(run: Run) -> str:
    """Stage 1: writes the data directory of every corpus, or takes one that exists, and validates it.

    Raises:
        DataError: a corpus is nowhere, breaks its layout, or its data directory breaks a rule.
        OutputError: a data directory cannot be written.
    """
    if not run.recipe.corpora:
        raise DataError("the recipe has no corpora")
    counts = []
    for name, config in run.recipe.corpora.items():
        _prepare_corpus(run, name, config)
        problems = validate(run.data(name))
        if problems:
            raise DataError(
                f"{problems[0]} ({len(problems)} problems in {run.data(name)}; "
                "tools/validate_data_dir.py lists them, tools/fix_data_dir.py mends them)"
            )
        counts.append(f"{name} {len(DataDir.load(run.data(name)))}")
    return f"utterances: {', '.join(counts)}"


def _prepare_corpus(run: Run, name: str, config: CorpusConfig) -> None:
    from emotts.data.prepare import prepare as read_corpus

    target = run.exp / "data" / name
    if config.path is not None:
        # Absolute, because relative paths in wav.scp are taken from the working directory.
        read_corpus(config.reader or name, config.path.absolute(), target)
    elif config.data is None:
        if not target.is_dir():
            raise DataError(
                f"corpus {name} is not here: give its folder (--corpus {name}=FOLDER) or an existing data "
                f"directory (--data {name}=FOLDER)"
            )
        return
    if config.limit is not None:
        take(DataDir.load(config.data or target), config.limit).write(target)


def take(data: DataDir, limit: int) -> DataDir:
    """A part of a corpus with utterances of every split that it has, of few speakers.

    Args:
        data: the whole.
        limit: utterances of the part.
    """
    held_out = max(1, limit // _HELD_OUT_SHARE)
    shares = {"train": limit - 2 * held_out, "dev": held_out, "test": held_out}
    by_id = {record.id: record for record in data}
    chosen: list[Record] = []
    for split in SPLITS:
        part = data.subset(split)
        few = -(-shares[split] // _UTTERANCES_PER_SPEAKER)
        pool: list[Record] = []
        for number, ids in enumerate(part.speakers.values()):
            if number < few or len(pool) < shares[split]:
                pool += [by_id[key] for key in ids]
        count = min(shares[split], len(pool))
        chosen += [pool[index * len(pool) // count] for index in range(count)]
    if not chosen:
        raise DataError("the corpus has no split: utt2split must name train, dev and test utterances")
    return DataDir(chosen)


def features(run: Run) -> str:
    """Stage 2: measures every recording; a corpus that was measured since it was prepared is left alone."""
    from emotts.data.pack import extract_features

    notes = []
    for name in run.recipe.corpora:
        folder, output = run.data(name), run.features(name)
        if not folder.is_dir():
            raise DataError(f"{folder} is missing: run stage 1 (prepare) first")
        if _newer(output, folder / "wav.scp"):
            notes.append(f"{name} measured before")
            continue
        left_out = extract_features(folder, output, run.recipe.jobs)
        notes.append(f"{name} measured" + (f", {left_out} recordings left out" if left_out else ""))
    return "; ".join(notes)


def _newer(path: Path, source: Path) -> bool:
    return path.is_file() and path.stat().st_mtime > source.stat().st_mtime


def shards(run: Run) -> str:
    """Stage 3: packs all corpora into shards and decodes them into the memory-mapped cache."""
    from emotts.data.pack import pack
    from emotts.data.shards import build_cache
    from emotts.data.speeds import write_speeds

    for name in run.recipe.corpora:
        if not run.features(name).is_file():
            raise DataError(f"{run.features(name)} is missing: run stage 2 (features) first")
    if run.shards.is_dir():
        # Shards of a corpus that the recipe no longer has would be trained on too.
        for old in run.shards.glob("*.safetensors"):
            old.unlink()
    counts = [
        f"{name} {pack(run.data(name), run.features(name), run.shards, name)}" for name in run.recipe.corpora
    ]
    write_speeds(run.shards, run.recipe.speeds)
    build_cache(run.shards)
    return f"packed utterances: {', '.join(counts)}"
