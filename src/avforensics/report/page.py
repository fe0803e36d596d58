"""Write a self-contained HTML page on a scored video."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avforensics.colours import CIVIDIS
from avforensics.errors import MediaError
from avforensics.files import sha256_or_none
from avforensics.media.types import FPS, MediaOptions, MediaReport
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.report.annotations import boxes_of, notes_of, segments_of
from avforensics.report.excerpt import Excerpt, cut_excerpt
from avforensics.report.faces import box_data, curve_data, stride_for, strip_data
from avforensics.report.markup import write_page
from avforensics.report.plot_data import PlotData, middle_of, plot_data_of
from avforensics.report.sentences import (
    coverage,
    in_short,
    is_unusual,
    number,
    offset_meaning,
    score_meaning,
    segment_note,
)
from avforensics.report.statements import LIMITS
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult
from avforensics.scoring.speakers import within
from avforensics.scoring.tracks import FaceResult, main_face

CLIP_SIDE = 480  # longer side of the player's video in pixels


def write_video_report(
    outcome: Outcome,
    out: str | os.PathLike,
    *,
    provenance: Mapping[str, object],
    media_options: MediaOptions | None = None,
    clip_seconds: float = 60.0,
    index_link: str | None = None,
    audio: str | os.PathLike | None = None,
) -> Path:
    """Write the page on a scored video, which loads no other files, and return its path.

    Parameters
    ----------
    outcome : Outcome
        Outcome with scores, features and steps. The video is read again for the player. The page
        shows the first score and lists the others. Each face has curves, which appear on a click,
        and boxes over the player. The features and steps of the video are taken from the face that
        is shown first.
    out : str or PathLike
        HTML file, which is written atomically.
    provenance : mapping
        Hashes, versions and configuration, nested to any depth, which are shown in a collapsed
        section. The value of ``notice`` becomes a banner at the top; it states what readers must
        know, e.g. that the weights are stand-ins.
    media_options : MediaOptions, optional
        Options that name the scored streams.
    clip_seconds : float
        Maximum length of the embedded video in seconds; of longer videos, the most unusual part is
        embedded.
    index_link : str, optional
        Relative path from the page to the index of the batch.
    audio : str or PathLike, optional
        Separate audio file that was scored, which the player plays.

    Raises
    ------
    ValueError
        The video was not scored, or its features or steps were dropped.
    """
    result, media = outcome.result, media_options or MediaOptions()
    if result.error is not None or not result.scores:
        raise ValueError(f"{result.path}: not scored, so there is nothing to report")
    curves = plot_data_of(result, result.scores[0].lam)
    faces, boxes = outcome.faces, boxes_of(outcome)
    excerpt, missing = None, ""
    try:
        excerpt = cut_excerpt(
            result.path,
            *_unusual(curves, faces),
            longest=clip_seconds,
            long_side=CLIP_SIDE,
            options=media,
            intact=_intact(result.media),
            audio=audio,
        )
    except MediaError as error:  # the file is gone or has changed: show the plots without a player
        missing = error.reason
    duration = _duration(result, curves, excerpt)
    data = _data(outcome, curves, duration, excerpt)
    # without a rate, segments are merely the parts of the video with the highest losses
    marked = outcome.segments if outcome.segments_per_minute else ()
    separate = {}
    if audio is not None:
        separate = {"audio": str(audio), "audio_sha256": sha256_or_none(audio)}
    scored = coverage(result, duration, [face.result for face in faces])
    if result.evidence is not None:
        scored.append(
            ("Evidence (all measures)", f"{number(result.evidence)}; higher = more unusual")
        )
    if outcome.calibrated and outcome.calibrated.source:
        scored.append(("Real videos compared with", outcome.calibrated.source))
    if faces:
        data |= _face_data(faces, curves.lam, data["view"])
        data |= {"boxes": list(map(box_data, boxes)), "bars": strip_data(boxes)}
    return write_page(
        out,
        "page.html",
        provenance={
            "file": str(result.path),
            "sha256": result.sha256,
            **separate,
            **provenance,
        },
        title=result.path.name,
        index_link=index_link,
        result=result,
        score=result.scores[0],
        calibrated=outcome.calibrated,
        score_meaning=score_meaning,
        in_short=in_short(result, outcome.calibrated, marked, outcome.segments_per_minute),
        unusual=is_unusual(result, outcome.calibrated, marked),
        offset=constant_offset(result.features),
        offset_meaning=offset_meaning,
        constant_offset=constant_offset,
        warnings=list(dict.fromkeys([*result.warnings, *(result.media or result).warnings])),
        excerpt=excerpt,
        missing=missing,
        faces=faces,
        boxes=boxes,
        segments=segments_of(outcome, boxes, media),
        coverage=[*notes_of(outcome), *scored, *segment_note(marked, outcome.segments_per_minute)],
        limits=LIMITS,
        data=data,
    )


def _intact(media: MediaReport | None) -> bool:
    return media is not None and not (media.skipped_packets or media.concealed or media.resized)


def _duration(result: VideoResult, curves: PlotData, excerpt: Excerpt | None) -> float:
    """Return the length of the video (s): the part read or, if longer, the declared length."""
    read = 0.0 if result.media is None else result.media.n_frames / FPS
    declared = excerpt.declared if excerpt else 0.0
    return max(curves.span[1], read, declared)


def _data(
    outcome: Outcome, curves: PlotData, duration: float, excerpt: Excerpt | None
) -> dict[str, object]:
    """Return the data for the page's script."""
    start, end = curves.span
    clip = None
    if excerpt:
        clip = {"start": excerpt.start, "end": excerpt.end}
        start, end = min(start, excerpt.start), max(end, excerpt.end)
    stride = stride_for([curves])
    return {
        "fps": FPS,
        "windowFrames": WINDOW_FRAMES,
        "stride": stride,
        "duration": duration,
        "view": [start, end],
        "clip": clip,
        "delays": len(curves.delays),
        "top": _top(curves),
        "colours": CIVIDIS.tobytes().hex(),
        **curve_data(curves, stride, _silence(outcome.result, curves)),
        "segments": [{"start": s.start, "end": s.end} for s in outcome.segments],
    }


def _unusual(
    curves: PlotData, faces: Sequence[FaceResult]
) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """Return the scored span (s), and the times and losses of the steps.

    If there are faces, only the steps during which they speak are returned.
    """
    if not faces:
        return curves.span, middle_of(curves.window), curves.loss
    spoken = []
    for face in faces:
        if face.result.scores:
            part = plot_data_of(face.result, curves.lam)
            time = middle_of(part.window)
            keep = within(time, face.spans)
            spoken.append((part.span, time[keep], part.loss[keep]))
    spans, times, losses = zip(*spoken, strict=True)
    time, loss = np.concatenate(times), np.concatenate(losses)
    order = np.argsort(time, kind="stable")
    whole = min(start for start, _ in spans), max(end for _, end in spans)
    return whole, time[order], loss[order]


def _face_data(faces: Sequence[FaceResult], lam: float, view: Sequence[float]) -> dict[str, object]:
    """Return curves of each face, and the index of the face to show first."""
    found = [plot_data_of(face.result, lam) if face.result.scores else None for face in faces]
    scored = [curves for curves in found if curves is not None]
    stride = stride_for(scored)
    shown = main_face(faces)
    spans = [view, *(curves.span for curves in scored)]
    views = [
        None if curves is None else curve_data(curves, stride, _silence(face.result, curves))
        for face, curves in zip(faces, found, strict=True)
    ]
    return {
        **views[shown],
        "views": [None if index == shown else data for index, data in enumerate(views)],
        "shown": shown,
        "stride": stride,
        "top": max(map(_top, scored)),
        "view": [min(start for start, _ in spans), max(end for _, end in spans)],
    }


def _top(curves: PlotData) -> float:
    return float(max(curves.probabilities.max(), np.nanmax(curves.prediction, initial=0)))


def _silence(result: VideoResult, curves: PlotData) -> list[int | None]:
    """Return the frames at which audio starts and ends; None where all windows have audio."""
    first = curves.first_window
    begins = first if not curves.valid_audio[0] else None
    ends = None
    if result.media is not None and not curves.valid_audio[-1]:
        ends = first + result.media.n_frames
    return [begins, ends]
