"""Faces in pictures, through either interface of mediapipe."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from emotts.errors import InputError, MissingDependencyError

INSTALL = 'pip install "emotts[landmarks]"'

UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER, FOREHEAD, CHIN = 13, 14, 61, 291, 10, 152
"""Points of mediapipe's mesh of 468: inner lips, corners of the mouth, upper and lower end of the face."""

POINTS = (UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER, FOREHEAD, CHIN)

MOST_FACES = 4

_NOTHING = np.zeros((240, 320, 3), dtype=np.uint8)
"""A picture that starts mediapipe's threads, whose first notes are then told to nobody."""


class FaceFinder(Protocol):
    """Finds faces in the frames of one shot, in order."""

    def faces(self, picture: np.ndarray, milliseconds: int) -> np.ndarray:
        """Points of each face in pixels.

        Args:
            picture: RGB, uint8, shape (height, width, 3).
            milliseconds: time of the frame, rising from call to call.

        Returns:
            shape (faces, 6, 2): x and y of `POINTS`.
        """
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing is written to file descriptor 2 in this block.

    mediapipe's threads log some lines there for every shot, which no setting of it turns off, and which would
    drown what a dub has to say. What goes wrong comes as an exception.
    """
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def installed() -> bool:
    """Whether there is a mediapipe that carries its own model; it is not imported to find out."""
    found = importlib.util.find_spec("mediapipe")
    if found is None or found.origin is None:
        return False
    return (Path(found.origin).parent / "python" / "solutions").is_dir()


def open_finder(model: Path | None = None) -> FaceFinder:
    """A finder of the installed mediapipe.

    Args:
        model: FaceLandmarker file (.task); without it the face mesh of mediapipe up to 0.10.21 is used, which
            carries its own.

    Raises:
        MissingDependencyError: mediapipe is not installed.
        InputError: it needs a model file, or cannot read the one given.
    """
    try:
        mediapipe = import_module("mediapipe")
    except ImportError:
        raise MissingDependencyError(f"landmarks need mediapipe; install it with: {INSTALL}") from None
    if model is not None:
        return LandmarkerFinder(mediapipe, model)
    if not hasattr(mediapipe, "solutions"):
        version = getattr(mediapipe, "__version__", "as installed")
        raise InputError(
            f"mediapipe {version} needs a FaceLandmarker file: give it with --landmarks-model, or install "
            "mediapipe==0.10.21, which carries its own"
        )
    return MeshFinder(mediapipe)


class MeshFinder:
    """`mediapipe.solutions.face_mesh`, of mediapipe up to 0.10.21.

    Args:
        mediapipe: the module.
    """

    def __init__(self, mediapipe: ModuleType) -> None:
        with hushed():
            self._mesh = mediapipe.solutions.face_mesh.FaceMesh(
                static_image_mode=False, max_num_faces=MOST_FACES, refine_landmarks=False
            )
            self._mesh.process(_NOTHING)

    def faces(self, picture: np.ndarray, milliseconds: int) -> np.ndarray:
        """See `FaceFinder`."""
        with hushed():
            found = self._mesh.process(picture).multi_face_landmarks or []
        return _points([face.landmark for face in found], picture.shape)

    def close(self) -> None:
        """See `FaceFinder`."""
        self._mesh.close()


class LandmarkerFinder:
    """`mediapipe.tasks.vision.FaceLandmarker`, of later versions.

    Args:
        mediapipe: the module.
        model: its file.

    Raises:
        InputError: the file is missing, or no model of that kind.
    """

    def __init__(self, mediapipe: ModuleType, model: Path) -> None:
        if not model.is_file():
            raise InputError(f"FaceLandmarker file {model} does not exist")
        self._mediapipe, self._model = mediapipe, model
        tasks = mediapipe.tasks
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=tasks.vision.RunningMode.VIDEO,
            num_faces=MOST_FACES,
        )
        try:
            with hushed():
                self._landmarker = tasks.vision.FaceLandmarker.create_from_options(options)
                self._detect(_NOTHING, 0)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{model} is no FaceLandmarker file of mediapipe: {reason}") from None

    def faces(self, picture: np.ndarray, milliseconds: int) -> np.ndarray:
        """See `FaceFinder`."""
        try:
            with hushed():
                found = self._detect(picture, milliseconds + 1)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"mediapipe cannot look for faces with {self._model}: {reason}") from None
        return _points(found, picture.shape)

    def _detect(self, picture: np.ndarray, milliseconds: int) -> list[Any]:
        image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )
        return self._landmarker.detect_for_video(image, milliseconds).face_landmarks or []

    def close(self) -> None:
        """See `FaceFinder`."""
        self._landmarker.close()


def _points(faces: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape[:2]
    rows = [[(face[index].x * width, face[index].y * height) for index in POINTS] for face in faces]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(POINTS), 2)
