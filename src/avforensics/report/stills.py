"""Cut small still pictures out of a video for a page."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from avforensics.media.stills import stills

HEIGHT = 96  # pixels; the page shows pictures smaller, so that they are sharp on all screens
AROUND = 0.35  # margin on each side of a face, as a fraction of the face's size


@dataclass(frozen=True)
class FaceBoxes:
    """Boxes of a tracked face.

    Attributes
    ----------
    time : float array, (n,)
        Times of the boxes in seconds from the start of the video, increasing. Boxes that are at
        most a quarter of a second apart are interpolated. Other boxes are shown from half a frame
        before to half a frame after their time.
    box : float array, (n, 4)
        ``left, top, right, bottom`` as fractions of the upright frame.
    spans : sequence of (float, float)
        Start and end, in seconds, of speech by this face. During these spans, the box has the
        speaker's colour.
    """

    label: str
    time: np.ndarray
    box: np.ndarray
    spans: Sequence[tuple[float, float]] = ()


def still_addresses(
    path: str | os.PathLike,
    moments: Sequence[tuple[float, FaceBoxes | None]],
    *,
    stream: int | None = None,
) -> list[str]:
    """Cut still pictures from a video and encode them as JPEG in ``data:`` URLs.

    Parameters
    ----------
    path : str or PathLike
        Video file.
    moments : sequence of (float, FaceBoxes or None)
        Time in seconds from the start of the video, and the face to show; None = the whole frame.
    stream : int, optional
        Index among the video streams.

    Returns
    -------
    list of str
        A URL for each moment; an empty string if there is no picture.
    """
    pictures = stills(path, (moment for moment, _ in moments), stream=stream)
    return [
        "" if picture is None else _address(_cut(picture, moment, face))
        for picture, (moment, face) in zip(pictures, moments, strict=True)
    ]


def _cut(picture: Image.Image, moment: float, face: FaceBoxes | None) -> Image.Image:
    if face is None:
        return picture
    left, top, right, bottom = face.box[np.abs(np.asarray(face.time) - moment).argmin()]
    wide, high = AROUND * (right - left), AROUND * (bottom - top)
    edges = np.clip([left - wide, top - high, right + wide, bottom + high], 0, 1)
    box = np.rint(edges * [*picture.size, *picture.size]).astype(int)
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        return picture
    return picture.crop(box.tolist())


def _address(picture: Image.Image) -> str:
    width = max(1, round(picture.width * HEIGHT / picture.height))
    memory = io.BytesIO()
    picture.resize((width, HEIGHT)).save(memory, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(memory.getvalue()).decode('ascii')}"
