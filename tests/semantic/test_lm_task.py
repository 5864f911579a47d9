from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import DataError, InputError
from emotts.semantic.lm_inputs import LMInputs, SemanticLMConfig
from emotts.train.tasks.lm import (
    SemanticLMTask,
    SemanticLMTaskConfig,
    corrupt_codes,
    jitter_plan,
    shuffle_pieces,
)

MODEL = SemanticLMConfig(
    symbols=20, codebook_size=12, dim=16, heads=2, text_layers=1, layers=1, voice_dim=4, dropout=0.0
)
CLEAN = {
    name: 0.0
    for name in ("free_share", "no_plan_share", "jitter_share", "mask_share", "random_share", "voice_drop")
} | {"emotion_drop": 0.0}


class FakeCorpus:
    """Codes that follow from the phonemes alone."""

    def __init__(self, count, seed=0, aligned=True):
        generator = torch.Generator().manual_seed(seed)
        self.utterances = []
        for i in range(count):
            phonemes = torch.randint(1, 12, (3 + i % 4,), generator=generator).tolist()
            plan = [1 + (i + k) % 3 for k in range(len(phonemes))]
            self.utterances.append(
                SimpleNamespace(
                    id=f"u{i}",
                    phonemes=phonemes,
                    durations=plan if aligned else None,
                    tokens=sum(plan),
                    emotion=[0.5] + [0.0] * 7,
                    corpus="acted" if i % 2 else "read",
                    speaker=f"s{i % 3}",
                )
            )

    def codes(self, index):
        utterance = self.utterances[index]
        return torch.tensor(utterance.phonemes).repeat_interleave(torch.tensor(utterance.durations))

    def embedding(self, index):
        return torch.full((4,), 1.0 + index)

    def same_speaker(self, index, generator):
        return (index + 1) % len(self.utterances)


def make(corpus, dev=None, **options):
    return SemanticLMTask(SemanticLMTaskConfig(model=MODEL, **options), corpus, dev)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_jitter_keeps_total_sign_and_silence(plan, seed):
    plan[0] += 1
    before = torch.tensor(plan)
    after = jitter_plan(before, 1.0, torch.Generator().manual_seed(seed))
    assert int(after.sum()) == sum(plan)
    assert int(after.min()) >= 0
    assert not after[before == 0].any()
    assert int((after.cumsum(0) - before.cumsum(0)).abs().max()) <= 1


def test_jitter_moves_about_the_share_asked_for():
    plan = torch.full((2000,), 4)
    after = jitter_plan(plan, 0.3, torch.Generator().manual_seed(0))
    moved = (after.cumsum(0) != plan.cumsum(0)).float().mean()
    assert float(moved) == pytest.approx(0.3, abs=0.05)
    assert torch.equal(jitter_plan(plan, 0.0, torch.Generator()), plan)


def test_corruption_withholds_and_falsifies_its_shares():
    codes = torch.full((20_000,), 500)
    fed = corrupt_codes(codes, 1000, 0.15, 0.05, torch.Generator().manual_seed(0))
    assert float((fed == 1000).float().mean()) == pytest.approx(0.15, abs=0.01)
    assert float(((fed != 1000) & (fed != 500)).float().mean()) == pytest.approx(0.05, abs=0.01)


def test_a_batch_holds_what_the_corpus_says():
    corpus = FakeCorpus(6)
    task = make(corpus, **CLEAN)
    batch = task.collate([1, 4], torch.Generator().manual_seed(0))
    inputs = LMInputs.from_batch(batch)
    for row, index in enumerate((1, 4)):
        utterance = corpus.utterances[index]
        phonemes = len(utterance.phonemes)
        assert inputs.phonemes[row, :phonemes].tolist() == utterance.phonemes
        assert inputs.durations[row, :phonemes].tolist() == utterance.durations
        assert batch["codes"][row, : utterance.tokens].tolist() == corpus.codes(index).tolist()
        assert int(inputs.phoneme_mask[row].sum()) == phonemes
        assert int(batch["code_mask"][row].sum()) == int(inputs.totals[row]) == utterance.tokens
    assert torch.equal(batch["codes"], batch["input_codes"])
    assert inputs.voice[:, 0].tolist() == [3.0, 6.0]
    assert inputs.has_plan.all() and inputs.has_total.all()
    assert task.lengths()[4] == corpus.utterances[4].tokens
    assert task.identify([4]) == ["u4"]


def test_conditions_are_dropped_at_their_shares_and_by_the_generator_alone():
    task = make(FakeCorpus(40))
    batches = [task.collate(list(range(40)) * 40, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    first, again, other = batches
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["has_plan"], other["has_plan"])
    shares = {
        "free": (~first["has_total"]).float().mean(),
        "plan": (~first["has_plan"]).float().mean(),
        "voice": (first["voice"] == 0).all(1).float().mean(),
        "emotion": (first["emotion"] == 0).all(1).float().mean(),
    }
    expected = {"free": 0.3, "plan": 0.15, "voice": 0.05, "emotion": 0.1}
    assert {k: float(v) for k, v in shares.items()} == pytest.approx(expected, abs=0.04)
    kept = first["code_mask"] | (first["input_codes"] == first["codes"])
    assert kept.all()


def test_unusable_items_are_left_out_and_none_left_is_an_error():
    corpus = FakeCorpus(4)
    corpus.utterances[0].durations = None
    corpus.utterances[1].tokens = corpus.utterances[1].durations[0] = 400
    corpus.utterances[2].durations = [1]
    assert make(corpus).items == [3]
    with pytest.raises(DataError, match="align"):
        make(FakeCorpus(3, aligned=False))


def test_codes_that_do_not_fit_are_an_error_that_names_the_utterance():
    corpus = FakeCorpus(2)
    corpus.codes = lambda index: torch.full((corpus.utterances[index].tokens,), 12)
    with pytest.raises(DataError, match="u0"):
        make(corpus).collate([0], torch.Generator())


def test_training_lowers_the_dev_figures():
    torch.manual_seed(0)
    task = make(FakeCorpus(48), FakeCorpus(8, seed=1), learning_rate=5e-3)
    optimizer = task.optimizers()["model"]
    before = task.evaluate(task.modules)
    for step in range(80):
        generator = torch.Generator().manual_seed(step)
        batch = task.collate(torch.randperm(48, generator=generator)[:16].tolist(), generator)
        for name, loss, figures in task.losses(batch):
            assert name == "model" and set(figures) == {"cross_entropy", "accuracy"}
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    after = task.evaluate(task.modules)
    assert set(after) == {f"{k}{s}" for k in ("cross_entropy", "top1", "top10") for s in ("", "_no_plan")}
    assert after["cross_entropy"] < 0.5 * before["cross_entropy"]
    assert after["top1"] > 0.7 and after["top10"] >= after["top1"] and after["top1"] > after["top1_no_plan"]
    assert task.modules["lm"].training


def test_every_parameter_is_optimised_once_and_tables_do_not_decay():
    task = make(FakeCorpus(4))
    groups = task.optimizers()["model"].param_groups
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in task.modules.parameters())
    free = {id(p) for group in groups if group["weight_decay"] == 0 for p in group["params"]}
    assert id(task.modules["lm"].position_table.weight) in free


def gradients(task: SemanticLMTask, progress: float) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    for parameter in task.modules["lm"].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    task.progress = progress
    task.modules.zero_grad()
    ((_, loss, _),) = task.losses(task.collate([0, 1, 2, 3], torch.Generator().manual_seed(1)))
    loss.backward()
    return {name: p.grad.clone() for name, p in task.modules["lm"].named_parameters() if p.grad is not None}


def test_frozen_parts_get_no_gradient_and_no_update():
    task = make(FakeCorpus(4), frozen=["voice_projection", "token_kind"])
    found = gradients(task, 0.5)
    assert not {"voice_projection.weight", "voice_projection.bias", "token_kind"} & set(found)
    assert "emotion_projection.weight" in found
    listed = {id(p) for group in task.optimizers()["model"].param_groups for p in group["params"]}
    assert id(task.modules["lm"].voice_projection.weight) not in listed
    with pytest.raises(InputError, match=r"has no 'timbre'; it has: .*voice_projection"):
        make(FakeCorpus(4), frozen=["timbre"])


def test_emotional_training_keeps_to_corpora_that_hold_emotions():
    corpus = FakeCorpus(8)
    for utterance in corpus.utterances:
        utterance.emotion = [0.0] * 8
    corpus.utterances[3].emotion = [0.7] + [0.0] * 7
    task = make(corpus, emotional=True)
    assert task.identify(range(len(task.lengths()))) == ["u1", "u3", "u5", "u7"], "neutral ones among them"
    assert len(make(corpus).lengths()) == 8
    corpus.utterances[3].emotion = [0.0] * 8
    with pytest.raises(DataError):
        make(corpus, emotional=True)


def test_voices_are_swapped_as_often_as_listeners_heard_an_emotion():
    corpus = FakeCorpus(9)
    for utterance, heard in zip(corpus.utterances, (0.0, 0.5, 1.0) * 3, strict=True):
        utterance.emotion = [heard] + [0.0] * 7
    task = make(corpus, voice_swap=0.8, **CLEAN)
    strangers = torch.zeros(9)
    for seed in range(400):
        voices = task.collate(list(range(9)), torch.Generator().manual_seed(seed))["voice"][:, 0]
        strangers += voices != 1.0 + (torch.arange(9) + 1) % 9
    # One swap in nine draws the voice that the item would have had anyway.
    expected = torch.tensor([0.0, 0.5, 1.0] * 3) * 0.8 * 8 / 9
    assert not strangers[::3].any(), "neutral speech keeps its speaker"
    torch.testing.assert_close(strangers / 400, expected, atol=0.08, rtol=0.0)


def test_emotional_training_takes_voices_of_speakers_who_were_only_ever_neutral():
    corpus = FakeCorpus(8)
    for number, utterance in enumerate(corpus.utterances):
        utterance.emotion = [float(number % 2)] + [0.0] * 7
    task = make(corpus, emotional=True, voice_swap=1.0, **CLEAN)
    seen = set()
    for seed in range(40):
        seen |= set(task.collate([0, 1, 2, 3], torch.Generator().manual_seed(seed))["voice"][:, 0].tolist())
    assert seen == {1.0 + index for index in range(8)}


def test_clear_recordings_count_several_times():
    corpus = FakeCorpus(4)
    corpus.utterances[2].emotion = [0.0, 0.7] + [0.0] * 6
    task = make(corpus, clear_repeats=3)
    assert task.identify(range(len(task.lengths()))) == ["u0", "u1", "u2", "u2", "u2", "u3"]
    assert task.lengths()[2:5] == [corpus.utterances[2].tokens] * 3


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40).filter(sum), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_shuffled_pieces_are_a_new_order_of_phonemes_and_their_tokens(plan, seed):
    plan = torch.tensor(plan)
    order, places = shuffle_pieces(plan, torch.Generator().manual_seed(seed))
    assert sorted(order.tolist()) == list(range(len(plan)))
    assert order[0] == 0 and order[-1] == len(plan) - 1, "pauses at the ends stay there"
    owners = torch.arange(len(plan)).repeat_interleave(plan)
    assert torch.equal(owners[places], order.repeat_interleave(plan[order])), "tokens follow their phonemes"


def test_a_shuffled_batch_keeps_the_code_of_every_phoneme():
    corpus = FakeCorpus(6)
    for utterance in corpus.utterances:
        utterance.phonemes = utterance.phonemes * 4
        utterance.durations = utterance.durations * 4
        utterance.tokens *= 4
    batch = make(corpus, shuffle_share=1.0, **CLEAN).collate(list(range(6)), torch.Generator().manual_seed(0))
    moved = 0
    for row, utterance in enumerate(corpus.utterances):
        count = len(utterance.phonemes)
        phonemes, plan = batch["phonemes"][row, :count], batch["durations"][row, :count]
        assert torch.equal(batch["codes"][row, : utterance.tokens], phonemes.repeat_interleave(plan))
        assert torch.equal(batch["input_codes"][row], batch["codes"][row])
        moved += phonemes.tolist() != utterance.phonemes
    assert moved


def test_the_speaker_classifier_is_fought_more_as_training_goes_on():
    plain, fought = make(FakeCorpus(8)), make(FakeCorpus(8), speaker_reversal=1.0)
    assert set(fought.modules) == {"lm", "speaker_probe"} and set(plain.modules) == {"lm"}
    alone, early, late = gradients(plain, 0.0), gradients(fought, 0.0), gradients(fought, 1.0)
    name = "final_norm.weight"
    torch.testing.assert_close(early[name], alone[name])
    assert not torch.allclose(late[name], alone[name], rtol=1e-3)
    probe = torch.nn.functional.cross_entropy
    hidden = torch.randn(4, 5, MODEL.dim, requires_grad=True)
    mask = torch.ones(4, 5, dtype=torch.bool)
    fought.progress = 1.0
    loss, known = fought._speaker_loss(hidden, mask, torch.tensor([0, 1, 2, 0]))
    (reversed_gradient,) = torch.autograd.grad(loss, hidden, retain_graph=True)
    with torch.no_grad():
        worse = hidden - 0.5 * reversed_gradient / reversed_gradient.norm()
        after = probe(fought.modules["speaker_probe"](worse.mean(1)), torch.tensor([0, 1, 2, 0]))
    assert after > loss and 0 <= known <= 1, "a step down the gradient hides the speaker"


def test_padding_changes_no_speaker_loss():
    task = make(FakeCorpus(8), speaker_reversal=1.0)
    hidden, speaker = torch.randn(2, 6, MODEL.dim), torch.tensor([0, 1])
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    other = torch.where(mask[..., None], hidden, 9.0)
    first, _ = task._speaker_loss(hidden, mask, speaker)
    second, _ = task._speaker_loss(other, mask, speaker)
    torch.testing.assert_close(first, second)
