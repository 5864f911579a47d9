import pytest
import torch
from torch import Tensor

from emotts.errors import InputError
from emotts.text.symbols import encode
from emotts.timing.predictor import (
    ACTED_EDGE,
    FINAL_PAUSE,
    LEADING_PAUSE,
    DurationPredictor,
    DurationPredictorConfig,
    inner_mask,
)

IDS = encode(["^", "h", "ə", "l", "ˈoʊ", " ", "w", "ˈɜː", "l", "d", "."])
SHORT = encode(["^", "n", "ˈoʊ", "?"])
VOICE = torch.linspace(-1, 1, 12)
EMOTION = torch.tensor([0.0, 0.7, 0, 0, 0, 0, 0, 0])


@pytest.fixture
def model() -> DurationPredictor:
    torch.manual_seed(0)
    predictor = DurationPredictor(DurationPredictorConfig(dim=16, layers=2, voice_dim=12)).eval()
    with torch.no_grad():
        for block in predictor.blocks:
            torch.nn.init.normal_(block.modulation.weight, std=0.3)
        predictor.output.bias.fill_(1.2)
        predictor.tempo.weight.normal_(std=0.1)
    return predictor


def batch_of(*sequences: list[int]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, sequences))
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids in sequences])
    return ids, ids != 0


def test_padding_changes_nothing(model: DurationPredictor):
    voices, emotions = torch.stack([VOICE, -VOICE]), torch.stack([EMOTION, EMOTION.flip(0)])
    ids, mask = batch_of(IDS, SHORT)
    together = model(ids, mask, voices, emotions)
    alone = model(*batch_of(SHORT), voices[1:], emotions[1:])
    torch.testing.assert_close(together[1, : len(SHORT)], alone[0])
    assert together[1, len(SHORT) :].abs().max() == 0
    durations = torch.rand(ids.shape) * 5
    loss = model.loss(together, durations, ids, mask)
    changed = model.loss(together, torch.where(mask, durations, 99.0), ids, mask)
    assert loss["loss"] == changed["loss"]


def test_an_emotion_slows_every_voice_alike(model: DurationPredictor):
    with torch.no_grad():
        model.tempo.weight.zero_()
        model.tempo.weight[:, 2] = 0.2  # sad
    sad = torch.eye(8)[2]
    ids, mask = batch_of(IDS)
    for voice in (VOICE, VOICE.flip(0)):
        plain, slow = (model(ids, mask, voice[None], e[None]) for e in (torch.zeros(8), sad))
        room = 1 - torch.exp(-plain.clamp_min(0))
        torch.testing.assert_close(slow - plain, 0.2 * room)


def test_voice_and_emotion_matter_but_the_scale_of_the_embedding_does_not(model: DurationPredictor):
    reference = model.predict(IDS, VOICE, EMOTION)
    assert model.predict(IDS, VOICE.flip(0), EMOTION) != reference
    assert model.predict(IDS, VOICE, torch.zeros(8)) != reference
    assert model.predict(IDS, 10 * VOICE, EMOTION) == pytest.approx(reference, rel=1e-4)


def test_pauses_at_both_ends_are_fixed_and_not_learnt(model: DurationPredictor):
    predicted = model.predict(IDS, VOICE, EMOTION)
    assert (predicted[0], predicted[-1]) == (LEADING_PAUSE, FINAL_PAUSE)
    ids, mask = batch_of(IDS, SHORT)
    inner = inner_mask(ids, mask)
    assert inner[0].tolist() == [False] + [True] * 9 + [False]
    assert inner[1].tolist() == [False, True, True, False] + [False] * 7


def test_the_edges_of_acted_speech_do_not_count(model: DurationPredictor):
    ids, mask = batch_of(IDS, IDS)
    inner = inner_mask(ids, mask, torch.tensor([True, False]))
    assert inner[0].nonzero()[:, 0].tolist() == list(range(1 + ACTED_EDGE, len(IDS) - 1 - ACTED_EDGE))
    assert inner[1].nonzero()[:, 0].tolist() == list(range(1, len(IDS) - 1))


def test_a_faint_word_boundary_is_no_pause(model: DurationPredictor):
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.fill_(0.6)  # 0.8 tokens everywhere
    predicted = model.predict(IDS, VOICE, torch.zeros(8))
    assert predicted[5] == 0.0
    assert predicted[1] == pytest.approx(0.82, abs=0.01)


def test_plans_follow_the_prediction_the_speed_and_the_total(model: DurationPredictor):
    natural = sum(model.predict(IDS, VOICE, EMOTION))
    plan = model.plan(IDS, VOICE, EMOTION)
    assert len(plan) == len(IDS)
    assert plan.total == pytest.approx(natural, abs=0.5)
    assert model.plan(IDS, VOICE, EMOTION, speed=0.5).total == pytest.approx(2 * natural, abs=0.5)
    assert model.plan(IDS, VOICE, EMOTION, total=37).total == 37


def test_a_plan_lasts_even_if_nothing_is_predicted(model: DurationPredictor):
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.fill_(-5.0)
    assert model.plan(IDS, VOICE, EMOTION).total == 5
    assert model.plan(encode(["n"]), VOICE, EMOTION).total == 1


def test_prediction_leaves_no_trace(model: DurationPredictor):
    model.train()
    first = model.predict(IDS, VOICE, EMOTION)
    assert model.training
    assert model.predict(IDS, VOICE, EMOTION) == first


@pytest.mark.parametrize("speed", [0.0, -1.0, 9.0, float("nan")])
def test_an_absurd_speed_names_the_range(model: DurationPredictor, speed: float):
    with pytest.raises(InputError, match=r"between 0\.25 and 4"):
        model.plan(IDS, VOICE, EMOTION, speed=speed)


def test_nothing_to_time_is_refused(model: DurationPredictor):
    with pytest.raises(InputError, match="no phonemes"):
        model.predict([], VOICE, EMOTION)
