"""The mapper that is shipped, its training, its files and its scores."""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path

import pytest
import torch

from emotts.emotion import EMOTIONS, Emotion
from emotts.emotion.instruct import direct
from emotts.emotion.instruct.corpora import LabelledText, read_emobank, read_goemotions, read_xed
from emotts.emotion.instruct.evaluate import read_cases, read_pairs, score, table
from emotts.emotion.instruct.features import tokenize, word_features
from emotts.emotion.instruct.grammar.composed import ComposedGrammar
from emotts.emotion.instruct.grammar.generator import Grammar, lexicon, neutral_phrases
from emotts.emotion.instruct.grammar.plain import plain_instruction
from emotts.emotion.instruct.grammar.spelling import adverb
from emotts.emotion.instruct.mapper import InstructionMapper, embedded_mapper
from emotts.emotion.instruct.network import MapperConfig, MapperNet
from emotts.emotion.instruct.train import TrainConfig, neutral_words, train
from emotts.errors import DataError, InputError, ModelError

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / "egs" / "instruct" / "local"
TINY = {"words": 64, "pieces": 128, "dim": 8, "hidden": 8, "layers": 1}


def test_the_shipped_mapper_reaches_what_is_promised() -> None:
    scores = score(direct, read_cases(LOCAL / "test.tsv"), read_pairs(LOCAL / "test_pairs.tsv"))
    assert len(scores.cases) >= 120 and len(scores.pairs) >= 40
    assert scores.top1 >= 0.75
    assert scores.ordered >= 0.9
    assert table(scores).count("\n") > 100


def test_the_shipped_mapper_hears_no_emotion_in_plain_instructions() -> None:
    scores = score(direct, read_cases(LOCAL / "plain.tsv"), [])
    assert len(scores.cases) >= 40 and scores.top1 >= 0.9


def test_results_are_those_of_the_shipped_mapper() -> None:
    page = (ROOT / "egs" / "instruct" / "RESULTS.md").read_text(encoding="utf-8")
    scores = score(direct, read_cases(LOCAL / "test.tsv"), read_pairs(LOCAL / "test_pairs.tsv"))
    assert f"| all | {len(scores.cases)} | {scores.top1:.1%} |" in page
    assert f"Order right in {scores.ordered:.1%} of {len(scores.pairs)}." in page


def test_no_instruction_of_the_evaluation_is_a_phrase_of_the_grammar_and_a_template() -> None:
    drawn = {" ".join(tokenize(text)) for text, _ in itertools.islice(Grammar(3), 3000)}
    similes = {phrase.text for phrase in lexicon() if phrase.kind in ("similes", "scenes")}
    for case in read_cases(LOCAL / "test.tsv"):
        if case.kind == "simile":
            assert " ".join(tokenize(case.words)) not in drawn
            assert not any(simile in case.words for simile in similes)


def test_an_instruction_takes_milliseconds() -> None:
    direct("warm up")
    times = []
    for _ in range(7):
        started = time.perf_counter()
        direct("smiling, but her voice shakes, slightly out of breath")
        times.append(time.perf_counter() - started)
    assert min(times) < 0.01


def test_size_and_files_of_the_shipped_mapper() -> None:
    folder = ROOT / "emotts" / "models" / "instruct"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.yaml", "mapper.safetensors"}


def test_from_text_is_the_emotion_of_the_direction() -> None:
    emotion = Emotion.from_text("furious, through clenched teeth")
    assert emotion.name == "angry" and len(emotion.vector) == len(EMOTIONS)
    assert emotion == direct("furious, through clenched teeth").emotion
    assert json.loads(json.dumps(direct("whispered").as_record()))["energy_db"] < -5


@pytest.mark.parametrize("words", ["", "  ", "...", "???", "怒り"])
def test_no_word_is_an_error(words: str) -> None:
    with pytest.raises(InputError, match="no word"):
        direct(words)


def test_what_is_no_string_is_an_error() -> None:
    with pytest.raises(InputError, match="not int"):
        direct(3)  # type: ignore[arg-type]


def test_a_line_gives_emotion_but_its_words_give_no_rate() -> None:
    found = direct("I hate you! You whispered it slowly behind my back!", line=True)
    assert found.emotion.name == "angry"
    assert found.energy == 0.0


def tiny_net() -> MapperNet:
    torch.manual_seed(0)
    return MapperNet(MapperConfig.parse(TINY)).eval()


def test_padding_and_company_change_nothing() -> None:
    net = tiny_net()
    short, long = ["sad"], ["a", "very", "long", "and", "happy", "instruction"]
    alone, _ = net([short], torch.tensor([0]))
    beside, _ = net([short, long], torch.tensor([0, 0]))
    torch.testing.assert_close(alone[0], beside[0])


def test_words_beyond_the_longest_are_left_out() -> None:
    net = tiny_net()
    words = ["word"] * 60
    torch.testing.assert_close(net([words], torch.tensor([0])), net([words[:48]], torch.tensor([0])))


def test_hashes_are_the_same_everywhere() -> None:
    assert word_features("fury", 16384, 32768)[0] == 3988
    assert tokenize("She’s “over-the-top” — NOT sad…") == ["she's", "over-the-top", "not", "sad"]


def test_training_writes_a_mapper_that_reads_back(tmp_path: Path) -> None:
    config = TrainConfig.parse(
        {"corpora": [], "instructions": 150, "epochs": 2, "batch": 32, "network": TINY}
    )
    first = train(config, None, tmp_path / "a")
    again = train(config, None, tmp_path / "b")
    loaded = InstructionMapper.load(tmp_path / "a")
    assert first.direct("furious").emotion == again.direct("furious").emotion
    texts = ["furious", "a sad old man"]
    torch.testing.assert_close(
        torch.tensor(loaded.intensities(texts)), torch.tensor(first.intensities(texts)), atol=2e-3, rtol=0
    )
    losses = [json.loads(line)["loss"] for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert losses[1] < losses[0]


def test_a_corrupt_or_missing_mapper_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*config.yaml"):
        InstructionMapper.load(tmp_path)
    embedded_mapper().save(tmp_path)
    (tmp_path / "mapper.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="corrupt"):
        InstructionMapper.load(tmp_path)


def test_corpora_are_read_as_published(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("admiration\nanger\nneutral")
    (tmp_path / "train.tsv").write_text("You [NAME] fool!\t1\tid1\nNice, but mad\t0,1\tid2\nOk\t2\tid3\n")
    angry, both, none = read_goemotions(tmp_path, "train")
    assert angry.text == "You fool!" and angry.intensities[1] == 0.85
    assert both.intensities[0] > 0 and both.intensities[1] > both.intensities[0]
    assert not any(none.intensities)
    (tmp_path / "train.tsv").write_text("no labels\n")
    with pytest.raises(DataError, match="line 1"):
        read_goemotions(tmp_path, "train")
    (tmp_path / "en-annotated.tsv").write_text("Go away !\t1, 3\n")
    (tmp_path / "neu_en.txt").write_text("9\tOne moment please.\n")
    mixed, neutral = read_xed(tmp_path)
    assert mixed.intensities[1] > 0 and mixed.intensities[4] > 0
    assert neutral.text == "One moment please." and not any(neutral.intensities)
    (tmp_path / "emobank.csv").write_text(
        'id,split,V,A,D,text\na,train,3.0,5.0,3.0,"Hi, you"\nb,test,1,1,1,no\n'
    )
    (only,) = read_emobank(tmp_path, "train")
    assert only.affect == (0.5, 1.0) and only.intensities is None


def test_a_missing_corpus_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give the folder"):
        train(TrainConfig(), None, tmp_path / "out")
    with pytest.raises(DataError, match="is missing"):
        train(TrainConfig(), tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="unknown text corpus 'imdb'"):
        train(TrainConfig.parse({"corpora": ["imdb"]}), tmp_path, tmp_path / "out")


def test_the_grammar_draws_every_emotion_and_neutral() -> None:
    drawn = list(itertools.islice(Grammar(0), 600))
    assert {emotion.name for _, emotion in drawn} == {*EMOTIONS, "neutral"}
    assert drawn == list(itertools.islice(Grammar(0), 600))
    assert all(tokenize(text) for text, _ in drawn)


def test_plain_instructions_fill_every_slot() -> None:
    rng = random.Random(0)
    again = random.Random(0)
    drawn = [plain_instruction(rng, ["kettle"]) for _ in range(500)]
    assert len(set(drawn)) > 300
    assert any("kettle" in text for text in drawn)
    assert not any("{" in text or "}" in text or not tokenize(text) for text in drawn)
    assert drawn[:9] == [plain_instruction(again, ["kettle"]) for _ in range(9)]


def test_a_word_of_delivery_with_an_emotion_is_not_taught_as_neutral() -> None:
    neutral = set(neutral_phrases())
    assert {"loudly", "read it", "whispered"} <= neutral
    assert not {"tired", "gently", "sighing", "frantically"} & neutral


def test_neutral_words_stand_in_neutral_lines() -> None:
    lines = [(["the", "table"], 1, LabelledText("", (0.0,) * 8))] * 6
    lines += [(["the", "tears"], 1, LabelledText("", (0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0)))] * 6
    assert neutral_words(lines, fewest=5) == ("table",)
    assert neutral_words(lines, fewest=7) == () == neutral_words([])


def test_composed_instructions_deny_and_grade() -> None:
    for text, emotion in itertools.islice(ComposedGrammar(0), 400):
        assert tokenize(text)
        assert all(0.0 <= value <= 1.0 for value in emotion.vector)


def test_adverbs_follow_the_spelling_of_english() -> None:
    pairs = {
        "angry": "angrily",
        "sad": "sadly",
        "ecstatic": "ecstatically",
        "gentle": "gently",
        "shy": "shily",
    }
    assert {word: adverb(word) for word in pairs if word != "shy"} == {
        word: found for word, found in pairs.items() if word != "shy"
    }
