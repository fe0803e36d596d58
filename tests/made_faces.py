"""Tracks of faces that keep still."""

import numpy as np

from avforensics.faces.track import FaceTrack

LANDMARKS = np.float32([[15, 17], [30, 17], [22, 27], [15, 37], [30, 37]]) / [40, 48]


def still_face(
    name: str = "1", first: int = 0, frames: int = 60, *, box: tuple[float, ...] = (4, 8, 44, 56)
) -> FaceTrack:
    """Make the track of a face that stays in ``box``: left, top, right, bottom in pixels."""
    left, top, right, bottom = box
    landmarks = np.float32(LANDMARKS * [right - left, bottom - top] + [left, top])
    boxes = np.tile(np.float32(box), (frames, 1))
    return FaceTrack(name, first, boxes, np.tile(landmarks, (frames, 1, 1)), np.ones(frames, bool))
