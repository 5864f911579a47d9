from types import SimpleNamespace

import pytest
import torch
from torch import nn

from emotts.acoustic.config import AcousticConfig
from emotts.errors import InputError
from emotts.train.tasks.acoustic import AcousticTask, AcousticTaskConfig, mel_statistics

MODEL = AcousticConfig(
    codebook_size=20, latent_dim=6, dim=16, heads=2, layers=1, conditioner_layers=1, upsampled_layers=1,
    expansion=2, condition_dim=8, voice_dim=5,
)  # fmt: skip


class FakeCorpus:
    """Item i: tokens 10 + 5 i; every frame of the mel tells its item and its token."""

    def __init__(self, count=4):
        self.utterances = [
            SimpleNamespace(
                id=f"u{i}", speaker="s", split="train", phonemes=[1, 2, 3], emotion=[0.0] * 7 + [i / 10],
                bandwidth=8000, tokens=10 + 5 * i, durations=None,
            )
            for i in range(count)
        ]  # fmt: skip

    def __len__(self):
        return len(self.utterances)

    def codes(self, i):
        return (torch.arange(self.utterances[i].tokens) + i) % 20

    def mel(self, i):
        place = torch.arange(self.utterances[i].tokens).repeat_interleave(4).float()
        noise = torch.randn(len(place), 80, generator=torch.Generator().manual_seed(i))
        return noise.index_fill(1, torch.tensor([0]), 0) + torch.nn.functional.pad(place[:, None], (0, 79))

    def embedding(self, i):
        return torch.full((5,), float(i))

    def same_speaker(self, i, generator):
        return (i + 1 + int(torch.randint(len(self) - 1, (1,), generator=generator))) % len(self)


class FakeLM(nn.Module):
    """Latents that tell the place in the whole utterance; counts its work."""

    def __init__(self, dim=6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.items = 0

    def latents(self, inputs, codes, code_mask):
        self.items += len(codes)
        assert inputs.totals.tolist() == code_mask.sum(1).tolist()
        return torch.arange(codes.shape[1]).float()[None, :, None] * self.weight * code_mask[..., None]


def make(language_model=None, **options):
    torch.manual_seed(0)
    config = AcousticTaskConfig(model=MODEL, max_tokens=12, dev_items=4, **options)
    return AcousticTask(config, FakeCorpus(), FakeCorpus(3), language_model)


def test_excerpts_cut_codes_latents_and_mel_alike():
    task = make(FakeLM(), drop_latents=0, prompt=0, corrupt_codes=0)
    batch = task.collate([0, 3], torch.Generator().manual_seed(5))
    assert task.lengths() == [10, 12, 12, 12] and batch["lengths"].tolist() == [10, 12]
    start = int(batch["mel"][1, 0, 0])
    places = torch.arange(start, start + 12)
    assert start > 0
    assert torch.equal(batch["codes"][1], (places + 3) % 20)
    assert torch.equal(batch["mel"][1, ::4, 0], places.float())
    assert torch.equal(batch["latents"][1, :, 0], places.float())
    assert batch["latent_mask"].sum(1).tolist() == [10, 12]
    assert batch["weight"].tolist() == [88]


def test_phonemes_follow_the_plan_of_the_excerpt():
    task = make(prompt=0, drop_phonemes=0)
    task.train.utterances[3].durations = [4, 0, 21]
    batch = task.collate([3, 0], torch.Generator().manual_seed(5))
    start = int(batch["mel"][0, 0, 0])
    wanted = torch.tensor([0] * 4 + [2] * 21)[start : start + 12]
    assert batch["phonemes"][0].tolist() == [1, 2, 3]
    assert torch.equal(batch["phoneme_index"][0], wanted)
    assert (batch["phoneme_index"][1] == -1).all()  # an utterance that was not aligned


def test_prompts_hide_phonemes_and_keep_their_codes():
    task = make(FakeLM(), prompt=1.0, drop_phonemes=0, drop_prompt_latents=1.0, corrupt_codes=1.0)
    for utterance in task.train.utterances:
        utterance.durations = [utterance.tokens, 0, 0]
    batch = task.collate([1, 2, 3], torch.Generator().manual_seed(1))
    clean = make(prompt=0, corrupt_codes=0).collate([1, 2, 3], torch.Generator().manual_seed(1))
    changed = 0
    for row, prompt in enumerate(batch["prompt_lengths"].tolist()):
        assert (batch["phoneme_index"][row, :prompt] == -1).all()
        assert (batch["phoneme_index"][row, prompt : batch["lengths"][row]] == 0).all()
        assert torch.equal(batch["codes"][row, :prompt], clean["codes"][row, :prompt])
        changed += int((batch["codes"][row] != clean["codes"][row]).sum())
    assert changed > 0


def test_voice_comes_from_another_recording():
    batch = make().collate([2], torch.Generator().manual_seed(0))
    assert batch["voice"][0, 0] != 2 and not batch["latent_mask"].any()


def test_prompts_are_whole_tokens_of_the_given_share_and_may_lack_latents():
    task = make(FakeLM(), prompt=1.0, drop_latents=0, drop_prompt_latents=1.0)
    batch = task.collate([1, 2, 3], torch.Generator().manual_seed(1))
    prompts = batch["prompt_lengths"]
    assert bool(((prompts >= 1) & (prompts <= 4)).all())
    assert torch.equal((~batch["latent_mask"]).sum(1), prompts)
    assert not batch["latent_mask"][0, : prompts[0]].any()


def test_collate_repeats_for_the_same_generator():
    task = make(FakeLM())
    first, second = (task.collate([0, 1, 2], torch.Generator().manual_seed(9)) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_latents_are_computed_once_and_the_language_model_stays_frozen():
    language_model = FakeLM()
    task = make(language_model)
    for seed in range(3):
        task.collate([0, 1], torch.Generator().manual_seed(seed))
    assert language_model.items == 2
    assert not language_model.weight.requires_grad
    assert set(task.modules) == {"acoustic"}


def test_all_latents_are_there_before_the_training_and_are_those_of_a_batch():
    language_model, lazy = FakeLM(), make(FakeLM())
    task = make(language_model)
    task.prepare(torch.device("cpu"))
    counted = language_model.items
    assert counted == len(task.train) + len(task.dev)
    first, second = (made.collate([0, 1], torch.Generator().manual_seed(3)) for made in (task, lazy))
    torch.testing.assert_close(first["latents"], second["latents"])
    assert language_model.items == counted


def test_wrong_latent_width_is_explained():
    with pytest.raises(InputError, match="latents of 7; set latent_dim"):
        make(FakeLM(7)).collate([0], torch.Generator())


def test_statistics_are_those_of_the_corpus():
    corpus = FakeCorpus()
    mean, std = mel_statistics(corpus)
    frames = torch.cat([corpus.mel(i) for i in range(4)])
    torch.testing.assert_close(mean, frames.mean(0))
    torch.testing.assert_close(std, frames.std(0))
    torch.testing.assert_close(make().modules["acoustic"].mel_mean, mean)


@pytest.mark.parametrize("language_model", [None, FakeLM()])
def test_training_lowers_the_dev_loss_and_figures_repeat(language_model):
    task = make(language_model)
    before = task.evaluate(task.modules)
    assert before == task.evaluate(task.modules)
    optimizer = task.optimizers()["acoustic"]
    for step in range(30):
        batch = task.collate([0, 1, 2, 3], torch.Generator().manual_seed(step))
        for name, loss, logs in task.losses(batch):
            assert name == "acoustic" and set(logs) == {"flow", "prior", "prior_l1"}
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    after = task.evaluate(task.modules)
    assert set(after) == {"flow", "prior_l1", "mel_l1", "prior_mel_l1", "contrast", "prior_contrast"}
    assert after["prior_l1"] < before["prior_l1"]
    samples = task.samples(task.modules)
    assert samples["u0/decoded.mel"].shape == samples["u0/natural.mel"].shape == (40, 80)


class TellingLM(FakeLM):
    """Latents that tell the voice and the emotion that it was told."""

    def latents(self, inputs, codes, code_mask):
        told = torch.stack([inputs.voice[:, 0], inputs.emotion[:, 7]], 1)
        return nn.functional.pad(told, (0, 4))[:, None] * code_mask[..., None]


def told(share):
    task = make(TellingLM(), latent_swap=share, drop_latents=0, prompt=0)
    task.prepare(torch.device("cpu"))
    batches = [task.collate([0, 1, 2, 3], torch.Generator().manual_seed(seed)) for seed in range(20)]
    return torch.stack([batch["latents"][:, 0, :2] for batch in batches])


def test_without_a_swap_latents_are_of_the_own_speaker_and_emotion():
    latents = told(0.0)
    torch.testing.assert_close(
        latents[..., 1], torch.tensor([0.0, 0.1, 0.2, 0.3]).expand(20, 4), atol=1e-3, rtol=0
    )
    assert (latents == latents[:1]).all()


def test_swapped_latents_are_of_another_emotion_and_stay_what_they_are():
    latents = told(1.0)
    assert (latents == latents[:1]).all()
    assert latents[0, :, 1].tolist() != told(0.0)[0, :, 1].tolist()


def test_a_share_of_the_latents_is_swapped():
    mixed, own, swapped = told(0.5), told(0.0)[0], told(1.0)[0]
    is_own, is_swapped = (mixed == own).all(-1), (mixed == swapped).all(-1)
    assert (is_own | is_swapped).all()
    differs = (own != swapped).any(-1)
    assert 0.2 < is_own[:, differs].float().mean() < 0.8


def test_swapped_latents_need_no_cache():
    lazy, eager = (make(TellingLM(), latent_swap=0.5, cache_latents=cached) for cached in (False, True))
    first, second = (task.collate([0, 1, 2], torch.Generator().manual_seed(4)) for task in (lazy, eager))
    torch.testing.assert_close(first["latents"], second["latents"], atol=1e-3, rtol=0)


def test_a_swap_without_a_language_model_gives_no_latents():
    assert not make(latent_swap=0.5).collate([0, 1], torch.Generator().manual_seed(0))["latent_mask"].any()
