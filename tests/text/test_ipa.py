import logging
import subprocess
import sys
from pathlib import Path

import pytest

from emotts.text import espeak
from emotts.text.ipa import parse_output, symbols_of_phone


@pytest.mark.parametrize(
    ("phone", "symbols"),
    [
        ("aɪɚ", "aɪ ɚ"),
        ("ɑːɹ", "ɑː ɹ"),
        ("iə", "i ə"),
        ("əl", "ə l"),
        ("n̩", "n̩"),
        ("t͡ʃ", "tʃ"),
        ("ɔ̃", "ɔ ŋ"),
        ("ç", "ç"),
        ("yː", "y y"),
        ("kː", "k k"),
        ("sʲ", "s j"),
        ("tɕh", "tʃ h"),
        ("o̞", "o"),
        ("ɑu2", "ɑ u"),
        ("ɒ", "ɔ"),
        ("g", "ɡ"),
    ],
)
def test_phones_outside_the_table_are_taken_apart(phone: str, symbols: str) -> None:
    assert list(symbols_of_phone(phone)) == symbols.split()


def test_stress_lands_on_the_vowel_and_flags_vanish() -> None:
    assert parse_output("(en)ˈs_t_ɑː_p(fr) ˌɛ_f__ˈaɪ _") == [
        ["s", "t", "ˈɑː", "p"],
        ["ˌɛ", "f", "ˈaɪ"],
    ]
    # Secondary stress that the table lacks for a foreign vowel is no stress.
    assert parse_output("ˌy_l") == [["y", "l"]]


def test_unknown_letters_are_dropped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert symbols_of_phone("tЖ") == ("t",)
    assert "Ж" in caplog.text


def test_espeak_is_loaded_on_first_use_only() -> None:
    check = "import sys, emotts.text; sys.exit('phonemizer' in sys.modules or 'num2words' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_data_path_too_long_for_espeak_is_linked(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 60)
    folder.mkdir(parents=True)
    (folder / "phontab").touch()
    short = espeak.short_path(str(folder))
    assert len(short) <= 120
    assert (Path(short) / "phontab").exists()
    assert espeak.short_path(str(tmp_path)[:50]) == str(tmp_path)[:50]
