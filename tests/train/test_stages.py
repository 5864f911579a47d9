from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from emotts.data.shards import Corpus
from emotts.errors import DataError, InputError, ModelError
from emotts.model import load_config, load_model
from emotts.semantic.lm import SemanticLM
from emotts.train import expert_stages
from emotts.train.pack_model import make_voice, pack_model
from emotts.train.recipe import TASKS, RecipeConfig, Run
from emotts.train.stages import (
    STAGES,
    AlignedCorpus,
    UnfinishedError,
    dependants,
    find_stage,
    is_done,
    load_part,
    newest_lm,
    open_corpus,
    run_stage,
    run_stages,
)
from emotts.train.translate import translate_decoder
from emotts.voice import Voice

ROOT = Path(__file__).parents[2]
MINI = ROOT / "egs" / "mini"


def load_script(path: Path):
    spec = importlib.util.spec_from_file_location(f"{path.stem}_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mini_recipe(**changes: object) -> RecipeConfig:
    recipe = RecipeConfig.load(MINI / "conf" / "recipe.yaml").model_dump()
    recipe["corpora"] = {"mini": {}}
    for part in TASKS:
        recipe[part]["train"] |= {"steps": 2, "threads": 1}
    recipe["pack"]["voices"] = {"anna": {"speaker": "anna", "description": "a voice"}}
    recipe["decode"] |= {"sentences": 1, "emotions": [], "scaled": 1, "factors": [1.1]}
    return RecipeConfig.parse(recipe | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[str]]:
    """Every stage, run once on speech of espeak; do not change it."""
    folder = tmp_path_factory.mktemp("recipe")
    data = load_script(MINI / "local" / "make_corpus.py").make_corpus(
        folder / "corpus", voices=2, sentences=5
    )
    run = Run(mini_recipe().with_sources(data={"mini": data}), folder / "exp")
    lines: list[str] = []
    run_stages(run, tell=lines.append)
    return run, lines


def test_a_recipe_leads_from_recordings_to_results(finished: tuple[Run, list[str]]) -> None:
    run, lines = finished
    assert [line.split(":")[0] for line in lines[1::2]] == [
        f"stage {number} {stage.name}" for number, stage in enumerate(STAGES, start=1)
    ]
    counts = json.loads((run.exp / "alignments.json").read_text())
    assert counts["utterances"] == counts["aligned"] == 30
    assert counts["starved_at_50_hz"] <= counts["starved_at_25_hz"]
    results = (run.exp / "RESULTS.md").read_text()
    assert "## free-anna" in results and "## scaled-1.1" in results
    assert "emotts evaluate --sentences" in results


def test_speech_of_a_scaled_list_is_exact_to_the_sample(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    (line,) = (run.decode / "scaled-1.1.jsonl").read_text().splitlines()
    sentence = json.loads(line)
    natural = soundfile.info(str(run.decode / sentence["reference"]))
    spoken = soundfile.info(str(run.decode / "scaled-1.1" / f"{sentence['id']}.wav"))
    assert sentence["duration"] == pytest.approx(1.1 * natural.duration, abs=1e-3)
    assert spoken.frames == round(sentence["duration"] * 24_000)


def test_the_model_is_packed_with_an_expert_and_its_calibration(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    guidance = load_config(run.model).guidance
    assert guidance is not None and guidance.table.intensities == (0.0, 1.0)
    assert set(guidance.table.alpha) == {"happy", "sad"}
    points = json.loads((run.exp / "calibration.json").read_text())["points"]
    assert {(p["emotion"], p["alpha"]) for p in points} == {(e, a) for e in ("happy", "sad") for a in (0, 2)}
    figures = json.loads((run.part("expert") / "accuracy.json").read_text())
    assert figures == {}, "every speaker of this corpus is in its training split"


def test_the_language_model_is_that_of_its_last_training(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    assert newest_lm(run) == "lm_robust" and newest_lm(run, ("lm", "lm_emotion")) == "lm_emotion"
    first, emotional, last = (
        load_file(run.part(part) / "lm.safetensors") for part in ("lm", "lm_emotion", "lm_robust")
    )
    assert torch.equal(first["voice_projection.weight"], emotional["voice_projection.weight"])
    assert not torch.equal(first["emotion_projection.weight"], emotional["emotion_projection.weight"])
    assert torch.equal(emotional["emotion_projection.weight"], last["emotion_projection.weight"])
    assert not torch.equal(emotional["head.weight"], last["head.weight"])
    packed = load_part("lm", run).state_dict()
    assert torch.equal(packed["head.weight"], last["head.weight"])


def test_later_trainings_of_the_language_model_may_be_left_out(finished: tuple[Run, list[str]]) -> None:
    recipe = finished[0].recipe.model_copy(update={"lm_emotion": None, "lm_robust": None})
    run = replace(finished[0], recipe=recipe)
    assert newest_lm(run) == "lm"
    stages = {stage.name: stage for stage in STAGES}
    assert stages["lm_emotion"].call(run).startswith("left out")
    with pytest.raises(InputError, match=r"lm_emotion\.task: model is that of lm"):
        mini_recipe(lm_emotion={"task": {"model": {"dim": 8}}})


def test_what_is_done_is_not_done_again(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    before = (run.model / "config.yaml").stat().st_mtime_ns
    lines: list[str] = []
    run_stages(run, tell=lines.append)
    assert lines == [f"stage {n} {stage.name}: done before" for n, stage in enumerate(STAGES, start=1)]
    assert (run.model / "config.yaml").stat().st_mtime_ns == before


def test_a_stage_whose_settings_changed_is_not_done(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    recipe = run.recipe.model_dump()
    recipe["lm"]["train"]["steps"] = 3
    changed = replace(run, recipe=RecipeConfig.parse(recipe))
    stages = {stage.name: stage for stage in STAGES}
    assert not is_done(changed, stages["lm"])
    assert is_done(changed, stages["vocoder"])


def test_where_a_corpus_lies_is_no_setting(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    moved = replace(run, recipe=run.recipe.with_sources({"mini": Path("/elsewhere")}))
    assert is_done(moved, STAGES[0])


def test_rerunning_a_stage_undoes_those_that_build_on_it(
    finished: tuple[Run, list[str]], tmp_path: Path
) -> None:
    run = _copy(finished[0], tmp_path)
    stages = {stage.name: stage for stage in STAGES}
    run_stage(run, stages["align"])
    done = {name for name, stage in stages.items() if is_done(run, stage)}
    assert set(stages) - done == {
        "duration", "lm", "lm_emotion", "lm_robust", "acoustic", "expert", "pack", "calibrate", "decode",
        "score",
    }  # fmt: skip


def test_dependants_follow_the_data() -> None:
    assert dependants("vocoder") == ["pack", "calibrate", "decode", "score"]
    assert dependants("expert") == ["pack", "calibrate", "decode", "score"]
    later = ["lm", "lm_emotion", "lm_robust", "acoustic", *dependants("acoustic")]
    assert dependants("tokens") == later
    assert dependants("prepare") == [stage.name for stage in STAGES[1:]]


def test_stages_read_only_what_earlier_stages_make() -> None:
    for number, stage in enumerate(STAGES, start=1):
        assert all(find_stage(name) < number for name in stage.needs)


@pytest.mark.parametrize("name", ["0", str(len(STAGES) + 1), "align2", "", "-1"])
def test_unknown_stages_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="1 prepare, 2 features"):
        find_stage(name)


def test_stages_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stages 5 to 3"):
        run_stages(Run(mini_recipe(), tmp_path), 5, 3)


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("prepare", "--corpus mini=FOLDER"),
        ("features", r"run stage 1 \(prepare\) first"),
        ("shards", r"run stage 2 \(features\) first"),
        ("voice", r"run stage 3 \(shards\) first"),
        ("tokens", r"run stage 3 \(shards\) first"),
        ("decode", r"run stage 17 \(pack\) first"),
        ("calibrate", r"run stage 17 \(pack\) first"),
        ("score", r"run stage 19 \(decode\) first"),
    ],
)
def test_a_stage_says_which_one_makes_what_it_lacks(tmp_path: Path, stage: str, missing: str) -> None:
    with pytest.raises(DataError, match=missing):
        run_stage(Run(mini_recipe(), tmp_path), STAGES[find_stage(stage) - 1])
    assert not is_done(Run(mini_recipe(), tmp_path), STAGES[find_stage(stage) - 1])


def test_a_training_says_which_stage_makes_what_it_lacks(
    finished: tuple[Run, list[str]], tmp_path: Path
) -> None:
    run = Run(finished[0].recipe, tmp_path)
    run.shards.symlink_to(finished[0].shards)
    for stage, maker in (("embeddings", "voice"), ("tokenizer", "embeddings"), ("align", "tokenizer")):
        with pytest.raises(DataError, match=rf"\({maker}\) first"):
            run_stage(run, STAGES[find_stage(stage) - 1])


def test_only_trainings_run_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="stage prepare runs in one process"):
        run_stage(Run(mini_recipe(), tmp_path), STAGES[0])


def test_an_interrupted_training_is_not_done_and_goes_on(
    finished: tuple[Run, list[str]], tmp_path: Path
) -> None:
    recipe = finished[0].recipe.model_dump()
    recipe["voice"]["train"] |= {"steps": 1000, "run_minutes": 1e-3}
    run = Run(RecipeConfig.parse(recipe), tmp_path)
    run.shards.symlink_to(finished[0].shards)
    stage = STAGES[find_stage("voice") - 1]
    with pytest.raises(UnfinishedError, match=r"stopped at step \d+; run the same command"):
        run_stage(run, stage)
    assert not is_done(run, stage)
    step = max(int(path.stem.split("-")[1]) for path in run.part("voice").glob("checkpoint-*.pt"))
    recipe["voice"]["train"] |= {"steps": step + 1, "run_minutes": None}
    run = replace(run, recipe=RecipeConfig.parse(recipe))
    assert run_stage(run, stage).startswith(f"{step + 1} steps")
    assert is_done(run, stage)


def test_a_named_voice_is_the_mean_of_its_speaker(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    voice = Voice.load(run.model / "voices" / "anna.safetensors")
    corpus = open_corpus(run, ("embeddings",), "train")
    items = [i for i, utterance in enumerate(corpus.utterances) if utterance.speaker == "anna"]
    mean = torch.stack([corpus.embedding(i) for i in items]).mean(0)
    assert torch.allclose(voice.embedding, mean / mean.norm(), atol=1e-5)
    assert 1 <= len(voice.prompt_codes) <= 75
    neutral = [u.tokens for u in corpus.utterances if u.speaker == "anna" and not any(u.emotion)]
    assert len(voice.prompt_codes) in neutral
    assert voice.bandwidth == 11_025 and voice.description == "a voice"


def test_a_voice_needs_training_utterances(finished: tuple[Run, list[str]]) -> None:
    corpus = open_corpus(finished[0], ("embeddings", "codes"), "train")
    with pytest.raises(DataError, match="speaker 'zoe' has no training utterance"):
        make_voice(corpus, "zoe", "zoe")


def test_a_model_larger_than_allowed_is_an_error(finished: tuple[Run, list[str]], tmp_path: Path) -> None:
    run = _copy(finished[0], tmp_path)
    recipe = run.recipe.model_dump()
    recipe["pack"]["max_megabytes"] = 0.001
    with pytest.raises(ModelError, match=r"MB; the recipe allows 0\.001"):
        pack_model(replace(run, recipe=RecipeConfig.parse(recipe)))


def test_the_card_names_the_training_data(finished: tuple[Run, list[str]]) -> None:
    card = (finished[0].model / "README.md").read_text()
    assert "| mini | 0.00 | 2 |" in card and "| anna | anna | a voice |" in card


def test_utterances_without_a_plan_are_left_out(finished: tuple[Run, list[str]], tmp_path: Path) -> None:
    run, _ = finished
    from safetensors.torch import load_file, save_file

    plans = load_file(run.alignments)
    dropped = sorted(plans)[3]
    save_file({key: plan for key, plan in plans.items() if key != dropped}, tmp_path / "plans.safetensors")
    whole = open_corpus(run)
    part = AlignedCorpus(run.shards, alignments=tmp_path / "plans.safetensors")
    assert [u.id for u in part.utterances] == [u.id for u in whole.utterances if u.id != dropped]
    last = len(part) - 1
    assert torch.equal(part.mel(last), whole.mel(len(whole) - 1))
    mate = part.same_speaker(last, torch.Generator().manual_seed(0))
    assert part.utterances[mate].speaker == part.utterances[last].speaker


def test_the_packing_tool_makes_the_same_shards(
    finished: tuple[Run, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = finished
    tool = load_script(ROOT / "tools" / "pack_shards.py")
    options = ["--corpus", "mini", "--features", str(run.features("mini"))]
    assert tool.main([str(run.data("mini")), str(tmp_path / "shards"), *options]) == 0
    assert "30 utterances of mini" in capsys.readouterr().out
    assert Corpus(tmp_path / "shards").utterances == open_corpus(run).utterances
    assert tool.main([str(tmp_path / "nowhere"), str(tmp_path / "shards")]) == 2
    assert "no such data directory" in capsys.readouterr().err


def test_the_check_finds_a_missing_file_and_a_wrong_length(
    finished: tuple[Run, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = load_script(MINI / "local" / "check.py")
    run = _copy(finished[0], tmp_path)
    for name in ("model", "decode", "RESULTS.md"):
        (run.exp / name).symlink_to(finished[0].exp / name)
    (run.exp / "alignments.json").write_text("{}")
    (run.exp / "report.md").write_text("")
    soundfile.write(run.exp / "x.wav", [0.0] * 960, 24_000)
    assert check.main([str(run.exp), "x.wav=960"]) == 0
    assert check.main([str(run.exp), "x.wav=961"]) == 1
    assert "x.wav has 960 samples at 24000 Hz; 961" in capsys.readouterr().err
    (run.exp / "report.md").unlink()
    assert check.main([str(run.exp)]) == 1
    assert "report.md is missing" in capsys.readouterr().err


def _copy(run: Run, folder: Path) -> Run:
    """The same state in another folder, sharing what is large."""
    for entry in run.exp.iterdir():
        if entry.name != "done":
            (folder / entry.name).symlink_to(entry)
    for name in ("model", "decode", "alignments.safetensors", "alignments.json", "RESULTS.md"):
        (folder / name).unlink(missing_ok=True)
    (folder / "done").mkdir()
    for marker in (run.exp / "done").iterdir():
        (folder / "done" / marker.name).write_bytes(marker.read_bytes())
    (folder / "alignments.safetensors").write_bytes(run.alignments.read_bytes())
    return Run(run.recipe, folder)


def test_settings_are_compared_on_dev_sentences(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    tool = load_script(ROOT / "recipes" / "tune_generation.py")
    settings = [tool.read_setting(text) for text in ("temperature=0.5,steps=2", "noise=0.5,steps=2")]
    assert settings == [{"temperature": 0.5, "steps": 2}, {"noise": 0.5, "steps": 2}]
    rows = tool.tune(run, settings, 1, None, 1)
    assert [row[0] for row in rows] == ["natural", "temperature=0.5,steps=2", "noise=0.5,steps=2"]
    assert all(float(row[1]) >= 0 and len(row) == len(tool.HEADER) for row in rows)
    with pytest.raises(InputError, match="write NAME=VALUE"):
        tool.read_setting("loud")
    with pytest.raises(InputError, match="louder"):
        tool.read_setting("louder=1")


def test_a_decoder_learns_the_language_of_new_networks(finished: tuple[Run, list[str]]) -> None:
    run, _ = finished
    model, corpus = load_model(run.model), open_corpus(run, ("codes", "embeddings", "alignments"), "train")
    before = model.components["acoustic"].state_dict()
    found = translate_decoder(model, corpus, load_part("lm", run))
    assert set(found.state) == set(before)
    changed = {name for name, value in found.state.items() if not torch.equal(value, before[name])}
    layers = ("conditioner.latents", "conditioner.vector.voice.1")
    linear = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert changed == {"conditioner.tokens.weight", *linear}
    # The networks are the same here, so the new layers have to say what the old ones said.
    assert 0.5 < found.voices <= 1 and 0.5 < found.latents <= 1
    old, new = before["conditioner.tokens.weight"], found.state["conditioner.tokens.weight"]
    assert torch.equal(new[-1], old[-1]), "the null token means the same"
    counts = torch.cat([corpus.codes(item) for item in range(len(corpus))]).bincount(minlength=len(old) - 1)
    often = int(counts.argmax())
    assert (new[often] - old[often]).norm() < 0.2 * (old[often] - old[:-1].mean(0)).norm()
    other = SemanticLM(load_part("lm", run).config.model_copy(update={"codebook_size": 7}))
    with pytest.raises(InputError, match="the new networks give 7"):
        translate_decoder(model, corpus, other)


def test_doses_that_are_known_are_not_spoken_again(
    finished: tuple[Run, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = finished
    before = load_config(run.model)

    def measure(*given):
        *_, known, _report = given
        return known if len(known) == 4 else pytest.fail("measured again")

    monkeypatch.setattr(expert_stages, "measure_doses", measure)
    assert "alpha" in expert_stages.calibrate(run)
    assert load_config(run.model).guidance == before.guidance
    other = run.recipe.calibrate.model_copy(update={"seed": 5})
    run = replace(run, recipe=run.recipe.model_copy(update={"calibrate": other}))
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        expert_stages.calibrate(run)
