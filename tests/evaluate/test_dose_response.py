from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from emotts.emotion import Emotion
from emotts.emotion.calibration import DoseTable, GuidanceConfig
from emotts.emotion.derived import ACTED
from emotts.errors import InputError, ModelError
from emotts.evaluate import dose_response as dose_module
from emotts.evaluate import emotion_measures
from emotts.evaluate.dnsmos import Quality
from emotts.evaluate.dose_report import render_doses
from emotts.evaluate.dose_response import (
    dose_sentences,
    estimate_minutes,
    rank_correlation,
    run_dose_response,
    summarize_doses,
)
from emotts.evaluate.emotion_measures import (
    Baseline,
    Measured,
    check_judge,
    choose_sentences,
    measure_natural,
    texts_of_every,
)
from emotts.evaluate.guidance_comparison import compare_guidance, conditions
from emotts.evaluate.judge import FEATURES, EmotionJudge
from emotts.evaluate.lists import Sentence
from emotts.evaluate.wer import WordErrors
from emotts.model_config import ModelConfig

ROOT = Path(__file__).parents[2]
JUDGED = ("neutral", "angry", "happy", "sad", "afraid")
DOSES = (0.0, 0.5, 1.0)
ALPHAS = (0.0, 1.0, 2.0, 3.0, 4.0)
NATURAL = {"neutral": 0.6, "angry": 0.5, "happy": 0.4, "sad": 0.3, "afraid": 0.2}


class FakeSpeech:
    """A tone whose loudness says the intensity and whose pitch says the emotion."""

    def __init__(self, emotion: Emotion, strength: float) -> None:
        time = np.arange(24_000) / 24_000
        pitch = {"angry": 260.0, "happy": 220.0}.get(emotion.name, 150.0)
        level = 0.05 + 0.3 * strength * emotion.intensity
        self.samples = level * np.sin(2 * np.pi * pitch * time) * (1 + 0.2 * np.sin(2 * np.pi * 4 * time))

    def save(self, path: Path, force: bool = False) -> None:
        soundfile.write(path, self.samples, 24_000)


class FakeEngine:
    """Speaks in tones; guidance makes emotions stronger."""

    def __init__(self, expert: bool = True, calibrated: bool = False) -> None:
        guidance = GuidanceConfig(table=DoseTable(alpha={"angry": ALPHAS})) if calibrated else None
        config = ModelConfig(name="fake", licence="none", guidance=guidance, emotions=ACTED, components={})
        components = {"emotion_expert": None} if expert else {}
        self.model = SimpleNamespace(config=config, components=components)
        self.calls: list[tuple[int, dict]] = []

    def synthesize(self, texts: list[str], *, emotion: list[str], **options: object) -> list[FakeSpeech]:
        given = {name: options[name] for name in ("guidance_schedule", "alpha", "beta") if name in options}
        self.calls.append((len(texts), given))
        strength = 0.3 + 0.4 * float(given.get("alpha", 0)) + float(given.get("beta", 0))
        return [FakeSpeech(Emotion.parse(name), strength) for name in emotion]


def judge() -> EmotionJudge:
    """Louder and higher is angry, only louder is happy."""
    weights = np.zeros((len(FEATURES), len(JUDGED)))
    weights[FEATURES.index("level_mean"), 1:3] = 0.5
    weights[FEATURES.index("pitch_mean"), 1] = 0.5
    scale = np.ones(len(FEATURES))
    return EmotionJudge(JUDGED, scale, weights, np.array([1.0, 0, 0, 0, 0]), (NATURAL,))


@pytest.fixture(autouse=True)
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Instead of recogniser, DNSMOS and speaker encoder, which have tests of their own."""
    scored: list[int] = []

    def score_files(jobs: list, metrics: object, jobs_: int = 1, **_: object) -> list[SimpleNamespace]:
        scored.append(len(jobs))
        words = WordErrors(substitutions=1, words=4)
        return [SimpleNamespace(words=words, quality=Quality(3.0, 3.0, 3.0, 2.5)) for _ in jobs]

    encoder = SimpleNamespace(embed=lambda samples: np.array([1.0, float(np.std(samples))]))
    monkeypatch.setattr(
        emotion_measures,
        "score_files",
        lambda files, metrics, jobs=1: score_files(files, metrics, jobs),
    )
    monkeypatch.setattr(dose_module, "score_files", lambda files, metrics: score_files(files, metrics))
    monkeypatch.setattr(emotion_measures, "independent_encoder", lambda: encoder)
    return scored


def sentences(count: int = 3) -> list[Sentence]:
    return [Sentence(f"s{k}", f"Sentence number {k}.", voice="anna") for k in range(count)]


def test_every_sentence_has_one_seed_at_all_doses() -> None:
    doses = dose_sentences(sentences(2), ("angry", "sad"), DOSES, seed=5)
    assert len(doses) == 2 * (1 + 2 * 2) == len({s.id for s in doses})
    assert {s.seed for s in doses if s.text.endswith("1.")} == {6}
    assert {s.emotion for s in doses} == {"neutral", "angry:0.5", "angry:1", "sad:0.5", "sad:1"}


@pytest.mark.parametrize("intensities", [(0.5, 1.0), (0.0,), (0.0, 1.5), (0.0, 1.0, 1.0)])
def test_intensities_that_make_no_curve_are_refused(intensities: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="0 among them"):
        dose_sentences(sentences(), ("angry",), intensities)


@pytest.mark.parametrize(
    ("second", "expected"),
    [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0), ([1, 3, 2, 4], 0.8), ([1, 1, 1, 1], 0.0)],
)
def test_rank_correlation(second: list[float], expected: float) -> None:
    assert rank_correlation([0, 1, 2, 3], second) == pytest.approx(expected)


def test_rank_correlation_shares_ranks_of_ties() -> None:
    assert rank_correlation([0, 1, 2], [0, 1, 1]) == pytest.approx(3**0.5 / 2)


def test_curves_and_tables_of_known_measurements() -> None:
    measured = []
    for s in dose_sentences(sentences(2), ("angry",), DOSES):
        dose = Emotion.parse(s.emotion).intensity
        shares = {"neutral": 0.6 - 0.5 * dose, "angry": 0.2 + 0.5 * dose, "sad": 0.1, "happy": 0.05}
        shares["afraid"] = 0.05
        words = WordErrors(substitutions=int(2 * dose), words=4)
        quality = 3.0 - dose if s.id.startswith("anna-000") else float("nan")
        measured.append(Measured(s.id, "anna", shares, words, quality, 0.8))
    result = summarize_doses(measured, ("angry",), DOSES, judge(), Baseline(0.125, 0.91, 3.2, 2))
    assert [round(p.probability, 3) for p in result.points] == [0.2, 0.45, 0.7]
    assert [p.recall for p in result.points] == [0.0, 1.0, 1.0]
    assert [p.wer for p in result.points] == [0.0, 0.25, 0.5]
    assert result.correlations == {"angry": pytest.approx(1.0)} and result.each["angry"] == pytest.approx(1)
    assert [p.quality for p in result.points] == [3.0, 2.5, 2.0], "of the rated text alone"
    assert result.recalls == ({"neutral": 1.0, "angry": 1.0},) and result.natural == (NATURAL,)
    assert result.heard["angry"]["angry"] == 1.0 == result.heard["neutral"]["neutral"]
    page = render_doses(result)
    assert "| angry            |       0.5 |               0.450 |    100.0 |  25.0 |" in page
    assert "| natural, neutral |         – |                   – |        – |  12.5 |        0.910 |" in page
    assert "natural CREMA-D |   55.0" in page, "mean of 60 and 50, the classes that were spoken"


def test_the_figure_of_five_classes_is_there_beside_a_wider_choice() -> None:
    emotions = ("angry", "happy", "sad", "afraid", "disgusted")
    measured = []
    for s in dose_sentences(sentences(2), emotions, (0.0, 1.0)):
        asked = Emotion.parse(s.emotion).name
        shares = dict.fromkeys((*JUDGED, "disgusted"), 0.1)
        # Sad speech sounds disgusted, and next to that sad.
        shares |= {"disgusted": 0.6, "sad": 0.3} if asked == "sad" else {asked: 0.6}
        measured.append(Measured(s.id, "anna", shares, WordErrors(words=4), 3.0, 0.8))
    five, six = summarize_doses(measured, emotions, (0.0, 1.0), judge()).recalls
    assert tuple(five) == JUDGED and five["sad"] == 1.0
    assert tuple(six) == (*JUDGED, "disgusted") and six["sad"] == 0.0


def test_quality_is_rated_on_every_nth_text_of_all_doses() -> None:
    doses = dose_sentences(sentences(4), ("angry",), DOSES)
    assert texts_of_every(doses, 2) == {"Sentence number 0.", "Sentence number 2."}
    assert len(texts_of_every(doses, 1)) == 4


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, quick_scores: list[int]) -> None:
    engine, seen = FakeEngine(), []
    given = (judge(), sentences(), tmp_path, ("angry", "happy"), DOSES)
    result = run_dose_response(engine, *given, batch=4, progress=lambda *x: seen.append(x))
    assert sum(count for count, _ in engine.calls) == 3 * 5 == sum(quick_scores)
    assert result.correlations["angry"] == pytest.approx(1.0)
    assert (tmp_path / "doses.png").read_bytes().startswith(b"\x89PNG")
    assert "WER %" in (tmp_path / "doses.md").read_text()
    assert {stage for stage, _ in seen} == {"speaking", "words and quality", "judge"}
    assert all(0 <= share <= 1 for _, share in seen)
    (tmp_path / "audio" / "anna-001-angry-1000.wav").unlink()
    again = run_dose_response(engine, *given, batch=4)
    assert engine.calls[-1][0] == 1, "only the missing file is spoken again"
    assert sum(quick_scores) == 15, "the same audio is not scored again"
    assert again == result


def test_a_judge_must_know_the_emotions() -> None:
    for emotions, message in (
        (("surprised",), "knows no surprised; it knows: neutral.*egs/judge"),
        ((), "without neutral"),
    ):
        with pytest.raises(InputError, match=message):
            check_judge(judge(), emotions)


def test_sentences_are_chosen_for_each_voice() -> None:
    listed = [Sentence(f"a{k}", f"Text {k}.", voice="anna", reference=f"a{k}.wav") for k in range(4)]
    listed += [Sentence(f"b{k}", f"Text {k}.", voice="bert") for k in range(3)]
    own = choose_sentences(listed, count=2)
    assert [(s.voice, s.text) for s in own] == [(v, f"Text {k}.") for v in ("anna", "bert") for k in range(2)]
    crossed = choose_sentences(listed, ["bert", "anna"], 2)
    assert [s.reference for s in crossed] == [None, None, "a0.wav", "a1.wav"]
    with pytest.raises(InputError, match="give two or more"):
        choose_sentences(listed[:1])


def test_guidance_is_compared_in_every_way(tmp_path: Path) -> None:
    engine = FakeEngine()
    outcomes = compare_guidance(
        engine, judge(), sentences(2), tmp_path, alphas=(0.5, 1.0), emotions=("angry", "happy")
    )
    assert [(o.way, o.alpha, o.beta) for o in outcomes] == [
        ("no guidance", 0.0, 0.0),
        ("α only, constant", 0.5, 0.0),
        ("α only, constant", 1.0, 0.0),
        ("α and β, constant", 0.5, 0.125),
        ("α and β, constant", 1.0, 0.25),
        ("α and β, derived", 0.5, 0.125),
        ("α and β, derived", 1.0, 0.25),
    ]
    assert outcomes[4].probability > outcomes[2].probability > outcomes[0].probability
    assert engine.calls[0] == (2, {"guidance_schedule": "none"}), "neutral is spoken once, without guidance"
    assert engine.calls[-1][1] == {"guidance_schedule": "derived", "alpha": 1.0, "beta": 0.25}
    assert "+0.0" in (tmp_path / "guidance.md").read_text()
    assert (tmp_path / "guidance.png").read_bytes().startswith(b"\x89PNG")


def test_a_calibrated_model_is_compared_as_users_hear_it(tmp_path: Path) -> None:
    engine = FakeEngine(calibrated=True)
    outcomes = compare_guidance(engine, judge(), sentences(2), tmp_path, (1.0,), ("angry",))
    assert outcomes[-1].way == "as calibrated" and outcomes[-1].alpha is None
    assert engine.calls[-1][1] == {} and (tmp_path / "calibrated").is_dir()
    assert "| as calibrated     |   – |    – |" in (tmp_path / "guidance.md").read_text()


def test_natural_recordings_stand_beside(tmp_path: Path) -> None:
    for k in range(3):
        FakeSpeech(Emotion.neutral(), 0.0).save(tmp_path / f"r{k}.wav")
    listed = [replace(s, reference=str(tmp_path / f"r{k}.wav")) for k, s in enumerate(sentences())]
    found = measure_natural(listed, tmp_path / "natural")
    assert found is not None and (found.files, found.wer, found.quality) == (3, 0.25, 2.5)
    assert found.similarity == pytest.approx(1.0)
    assert measure_natural(sentences(), tmp_path / "natural") is None


def test_the_time_is_estimated_and_nothing_is_kept(tmp_path: Path) -> None:
    minutes = estimate_minutes(
        FakeEngine(), judge(), sentences(), tmp_path / "out", ("angry",), DOSES, batch=2
    )
    assert 0 < minutes < 1 and not (tmp_path / "out").exists()


def test_a_model_without_an_expert_cannot_be_guided(tmp_path: Path) -> None:
    engine = FakeEngine(expert=False)
    with pytest.raises(ModelError, match="fake has no emotion expert") as caught:
        compare_guidance(engine, judge(), sentences(), tmp_path)
    assert "\n" not in str(caught.value) and not engine.calls


@pytest.mark.parametrize("alphas", [(), (0.0,), (float("nan"),), (-1.0, 2.0)])
def test_weights_must_be_above_nothing(alphas: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="weights above 0"):
        conditions(alphas)


def test_the_commands_refuse_a_missing_judge_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("id\ttext\na\tOne.\nb\tTwo.\n")
    for script in ("dose_response", "guidance_comparison", "derived_emotions", "emotion_transfer"):
        command = [sys.executable, ROOT / "recipes" / f"{script}.py", "--judge", tmp_path / "none.npz"]
        command += ["--sentences", tmp_path / "list.tsv", "--output", tmp_path / "out"]
        if script == "emotion_transfer":
            command += ["--crema-d", tmp_path]
        found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert found.returncode == 2 and found.stderr.count("\n") == 1, found.stderr
        assert "no judge at" in found.stderr


def test_a_bad_number_is_named() -> None:
    spec = importlib.util.spec_from_file_location("doses_script", ROOT / "recipes" / "dose_response.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.numbers("--intensities", "0, 0.5,1") == [0.0, 0.5, 1.0]
    with pytest.raises(InputError, match="--intensities 0,x: give numbers"):
        script.numbers("--intensities", "0,x")
