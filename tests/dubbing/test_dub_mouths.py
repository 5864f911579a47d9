"""Mouths in a video: frames, boxes, faces by either mediapipe, speech activity, plans by lips."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from dub_helpers import SineEngine, make_video, original_sound, write_srt

import emotts
from emotts.dubbing import faces, mouth_landmarks
from emotts.dubbing.frames import read_frames
from emotts.dubbing.lip_plan import LEAD, TAIL, bounded
from emotts.dubbing.mouth import DialogueActivity
from emotts.dubbing.mouth_landmarks import Landmarks
from emotts.dubbing.mouth_video import MouthBox
from emotts.dubbing.video import probe
from emotts.dubbing.voice_activity import VoiceActivity
from emotts.errors import EmottsError, InputError, MissingDependencyError
from emotts.lips.aligner import LipPlan, embedded_timer
from emotts.lips.box import Box
from emotts.text.phonemize import Phonemes
from emotts.timing import TimingPlan

av = pytest.importorskip("av")

SPEAKING, SILENT = (60, 70), (150, 70)
"""Centres of two mouths."""


def level_at(time: float) -> float:
    """Of the sound of `make_video`: speech from 1 s to 2 s and from 2.5 s to 3 s."""
    return float(1.0 <= time < 2.0 or 2.5 <= time < 3.0)


def make_talk(path: Path, fps: int = 25, seconds: float = 4.0) -> Path:
    """Two mouths: the left one opens while there is sound, the right one where there is none."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=fps, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = 200, 120, "yuv420p"
        audio = file.add_stream("aac", rate=24_000, layout="mono")
        for index in range(round(seconds * fps)):
            values = np.full((120, 200, 3), 90, dtype=np.uint8)
            loud = level_at(index / fps)
            for (x, y), moves in ((SPEAKING, loud), (SILENT, 1.0 - loud)):
                high = 2 + round(8 * moves * abs(np.sin(1.3 * index)))
                values[y - high : y + high, x - 18 : x + 18] = 230
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        samples = original_sound(seconds)
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[start : start + 1024][None], "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 24_000, Fraction(1, 24_000), start
            file.mux(audio.encode(frame))
        file.mux(audio.encode(None))
    return path


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talk(tmp_path_factory.mktemp("talk") / "talk.mp4")


@pytest.fixture(scope="module")
def sound() -> DialogueActivity:
    return DialogueActivity(original_sound(4.0))


def open_pixels(picture: np.ndarray, x: int, y: int) -> int:
    return int((picture[y - 14 : y + 14, x, ...].reshape(28, -1)[:, 0] > 160).sum())


@pytest.mark.parametrize("fps", [25, 50, 12])
def test_frames_of_any_rate_come_at_25_a_second(tmp_path: Path, fps: int) -> None:
    media = probe(make_talk(tmp_path / "talk.mp4", fps))
    frames, factor = read_frames(media, 20, 60)
    assert frames.shape == (40, 120, 200) and factor == 1.0
    shown = [open_pixels(frame, *SPEAKING) for frame in frames]
    expected = []
    for index in range(20, 60):
        own = int(((index + 0.5) / 25 + 1e-4) * fps)
        expected.append(2 * (2 + round(8 * level_at(own / fps) * abs(np.sin(1.3 * own)))))
    assert np.abs(np.array(shown) - expected).max() <= 2


def test_frames_are_counted_from_the_video_s_own_origin_and_shrunk(tmp_path: Path) -> None:
    media = probe(make_video(tmp_path / "late.mp4", 2.0, delay=3))
    frames, factor = read_frames(media, 0, 10, gray=False, longest=32)
    assert frames.shape == (10, 24, 32, 3) and factor == 0.5
    assert not (frames[0] == frames[9]).all()


def test_a_given_box_follows_its_mouth(talk: Path) -> None:
    track = MouthBox(probe(talk), Box.around(*SPEAKING, 60)).track(0.8, 2.2)
    assert track.source == "mouth box" and track.pictures.shape == (35, 16, 32)
    assert track.aperture[7:28].mean() > 0.2 > track.aperture[:4].max()


def test_the_mouth_that_moves_with_the_sound_is_found(talk: Path, sound: DialogueActivity) -> None:
    media = probe(talk)
    found = MouthBox(media, None, sound).track(0.8, 2.2)
    given = MouthBox(media, Box.around(*SPEAKING, 50)).track(0.8, 2.2)
    assert found is not None and "found by its motion" in found.source
    assert np.corrcoef(found.aperture, given.aperture)[0, 1] > 0.8


def test_boxes_that_cannot_be_are_refused(talk: Path) -> None:
    media = probe(talk)
    with pytest.raises(InputError, match="outside of the picture of 200 by 120 pixels"):
        MouthBox(media, Box(500, 10, 40, 20))
    with pytest.raises(InputError, match="--mouth-box x,y,w,h"):
        MouthBox(media, None)


def points(picture: np.ndarray, x: int, y: int) -> list[SimpleNamespace]:
    """The mesh of a face whose mouth is at (x, y), as open as it is drawn."""
    height, width = picture.shape[:2]
    mesh = [SimpleNamespace(x=x / width, y=y / height, z=0.0) for _ in range(468)]
    half = open_pixels(picture, x, y) / 2
    places = {
        faces.UPPER_LIP: (0, -half), faces.LOWER_LIP: (0, half), faces.LEFT_CORNER: (-18, 0),
        faces.RIGHT_CORNER: (18, 0), faces.FOREHEAD: (0, -60), faces.CHIN: (0, 30),
    }  # fmt: skip
    for index, (right, down) in places.items():
        mesh[index] = SimpleNamespace(x=(x + right) / width, y=(y + down) / height, z=0.0)
    return mesh


class FakeMesh:
    """`mediapipe.solutions.face_mesh.FaceMesh`; faces swap their order, as detections do."""

    opened = 0

    def __init__(self, static_image_mode, max_num_faces, refine_landmarks) -> None:
        FakeMesh.opened += 1
        self.count = 0

    def process(self, picture: np.ndarray) -> SimpleNamespace:
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        self.count += 1
        both = [SimpleNamespace(landmark=points(picture, *place)) for place in (SILENT, SPEAKING)]
        return SimpleNamespace(multi_face_landmarks=both[:: (-1) ** self.count] if self.count % 7 else None)

    def close(self) -> None:
        FakeMesh.opened -= 1


class FakeLandmarker:
    """`mediapipe.tasks.vision.FaceLandmarker`."""

    @classmethod
    def create_from_options(cls, options: SimpleNamespace) -> FakeLandmarker:
        if Path(options.base_options.model_asset_path).read_bytes() != b"model":
            raise RuntimeError("Unable to open zip archive.\nmore")
        assert options.running_mode == "VIDEO"
        made = cls()
        made.latest = -1
        return made

    def detect_for_video(self, image: SimpleNamespace, milliseconds: int) -> SimpleNamespace:
        assert image.image_format == "SRGB" and milliseconds > self.latest
        self.latest = milliseconds
        return SimpleNamespace(face_landmarks=[points(image.data, *place) for place in (SPEAKING, SILENT)])

    def close(self) -> None:
        pass


def fake_mediapipe(old: bool) -> SimpleNamespace:
    if old:
        return SimpleNamespace(
            __version__="0.10.21", solutions=SimpleNamespace(face_mesh=SimpleNamespace(FaceMesh=FakeMesh))
        )
    vision = SimpleNamespace(
        FaceLandmarkerOptions=SimpleNamespace, FaceLandmarker=FakeLandmarker,
        RunningMode=SimpleNamespace(VIDEO="VIDEO"),
    )  # fmt: skip
    return SimpleNamespace(
        __version__="0.10.35", tasks=SimpleNamespace(BaseOptions=SimpleNamespace, vision=vision),
        Image=SimpleNamespace, ImageFormat=SimpleNamespace(SRGB="SRGB"),
    )  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "face.task").write_bytes(b"model")
    return tmp_path / "face.task"


@pytest.mark.parametrize("old", [True, False])
def test_of_two_faces_the_one_that_speaks_is_taken(
    old: bool, talk: Path, sound: DialogueActivity, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", fake_mediapipe(old))
    source = Landmarks(probe(talk), lambda: faces.open_finder(None if old else model), sound)
    track = source.track(0.6, 2.4)
    assert track.source == "landmarks" and track.pictures.shape == (45, 16, 32)
    assert track.aperture[12:34].mean() > 2 * track.aperture[:8].mean()
    assert track.visible.mean() == (pytest.approx(0.85, abs=0.05) if old else 1.0)
    assert FakeMesh.opened == 0


def test_without_sound_the_face_that_moves_most_is_taken() -> None:
    found = []
    for frame in range(20):
        faces_there = np.zeros((2, 6, 2))
        for index, (x, swing) in enumerate(((50, 1.0), (120, 5.0))):
            half = swing * abs(np.sin(frame))
            faces_there[index] = [(x, 70 - half), (x, 70 + half), (x - 9, 70), (x + 9, 70), (x, 20), (x, 95)]
        found.append(faces_there[:: (-1) ** frame])
    tracks = mouth_landmarks.follow(found)
    assert len(tracks) == 2 and all(track.seen.all() for track in tracks)
    assert mouth_landmarks.speaking(tracks, None).points[0, 2, 0] == 111


def test_of_two_who_talk_the_one_that_is_heard_is_taken() -> None:
    random = np.random.default_rng(3)
    openings = [np.repeat(random.uniform(0, 1, 12), 4) for _ in range(2)]
    found = []
    for frame in range(48):
        both = np.zeros((2, 6, 2))
        for index, x in enumerate((50, 120)):
            half = 1.0 + 5.0 * openings[index][frame] * (2.0 if index else 1.0)
            both[index] = [(x, 70 - half), (x, 70 + half), (x - 9, 70), (x + 9, 70), (x, 20), (x, 95)]
        found.append(both)
    tracks = mouth_landmarks.follow(found)
    for level, x in zip(openings, (59, 129), strict=True):
        heard = np.clip(level + 0.1 * random.normal(size=48), 0, 1)
        assert mouth_landmarks.speaking(tracks, heard).points[0, 3, 0] == x


def test_landmarks_that_fly_about_make_no_boundless_box() -> None:
    track = mouth_landmarks.FaceTrack(1)
    track.add(0, np.array([(0, 0), (0, 9), (-9e5, 0), (9e5, 0), (0, -50), (0, 50)], dtype=float))
    assert track.boxes()[0].width == mouth_landmarks.LONGEST_SIDE


def test_what_is_missing_is_said_in_one_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "emotts\[landmarks\]"'):
        faces.open_finder()
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "emotts\[vad\]"'):
        VoiceActivity(original_sound(1.0))
    monkeypatch.setitem(sys.modules, "mediapipe", fake_mediapipe(old=False))
    with pytest.raises(InputError, match=r"0\.10\.35 needs a FaceLandmarker file.*--landmarks-model"):
        faces.open_finder()
    with pytest.raises(InputError, match="does not exist"):
        faces.open_finder(tmp_path / "none.task")
    finder = faces.open_finder(model)
    monkeypatch.setattr(FakeLandmarker, "detect_for_video", _fail)
    with pytest.raises(InputError, match=r"cannot look for faces with .*face.task: no such tensor$"):
        finder.faces(np.zeros((4, 4, 3), np.uint8), 0)
    model.write_bytes(b"other")
    with pytest.raises(
        InputError, match=r"no FaceLandmarker file of mediapipe: Unable to open zip archive\.$"
    ):
        faces.open_finder(model)


def test_notes_of_a_library_are_hushed_and_what_follows_is_not(capfd: pytest.CaptureFixture) -> None:
    with faces.hushed():
        os.write(2, b"W0000 a note\n")
    os.write(2, b"a warning\n")
    assert capfd.readouterr().err == "a warning\n"


def _fail(*arguments: object) -> None:
    raise RuntimeError("no such tensor\nmore")


def phonemes_of(text: str) -> Phonemes:
    words = text.lower().strip(".?").split()
    symbols = ["^", *(symbol for _ in words for symbol in ("m", "ˈiː", " "))]
    symbols[-1] = "."
    index = [-1, *(value for number in range(len(words)) for value in (number, number, -1))]
    return Phonemes(tuple(symbols), tuple(words), tuple(index))


class TalkingEngine(SineEngine):
    """An engine that tells how long each phoneme would be."""

    def natural(self, text, voice, emotion, language):
        found = phonemes_of(text)
        return found, [2.0, *(0.0 if i < 0 else 4.0 for i in found.word_index[1:-1]), 3.0]


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A lip aligner that says: silence for two frames, all phones 5 frames, the rest silence."""
    asked = []

    def plan(self, pictures, phonemes, natural, first=0, tokens=None) -> LipPlan:
        asked.append((first, tokens))
        inner = [0 if index < 0 else 5 for index in phonemes.word_index[1:-1]]
        return LipPlan(TimingPlan((2, *inner, tokens - 2 - sum(inner))), 99.0)

    monkeypatch.setattr("emotts.lips.aligner.LipTimer.plan", plan)
    return asked


def dub(talk: Path, folder: Path, **options):
    script = write_srt(folder / "lines.srt", [(1.0, 2.2, "Hello there."), (2.5, 3.0, "No.")])
    return emotts.dub(talk, script, {"*": "low"}, engine=TalkingEngine(lead=(LEAD + 2) * 960), **options)


def test_lips_time_the_lines_that_they_are_seen_to_speak(talk: Path, tmp_path: Path, reading) -> None:
    job = dub(talk, tmp_path, mouth_box="auto", landmarks=False)
    first = job.plan[0]
    assert (first.timing, first.mouth) == ("lips", "mouth box (found by its motion)")
    assert reading[0] == (5, 30)
    assert first.plan.durations == (LEAD + 2, 5, 5, 0, 5, 5, max(TAIL, 8)) and first.lead == LEAD
    line = next(iter(job))
    # The lips begin 80 ms into the window, and so does the speech.
    assert line.start == 24_000 - LEAD * 960 and line.planned.onset == pytest.approx(0.08)
    assert abs(line.onset_error) < 0.011


def test_lips_are_left_aside_when_told_so_or_off_screen(talk: Path, tmp_path: Path, reading) -> None:
    job = dub(talk, tmp_path, mouth_box="auto", landmarks=False, lips=False)
    assert {line.timing for line in job.plan} == {"window"} and not reading
    script = tmp_path / "off.csv"
    script.write_text("start,end,text,on_screen\n1.0,2.2,Hello there.,no\n", encoding="utf-8")
    job = emotts.dub(talk, script, {"*": "low"}, engine=TalkingEngine(), mouth_box="auto", landmarks=False)
    assert job.plan[0].timing == "window" and job.plan[0].mouth == "" and not reading


def test_lips_that_say_something_else_leave_the_line_to_its_window(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "emotts.lips.aligner.LipTimer.plan",
        lambda *arguments: LipPlan(TimingPlan((30,)), embedded_timer().settings.least_likelihood - 1.0),
    )
    job = dub(talk, tmp_path, mouth_box="auto", landmarks=False)
    assert {line.timing for line in job.plan} == {"window"}
    assert any("do not suit" in warning for warning in job.warnings)


def test_lips_are_never_followed_faster_than_people_can_hear() -> None:
    phonemes = phonemes_of("hello there")
    natural = [2.0, 6.0, 6.0, 0.0, 6.0, 6.0, 3.0]
    fast = bounded(TimingPlan((0, 3, 3, 0, 3, 3, 0)), phonemes, natural, 1.2, LEAD)
    assert sum(fast.plan.durations[1:-1]) == 20 and "2.00 times as fast" in fast.note
    assert fast.plan.durations[0] == LEAD and fast.plan.durations[-1] == TAIL
    slow = bounded(TimingPlan((0, 12, 12, 0, 12, 12, 0)), phonemes, natural, 1.2)
    assert slow.plan is None and "longer than this text" in slow.note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mouth_box": "1,2"}, "x,y,width,height"),
        ({"mouth_box": "900,900,40,20"}, "outside of the picture"),
        ({"video": None, "mouth_box": "auto"}, "no video in which a mouth"),
    ],
)
def test_wrong_sources_are_refused(talk: Path, tmp_path: Path, options: dict, message: str) -> None:
    script = write_srt(tmp_path / "lines.srt", [(1.0, 2.2, "Hello there.")])
    video = options.pop("video", talk)
    with pytest.raises(EmottsError, match=message):
        emotts.dub(video, script, {"*": "low"}, engine=TalkingEngine(), **options)
