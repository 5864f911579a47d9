from __future__ import annotations

import pytest
import torch

from emotts.emotion.expert import EmotionExpert, EmotionExpertConfig
from emotts.errors import InputError

TINY = EmotionExpertConfig(dim=16, layers=2, time_dim=8, kernel_size=3)


@pytest.fixture
def expert() -> EmotionExpert:
    torch.manual_seed(0)
    made = EmotionExpert(TINY).eval()
    for block in made.blocks:  # modulation starts at zero; t must matter here
        torch.nn.init.normal_(block.modulation.weight, std=0.5)
    return made


def test_it_is_small_enough_to_be_cheap() -> None:
    expert = EmotionExpert(EmotionExpertConfig())
    assert sum(p.numel() for p in expert.parameters()) < 1_500_000


def test_log_probabilities_sum_to_one(expert: EmotionExpert) -> None:
    x = torch.randn(2, 40, 80)
    log_probs = expert(x, torch.tensor([0.2, 0.9]), torch.ones(2, 40, dtype=torch.bool))
    assert log_probs.shape == (2, 6)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2))


def test_prompt_padding_and_company_change_nothing(expert: EmotionExpert) -> None:
    x = torch.randn(1, 20, 80)
    alone = expert(x, torch.tensor([0.4]), torch.ones(1, 20, dtype=torch.bool))
    wide = torch.randn(2, 44, 80) * 50
    wide[0, 12:32] = x[0]
    mask = torch.zeros(2, 44, dtype=torch.bool)
    mask[0, 12:32] = True
    mask[1] = True
    together = expert(wide, torch.tensor([0.4, 0.1]), mask)
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)


def test_it_reads_only_the_lower_bands_and_the_time(expert: EmotionExpert) -> None:
    x, mask = torch.randn(1, 20, 80), torch.ones(1, 20, dtype=torch.bool)
    base = expert(x, torch.tensor([0.4]), mask)
    high = x.clone()
    high[..., TINY.bands :] += 9
    assert torch.equal(expert(high, torch.tensor([0.4]), mask), base)
    assert not torch.allclose(expert(x, torch.tensor([0.8]), mask), base)


def test_a_length_that_is_no_whole_position_is_read(expert: EmotionExpert) -> None:
    x, mask = torch.randn(1, 18, 80), torch.ones(1, 18, dtype=torch.bool)
    longer = torch.nn.functional.pad(x, (0, 0, 0, 6))
    padded = torch.nn.functional.pad(mask, (0, 6))
    t = torch.tensor([0.5])
    torch.testing.assert_close(expert(x, t, mask), expert(longer, t, padded))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": ["neutral", "bored"]}, "unknown class 'bored'; valid classes: neutral, happy"),
        ({"classes": ["sad"]}, "at least two classes"),
        ({"classes": ["sad", "sad"]}, "each once"),
        ({"stack": 3}, "3 must divide the 4"),
        ({"dimm": 3}, "did you mean 'dim'"),
    ],
)
def test_a_wrong_configuration_is_one_line(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        EmotionExpertConfig.parse(values)
    assert "\n" not in str(caught.value)


def test_bands_must_be_there() -> None:
    with pytest.raises(InputError, match="bands 90 must be at most mel_bins 80"):
        EmotionExpert(EmotionExpertConfig(bands=90))
