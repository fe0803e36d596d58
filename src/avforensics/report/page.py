"""One self-contained HTML page about one scored video."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from avforensics.errors import MediaError
from avforensics.media.types import FPS, MediaOptions
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.report.annotations import Face, Segment
from avforensics.report.curves import Curves, curves_of
from avforensics.report.excerpt import Excerpt, cut_excerpt
from avforensics.report.faces import (
    box_data,
    curve_data,
    face_table,
    stride_for,
    strip_canvas,
    strip_data,
)
from avforensics.report.figures import COLORMAP, middle_of
from avforensics.report.markup import (
    asset,
    banner,
    data_block,
    facts,
    provenance_section,
    relative_link,
    text,
    write_page,
)
from avforensics.report.sentences import (
    Calibrated,
    coverage,
    number,
    offset_meaning,
    percent,
    score_meaning,
    signed,
)
from avforensics.report.statements import LIMITS
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.result import VideoResult
from avforensics.scoring.speakers import within
from avforensics.scoring.tracks import main_face


def write_video_report(
    result: VideoResult,
    out: str | os.PathLike,
    *,
    provenance: Mapping[str, object],
    calibrated: Calibrated | None = None,
    segments: Sequence[Segment] = (),
    faces: Sequence[Face] = (),
    face_notes: Sequence[tuple[str, str]] = (),
    media_options: MediaOptions | None = None,
    clip_seconds: float = 60.0,
    clip_side: int = 480,
    index_link: str | None = None,
) -> Path:
    """Write the page of one scored video: everything inside one file, no outside request.

    Parameters
    ----------
    result : VideoResult
        Scored, with features and steps; its file is read again for the player. The first of its
        scores is the page's, the others are listed.
    out : str or PathLike
        The HTML file; written whole or not at all.
    provenance : mapping
        Hashes, versions and configuration, nested as you like, shown folded. The key ``notice``
        becomes a banner on top: say there what a reader must know, such as stand-in weights.
    calibrated : Calibrated, optional
        Where the score stands among real videos.
    segments : sequence of Segment
        Stretches marked on the time axis, with a button to jump to each.
    faces : sequence of Face
        The faces that were scored, each with curves that a click shows; ``result`` is then the
        video's, with the features and steps of the face that is shown first. Their boxes are
        drawn over the player.
    face_notes : sequence of (str, str)
        Headings and sentences on how faces were found and scored, for the table of what was.
    media_options : MediaOptions, optional
        Which streams were scored.
    clip_seconds : float
        Most seconds of video to carry; of longer ones the most unusual stretch.
    clip_side : int
        Longer side of the player's picture in pixels.
    index_link : str, optional
        Relative path from the page to the batch's index.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError
        The video was not scored, or its features or steps were dropped.
    """
    if result.error is not None or not result.scores:
        raise ValueError(f"{result.path}: not scored, so there is nothing to report")
    curves = curves_of(result, result.scores[0].lam)
    excerpt: Excerpt | MediaError
    try:
        excerpt = cut_excerpt(
            result.path,
            *_unusual(curves, faces),
            longest=clip_seconds,
            long_side=clip_side,
            options=media_options or MediaOptions(),
        )
    except MediaError as error:  # the file is gone or changed; the plots still stand
        excerpt = error
    duration = _duration(result, curves, excerpt)
    data = _data(result, curves, duration, excerpt, segments)
    scored = coverage(result, duration, [face.result for face in faces])
    if faces:
        data |= _face_data(faces, curves.lam, data["view"])
    write_page(
        out,
        "page.html",
        title=text(result.path.name),
        style=asset("base.css") + asset("page.css"),
        home=f' · <a href="{text(relative_link(index_link))}">all videos</a>' if index_link else "",
        banner=banner(provenance) + _not_applicable(result),
        warnings=_warnings(result),
        player=_player(excerpt, bool(faces)),
        under_player=_under_player(excerpt, duration),
        verdict=_verdict(result, calibrated),
        faces=face_table(faces, data.get("shown", 0)),
        speakers=strip_canvas(faces),
        segments=_segment_strip(segments),
        jumps=_jumps(segments, [face.boxes.label for face in faces]),
        top=percent(data["top"]),
        activation_key="λ × activation" if curves.lam else "activation (not in this score)",
        coverage=facts([*face_notes, *scored]),
        limits="".join(f"<li>{text(limit)}</li>" for limit in LIMITS),
        delays=str(len(curves.delays)),
        provenance=provenance_section(
            {"file": str(result.path), "sha256": result.sha256, **provenance}
        ),
        version=text(provenance.get("version", "")),
        data=data_block("report", data),
        clip=_clip(excerpt),
        script=asset("plots.js") + asset("page.js"),
    )
    return Path(out)


def _duration(result: VideoResult, curves: Curves, excerpt: Excerpt | MediaError) -> float:
    """Seconds of the whole video: what was read, or more where the file declares more."""
    read = 0.0 if result.media is None else result.media.n_frames / FPS
    declared = 0.0 if isinstance(excerpt, MediaError) else excerpt.declared
    return max(curves.span[1], read, declared)


def _data(
    result: VideoResult,
    curves: Curves,
    duration: float,
    excerpt: Excerpt | MediaError,
    segments: Sequence[Segment],
) -> dict[str, object]:
    """What the page's script draws."""
    start, end = curves.span
    clip = None
    if isinstance(excerpt, Excerpt):
        clip = {"start": excerpt.start, "end": excerpt.end}
        start, end = min(start, excerpt.start), max(end, excerpt.end)
    lut = matplotlib.colormaps[COLORMAP](np.arange(256), bytes=True)[:, :3]
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
        "colours": lut.tobytes().hex(),
        **curve_data(curves, stride, _silence(result, curves)),
        "segments": [{"start": s.start, "end": s.end} for s in segments],
    }


def _unusual(
    curves: Curves, faces: Sequence[Face]
) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """What was scored, in seconds, and when it is how unusual; of faces, only while they speak."""
    if not faces:
        return curves.span, middle_of(curves.window), curves.loss
    spoken = []
    for face in faces:
        if face.result.scores:
            part = curves_of(face.result, curves.lam)
            time = middle_of(part.window)
            keep = within(time, face.boxes.spans)
            spoken.append((part.span, time[keep], part.loss[keep]))
    spans, times, losses = zip(*spoken, strict=True)
    time, loss = np.concatenate(times), np.concatenate(losses)
    order = np.argsort(time, kind="stable")
    whole = min(start for start, _ in spans), max(end for _, end in spans)
    return whole, time[order], loss[order]


def _face_data(faces: Sequence[Face], lam: float, view: Sequence[float]) -> dict[str, object]:
    """Curves of each face, which of them is shown first, and who speaks when."""
    found = [curves_of(face.result, lam) if face.result.scores else None for face in faces]
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
        "boxes": [box_data(face.boxes) for face in faces],
        "bars": strip_data(faces),
    }


def _top(curves: Curves) -> float:
    return float(max(curves.probabilities.max(), np.nanmax(curves.prediction, initial=0)))


def _silence(result: VideoResult, curves: Curves) -> list[int | None]:
    """Frames at which the sound begins and ends, where windows reach past them."""
    first = curves.first_window
    begins = first if not curves.heard[0] else None
    ends = None
    if result.media is not None and not curves.heard[-1]:
        ends = first + result.media.n_frames
    return [begins, ends]


def _not_applicable(result: VideoResult) -> str:
    """A banner that says why the score means nothing; nothing where it is applicable."""
    if not result.not_applicable:
        return ""
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in result.not_applicable)
    return (
        '<section class="warnings" id="not-applicable" role="alert"><strong>Not applicable: this '
        f"score says nothing about this video.</strong><ul>{reasons}</ul></section>"
    )


def _warnings(result: VideoResult) -> str:
    found = [*result.warnings]
    if result.media is not None:
        found += [line for line in result.media.warnings if line not in found]
    if not found:
        return ""
    items = "".join(f"<li>{text(line)}</li>" for line in found)
    return f'<section class="warnings" aria-label="Warnings"><ul>{items}</ul></section>'


def _player(excerpt: Excerpt | MediaError, with_boxes: bool) -> str:
    if isinstance(excerpt, MediaError):
        return f'<div class="stage"><p class="missing">{text(excerpt.reason)}</p></div>'
    overlay = '<canvas id="boxes"></canvas>' if with_boxes else ""
    ratio = f"aspect-ratio: {excerpt.width} / {excerpt.height}"
    # Own controls, below: the browser's lie over the mouth.
    return (
        f'<div class="stage"><video id="video" playsinline preload="auto" style="{ratio}"></video>'
        f"{overlay}</div>{asset('controls.html')}"
    )


def _under_player(excerpt: Excerpt | MediaError, duration: float) -> str:
    if isinstance(excerpt, MediaError):
        return ""
    parts = ['<p id="outside" hidden>This moment is not in the excerpt.</p>']
    if excerpt.end - excerpt.start < duration - 0.5 / FPS:
        parts.append(
            f"<p>Excerpt: {excerpt.start:.2f} s to {excerpt.end:.2f} s of {duration:.2f} s. "
            '<label class="link"><input id="whole-file" type="file" accept="video/*">'
            "Open your copy to play it all</label> (it stays on your device).</p>"
            '<p id="unplayable" hidden>This browser cannot play that file.</p>'
        )
    return f'<div class="under">{"".join(parts)}</div>'


def _clip(excerpt: Excerpt | MediaError) -> str:
    if isinstance(excerpt, MediaError):
        return ""
    encoded = base64.b64encode(excerpt.data).decode("ascii")
    return f'<script type="text/plain" id="clip">{encoded}</script>'


def _verdict(result: VideoResult, calibrated: Calibrated | None) -> str:
    """The score, what it means, and the offset."""
    score = result.scores[0]
    offset = constant_offset(result.features)
    rank = ""
    if calibrated is not None:
        rank = (
            f'<div class="rank"><i style="left:{100 * (1 - calibrated.p_value):.2f}%"></i></div>'
            '<div class="ends"><span>usual</span><span>unusual among real videos</span></div>'
        )
    return (
        f'<div><h2>Anomaly score <span class="soft">λ = {number(score.lam)}</span></h2>'
        f'<strong id="score">{number(score.score)}</strong>{rank}</div>'
        f'<p id="meaning">{text(score_meaning(score, calibrated))}</p>'
        f'<div><h2>Constant offset <span id="offset">{signed(offset.milliseconds)} ms</span></h2>'
        f'<p id="offset-meaning">{text(offset_meaning(offset))}</p></div>'
        f"{_evidence(result, calibrated)}"
    )


def _evidence(result: VideoResult, calibrated: Calibrated | None) -> str:
    """What other statistics of the delays, and a likelihood ratio, say."""
    if calibrated is None or not calibrated.statements:
        return ""
    value = "" if result.evidence is None else number(result.evidence)
    said = "".join(f"<p>{text(sentence)}</p>" for sentence in calibrated.statements)
    return f'<div class="evidence"><h2>Evidence <span id="evidence">{value}</span></h2>{said}</div>'


def _segment_strip(segments: Sequence[Segment]) -> str:
    if not segments:
        return ""
    return (
        '<div class="caption"><h3>Marked stretches</h3></div>'
        '<canvas class="segments" id="segments"></canvas>'
    )


def _jumps(segments: Sequence[Segment], faces: Sequence[str]) -> str:
    """A button for each marked stretch, with its picture where there is one."""
    if not segments:
        return ""
    return f'<ul class="jumps">{"".join(_jump(segment, faces) for segment in segments)}</ul>'


def _jump(segment: Segment, faces: Sequence[str]) -> str:
    picture = f'<img alt="" src="{text(segment.picture)}">' if segment.picture else ""
    face = f' data-show="{faces.index(segment.face)}"' if segment.face in faces else ""
    return (
        f'<li><button type="button" data-jump="{segment.start:.3f}"{face}>{picture}'
        f"<span>{segment.start:.2f}–{segment.end:.2f} s {text(segment.label)}</span></button></li>"
    )
