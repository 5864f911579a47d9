from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotts.errors import InputError
from emotts.semantic.lm import SemanticLM
from emotts.semantic.lm_decoding import stream_codes
from emotts.semantic.lm_inputs import LMInputs, SemanticLMConfig, plan_geometry
from emotts.semantic.sampling import SamplingConfig

CONFIG = SemanticLMConfig(
    symbols=20,
    codebook_size=12,
    dim=16,
    heads=2,
    text_layers=2,
    layers=2,
    voice_dim=4,
    max_tokens=60,
    dropout=0.1,
)
TEXTS = [
    ([3, 4, 5], [2, 0, 4], 6),
    ([7, 1, 9, 2, 6], [0, 3, 1, 5, 2], 11),
    ([8, 8], None, 9),
    ([2, 11, 5, 4], [1, 1, 1, 1], None),
    ([2, 12], None, None),
]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = SemanticLM(CONFIG).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # far from uniform, so that differences show
    return model


def build(texts):
    # A voice and an emotion that depend on the text alone.
    voice = torch.stack([torch.randn(4, generator=torch.Generator().manual_seed(sum(t[0]))) for t in texts])
    emotion = torch.stack([torch.rand(8, generator=torch.Generator().manual_seed(len(t[0]))) for t in texts])
    return LMInputs.build(*zip(*texts, strict=True), voice=voice, emotion=emotion)


def codes_for(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return torch.randint(12, mask.shape, generator=generator) * mask, mask


def test_a_code_changes_only_what_follows_it(model):
    inputs = build(TEXTS[:1])
    codes, mask = codes_for([6])
    before = model(inputs, codes, mask).logits
    for k in range(6):
        changed = codes.clone()
        changed[0, k] = (codes[0, k] + 1) % 12
        after = model(inputs, changed, mask).logits
        assert torch.equal(before[:, : k + 1], after[:, : k + 1])
        assert not torch.allclose(before[:, k + 1], after[:, k + 1])


def test_padding_changes_nothing(model):
    lengths = [6, 11, 9, 4, 5]
    codes, mask = codes_for(lengths)
    together = model(build(TEXTS), codes, mask)
    assert together.logits.shape == (5, 12, 13)
    assert together.latents.shape == (5, 11, 16)
    for row, (text, length) in enumerate(zip(TEXTS, lengths, strict=True)):
        alone = model(build([text]), codes[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(together.logits[row, : length + 1], alone.logits[0], atol=1e-5, rtol=1e-4)


def test_loss_counts_content_and_end_only(model):
    codes, mask = codes_for([6, 11])
    inputs = build(TEXTS[:2])
    loss, logits, targets = model.loss(inputs, codes, mask)
    full = model(inputs, codes, mask).logits.log_softmax(-1)
    wanted = [
        -full[b, n, codes[b, n] if n < size else 12] for b, size in ((0, 6), (1, 11)) for n in range(size + 1)
    ]
    assert len(logits) == len(targets) == 6 + 11 + 2
    assert float(loss.detach()) == pytest.approx(float(torch.stack(wanted).detach().mean()), rel=1e-5)
    garbage = torch.where(mask, codes, 7)
    torch.testing.assert_close(model.loss(inputs, garbage, mask)[0], loss)


def test_every_condition_is_heard(model):
    codes, mask = codes_for([6])
    before = model(build(TEXTS[:1]), codes, mask).logits
    same = build(TEXTS[:1])
    ids, plan = TEXTS[0][:2]
    for other in (([3, 4, 6], plan, 6), (ids, [3, 0, 3], 6), (ids, plan, None), (ids, None, 6)):
        fixed = LMInputs.build(*([part] for part in other), same.voice, same.emotion)
        assert not torch.allclose(model(fixed, codes, mask).logits, before)
    for voice, emotion in ((same.voice + 1, same.emotion), (same.voice, 1 - same.emotion)):
        other = LMInputs.build([[3, 4, 5]], [[2, 0, 4]], [6], voice, emotion)
        assert not torch.allclose(model(other, codes, mask).logits, before)


def test_a_free_length_does_not_leak(model):
    inputs = build([TEXTS[4]])
    codes, mask = codes_for([5])
    hidden = LMInputs(**{**vars(inputs), "totals": torch.tensor([37]), "durations": torch.tensor([[30, 7]])})
    assert torch.equal(model(inputs, codes, mask).logits, model(hidden, codes, mask).logits)


def test_the_duration_token_is_a_row_of_the_position_table(model):
    context = model.context(build(TEXTS[:1]), 3)
    expected = model.position_table.weight[6] + model.token_kind[2]
    torch.testing.assert_close(context.prefix[0, 2], expected)


def test_geometry_puts_each_phoneme_at_its_place():
    geometry = plan_geometry(build([([3, 4, 5], [2, 0, 3], 5), ([3, 4], None, 8)]), 7)
    assert geometry.centers[0].tolist() == [0.5, 1.5, 3.0]
    assert geometry.centers[1, :2].tolist() == [1.5, 5.5]
    assert geometry.owner[0].tolist() == [0, 0, 2, 2, 2, 2, 2]
    assert geometry.following[0].tolist() == [1, 1, 2, 2, 2, 2, 2]
    assert torch.allclose(geometry.place[0, :3, 0], torch.tensor([0.25, 0.75, 1 / 6]))


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_decoding_gives_the_latents_of_teacher_forcing(model, scale):
    inputs = build(TEXTS)
    made = model.generate(inputs, SamplingConfig(emotion_cfg=scale), seed=1, most=20)
    lengths = [len(codes) for codes in made.codes]
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    codes = torch.zeros(mask.shape, dtype=torch.long)
    codes[mask] = torch.cat(made.codes)
    model.train()
    forced = model.latents(inputs, codes, mask)
    assert model.training and not forced.requires_grad
    model.eval()
    for row, length in enumerate(lengths):
        torch.testing.assert_close(forced[row, :length], made.latents[row], atol=1e-4, rtol=1e-4)
        assert not forced[row, length:].any()


@given(
    total=st.integers(1, 60),
    seed=st.integers(0, 1000),
    phonemes=st.integers(1, 8),
    temperature=st.floats(0, 3),
)
@settings(max_examples=20, deadline=None)
def test_exactly_the_tokens_asked_for(model, total, seed, phonemes, temperature):
    inputs = build([([5] * phonemes, None, total)])
    made = model.generate(inputs, SamplingConfig(temperature=temperature), seed=seed)
    assert made.codes[0].shape == (total,)
    assert made.latents[0].shape == (total, 16)
    assert set(made.codes[0].tolist()) <= set(range(12))


def test_free_length_is_ended_by_the_model_within_bounds(model):
    inputs = build([TEXTS[4]])
    assert len(model.generate(inputs, seed=0).codes[0]) <= 60
    lengths = {len(model.generate(inputs, seed=s, fewest=3, most=9).codes[0]) for s in range(12)}
    assert lengths <= set(range(3, 10)) and len(lengths) > 1
    with torch.no_grad():
        bias = model.head.bias.clone()
        model.head.bias[12] = 100.0
        try:
            assert len(model.generate(inputs, fewest=4).codes[0]) == 4
            model.head.bias[12] = -100.0
            assert len(model.generate(inputs).codes[0]) == 60
        finally:
            model.head.bias.copy_(bias)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_an_item_is_the_same_alone_and_in_a_batch(model, scale):
    sampling = SamplingConfig(emotion_cfg=scale)
    together = model.generate(build(TEXTS), sampling, seed=5, most=25)
    for row, text in enumerate(TEXTS):
        alone = model.generate(build([text]), sampling, seed=5, indices=[row], most=25)
        assert torch.equal(alone.codes[0], together.codes[row])
        torch.testing.assert_close(alone.latents[0], together.latents[row], atol=1e-4, rtol=1e-4)


def test_guidance_goes_from_neutral_to_the_emotion_and_past_it(model):
    inputs = build(TEXTS[:1])
    neutral = replace(inputs, emotion=torch.zeros_like(inputs.emotion))
    codes, mask = codes_for([6])
    plain, moved = (model(given, codes, mask).logits[0, 0, :12] for given in (neutral, inputs))
    for scale in (0.0, 1.0, 3.0):
        made = model.generate(inputs, SamplingConfig(temperature=0, emotion_cfg=scale)).codes[0]
        assert made[0] == (plain + scale * (moved - plain)).argmax()
    still = model.generate(neutral, SamplingConfig(temperature=0)).codes[0]
    assert torch.equal(model.generate(inputs, SamplingConfig(temperature=0, emotion_cfg=0)).codes[0], still)


def test_guidance_leaves_neutral_items_alone(model):
    inputs = build(TEXTS)
    inputs.emotion[[0, 3]] = 0.0
    plain = model.generate(inputs, seed=2, most=25)
    guided = model.generate(inputs, SamplingConfig(emotion_cfg=3.0), seed=2, most=25)
    same = [torch.equal(a, b) for a, b in zip(plain.codes, guided.codes, strict=True)]
    assert same[0] and same[3] and not all(same)


def test_a_bias_is_added_to_the_codes_of_its_item(model):
    inputs, bias = build(TEXTS), torch.zeros(5, 12)
    bias[1, 7] = 1e3
    plain = model.generate(inputs, seed=2, most=25)
    moved = model.generate(inputs, seed=2, most=25, bias=bias)
    assert moved.codes[1].tolist() == [7] * 11
    assert all(torch.equal(plain.codes[row], moved.codes[row]) for row in (0, 2, 3, 4))
    streamed = list(stream_codes(model, build(TEXTS[1:2]), SamplingConfig(), 2, 1, bias[1:2]))
    assert [code for code, _ in streamed] == [7] * 11


def test_the_seed_decides(model):
    inputs = build(TEXTS[1:2])
    config = SamplingConfig(temperature=1.5)
    first = model.generate(inputs, config, seed=1).codes[0]
    assert torch.equal(first, model.generate(inputs, config, seed=1).codes[0])
    assert not torch.equal(first, model.generate(inputs, config, seed=2).codes[0])
    assert not torch.equal(first, model.generate(inputs, config, seed=1, indices=[1]).codes[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [(([], None, 4), "no phonemes"), (([1], None, 0), "at least 1"), (([1, 2], [3], 3), "2 phonemes"),
     (([1, 2], [-1, 3], 2), "0 or more"), (([1, 2], [1, 3], 5), "adds up to 4")],
)  # fmt: skip
def test_inputs_that_contradict_each_other_are_errors(text, message):
    with pytest.raises(InputError, match=message):
        LMInputs.build([text[0]], [text[1]], [text[2]], torch.zeros(1, 4), torch.zeros(1, 8))


def test_what_the_model_cannot_reach_is_an_error(model):
    with pytest.raises(InputError, match="61 tokens"):
        model.generate(build([([1], None, 61)]))
    with pytest.raises(InputError, match="phoneme id 20"):
        model.generate(build([([20], None, 5)]))
    with pytest.raises(InputError, match="voice has 3"):
        model.generate(LMInputs.build([[1]], [None], [5], torch.zeros(1, 3), torch.zeros(1, 8)))
    with pytest.raises(InputError, match="fewest"):
        model.generate(build(TEXTS[4:]), fewest=0)
    with pytest.raises(InputError, match="indices"):
        model.generate(build(TEXTS), indices=[0])


def test_a_small_model_learns_to_read_a_plan():
    torch.manual_seed(1)
    config = SemanticLMConfig(
        symbols=12,
        codebook_size=24,
        dim=32,
        heads=2,
        text_layers=1,
        layers=1,
        voice_dim=4,
        max_tokens=40,
        dropout=0.0,
    )
    model = SemanticLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def example(seed):
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(1, 12, (6,), generator=generator).tolist()
        plan = torch.randint(0, 4, (6,), generator=generator).tolist()
        plan[0] += 1
        # First token of a phoneme has an even code, the others an odd one: place matters, not only identity.
        codes = [2 * i + (n > 0) for i, d in zip(ids, plan, strict=True) for n in range(d)]
        return (ids, plan, len(codes)), codes

    def assemble(seeds):
        texts, codes = zip(*(example(s) for s in seeds), strict=True)
        inputs = LMInputs.build(
            *zip(*texts, strict=True), torch.zeros(len(texts), 4), torch.zeros(len(texts), 8)
        )
        mask = torch.arange(int(inputs.totals.max()))[None] < inputs.totals[:, None]
        padded = torch.zeros(mask.shape, dtype=torch.long)
        padded[mask] = torch.tensor([c for item in codes for c in item])
        return inputs, padded, mask, codes

    for step in range(150):
        inputs, codes, mask, _ = assemble(range(16 * step, 16 * step + 16))
        withheld = torch.rand(codes.shape, generator=torch.Generator().manual_seed(step)) < 0.5
        loss, _, _ = model.loss(inputs, codes, mask, codes.masked_fill(withheld, model.mask_code))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inputs, _, _, wanted = assemble(range(10**6, 10**6 + 8))
    made = model.generate(inputs, SamplingConfig(temperature=0.0)).codes
    hits = [
        a == b
        for got, item in zip(made, wanted, strict=True)
        for a, b in zip(got.tolist(), item, strict=True)
    ]
    assert sum(hits) / len(hits) > 0.95
