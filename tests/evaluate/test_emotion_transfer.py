"""Emotion lent by recordings, the derived emotions, and the time that guidance takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotts.data.kaldi import Record
from emotts.emotion import Emotion
from emotts.emotion.derived import ACTED
from emotts.errors import DataError, InputError, ModelError
from emotts.evaluate import emotion_transfer
from emotts.evaluate.derived_response import heard_as, render_derived, run_derived, summarize_derived
from emotts.evaluate.dose_response import dose_sentences
from emotts.evaluate.emotion_measures import Measured
from emotts.evaluate.emotion_transfer import (
    Lender,
    choose_lenders,
    render_transfer,
    run_transfer,
    summarize_transfer,
    transfer_sentences,
)
from emotts.evaluate.guidance_cost import guidance_cost, render_guidance_cost
from emotts.evaluate.judge import CLASSES, FEATURES, FIVE, EmotionJudge
from emotts.evaluate.judge.training import Recordings
from emotts.evaluate.lists import Sentence
from emotts.evaluate.wer import WordErrors
from emotts.model_config import ModelConfig


def sentences(count: int = 2) -> list[Sentence]:
    return [Sentence(f"{v}{k}", f"Number {k}.", voice=v) for v in ("anna", "bert") for k in range(count)]


def judge(classes: tuple[str, ...] = CLASSES) -> EmotionJudge:
    size = (len(FEATURES), len(classes))
    return EmotionJudge(classes, np.ones(size[0]), np.zeros(size), np.zeros(size[1]))


def lenders() -> list[Lender]:
    return [
        Lender(Path("a1.wav"), "a", "angry", "angry"),
        Lender(Path("b1.wav"), "b", "angry", "happy"),
        Lender(Path("a2.wav"), "a", "sad", "sad"),
    ]


def measured(key: str, heard: str, similarity: float, errors: int = 0) -> Measured:
    shares = dict.fromkeys(FIVE, 0.1) | {heard: 0.6}
    return Measured(key, "anna", shares, WordErrors(substitutions=errors, words=4), 3.0, similarity)


def test_each_recording_lends_to_a_text_of_every_voice_with_one_seed() -> None:
    emotions = [Emotion.parse("angry:0.5"), Emotion.parse("angry:0.25"), Emotion.neutral()]
    made, pairs = transfer_sentences(sentences(), lenders(), emotions, seed=4)
    by_id = {s.id: s for s in made}
    assert len(made) == 2 * (2 + 3) == len(by_id)
    assert [by_id[f"anna-lent-{k:03d}"].emotion for k in range(3)] == ["angry:0.5", "angry:0.25", "neutral"]
    assert pairs["bert-lent-001"] == (1, "bert-001-neutral"), "the second angry one lends to the second text"
    for key, (_, neutral) in pairs.items():
        assert (by_id[key].text, by_id[key].seed) == (by_id[neutral].text, by_id[neutral].seed)
    assert by_id["anna-001-neutral"].seed == 5


def test_what_arrives_and_what_stays_of_the_voice() -> None:
    found = {
        "anna-000-neutral": measured("anna-000-neutral", "neutral", 0.9),
        "anna-lent-000": measured("anna-lent-000", "angry", 0.8, 1),
        "anna-lent-001": measured("anna-lent-001", "neutral", 0.7),
        "anna-lent-002": measured("anna-lent-002", "sad", 0.85),
    }
    pairs = {f"anna-lent-{k:03d}": (k, "anna-000-neutral") for k in range(3)}
    near = {
        "anna-lent-000": (0.5, 0.4, 0.6),
        "anna-lent-001": (0.3, 0.4, float("nan")),
        "anna-lent-002": (0.2, 0.2, 0.6),
    }
    emotions = [Emotion.parse("angry:0.5"), Emotion.parse("sad"), Emotion.parse("sad")]
    angry, sad, mean = rows = summarize_transfer(lenders(), emotions, found, pairs, near)
    assert (angry.recordings, angry.files, angry.judged_recordings, angry.judged) == (2, 2, 0.5, 0.5)
    assert (angry.encoded, angry.wer) == (0.5, 0.125)
    assert (angry.own, angry.own_neutral) == (pytest.approx(0.75), 0.9)
    assert (angry.lender, angry.lender_neutral, angry.lender_self) == (0.4, 0.4, 0.6)
    assert mean.judged == pytest.approx(0.75) and mean.files == 3 and sad.encoded == 1.0
    assert "| mean      |          3 |     3 |               75.0 |" in render_transfer(rows)


def test_the_recordings_are_those_that_listeners_agreed_on_most(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"ANG": "angry", "HAP": "happy", "SAD": "sad", "FEA": "afraid"}

    def record(actor: int, code: str, share: float) -> Record:
        votes = {codes[code]: share} if code in codes else {"sad": 1.0 - share}
        key = f"crema{actor}-IEO_{code}_{share:g}"
        emotion = Emotion.from_mapping(votes)
        return Record(key, f"crema{actor}", "x", Path(f"{key}.wav"), emotion=emotion)

    records = [record(actor, c, 0.7) for actor in (1064, 1039, 1006) for c in (*codes, "NEU")]
    records += [record(1039, "ANG", 0.9), record(1006, "ANG", 0.8), record(1001, "ANG", 1.0)]
    monkeypatch.setattr(emotion_transfer, "read_crema_d", lambda path: records)

    def measure(kept: list[Record], labels: list[str], *_: object) -> Recordings:
        return Recordings(np.zeros((len(kept), len(FEATURES))), np.array(labels), np.array(labels))

    monkeypatch.setattr(emotion_transfer, "measure_records", measure)
    found = choose_lenders("corpus", judge(FIVE), 2, Path("cache.npz"))
    assert [x.emotion for x in found] == [name for name in FIVE for _ in range(2)]
    angry = [x for x in found if x.emotion == "angry"]
    assert [x.path.stem for x in angry] == ["crema1039-IEO_ANG_0.9", "crema1006-IEO_ANG_0.8"], (
        "no training actor"
    )
    with pytest.raises(DataError, match="3 test actors of CREMA-D have an agreed neutral recording, not 4"):
        choose_lenders("corpus", judge(FIVE), 4, Path("cache.npz"))


def engine(components: dict, emotions: tuple[str, ...] = ACTED) -> SimpleNamespace:
    config = ModelConfig(name="fake", licence="none", emotions=emotions, components={})
    return SimpleNamespace(model=SimpleNamespace(config=config, components=components))


def test_a_model_that_lacks_the_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="fake has no emotion_encoder"):
        run_transfer(engine({}), judge(), sentences(), lenders(), tmp_path)
    with pytest.raises(ModelError, match="fake has no emotion expert"):
        guidance_cost(engine({}))
    with pytest.raises(ModelError, match="fake was taught calm"):
        run_derived(engine({}, (*ACTED, "calm")), judge(), sentences(), tmp_path)
    with pytest.raises(InputError, match="the judge knows no disgusted"):
        run_derived(engine({}), judge(FIVE), sentences(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_derived_emotions_are_judged_from_all_classes() -> None:
    names, found = ("surprised", "melancholic"), []
    for s in dose_sentences(sentences(), names, (0.0, 1.0)):
        asked = Emotion.parse(s.emotion)
        shares = dict.fromkeys(CLASSES, 0.1) | {heard_as(asked.name): 0.1 + 0.3 * asked.intensity}
        found.append(Measured(s.id, "anna", shares, WordErrors(words=4), 3.0, 0.8))
    points = summarize_derived(found, names, (0.0, 1.0))
    assert [(p.emotion, p.intensity) for p in points] == [(n, d) for n in names for d in (0.0, 1.0)]
    assert points[1].probabilities["surprised"] == pytest.approx(0.4) and points[1].recall == 1.0
    assert points[3].probabilities["sad"] == pytest.approx(0.4), "sad stands for melancholy"
    page = render_derived(points, {"surprised": 0.72})
    assert (
        "| surprised   | surprised |             1.00 |                   100.0 |              72.0 |" in page
    )
    assert (
        "| melancholic |       sad |             1.00 |                   100.0 |                 – |" in page
    )


def test_the_cost_of_guidance_is_a_ratio_of_neighbouring_runs() -> None:
    asked = []

    def synthesize(texts: list[str], emotion: str | None, seed: int, **options: object) -> list:
        asked.append((len(texts), emotion, options["guidance_schedule"]))
        slow = 1.0 + seed  # a machine that gets busier slows all alike
        cost = {"none": 1.0, "derived": 1.25, "constant": 1.75}[str(options["guidance_schedule"])]
        return [SimpleNamespace(timings={"acoustic": slow * cost, "lm": 9.0}) for _ in texts]

    fake = engine({"expert": None})
    fake.synthesize = synthesize
    costs = guidance_cost(fake, (1, 2), repeats=3)
    assert [(c.batch, c.schedule, c.ratio) for c in costs] == [
        (1, "derived", 1.25),
        (1, "constant", 1.75),
        (2, "derived", 1.25),
        (2, "constant", 1.75),
    ]
    assert asked[:3] == [(1, "angry:1", "none"), (1, "angry:1", "derived"), (1, None, "none")]
    assert "**missed**" in render_guidance_cost(costs) and "kept" in render_guidance_cost(costs[::2])
    with pytest.raises(InputError, match="at least 1"):
        guidance_cost(fake, repeats=0)
