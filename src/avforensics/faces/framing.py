"""Whether a video shows a face as a network's training clips did, as far as a few looks tell."""

from __future__ import annotations

import os

import numpy as np

from avforensics.faces.crops import CropRecipe, name_of
from avforensics.faces.find import find_faces
from avforensics.faces.settings import FaceSettings
from avforensics.faces.sidecar import recipe_of_clips
from avforensics.media.video import VideoReader

LOOKED_AT = 26  # frames: a second
LEAST_SHARE = 0.6  # of the width that a face takes up in the recipe's crops...
WHOLE_FACE = (
    0.85  # ...or of the picture: in crops of a mouth the detector sees a face that fills it
)
LOOKS = FaceSettings(min_seconds=0, min_size=0, every=12)


def unlike_crop(
    path: str | os.PathLike,
    recipe: CropRecipe,
    *,
    video_stream: int = 0,
    start_frame: int = 0,
) -> list[str]:
    """A sentence where a video cannot be a crop of a face by a recipe; else nothing.

    Crops are squares in which a face is as large as the recipe says: one that is a good deal
    smaller, or a picture that is not square, is another kind of video. A square in which no face is
    found may be a crop, as one of a mouth is. What `avforensics preprocess` notes beside its clips
    is believed.

    Parameters
    ----------
    recipe : CropRecipe
        Of the network's training.
    video_stream : int
        Counted among the video streams.
    start_frame : int
        Where to look: a second from this frame on (25 a second).

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
        return [f"{trained} this is a picture of {width}x{height}"]
    found = find_faces(
        path, LOOKS, video_stream=video_stream, start_frame=start_frame, max_frames=LOOKED_AT
    )
    sizes = [
        float(np.median((track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1)))
        for track in found.tracks
    ]
    share = max(sizes, default=np.inf) / width
    if share < min(LEAST_SHARE / recipe.side, WHOLE_FACE):
        return [f"{trained} a face takes up {share:.0%} of this picture's width"]
    return []
