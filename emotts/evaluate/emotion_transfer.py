"""Emotion from a recording: how much of it arrives, and whether the voice stays.

Natural recordings of speakers whom no model here has learned from lend their emotion to named voices. An
independent judge says what is heard in the recordings and in the speech; an independent speaker encoder
says whether the speech went from its own voice to that of the recording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotts.data.corpora.crema_d import TEST_ACTORS, read_crema_d
from emotts.data.kaldi import Record
from emotts.emotion import Emotion
from emotts.emotion.emotion import NEUTRAL
from emotts.emotion.recording import COMPONENT
from emotts.errors import DataError, ModelError
from emotts.evaluate.emotion_measures import Measured, Progress, mean_words, measure_spoken
from emotts.evaluate.judge.model import FIVE, EmotionJudge
from emotts.evaluate.judge.training import agreed, measure_records
from emotts.evaluate.lists import Sentence, find_all_audio, write_sentences
from emotts.evaluate.report import markdown_table, number, percent
from emotts.evaluate.scoring import voice_name
from emotts.evaluate.similarity import SIMILARITY_RATE, ClassicalEncoder, cosine, independent_encoder
from emotts.evaluate.synthesis import synthesize_list
from emotts.files import write_atomically

if TYPE_CHECKING:
    from emotts.tts import EmoTTS

LIST_FILE, RECORD_FILE, TABLE_FILE = "sentences.jsonl", "transfer.json", "transfer.md"


@dataclass(frozen=True)
class Lender:
    """A natural recording whose emotion is taken over.

    Attributes:
        path: of the recording.
        speaker: who speaks in it.
        emotion: what was acted, and heard by most listeners.
        judged: what the judge hears in it, choosing from `FIVE`.
    """

    path: Path
    speaker: str
    emotion: str
    judged: str


@dataclass(frozen=True)
class Transfer:
    """One emotion, or all of them.

    Attributes:
        emotion: of the recordings; empty for the mean over the emotions.
        recordings: how many.
        files: speech made with them.
        judged_recordings: share of the recordings in which the judge hears the emotion.
        judged: the same of the speech.
        encoded: share of the recordings whose strongest intensity is the emotion, by the model itself.
        wer: word error rate.
        own: cosine of the speech to its own voice, mean.
        own_neutral: the same of neutral speech.
        lender: cosine of the speech to the recording, mean.
        lender_neutral: the same of neutral speech of that text and voice: the voices' likeness by nature.
        lender_self: cosine of the recording to others of its speaker.
    """

    emotion: str
    recordings: int
    files: int
    judged_recordings: float
    judged: float
    encoded: float
    wer: float
    own: float
    own_neutral: float
    lender: float
    lender_neutral: float
    lender_self: float


def choose_lenders(
    crema_d: Path | str, judge: EmotionJudge, each: int, cache: Path, jobs: int = 1
) -> list[Lender]:
    """Recordings of CREMA-D's test actors, of every class the ones that listeners agreed on most.

    Args:
        crema_d: corpus as published.
        judge: hears them too.
        each: recordings of each of the five classes, no two of one actor and class.
        cache: file for the measurements.
        jobs: processes.

    Raises:
        DataError: fewer actors than `each` have an agreed recording of a class.
    """
    test = {f"crema{number}" for number in TEST_ACTORS}
    records, labels = agreed([r for r in read_crema_d(Path(crema_d)) if r.speaker in test])
    heard = measure_records(records, labels, cache, jobs)
    if len(heard) != len(records):
        raise DataError("a test recording of CREMA-D cannot be measured: silent, or no neutral one beside it")
    said = judge.decide(heard.moved, FIVE)
    lenders = []
    for name in FIVE:
        of_actor: dict[str, tuple[float, Lender]] = {}
        for record, label, judged in zip(records, labels, said, strict=True):
            share = agreement(record, name)
            if label == name and share > of_actor.get(record.speaker, (0.0, None))[0]:
                of_actor[record.speaker] = share, Lender(record.audio, record.speaker, name, judged)
        best = sorted(of_actor.values(), key=lambda pair: (-pair[0], pair[1].speaker))[:each]
        if len(best) < each:
            raise DataError(f"{len(best)} test actors of CREMA-D have an agreed {name} recording, not {each}")
        lenders += [lender for _, lender in best]
    return lenders


def agreement(record: Record, name: str) -> float:
    """Share of the listeners who heard a class in a recording."""
    votes = record.emotion.as_mapping() if record.emotion else {}
    return 1.0 - sum(votes.values()) if name == NEUTRAL else votes.get(name, 0.0)


def run_transfer(
    engine: EmoTTS,
    judge: EmotionJudge,
    sentences: Sequence[Sentence],
    lenders: Sequence[Lender],
    output: Path | str,
    seed: int = 0,
    jobs: int = 1,
    batch: int = 8,
    progress: Progress | None = None,
    **options: Any,
) -> list[Transfer]:
    """Speaks with the emotion of every recording in every voice, and writes table and record into a folder.

    The k-th recording of a class lends to the k-th text of each voice. Restartable: see `run_dose_response`.

    Args:
        engine: its model must have an emotion encoder.
        judge: of emotion.
        sentences: texts with voices.
        lenders: recordings.
        output: folder for transfer.md, transfer.json, and the audio.
        seed: of the first text of a voice; the next has the next.
        jobs: processes of the measuring.
        batch: sentences spoken at once.
        progress: told what is done.
        **options: of `EmoTTS.synthesize`.

    Raises:
        ModelError: the model has no emotion encoder.
    """
    if COMPONENT not in engine.model.components:
        raise ModelError(
            f"the model {engine.model.config.name} has no {COMPONENT}, so it takes no emotion from "
            "recordings; give a model that was packed with one"
        )
    output, tell = Path(output), progress or (lambda stage, share: None)
    emotions = [engine.emotion_of(lender.path) for lender in lenders]
    spoken, neutral_of = transfer_sentences(sentences, lenders, emotions, seed)
    audio = output / "audio"
    synthesize_list(engine, spoken, audio, batch=batch, progress=lambda x: tell("speaking", x), **options)
    write_sentences(spoken, output / LIST_FILE, force=True)
    names = [name for name in FIVE if name != NEUTRAL]
    found = {m.id: m for m in measure_spoken(spoken, audio, judge, names, None, jobs, tell)}
    nearness = lender_cosines(lenders, find_all_audio(audio, spoken), neutral_of)
    rows = summarize_transfer(lenders, emotions, found, neutral_of, nearness)
    record = {"rows": [asdict(row) for row in rows], "heard": [str(emotion) for emotion in emotions]}
    write_atomically(output / RECORD_FILE, (json.dumps(record, indent=1) + "\n").encode(), force=True)
    write_atomically(output / TABLE_FILE, render_transfer(rows).encode(), force=True)
    return rows


def transfer_sentences(
    sentences: Sequence[Sentence], lenders: Sequence[Lender], emotions: Sequence[Emotion], seed: int = 0
) -> tuple[list[Sentence], dict[str, tuple[int, str]]]:
    """Every text neutral, and with the emotion of the recordings that lend to it.

    Returns:
        the list; and for the id of each text with a lent emotion the number of its recording, and the id
        of the same text spoken neutrally.
    """
    groups: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(voice_name(sentence), []).append(sentence)
    made, pairs = [], {}
    for voice, group in groups.items():
        base = [
            replace(
                s, id=f"{voice}-{k:03d}-neutral", seed=seed + k, emotion=NEUTRAL, duration=None, tokens=None
            )
            for k, s in enumerate(group)
        ]
        made += base
        turn: dict[str, int] = {}
        for place, (lender, emotion) in enumerate(zip(lenders, emotions, strict=True)):
            neutral = base[turn.setdefault(lender.emotion, 0) % len(base)]
            turn[lender.emotion] += 1
            key = f"{voice}-lent-{place:03d}"
            made.append(replace(neutral, id=key, emotion=str(emotion)))
            pairs[key] = (place, neutral.id)
    return made, pairs


def lender_cosines(
    lenders: Sequence[Lender], files: dict[str, Path], neutral_of: dict[str, tuple[int, str]]
) -> dict[str, tuple[float, float, float]]:
    """How near the voices are.

    Returns:
        for each text with a lent emotion its cosine to the recording, that of the same text spoken neutrally,
        and that of the recording to others of its speaker (NaN where there are none).
    """
    from emotts.audio.io import load_audio

    encoder = independent_encoder()
    waves = [load_audio(lender.path, SIMILARITY_RATE).numpy() for lender in lenders]
    if isinstance(encoder, ClassicalEncoder):
        speakers = dict.fromkeys(lender.speaker for lender in lenders)
        encoder.fit({s: [w for w, x in zip(waves, lenders, strict=True) if x.speaker == s] for s in speakers})
    theirs = [encoder.embed(wave) for wave in waves]
    wanted = {key for pair in neutral_of.items() for key in (pair[0], pair[1][1])}
    made = {key: encoder.embed(load_audio(files[key], SIMILARITY_RATE).numpy()) for key in wanted}
    found = {}
    for key, (place, neutral) in neutral_of.items():
        speaker = lenders[place].speaker
        others = [theirs[k] for k, lender in enumerate(lenders) if lender.speaker == speaker and k != place]
        same = cosine(theirs[place], np.mean(others, axis=0)) if others else float("nan")
        found[key] = (cosine(made[key], theirs[place]), cosine(made[neutral], theirs[place]), same)
    return found


def summarize_transfer(
    lenders: Sequence[Lender],
    emotions: Sequence[Emotion],
    measured: dict[str, Measured],
    neutral_of: dict[str, tuple[int, str]],
    nearness: dict[str, tuple[float, float, float]],
) -> list[Transfer]:
    """A line for each class of the recordings, and their mean."""
    rows = []
    for name in dict.fromkeys(lender.emotion for lender in lenders):
        places = [k for k, lender in enumerate(lenders) if lender.emotion == name]
        keys = [key for key, (place, _) in neutral_of.items() if place in places]
        cosines = np.array([nearness[key] for key in keys])
        rows.append(
            Transfer(
                emotion=name,
                recordings=len(places),
                files=len(keys),
                judged_recordings=_share(lenders[k].judged == name for k in places),
                judged=_share(measured[key].choice(FIVE) == name for key in keys),
                encoded=_share(emotions[k].name == name for k in places),
                wer=mean_words([measured[key] for key in keys]),
                own=float(np.mean([measured[key].similarity for key in keys])),
                own_neutral=float(np.mean([measured[neutral_of[key][1]].similarity for key in keys])),
                lender=float(cosines[:, 0].mean()),
                lender_neutral=float(cosines[:, 1].mean()),
                lender_self=float(np.nanmean(cosines[:, 2]))
                if np.isfinite(cosines[:, 2]).any()
                else float("nan"),
            )
        )
    numbers = {
        name: float(np.nanmean([getattr(row, name) for row in rows]))
        for name in Transfer.__dataclass_fields__
        if name not in ("emotion", "recordings", "files")
    }
    whole = Transfer("", sum(r.recordings for r in rows), sum(r.files for r in rows), **numbers)
    return [*rows, whole]


def _share(truths: Any) -> float:
    return float(np.mean(list(truths)))


def render_transfer(rows: Sequence[Transfer]) -> str:
    """Table in Markdown."""
    header = [
        "recording",
        "recordings",
        "files",
        "judge, recording %",
        "judge, speech %",
        "encoder %",
        "WER %",
    ]
    header += [
        "to own voice",
        "neutral to it",
        "to the recording",
        "neutral to it",
        "recording to its speaker",
    ]
    cells = [
        [
            row.emotion or "mean",
            str(row.recordings),
            str(row.files),
            percent(row.judged_recordings),
            percent(row.judged),
            percent(row.encoded),
            percent(row.wer),
            *(
                number(x, 3)
                for x in (row.own, row.own_neutral, row.lender, row.lender_neutral, row.lender_self)
            ),
        ]
        for row in rows
    ]
    notes = (
        "Judge: share heard as the emotion of the recording, choosing from five, chance 20 %. Encoder: the "
        "model's own strongest intensity. Last five columns: cosines of an independent speaker encoder; "
        "neutral: of the same texts and voices spoken neutrally."
    )
    return f"{markdown_table(header, cells)}\n\n{notes}\n"
