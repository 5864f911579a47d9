import pytest

from emotts.errors import DataError
from emotts.evaluate.emotion_table import (
    MEASURES,
    TABLE_EMOTIONS,
    Reading,
    agreement,
    emotion_sentences,
    measure_readings,
    movements,
    render_emotions,
)
from emotts.evaluate.prosody import Prosody


def table(factor: float):
    """Two speakers, far apart in pitch and level, who move alike."""
    readings, measured = [], []
    for speaker, base in (("low", 100.0), ("high", 220.0)):
        for place, emotion in enumerate(("neutral", *TABLE_EMOTIONS)):
            move = factor * place
            readings.append(Reading(speaker, "One two.", emotion, "x.wav"))
            f0 = base * 2 ** (move / 12)
            measured.append(Prosody(f0, 5.0 + move, base / 10 - 30 - move, 1.0, 10.0 * 1.1**move))
    return movements(readings, measured)


def test_movement_is_against_neutral_of_the_same_speaker():
    moved = table(1.0)
    assert len(moved) == 20
    assert moved["angry", "F0 mean, st"].mean == pytest.approx(1.0)
    assert moved["angry", "F0 mean, st"].error == pytest.approx(0.0, abs=1e-9)
    assert moved["happy", "energy, dB"].mean == pytest.approx(-2.0)
    assert moved["angry", "rate, %"].mean == pytest.approx(10.0)
    assert moved["angry", "rate, %"].pairs == 2


def test_agreement_counts_signs():
    assert agreement(table(1.0), table(0.3)) == 20
    assert agreement(table(1.0), table(-1.0)) == 0
    report = render_emotions(table(1.0), table(0.5))
    assert "Same way: 20 of 20." in report
    assert report.count("| yes |") + report.count("|      yes |") == 20


def test_emotion_without_a_neutral_partner_is_an_error():
    prosody = Prosody(100.0, 5.0, -20.0, 1.0, 10.0)
    readings = [Reading("a", "One.", "angry", "x.wav"), Reading("b", "One.", "neutral", "y.wav")]
    with pytest.raises(DataError, match="both angry and neutral"):
        movements(readings, [prosody, prosody])


def test_silent_recording_is_left_out(tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "x.wav", np.zeros(16_000), 16_000)
    assert measure_readings([Reading("a", "One.", "angry", tmp_path / "x.wav")]) == [None]


def test_sentences_speak_every_text_in_every_emotion():
    sentences = emotion_sentences(["One.", "Two."], ["anna"], 0.8)
    assert len(sentences) == 12 == len({sentence.id for sentence in sentences})
    assert {s.emotion for s in sentences} == {"neutral", *(f"{name}:0.8" for name in TABLE_EMOTIONS)}
    assert len(MEASURES) * len(TABLE_EMOTIONS) == 20
