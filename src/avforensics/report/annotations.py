"""Prepare the faces and segments of an outcome for a page that marks them on a video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avforensics.media.types import FPS, MediaOptions
from avforensics.report.sentences import number
from avforensics.report.stills import FaceBoxes, still_addresses
from avforensics.scoring.outcome import OWN_DELAY, Outcome, Segment

BOX_FRAMES = 5  # frames from one box to the next in the page, which interpolates between boxes
MOST_STILLS = 24  # maximum number of segments with a picture in a page
RULES = {
    "speaker": "the mean over time of whichever face is speaking",
    "max": "the highest score of its faces",
    "mean": "the mean score of its faces",
}


def boxes_of(outcome: Outcome) -> list[FaceBoxes]:
    """Return a few boxes of each face per second, as fractions of the picture."""
    found = []
    for face in outcome.faces:
        track, size = face.track, [outcome.found.width, outcome.found.height]
        frames = np.unique(np.append(np.arange(0, len(track), BOX_FRAMES), len(track) - 1))
        time = (track.first_frame + frames + 0.5) / FPS
        box = track.boxes[frames] / [*size, *size]
        found.append(FaceBoxes(f"face {track.name}", time, box, face.spans))
    return found


def segments_of(
    outcome: Outcome, boxes: Sequence[FaceBoxes], media: MediaOptions
) -> list[dict[str, object]]:
    """Describe segments by label and face; add pictures of the segments with the highest values."""
    names = [face.track.name for face in outcome.faces]
    boxes_by_name = dict(zip(names, boxes, strict=True))
    pictured = sorted(outcome.segments, key=lambda segment: -segment.value)[:MOST_STILLS]
    moments = [((s.start + s.end) / 2, boxes_by_name.get(s.track)) for s in pictured]
    addresses = still_addresses(outcome.result.path, moments, stream=media.video_stream)
    pictures = dict(zip(pictured, addresses, strict=True))
    return [
        {
            "start": segment.start,
            "end": segment.end,
            "label": _label(segment, several=len(boxes) > 1),
            "face": names.index(segment.track) if segment.track in names else None,
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
