from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emotts.data.corpora import CORPORA
from emotts.data.corpora.crema_d import SENTENCES, TEST_ACTORS, split_of_clip
from emotts.data.kaldi import DataDir
from emotts.data.prepare import main, prepare
from emotts.data.splits import sentence_key, split_of
from emotts.data.validate import validate
from emotts.errors import DataError

EGS = Path(__file__).parents[2] / "egs"


def sound(path: Path, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(rate // 10, 0.1, "float32"), rate)


def kathleen(root: Path) -> None:
    texts = {
        "arctic_a0001_15": "Author of the danger trail.",
        "arctic_a0221_16": "I don't know why you're all here at all.",
    }
    for stem, text in texts.items():
        sound(root / "data" / f"{stem}.wav", 48000)
        (root / "data" / f"{stem}.txt").write_text(text + "\n")


def cmu_arctic(root: Path) -> None:
    for voice in ("bdl", "slt"):
        folder = root / f"cmu_us_{voice}_arctic"
        sound(folder / "wav" / "arctic_a0001.wav")
        (folder / "etc").mkdir()
        (folder / "etc" / "txt.done.data").write_text(
            '( arctic_a0001 "Author of the danger trail." )\n( arctic_a0002 "Not recorded." )\n'
        )


def ljspeech(root: Path) -> None:
    sound(root / "wavs" / "LJ001-0001.flac", 24000)
    (root / "metadata.csv").write_text(
        'LJ001-0001|In 1455, the "Bible"|In fourteen fifty-five, the "Bible"\n'
    )


def librispeech(root: Path) -> None:
    folder = root / "26" / "496"
    sound(folder / "26-496-0000.ogg")
    (folder / "26-496.trans.txt").write_text("26-496-0000 IT WAS MID JULY\n")
    (folder / "._26-496.trans.txt").write_bytes(b"\x00\xff")


VOTES = {
    "1001_DFA_ANG_XX": (6, 2, 0, 0, 1, 0),
    "1001_WSI_NEU_XX": (0, 0, 0, 0, 9, 0),
    "1040_ITH_SAD_XX": (0, 0, 0, 0, 1, 3),
    "1064_IEO_HAP_HI": (0, 0, 0, 3, 0, 0),
    "1076_MTI_SAD_XX": (0, 1, 0, 0, 5, 3),
}


def crema_d(root: Path) -> None:
    levels = [
        "meanAngerResp",
        "meanDisgustResp",
        "meanFearResp",
        "meanHappyResp",
        "meanNeutralResp",
        "meanSadResp",
    ]
    with (root / "tabulatedVotes.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["", *"ADFHNS", "fileName", *levels])
        for number, (name, votes) in enumerate(VOTES.items()):
            sound(root / "AudioWAV" / f"{name.replace('ITH_SAD_XX', 'ITH_SAD_X')}.wav")
            writer.writerow([f"10000{number}", *votes, name, 60, 30, -1, 90, 99, 40])
            writer.writerow(
                [f"20000{number}", 0, 9, 0, 0, 0, 0, name, *[50] * 6]
            )  # the face looked disgusted
            writer.writerow([f"30000{number}", 0, 9, 0, 0, 0, 0, name, *[50] * 6])


def ravdess(root: Path) -> None:
    for stem in ("03-01-06-02-01-01-12", "03-01-01-01-02-01-12", "03-02-05-01-01-01-12"):  # the last is sung
        sound(root / "Actor_12" / f"{stem}.wav", 48000)


BUILDERS = {f.__name__: f for f in (kathleen, cmu_arctic, ljspeech, librispeech, crema_d, ravdess)}


@pytest.fixture
def prepared(tmp_path):
    def build(name: str) -> dict:
        (tmp_path / "corpus").mkdir()
        BUILDERS[name](tmp_path / "corpus")
        prepare(name, tmp_path / "corpus", tmp_path / "data")
        return {record.id: record for record in DataDir.load(tmp_path / "data")}

    return build


@pytest.mark.parametrize("name", CORPORA)
def test_every_prepare_script_writes_a_valid_directory(name, tmp_path, capsys):
    (tmp_path / "corpus").mkdir()
    BUILDERS[name](tmp_path / "corpus")
    script = EGS / name / "local" / "prepare.py"
    spec = importlib.util.spec_from_file_location(f"prepare_{name}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = ["--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "data")]
    assert module.main(name, arguments) == 0
    assert f'main("{name}")' in script.read_text()
    assert validate(tmp_path / "data") == []
    before = {p.name: p.read_bytes() for p in (tmp_path / "data").iterdir()}
    assert {"utt2emo", "utt2intensity", "utt2lang", "utt2bandwidth", "utt2split"} <= set(before)
    assert main(name, arguments) == 0  # again: the same
    assert {p.name: p.read_bytes() for p in (tmp_path / "data").iterdir()} == before


@pytest.mark.parametrize("name", CORPORA)
def test_a_wrong_folder_is_one_clear_line(name, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        assert main(name, ["--corpus", str(tmp_path / folder), "--output", str(tmp_path / "data")]) == 2
        message = capsys.readouterr().err
        assert (
            message.startswith("error: ") and message.count("\n") == 1 and str(tmp_path / folder) in message
        )
    assert not (tmp_path / "data").exists()


def test_unknown_corpus_names_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="kathleen"):
        prepare("katleen", tmp_path, tmp_path / "d")


def test_kathleen(prepared):
    found = prepared("kathleen")
    record = found["kathleen-arctic_a0001-15"]
    assert (record.speaker, record.text, record.bandwidth) == (
        "kathleen",
        "Author of the danger trail.",
        12000,
    )
    assert record.emotion.is_neutral and record.intensity == 0.0 and record.language == "en-us"
    # Read in other words than the prompt, yet in the prompt's split.
    other = found["kathleen-arctic_a0221-16"]
    assert other.text == "I don't know why you're all here at all."
    assert other.split == split_of("I don't know why you're here at all.") != split_of(other.text)


def test_cmu_arctic(prepared):
    found = prepared("cmu_arctic")
    assert list(found) == ["bdl-arctic_a0001", "slt-arctic_a0001"]
    assert {r.bandwidth for r in found.values()} == {8000}
    assert {r.split for r in found.values()} == {split_of("Author of the danger trail.")}


def test_ljspeech_takes_the_spoken_words_and_its_true_bandwidth(prepared):
    (record,) = prepared("ljspeech").values()
    assert record.id == "ljspeech-LJ001-0001"
    assert record.text == 'In fourteen fifty-five, the "Bible"'
    assert record.bandwidth == 11025


def test_librispeech_is_put_in_lower_case(prepared):
    (record,) = prepared("librispeech").values()
    assert (record.id, record.speaker, record.text) == ("ls26-496-0000", "ls26", "it was mid july")
    assert record.bandwidth == 8000


def test_crema_d_labels_are_the_votes_on_the_voice(prepared):
    found = prepared("crema_d")
    assert sorted(found) == [
        "crema1001-DFA_ANG_XX",
        "crema1001-WSI_NEU_XX",
        "crema1040-ITH_SAD_XX",  # the file lacks the last letter
        "crema1064-IEO_HAP_HI",
    ]  # and without the silent 1076_MTI_SAD_XX
    record = found["crema1001-DFA_ANG_XX"]
    assert record.text == "Don't forget a jacket."
    assert record.emotion.as_mapping() == pytest.approx({"angry": 6 / 9, "disgusted": 2 / 9}, abs=1e-4)
    assert record.intensity == pytest.approx((6 * 0.6 + 2 * 0.3) / 8, abs=1e-4)
    neutral = found["crema1001-WSI_NEU_XX"]
    assert neutral.emotion.is_neutral and neutral.intensity == 0.0
    assert found["crema1040-ITH_SAD_XX"].intensity == pytest.approx(0.4)
    splits = {r.id: r.split for r in found.values()}
    assert splits == {
        "crema1001-DFA_ANG_XX": "dev",
        "crema1001-WSI_NEU_XX": "test",
        "crema1040-ITH_SAD_XX": "train",
        "crema1064-IEO_HAP_HI": "test",
    }


def test_crema_d_clip_without_votes_and_table_without_columns(tmp_path):
    crema_d(tmp_path)
    sound(tmp_path / "AudioWAV" / "1002_DFA_ANG_XX.wav")
    with pytest.raises(DataError, match="no votes on the voice for 1002_DFA_ANG_XX"):
        prepare("crema_d", tmp_path, tmp_path / "d")
    (tmp_path / "tabulatedVotes.csv").write_text('"","A","D"\n')
    with pytest.raises(DataError, match=r"tabulatedVotes\.csv:1: columns missing: 'F'"):
        prepare("crema_d", tmp_path, tmp_path / "d")


def test_crema_d_test_sentences_and_actors_never_train():
    for actor in ("1001", "1005", *TEST_ACTORS):
        for sentence in SENTENCES:
            trains = split_of_clip(actor, sentence) == "train"
            assert trains == (actor == "1005" and sentence not in ("TSI", "WSI"))


def test_ravdess_is_for_tests_only(prepared):
    found = prepared("ravdess")
    assert {r.split for r in found.values()} == {"test"}
    afraid = found["ravdess12-03-01-06-02-01-01-12"]
    assert (afraid.emotion.as_mapping(), afraid.intensity) == ({"afraid": 1.0}, 1.0)
    assert (afraid.text, afraid.bandwidth) == ("Kids are talking by the door.", 12000)
    neutral = found["ravdess12-03-01-01-01-02-01-12"]
    assert neutral.emotion.is_neutral and neutral.intensity == 0.0
    assert len(found) == 2


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("cmu_arctic", "cmu_us_bdl_arctic/etc/txt.done.data", "arctic_a0003 no brackets"),
        ("ljspeech", "metadata.csv", "LJ001-0002|only two"),
        ("librispeech", "26/496/26-496.trans.txt", "26-496-0001"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(name, file, line, tmp_path):
    BUILDERS[name](tmp_path)
    content = (tmp_path / file).read_text()
    (tmp_path / file).write_text(f"{content}{line}\n")
    with pytest.raises(DataError) as caught:
        prepare(name, tmp_path, tmp_path / "d")
    assert f"{tmp_path / file}:{len(content.splitlines()) + 1}: " in str(caught.value)


def test_a_recording_without_text_and_one_without_samples(tmp_path):
    kathleen(tmp_path)
    (tmp_path / "data" / "arctic_a0001_15.txt").unlink()
    with pytest.raises(DataError, match=r"arctic_a0001_15\.txt"):
        prepare("kathleen", tmp_path, tmp_path / "d")
    (tmp_path / "data" / "arctic_a0001_15.txt").write_text("x")
    soundfile.write(tmp_path / "data" / "arctic_a0001_15.wav", np.zeros(0, "float32"), 16000)
    with pytest.raises(DataError, match="no samples"):
        prepare("kathleen", tmp_path, tmp_path / "d")


@given(st.text("abcXYZ 0189éüñ'’,.!?-_\"", max_size=40))
def test_the_split_is_of_the_words_alone(text):
    assert split_of(text) == split_of(sentence_key(text)) == split_of(f"  {text.upper().lower()}?! ")


def test_known_splits_never_move():
    # Trained models rest on these: a change here lets test sentences into training.
    assert sentence_key("It’s  eleven O'clock -- NOW.") == "its eleven oclock now"
    assert split_of("I don't know why you're all here at all.") == "test"
    assert split_of("Author of the danger trail, Philip Steels, etc.") == "train"


def test_shares_of_the_splits():
    found = [split_of(f"this is sentence number {n}") for n in range(20_000)]
    assert found.count("test") / len(found) == pytest.approx(0.06, abs=0.008)
    assert found.count("dev") / len(found) == pytest.approx(0.02, abs=0.005)
