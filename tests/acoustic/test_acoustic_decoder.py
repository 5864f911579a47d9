from dataclasses import replace

import pytest
import torch

from emotts.acoustic.config import AcousticConfig
from emotts.acoustic.decoder import SILENCE, AcousticDecoder
from emotts.acoustic.inputs import assemble
from emotts.errors import InputError

CONFIG = AcousticConfig(
    codebook_size=20, latent_dim=6, dim=16, heads=2, layers=2, conditioner_layers=1, upsampled_layers=1,
    expansion=2, condition_dim=8, voice_dim=5, emotion_dim=8, mel_bins=10, symbols=9, phoneme_layers=1,
)  # fmt: skip


def build(config=CONFIG, seed=0):
    torch.manual_seed(seed)
    decoder = AcousticDecoder(config).eval()
    for parameter in decoder.parameters():  # zero-initialised layers would hide their inputs
        torch.nn.init.normal_(parameter, std=0.15)
    decoder.set_statistics(torch.linspace(-6, -3, config.mel_bins), torch.linspace(1, 2, config.mel_bins))
    return decoder


def request(sizes, seed=1, prompts=None):
    g = torch.Generator().manual_seed(seed)
    prompts = prompts or [0] * len(sizes)
    return {
        "codes": [torch.randint(20, (n,), generator=g) for n in sizes],
        "voice": torch.randn(len(sizes), 5, generator=g),
        "emotion": torch.rand(len(sizes), 8, generator=g),
        "phonemes": [[1, 2, 3] if n % 4 else None for n in sizes],
        "durations": [[2, 0, n - 2] if n % 4 else None for n in sizes],
        "latents": [torch.randn(n, 6, generator=g) if n % 2 else None for n in sizes],
        "prompt_mel": [torch.randn(4 * p, 10, generator=g) - 4 if p else None for p in prompts],
        "prompt_codes": [torch.randint(20, (p,), generator=g) if p else None for p in prompts],
    }


def alone(batch, row):
    return {key: value[row : row + 1] for key, value in batch.items()}


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("cfg", [0.0, 1.5])
def test_an_item_is_the_same_alone_and_in_a_batch(patch, cfg):
    decoder = build(CONFIG.model_copy(update={"patch": patch}))
    batch = request([7, 12, 5], prompts=[3, 0, 9])
    mel, frames = decoder.decode(**batch, steps=3, cfg=cfg, seeds=[11, 12, 13])
    assert frames.tolist() == [28, 48, 20] and mel.shape == (3, 48, 10)
    for row, seed in enumerate([11, 12, 13]):
        single, _ = decoder.decode(**alone(batch, row), steps=3, cfg=cfg, seeds=[seed])
        torch.testing.assert_close(mel[row, : frames[row]], single[0], atol=1e-4, rtol=1e-4)
    assert bool((mel[0, 28:] == SILENCE).all())


def test_padded_codes_equal_listed_codes():
    decoder, batch = build(), request([4, 6])
    padded = torch.nn.utils.rnn.pad_sequence(batch.pop("codes"), batch_first=True, padding_value=19)
    listed, _ = decoder.decode(codes=request([4, 6])["codes"], **batch, steps=2)
    mel, frames = decoder.decode(codes=padded, lengths=torch.tensor([4, 6]), **batch, steps=2)
    assert frames.tolist() == [16, 24] and torch.equal(mel, listed)


def test_seeds_decide_the_noise():
    decoder, batch = build(), request([6])
    first, _ = decoder.decode(**batch, seeds=1)
    assert torch.equal(first, decoder.decode(**batch, seeds=[1])[0])
    assert not torch.allclose(first, decoder.decode(**batch, seeds=2)[0])
    cold = [decoder.decode(**batch, seeds=seed, temperature=0.0)[0] for seed in (1, 2)]
    assert torch.equal(*cold)


@pytest.mark.parametrize("part", ["voice", "emotion", "bandwidth", "latents", "codes", "prompt_mel"])
@pytest.mark.parametrize("steps", [0, 2])
def test_every_condition_is_heard(part, steps):
    decoder, batch = build(), request([7], prompts=[3]) | {"bandwidth": 12_000.0}
    base, _ = decoder.decode(**batch, steps=steps)
    other = request([7], seed=2, prompts=[3]) | {"bandwidth": 8_000.0}
    changed, _ = decoder.decode(**batch | {part: other[part]}, steps=steps)
    heard = not torch.allclose(base, changed, atol=1e-4)
    assert heard == (part != "prompt_mel" or steps > 0)  # the prior reads the prompt's tokens only


def test_no_steps_give_the_prior():
    decoder, batch = build(), request([5, 3])
    inputs = assemble(CONFIG, **batch)
    mel, frames = decoder.decode(**batch, steps=0)
    prior = decoder.denormalize(decoder.condition(inputs)[1])
    torch.testing.assert_close(mel[0], prior[0])
    assert frames.tolist() == [20, 12]


def test_guidance_sees_velocity_state_and_time():
    decoder, batch, seen = build(), request([3, 5]), []

    def spy(velocity, x_t, t):
        seen.append((velocity.shape, x_t.shape, t.tolist()))
        return velocity

    plain, _ = decoder.decode(**batch, steps=2, schedule="uniform")
    guided, _ = decoder.decode(**batch, steps=2, schedule="uniform", guidance=spy)
    assert torch.equal(plain, guided)
    assert seen == [((2, 20, 10), (2, 20, 10), [t, t]) for t in (0.0, 0.5)]


def test_guidance_moves_the_result_and_may_use_gradients():
    decoder, batch = build(), request([5])

    def pull(velocity, x_t, t):
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            (slope,) = torch.autograd.grad(-(x - 1).square().sum(), x)
        return velocity + slope

    plain, _ = decoder.decode(**batch)
    assert not torch.allclose(plain, decoder.decode(**batch, guidance=pull)[0])


def test_prompt_stays_on_its_path_whatever_the_guidance():
    decoder, batch, states = build(), request([4], prompts=[2]), []

    def wild(velocity, x_t, t):
        states.append(x_t)
        return velocity + 100

    decoder.decode(**batch, steps=2, schedule="uniform", guidance=wild)
    prompt = decoder.normalize(batch["prompt_mel"][0])
    noise = states[0][0, :8]
    torch.testing.assert_close(states[1][0, :8], (1 - 0.5 * (1 - 1e-4)) * noise + 0.5 * prompt)


def test_null_condition_hides_tokens_voice_emotion_and_latents():
    decoder = build()
    first, second = (assemble(CONFIG, **request([5], seed=seed)) for seed in (1, 2))
    x, t = torch.randn(1, 20, 10), torch.tensor([0.3])
    null = [decoder.condition(replace(i, drop=torch.ones(1, dtype=torch.bool)))[0] for i in (first, second)]
    velocities = [decoder.estimator(x, t, condition) for condition in null]
    torch.testing.assert_close(*velocities)
    assert not torch.allclose(velocities[0], decoder.estimator(x, t, decoder.condition(first)[0]))


def test_hidden_emotion_is_not_neutral_emotion():
    decoder, batch = build(), request([5])
    inputs = assemble(CONFIG, **batch)
    hidden = decoder.conditioner.vector(replace(inputs, drop_emotion=torch.ones(1, dtype=torch.bool)))
    neutral = decoder.conditioner.vector(replace(inputs, emotion=torch.zeros(1, 8)))
    assert not torch.allclose(hidden, neutral)


def test_losses_ignore_padding_and_score_only_what_is_not_given():
    decoder = build()
    inputs = replace(assemble(CONFIG, **request([6])), prompt_lengths=torch.tensor([2]))
    mel, noise, t = torch.randn(1, 24, 10) - 4, torch.randn(1, 24, 10), torch.tensor([0.6])
    losses = decoder.losses(inputs, mel, t, noise)

    def pad(x, length):
        extra = torch.full((1, length - x.shape[1], *x.shape[2:]), 7).to(x.dtype)
        return torch.cat([x, extra], dim=1)

    padded = replace(
        inputs,
        codes=pad(inputs.codes, 9),
        latents=pad(inputs.latents, 9),
        latent_mask=pad(inputs.latent_mask, 9),
        phonemes=torch.nn.functional.pad(inputs.phonemes, (0, 2)),
        phoneme_index=pad(inputs.phoneme_index, 9).clamp(max=2),
        prompt_mel=pad(inputs.prompt_mel, 36),
    )
    again = decoder.losses(padded, pad(mel, 36), t, pad(noise, 36))
    for key, value in losses.items():
        torch.testing.assert_close(again[key], value, rtol=1e-4, atol=1e-5)
    condition, _ = decoder.condition(replace(inputs, prompt_mel=mel))
    torch.testing.assert_close(condition.prompt[:, :8], decoder.normalize(mel)[:, :8])
    assert not condition.prompt[:, 8:].any()


def test_phonemes_are_heard_where_the_plan_puts_them():
    decoder, batch = build(), request([9])
    mel, _ = decoder.decode(**batch, steps=0)
    # The first phoneme's 2 tokens reach as far as the convolutions see, which is the whole item; the change
    # must be largest where it lies.
    other, _ = decoder.decode(**batch | {"phonemes": [[4, 2, 3]]}, steps=0)
    change = (mel - other).abs().mean((0, 2)).view(9, 4).mean(1)
    assert change[:2].mean() > change[5:].mean() > 0


def test_a_plan_of_another_length_is_refused():
    decoder, batch = build(), request([9])
    with pytest.raises(InputError, match="durations must give 9 tokens to 3 phonemes, not 8 to 3"):
        decoder.decode(**batch | {"durations": [[2, 0, 6]]})
    with pytest.raises(InputError, match="phonemes must be whole numbers from 0 to 8"):
        decoder.decode(**batch | {"phonemes": [[2, 9, 6]]})


def test_a_fresh_reader_of_phonemes_changes_nothing():
    torch.manual_seed(0)
    decoder, batch = AcousticDecoder(CONFIG).eval(), request([9])
    mel, _ = decoder.decode(**batch, steps=2)
    other, _ = decoder.decode(**batch | {"phonemes": [[4, 5, 6]]}, steps=2)
    torch.testing.assert_close(mel, other)


def test_untrained_estimator_is_the_best_linear_guess():
    """Monte Carlo: for data of deviation s around a zero prior no other linear guess does better."""
    torch.manual_seed(0)
    decoder = AcousticDecoder(CONFIG).eval()
    with torch.no_grad():
        decoder.conditioner.prior.weight.zero_()
        decoder.conditioner.prior.bias.zero_()
    inputs = assemble(CONFIG, **request([20] * 16))
    x1 = CONFIG.residual_std * torch.randn(16, 80, 10)
    noise, t = torch.randn(16, 80, 10), torch.full((16,), 0.4)
    s, expected = CONFIG.residual_std, CONFIG.residual_std**2 / (0.6**2 + 0.4**2 * CONFIG.residual_std**2)
    assert decoder.losses(inputs, x1, t, noise)["flow"].item() == pytest.approx(expected, rel=0.05)
    assert expected < 1 + s**2  # the loss of a network that starts from zero


def test_overfits_one_item():
    torch.manual_seed(0)
    decoder = AcousticDecoder(CONFIG)
    inputs = assemble(CONFIG, **request([6]))
    mel = torch.randn(1, 24, 10, generator=torch.Generator().manual_seed(4))
    optimizer = torch.optim.AdamW(decoder.parameters(), 1e-2)
    batch = replace(
        inputs, **{k: getattr(inputs, k).expand(16, *getattr(inputs, k).shape[1:]) for k in vars(inputs)}
    )
    before = (decoder.decode(**request([6]))[0] - mel).abs().mean()
    for _ in range(120):
        noise, t = torch.randn(16, 24, 10), torch.rand(16)
        losses = decoder.losses(batch, mel.expand(16, -1, -1), t, noise)
        optimizer.zero_grad()
        (losses["flow"] + losses["prior"]).backward()
        optimizer.step()
    after = (decoder.decode(**request([6]))[0] - mel).abs().mean()
    assert after < 0.35 * before


def test_statistics_travel_with_the_weights():
    decoder = build()
    other = AcousticDecoder(CONFIG)
    other.load_state_dict(decoder.state_dict())
    assert torch.equal(other.mel_std, decoder.mel_std)
    mel = torch.randn(2, 3, 10)
    torch.testing.assert_close(other.denormalize(other.normalize(mel)), mel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": [torch.tensor([20])]}, "from 0 to 19"),
        ({"codes": [torch.tensor([1.5])]}, "whole numbers"),
        ({"codes": [torch.zeros(0, dtype=torch.long)]}, "at least 1 token"),
        ({"codes": []}, "at least one item"),
        ({"voice": torch.zeros(1, 4)}, r"voice must have shape \(1, 5\)"),
        ({"emotion": torch.zeros(2, 8)}, r"emotion must have shape \(1, 8\)"),
        ({"latents": [torch.zeros(2, 6)]}, r"latents of an item must have shape \(3, 6\)"),
        ({"prompt_mel": [torch.zeros(8, 10)]}, "both prompt_mel and prompt_codes"),
        (
            {"prompt_mel": [torch.zeros(7, 10)], "prompt_codes": [torch.tensor([1, 2])]},
            r"prompt_mel must have shape \(8, 10\)",
        ),
        ({"bandwidth": 0.0}, "at most 12000 Hz"),
        ({"lengths": [4]}, "at most the tokens"),
        ({"seeds": [1, 2]}, "seeds must be one number or 1"),
        ({"steps": -1}, "at least 0"),
        ({"temperature": float("nan")}, "finite"),
    ],
)
def test_bad_requests_are_explained_in_one_line(change, message):
    decoder = build()
    with pytest.raises(InputError, match=message) as caught:
        decoder.decode(**request([3]) | change)
    assert "\n" not in str(caught.value)


def test_bad_sizes_are_explained():
    with pytest.raises(InputError, match="patch 3 must divide"):
        AcousticConfig.parse({"patch": 3})
    with pytest.raises(InputError, match="unknown key 'patches'"):
        AcousticConfig.parse({"patches": 2})
    with pytest.raises(InputError, match="deviations above 0"):
        build().set_statistics(torch.zeros(10), torch.zeros(10))
