import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from emotts.errors import DataError
from emotts.text.symbols import encode
from emotts.timing.predictor import DurationPredictorConfig
from emotts.train.tasks.duration import DurationTask, DurationTaskConfig, speaker_tempos

_HELLO, _WORLD = ["h", "ə", "l", "ˈoʊ"], ["w", "ˈɜː", "l", "d"]
TEXTS = [
    ["^", *_HELLO, *_WORLD, *_HELLO, "."],
    ["^", *_WORLD, " ", "n", "ˈoʊ", " ", *_HELLO, "?"],
    ["^", *_WORLD, *_WORLD, " ", "n", "ˈoʊ", "."],
]
SMALL = DurationPredictorConfig(dim=24, layers=2, voice_dim=8, dropout=0.0)


@dataclass
class Record:
    id: str
    speaker: str
    phonemes: list[int]
    emotion: list[float]
    durations: list[int] | None = None


@dataclass
class ToyCorpus:
    """Two speakers say every text; the second takes twice as long, and anger halves the time."""

    utterances: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        for speaker in (1, 2):
            for angry in (0.0, 1.0):
                for number, text in enumerate(TEXTS):
                    pace = 4 * speaker / (1 + angry)
                    durations = [9] + [int(pace) + (i % 3) for i in range(len(text) - 2)] + [30]
                    self.utterances.append(
                        Record(
                            f"{speaker}-{angry}-{number}",
                            str(speaker),
                            encode(text),
                            [0.0, angry] + [0.0] * 6,
                            durations,
                        )
                    )

    def embedding(self, index: int) -> Tensor:
        speaker = int(self.utterances[index].speaker)
        return torch.nn.functional.one_hot(torch.tensor(speaker), 8).float()

    def same_speaker(self, index: int, generator: torch.Generator) -> int:
        mates = [i for i, u in enumerate(self.utterances) if u.speaker == self.utterances[index].speaker]
        return mates[int(torch.randint(len(mates), (1,), generator=generator))]


def test_a_few_items_are_learnt_by_heart():
    torch.manual_seed(0)
    corpus = ToyCorpus()
    task = DurationTask(DurationTaskConfig(model=SMALL, learning_rate=5e-3, drop=0.0), corpus, corpus)
    optimizer = task.optimizers()["model"]
    before = task.evaluate(task.modules)
    generator = torch.Generator().manual_seed(1)
    for _ in range(250):
        batch = task.collate(list(range(len(task.lengths()))), generator)
        for name, loss, logs in task.losses(batch):
            assert name == "model" and set(logs) == {"loss", "phoneme", "total"}
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    after = task.evaluate(task.modules.eval())
    assert after["mae_ms"] < 10 < before["mae_ms"]
    assert after["total_error_percent"] < 3


def test_batches_depend_on_the_generator_alone():
    corpus = ToyCorpus()
    task = DurationTask(DurationTaskConfig(model=SMALL, drop=0.5), corpus, corpus)
    first, second = (task.collate([0, 4, 7], torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert task.lengths()[0] == 14
    assert task.identify([4]) == ["1-1.0-1"]


def test_voice_and_emotion_are_hidden_from_a_share_of_items():
    corpus = ToyCorpus()
    task = DurationTask(DurationTaskConfig(model=SMALL, drop=0.25), corpus, corpus)
    items = [3] * 400  # an angry one
    batch = task.collate(items, torch.Generator().manual_seed(0))
    hidden_voice, hidden_emotion = (batch[key].abs().sum(1) == 0 for key in ("voice", "emotion"))
    assert 0.15 < hidden_voice.float().mean() < 0.35
    assert 0.15 < hidden_emotion.float().mean() < 0.35
    assert not torch.equal(hidden_voice, hidden_emotion)


def test_the_weight_counts_the_phonemes_that_are_scored():
    corpus = ToyCorpus()
    task = DurationTask(DurationTaskConfig(model=SMALL), corpus, corpus)
    batch = task.collate([0, 3], torch.Generator().manual_seed(0))
    # Of the second, which is acted, the three next to the pauses at both ends do not count.
    assert batch["weight"].tolist() == [12 + 6]


def test_utterances_without_a_plan_are_left_out():
    corpus = ToyCorpus()
    corpus.utterances[0].durations = None
    task = DurationTask(DurationTaskConfig(model=SMALL), corpus, corpus)
    assert len(task.lengths()) == len(corpus.utterances) - 1
    assert task.identify([0]) == ["1-0.0-1"]


def test_a_corpus_without_plans_is_refused():
    corpus = ToyCorpus()
    for record in corpus.utterances:
        record.durations = None
    with pytest.raises(DataError, match="run the align stage"):
        DurationTask(DurationTaskConfig(model=SMALL), corpus, corpus)


def test_a_plan_of_another_text_is_refused():
    corpus = ToyCorpus()
    corpus.utterances[2].durations = [1, 2]
    with pytest.raises(DataError, match="2 durations for 13 phonemes"):
        DurationTask(DurationTaskConfig(model=SMALL), corpus, corpus)


def test_the_tempo_is_that_of_neutral_speech():
    corpus = ToyCorpus()
    tempos = speaker_tempos(corpus, range(len(corpus.utterances)))
    assert set(tempos) == {"1", "2"}
    assert math.exp(tempos["2"] - tempos["1"]) == pytest.approx(9 / 5, rel=0.03), "4 and 8, and 1 on average"
    for utterance in corpus.utterances:
        if utterance.emotion[1]:
            utterance.durations = [1000] * len(utterance.phonemes)
    assert speaker_tempos(corpus, range(len(corpus.utterances))) == tempos


def test_swapped_voices_bring_their_tempo_to_emotional_items_only():
    corpus = ToyCorpus()
    task = DurationTask(DurationTaskConfig(model=SMALL, drop=0.0, voice_swap=1.0), corpus, corpus)
    plain = DurationTask(DurationTaskConfig(model=SMALL, drop=0.0), corpus, corpus)
    change = math.exp(task.tempo["2"] - task.tempo["1"])
    everyone = list(range(len(corpus.utterances)))
    given = plain.collate(everyone, torch.Generator().manual_seed(0))["durations"]
    voices = set()
    for seed in range(10):
        batch = task.collate(everyone, torch.Generator().manual_seed(seed))
        for row, utterance in enumerate(corpus.utterances):
            speaker = str(int(batch["voice"][row].argmax()))
            power = int(speaker) - int(utterance.speaker)
            torch.testing.assert_close(batch["durations"][row], given[row] * change**power)
            if not utterance.emotion[1]:
                assert speaker == utterance.speaker
            else:
                voices.add((utterance.speaker, speaker))
    assert len(voices) == 4, "everybody speaks with every voice"
