"""Prepare the faces and segments of an outcome for a page that marks them on a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avforensics.media.types import FPS, MediaOptions
from avforensics.report.sentences import number
from avforensics.report.stills import FaceBoxes, still_addresses
from avforensics.scoring.outcome import OWN_DELAY, Outcome, Segment
from avforensics.scoring.result import VideoResult
from avforensics.scoring.tracks import FaceResult

BOX_FRAMES = 5  # frames from one box to the next in the page, which interpolates between boxes
MOST_STILLS = 24  # maximum number of segments with a picture in a page
RULES = {
    "speaker": "the mean over time of whichever face is speaking",
    "max": "the highest score of its faces",
    "mean": "the mean score of its faces",
}


@dataclass(frozen=True)
class Face:
    """Face in a video, with its result and boxes.

    Attributes
    ----------
    result : VideoResult
        Result of the face, with windows counted from the start of the video.
    speaks : float
        Share of the time in which the face is the speaker.
    """

    result: VideoResult
    boxes: FaceBoxes
    speaks: float


def faces_of(outcome: Outcome) -> list[Face]:
    """Collect the page's data on each face."""
    return [
        Face(face.result, boxes_of(face, outcome.found.width, outcome.found.height), face.speaks)
        for face in outcome.faces
    ]


def boxes_of(face: FaceResult, width: int, height: int) -> FaceBoxes:
    """Return a few boxes of a face per second, as fractions of the picture."""
    track = face.track
    frames = np.unique(np.append(np.arange(0, len(track), BOX_FRAMES), len(track) - 1))
    return FaceBoxes(
        label=f"face {track.name}",
        time=(track.first_frame + frames + 0.5) / FPS,
        box=track.boxes[frames] / [width, height, width, height],
        spans=face.spans,
    )


def segments_of(
    outcome: Outcome, faces: Sequence[Face], media: MediaOptions
) -> list[dict[str, object]]:
    """Describe segments by label and face; add pictures of the segments with the highest values."""
    boxes = {face.track.name: view.boxes for face, view in zip(outcome.faces, faces, strict=True)}
    pictured = sorted(outcome.segments, key=lambda segment: -segment.value)[:MOST_STILLS]
    moments = [((s.start + s.end) / 2, boxes.get(s.track)) for s in pictured]
    addresses = still_addresses(outcome.result.path, moments, stream=media.video_stream)
    pictures = dict(zip(pictured, addresses, strict=True))
    return [
        {
            "start": segment.start,
            "end": segment.end,
            "label": _label(segment, several=len(faces) > 1),
            "face": boxes[segment.track].label if segment.track in boxes else "",
            "picture": pictures.get(segment, ""),
        }
        for segment in outcome.segments
    ]


def _label(segment: Segment, *, several: bool) -> str:
    if segment.measure == OWN_DELAY:
        said = f"lips and sound differ from the rest ({number(segment.value, 3)})"
    elif segment.threshold is None:
        said = "stands out from the rest of this video"
    else:
        said = f"mean loss {number(segment.value, 3)}"
    return f"face {segment.track}: {said}" if several and segment.track else said


def notes_of(outcome: Outcome) -> list[tuple[str, str]]:
    """Describe how faces were found and scored, as pairs of a heading and a sentence."""
    if outcome.found is None:
        return []
    count, left_out = len(outcome.faces), outcome.found.left_out
    said = f"{count} faces tracked and scored separately" if count > 1 else "1 face tracked"
    return [
        ("Faces", f"{said}; not used: {', '.join(left_out)}" if left_out else said),
        ("Score of the video", RULES[outcome.rule]),
    ]
