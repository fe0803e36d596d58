"""From an outcome to the page of its video: faces, boxes, unusual segments with pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.detection.faces import dropped
from avforensics.detection.outcome import OWN_DELAY, Outcome, Segment
from avforensics.faces.track import Faces
from avforensics.media.types import FPS, MediaOptions
from avforensics.report import annotations
from avforensics.report.annotations import Face, FaceBoxes
from avforensics.report.page import write_video_report
from avforensics.report.sentences import number
from avforensics.report.stills import still_addresses
from avforensics.scoring.tracks import FaceResult

BOX_FRAMES = 5  # frames from one box in the page to the next; the page draws what lies between
MOST_STILLS = 24  # a page with hundreds of segments has pictures of the highest ones
RULES = {
    "speaker": "the mean over what was judged of whoever speaks at the time",
    "max": "the highest of its faces",
    "mean": "the mean of its faces",
}


def write_outcome_report(
    outcome: Outcome,
    out: str | os.PathLike,
    *,
    provenance: Mapping[str, Any],
    media_options: MediaOptions | None = None,
    index_link: str | None = None,
) -> Path:
    """Write the page of one scored video.

    Parameters
    ----------
    media_options : MediaOptions, optional
        Which streams were scored.
    index_link : str, optional
        As in `write_video_report`.

    Raises
    ------
    ValueError
        The video has no score.
    """
    faces = [] if outcome.found is None else face_views(outcome.faces, outcome.found)
    return write_video_report(
        outcome.result,
        out,
        provenance=provenance,
        calibrated=outcome.calibrated,
        segments=_segments(outcome, faces, media_options or MediaOptions()),
        faces=faces,
        segments_per_minute=outcome.segments_per_minute,
        face_notes=[] if outcome.found is None else _notes(outcome),
        media_options=media_options,
        index_link=index_link,
    )


def face_views(faces: Iterable[FaceResult], found: Faces) -> list[Face]:
    """Page data of each face."""
    return [
        Face(
            result=face.result,
            boxes=boxes_of(face, found.width, found.height),
            speaks=face.speaks,
        )
        for face in faces
    ]


def boxes_of(face: FaceResult, width: int, height: int) -> FaceBoxes:
    """A face's boxes in fractions of the picture, a few a second."""
    track = face.track
    frames = np.unique(np.append(np.arange(0, len(track), BOX_FRAMES), len(track) - 1))
    return FaceBoxes(
        label=f"face {track.name}",
        time=(track.first_frame + frames + 0.5) / FPS,
        box=track.boxes[frames] / [width, height, width, height],
        spans=face.spans,
    )


def _segments(
    outcome: Outcome, faces: Sequence[Face], media: MediaOptions
) -> list[annotations.Segment]:
    """Segments as the page marks them; the highest ones with a picture of their middle."""
    boxes = {face.track.name: view.boxes for face, view in zip(outcome.faces, faces, strict=True)}
    pictured = sorted(outcome.segments, key=lambda segment: -segment.value)[:MOST_STILLS]
    moments = [((s.start + s.end) / 2, boxes.get(s.track)) for s in pictured]
    addresses = still_addresses(outcome.result.path, moments, stream=media.video_stream)
    pictures = dict(zip(pictured, addresses, strict=True))
    return [
        annotations.Segment(
            start=segment.start,
            end=segment.end,
            label=_label(segment, several=len(faces) > 1),
            face=boxes[segment.track].label if segment.track in boxes else "",
            picture=pictures.get(segment, ""),
        )
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


def _notes(outcome: Outcome) -> list[tuple[str, str]]:
    count = len(outcome.faces)
    said = f"{count} faces followed and scored one by one" if count > 1 else "1 face followed"
    left_out = dropped(outcome.found)
    return [
        ("Faces", f"{said}; not used: {', '.join(left_out)}" if left_out else said),
        ("Score of the video", RULES[outcome.rule]),
    ]
