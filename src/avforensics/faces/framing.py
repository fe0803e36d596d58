"""Check on a few frames whether a video is framed like a network's training clips."""

from __future__ import annotations

import os

import numpy as np

from avforensics.faces.crops import CropRecipe, name_of
from avforensics.faces.find import find_faces
from avforensics.faces.settings import FaceSettings
from avforensics.faces.sidecar import recipe_of_clips
from avforensics.media.video import VideoReader

LOOKED_AT = 26  # number of frames to examine (one second)
# A video is not a recipe's crop if the width of its face is less than LEAST_SHARE of the usual
# width in such crops and less than WHOLE_FACE of the frame's width. (In mouth crops, the detector
# finds a face that fills the frame.)
LEAST_SHARE = 0.6
WHOLE_FACE = 0.85
LOOKS = FaceSettings(min_seconds=0, min_size=0, every=12)


def unlike_crop(
    path: str | os.PathLike,
    recipe: CropRecipe,
    *,
    video_stream: int = 0,
    start_frame: int = 0,
) -> list[str]:
    """Return a warning if a video cannot be a recipe's face crop, else an empty list.

    Crops are square, and the recipe determines the size of the face. A video is not a crop if it is
    not square or if its face is much smaller than in crops by the recipe. A square video without a
    detected face may be a crop, e.g. of a mouth. Sidecar files of `avforensics preprocess` are
    trusted.

    Parameters
    ----------
    recipe : CropRecipe
        Recipe of the network's training clips.
    video_stream : int
        Index among the video streams.
    start_frame : int
        First frame of the second that is examined, at 25 fps.

    Raises
    ------
    MediaError
        The file cannot be decoded.
    """
    trained = f"the network was trained on crops of faces (crop={name_of(recipe)}), but"
    if recipe_of_clips([path]) == name_of(recipe):
        return []
    with VideoReader(path, stream=video_stream) as video:
        width, height = video.width, video.height
    if width != height:
        return [f"{trained} the video is {width}x{height}"]
    found = find_faces(
        path, LOOKS, video_stream=video_stream, start_frame=start_frame, max_frames=LOOKED_AT
    )
    sizes = [
        float(np.median((track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1)))
        for track in found.tracks
    ]
    share = max(sizes, default=np.inf) / width
    if share < min(LEAST_SHARE / recipe.side, WHOLE_FACE):
        return [f"{trained} a face takes up {share:.0%} of this video's width"]
    return []
