from __future__ import annotations

import math

import pytest
import torch

from emotts.nn.masking import lengths_to_mask
from emotts.semantic.tokenizer import SemanticTokenizer, TokenizerConfig, TokenizerOutput
from emotts.timebase import MEL_BINS

TINY = TokenizerConfig(
    phones=7, levels=(4, 3), dim=16, layers=2, token_layers=1, kernel_size=5, expansion=2, voice_dim=6
)
LENGTHS = torch.tensor([5, 9])


@pytest.fixture(scope="module")
def tokenizer() -> SemanticTokenizer:
    torch.manual_seed(0)
    return SemanticTokenizer(TINY).eval()


def inputs(fill: float = -11.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mel = torch.randn(2, 36, MEL_BINS, generator=generator) * 2.5 - 5.5
    mel[0, 20:] = fill
    return mel, lengths_to_mask(LENGTHS), torch.randn(2, 6, generator=generator)


def test_shapes(tokenizer: SemanticTokenizer) -> None:
    output: TokenizerOutput = tokenizer(*inputs())
    assert output.codes.shape == (2, 9)
    assert output.ctc.shape == output.phones.shape == (2, 18, 8)
    assert output.f0.shape == output.voicing.shape == output.energy.shape == (2, 36)
    assert output.mel.shape == (2, 36, MEL_BINS)
    assert tokenizer.codebook_size == 12 and int(output.codes.max()) < 12
    assert len(output.codes.unique()) > 3


@pytest.mark.parametrize("fill", [-11.5, 60.0])
def test_padding_changes_nothing(tokenizer: SemanticTokenizer, fill: float) -> None:
    mel, mask, voice = inputs(fill)
    together = tokenizer(mel, mask, voice)
    alone = tokenizer(mel[:1, :20], mask[:1, :5], voice[:1])
    assert torch.equal(together.codes[:1, :5], alone.codes)
    for name, rate in (("ctc", 2), ("phones", 2), ("f0", 4), ("voicing", 4), ("energy", 4), ("mel", 4)):
        part = getattr(together, name)[:1, : 5 * rate]
        torch.testing.assert_close(part, getattr(alone, name), msg=name)
    assert torch.equal(tokenizer.encode(mel, mask)[0, :5], tokenizer.encode(mel[:1, :20])[0])
    posteriors = tokenizer.ctc_log_probs(mel, mask)[0, :10]
    torch.testing.assert_close(posteriors, tokenizer.ctc_log_probs(mel[:1, :20])[0])


def test_the_short_ways_agree_with_the_whole_pass(tokenizer: SemanticTokenizer) -> None:
    mel, mask, voice = inputs()
    output = tokenizer(mel, mask, voice)
    assert torch.equal(tokenizer.encode(mel, mask), output.codes)
    log_probs = tokenizer.ctc_log_probs(mel, mask)
    torch.testing.assert_close(log_probs, output.ctc.log_softmax(-1))
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 18))


def test_phones_are_read_from_codes_alone(tokenizer: SemanticTokenizer) -> None:
    output = tokenizer(*inputs())
    mask = lengths_to_mask(LENGTHS)
    read = tokenizer.phone_log_probs(output.codes, mask)
    torch.testing.assert_close(read[1], output.phones.log_softmax(-1)[1])
    torch.testing.assert_close(read[0, :10], output.phones.log_softmax(-1)[0, :10])
    torch.testing.assert_close(tokenizer.phone_log_probs(output.codes[:1, :5]), read[:1, :10])


def test_only_the_mel_reconstruction_hears_the_voice(tokenizer: SemanticTokenizer) -> None:
    torch.manual_seed(0)
    trained = SemanticTokenizer(TINY).eval()
    torch.nn.init.normal_(trained.mel_decoder[0].modulation.weight)
    mel, mask, voice = inputs()
    one, other = trained(mel, mask, voice), trained(mel, mask, -voice)
    for name in ("codes", "ctc", "phones", "f0", "voicing", "energy"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert not torch.allclose(one.mel, other.mel)


def test_heads_after_the_quantiser_know_the_codes_alone(tokenizer: SemanticTokenizer) -> None:
    mel, mask, voice = inputs()
    codes = tokenizer.encode(mel, mask)
    nudged = mel + 1e-4 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tokenizer.encode(nudged, mask), codes), "the nudge must not change a code"
    one, other = tokenizer(mel, mask, voice), tokenizer(nudged, mask, voice)
    torch.testing.assert_close(one.phones, other.phones, atol=1e-6, rtol=0)
    assert not torch.equal(one.ctc, other.ctc)


def test_the_pitch_of_a_code_is_what_the_head_says_of_it_alone(tokenizer: SemanticTokenizer) -> None:
    with torch.no_grad():
        tokenizer.prosody_head.bias.view(-1, 3)[:, 1] = 9.0
        pitch = tokenizer.code_pitch()
        x = tokenizer.from_levels(tokenizer.quantizer.decode(torch.tensor([[5]])))
        for block in tokenizer.token_decoder:
            x = block(x, torch.ones(1, 1, dtype=torch.bool))
        f0 = tokenizer.prosody_head(x).view(-1, 3)[:, 0]
        assert pitch.shape == (12,) and len(pitch.unique()) > 6
        # The head speaks of quarters of a unit of log F0.
        assert pitch[5] == pytest.approx(float(12 * 0.25 * f0.mean() / math.log(2)), abs=1e-4)
        energy = tokenizer.prosody_head(x).view(-1, 3)[:, 2].mean()
        assert tokenizer.code_energy()[5] == pytest.approx(float(energy), abs=1e-5)
        tokenizer.prosody_head.bias.view(-1, 3)[:, 1] = -9.0
        assert not tokenizer.code_pitch().any(), "unvoiced codes have none"
        tokenizer.prosody_head.bias.view(-1, 3)[:, 1] = 9.0  # all voiced
        alone = tokenizer.mean_pitch(torch.arange(12)[:, None])
        torch.testing.assert_close(alone, tokenizer.code_pitch(), atol=1e-3, rtol=1e-3)
        tokenizer.prosody_head.bias.view(-1, 3)[:, 1] = 0.0


def test_gradients_pass_the_quantiser_to_the_input() -> None:
    torch.manual_seed(0)
    tokenizer = SemanticTokenizer(TINY)
    mel, mask, voice = inputs()
    mel.requires_grad_()
    output = tokenizer(mel, mask, voice)
    (output.phones.sum() + output.f0.sum()).backward()
    assert mel.grad is not None
    assert float(mel.grad[1].abs().sum()) > 0 and float(mel.grad[0, 20:].abs().sum()) == 0


def test_a_part_of_a_token_is_refused(tokenizer: SemanticTokenizer) -> None:
    with pytest.raises(ValueError, match="whole number of tokens"):
        tokenizer.encode(torch.zeros(1, 6, MEL_BINS), torch.ones(1, 1, dtype=torch.bool))


def test_half_precision_autocast_stays_finite(tokenizer: SemanticTokenizer) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = tokenizer(*inputs())
    assert all(bool(getattr(output, name).isfinite().all()) for name in ("ctc", "phones", "f0", "mel"))
