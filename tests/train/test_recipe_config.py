from __future__ import annotations

from pathlib import Path

import pytest

from emotts.errors import InputError
from emotts.train.recipe import MODULES, TASKS, RecipeConfig, Run

EGS = Path(__file__).parents[2] / "egs"
MINIMAL = {"corpora": {"a": {}}}


@pytest.mark.parametrize(
    "path",
    [path for name in ("recipe", "gpu") for path in sorted(EGS.glob(f"*/conf/{name}.yaml"))],
    ids=lambda path: "/".join(path.parts[-3:]),
)
def test_every_recipe_is_valid(path: Path) -> None:
    recipe = RecipeConfig.load(path)
    assert recipe.corpora


@pytest.mark.parametrize("name", ["recipe", "gpu"])
def test_the_embedded_recipes_make_the_same_networks_but_for_the_decoder(name: str) -> None:
    recipe = RecipeConfig.load(EGS / "embedded" / "conf" / f"{name}.yaml")
    models = {part: recipe.task_config(part).model for part in TASKS if recipe.part(part)}
    assert (models["voice"].dim, models["voice"].layers) == (192, 4)
    assert models["tokenizer"].dim == 256 and models["tokenizer"].levels == (8, 5, 5, 5)
    assert (models["lm"].dim, models["lm"].layers) == (256, 6)
    # A GPU has time for a decoder that is as large as 64 MB allow.
    sizes = {"recipe": (256, 5), "gpu": (288, 7)}
    assert (models["acoustic"].dim, models["acoustic"].layers) == sizes[name]
    assert (models["vocoder"].dim, models["vocoder"].layers) == (256, 7)
    assert set(recipe.corpora) == {"kathleen", "cmu_arctic", "ljspeech", "librispeech", "crema_d"}
    assert recipe.pack.default_voice == "kathleen" and recipe.pack.max_megabytes == 64
    assert all(corpus.licence and "NC" not in corpus.licence for corpus in recipe.corpora.values())


def test_sizes_that_parts_share_follow_from_one_place() -> None:
    recipe = RecipeConfig.parse(
        {
            **MINIMAL,
            "voice": {"task": {"model": {"dim": 48}}},
            "tokenizer": {"task": {"model": {"levels": [4, 3]}}},
            "lm": {"task": {"model": {"dim": 64}}},
        }
    )
    parts = {part: recipe.task_config(part).model for part in ("tokenizer", "duration", "lm", "acoustic")}
    assert {model.voice_dim for model in parts.values()} == {48}
    assert parts["lm"].codebook_size == parts["acoustic"].codebook_size == 12
    assert parts["acoustic"].latent_dim == 64
    assert parts["lm"].symbols == parts["duration"].symbols


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lm": {"task": {"model": {"voice_dim": 3}}}}, r"lm\.task: model\.voice_dim follows"),
        (
            {"lm": {"task": {"model": {"dimm": 3}}}},
            r"lm\.task: unknown key 'model\.dimm'.*did you mean 'dim'",
        ),
        ({"lm": {"task": {"model": 3}}}, r"lm\.task: model must hold a mapping"),
        ({"voice": {"task": {"rate": 3}}}, r"voice\.task: unknown key 'rate'.*learning_rate"),
        ({"voice": {"train": {"stepps": 3}}}, r"did you mean 'steps'"),
        ({"vocodr": {}}, r"did you mean 'vocoder'"),
        ({"jobs": 0}, "jobs"),
        ({"pack": {"default_voice": "x"}}, "default_voice 'x' is not among voices"),
        ({"corpora": {"a": {"path": "x", "data": "y"}}}, "either path or data"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        RecipeConfig.parse(MINIMAL | values)
    assert "\n" not in str(caught.value)


def test_corpora_can_be_found_elsewhere() -> None:
    recipe = RecipeConfig.parse({"corpora": {"a": {"path": "/x", "limit": 4}, "b": {"optional": True}}})
    moved = recipe.with_sources({"b": Path("/b")}, {"a": Path("/data/a")})
    assert (moved.corpora["a"].path, moved.corpora["a"].data) == (None, Path("/data/a"))
    assert moved.corpora["a"].limit == 4
    with pytest.raises(InputError, match="no corpus 'c'; it has: a, b"):
        recipe.with_sources({"c": Path("/c")})


def test_an_optional_corpus_that_is_nowhere_is_left_out(tmp_path: Path) -> None:
    recipe = RecipeConfig.parse({"corpora": {"a": {}, "b": {"optional": True}, "c": {"optional": True}}})
    (tmp_path / "data" / "c").mkdir(parents=True)
    assert set(recipe.without_absent(tmp_path).corpora) == {"a", "c"}


def test_an_existing_data_directory_is_read_where_it_lies_unless_limited() -> None:
    corpora = {"a": {"data": "/data/a"}, "b": {"data": "/data/b", "limit": 4}, "c": {"path": "/c"}}
    run = Run(RecipeConfig.parse({"corpora": corpora}), Path("exp"))
    assert run.data("a") == Path("/data/a")
    assert run.data("b") == Path("exp/data/b")
    assert run.data("c") == Path("exp/data/c")


def test_every_part_gives_one_component_of_the_model() -> None:
    from emotts.model import COMPONENTS, OPTIONAL_COMPONENTS

    assert set(MODULES) == set(TASKS)
    assert set(MODULES.values()) == {*COMPONENTS, *OPTIONAL_COMPONENTS}
