"""Sentences for reports, as plain text that the pages escape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from avforensics.media.remarks import describe
from avforensics.media.types import FPS, SAMPLE_RATE, MediaReport
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.scoring.offset import FRAME_MS, ConstantOffset
from avforensics.scoring.outcome import Segment
from avforensics.scoring.result import Calibrated, Features, Score, VideoResult, windows_of

USUAL = 0.05  # if no rate is given, share of real videos below which a result is called unusual


def number(value: float, digits: int = 4) -> str:
    """Format a number with ``digits`` significant digits, without an exponent if readable."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e9 else text


def percent(share: float) -> str:
    """Format a share as a percentage, e.g. 0.031 as ``"3.1 %"`` with a no-break space."""
    return f"{number(100 * share, 2 if share < 0.995 else 3)}\N{NO-BREAK SPACE}%"


def signed(value: int) -> str:
    """Format a whole number with its sign, using a true minus sign."""
    return f"{value:+d}".replace("-", "−") if value else "0"


def in_short(
    result: VideoResult,
    calibrated: Calibrated | None,
    segments: Sequence[Segment] = (),
    segments_per_minute: float | None = None,
) -> str:
    """Summarise the result in about two sentences, for readers who read nothing else.

    Parameters
    ----------
    segments : sequence of Segment
        Marked segments.
    segments_per_minute : float, optional
        Maximum number of marked segments per minute of real video. If it is None (unknown),
        segments are not mentioned.
    """
    if result.not_applicable:
        return (
            f"This method cannot judge this video. Reason: {'; '.join(result.not_applicable)}. No "
            "number in this report says anything about it."
        )
    if calibrated is None:
        return (
            "How well lips and sound go together was measured, but there are no real videos to "
            "compare it with. Nothing follows from the score alone."
        )
    compared = _as_unusual(result, calibrated)
    where = _stretches_of(segments) if segments and segments_per_minute else ""
    if _is_usual(result, calibrated):
        if where:
            return (
                "On average over the video, lips and sound go together as in real videos, but "
                f"{where} they do not. Look and listen there: in real videos, "
                f"{_rate(segments_per_minute)}. Manipulation is one possible reason; noise and a "
                "voice from off-screen are others. Such a segment hardly changes the numbers of "
                "the whole video below."
            )
        return (
            f"Nothing unusual was found in how lips and sound go together: up to {compared}. That "
            "does not show that the video is genuine: a forgery whose lips follow the sound looks "
            "the same to this method."
        )
    most = f", most of all {where}" if where else ""
    return (
        f"Lips and sound go together in an unusual way{most}: at most {compared}. Manipulation is "
        "one possible reason; a voice from off-screen, dubbing, music or poor quality are others."
    )


def is_unusual(
    result: VideoResult, calibrated: Calibrated | None, segments: Sequence[Segment] = ()
) -> bool:
    """Return True if the result or a segment is unusual among real videos."""
    if calibrated is None or result.not_applicable:
        return False
    return bool(segments) or not _is_usual(result, calibrated)


def _is_usual(result: VideoResult, calibrated: Calibrated) -> bool:
    rate = calibrated.false_positive_rate or USUAL
    return min(_p_values(result, calibrated)) > rate


def _p_values(result: VideoResult, calibrated: Calibrated) -> list[float]:
    """Return the p-values of the score and, if there is one, of the evidence."""
    return [p for p in (calibrated.p_value, result.evidence_p_value) if p is not None]


def _as_unusual(result: VideoResult, calibrated: Calibrated) -> str:
    """State the maximum share of real videos with a p-value as small as the smallest one here.

    The smaller of two p-values is at most p for up to 2p of the real videos.
    """
    found = _p_values(result, calibrated)
    share = percent(min(len(found) * min(found), 1.0))
    by = " by the score or by all measures together" if len(found) > 1 else ""
    return f"{share} of the real videos that this one was compared with are as unusual{by}"


def _rate(per_minute: float) -> str:
    """Describe a maximum rate, e.g. ``"about one segment is marked every 2 minutes"``."""
    if per_minute < 1:
        return f"about one segment is marked every {number(1 / per_minute, 2)} minutes"
    return f"about {number(per_minute, 2)} segments a minute are marked"


def _stretches_of(segments: Sequence[Segment]) -> str:
    """List at most three segments, e.g. ``"from 1.0 to 2.5 s and from 7.0 to 8.0 s"``."""
    told = [f"from {one.start:.1f} to {one.end:.1f} s" for one in segments[:3]]
    if len(segments) > 3:
        told.append(f"in {len(segments) - 3} more segments")
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def segment_note(
    segments: Sequence[Segment], segments_per_minute: float | None
) -> list[tuple[str, str]]:
    """Return a heading and a sentence on the marked segments; empty if the rate is unknown."""
    if segments_per_minute is None:
        return []
    found = f"{len(segments)}, {_stretches_of(segments)}" if segments else "none"
    said = (
        f"{found}. Segments are marked where lips and sound fit at a different delay than in the "
        f"rest of the video, or not at all; in real videos, {_rate(segments_per_minute)}."
    )
    return [("Marked segments", said)]


def score_meaning(score: Score, calibrated: Calibrated | None) -> str:
    """Explain in a few sentences what the score means."""
    if calibrated is None:
        return (
            "The higher the score, the more unusual the video is to a model of real videos, and "
            "the more likely it was manipulated. The score has no upper limit and is not a "
            "probability. Without a calibration on real videos, no threshold separates real from "
            "fake."
        )
    text = among_reals(calibrated)
    if calibrated.threshold is not None:
        side = "above" if score.score > calibrated.threshold else "not above"
        text += (
            f" It is {side} the threshold of {number(calibrated.threshold)}, which "
            f"{percent(calibrated.false_positive_rate)} of real videos exceed."
        )
    return f"{text} The score is not the probability that the video is fake."


def among_reals(calibrated: Calibrated) -> str:
    """State how often real videos have a score at least as high, according to the calibration."""
    real = f"{calibrated.n_real:,} real videos"
    if calibrated.highest_of > 1:
        return (
            f"According to {real}, the highest of {calibrated.highest_of} scores of real faces is "
            f"at least as high with a probability of {percent(calibrated.p_value)}."
        )
    if calibrated.p_value <= 1 / (calibrated.n_real + 1):
        return f"Every one of {real} has a lower score."
    return f"{percent(calibrated.p_value)} of {real} have a score at least as high."


def offset_meaning(offset: ConstantOffset) -> str:
    """Explain the direction of the offset between audio and video and whether it is reliable."""
    share = f"{percent(offset.probability)}; by chance it would be {percent(offset.chance)}"
    if not offset.is_clear:
        return f"No delay stands out. The mean probability of the most likely one is {share}."
    if offset.frames == 0:
        text = "Sound and picture match best without any shift."
    else:
        order = "later than" if offset.frames > 0 else "before"
        frames = abs(offset.frames)
        text = (
            f"The sound that fits the lips comes {frames * FRAME_MS} ms ({frames} frame"
            f"{'s' if frames > 1 else ''}) {order} the picture."
        )
    return (
        f"{text} The mean probability of this delay is {share}. A constant offset alone is not a "
        "sign of manipulation."
    )


def coverage(
    result: VideoResult, duration: float, faces: Sequence[VideoResult] = ()
) -> list[tuple[str, str]]:
    """Describe which parts were scored, as pairs of a heading and a sentence.

    Parameters
    ----------
    result : VideoResult
        Result of the video.
    duration : float
        Length of the whole video in seconds.
    faces : sequence of VideoResult
        Results of the video's faces. Results without a score are ignored. If no face has a score,
        ``result`` is described.
    """
    parts = [face for face in faces if face.scores] or [result]
    several = len(parts) > 1
    windows = windows_of(parts)
    frames = _union(windows + frame for frame in range(WINDOW_FRAMES))
    predicted = _union(part.steps.window for part in parts)
    of_each = f" of each of {len(parts)} faces" if several else ""
    rows = [
        (
            "Scored",
            f"{len(windows):,} windows of {WINDOW_FRAMES} frames, {_stretches(frames)} "
            f"({len(frames):,} frames at {FPS} fps)",
        ),
        (
            "Predicted",
            f"{len(predicted):,} of them: each window is predicted from the ones before it, so "
            f"there is no prediction for the first{of_each}",
        ),
        ("Left out", _left_out(len(frames) / FPS, duration)),
    ]
    if result.media is not None:
        rows += _media_rows(result.media, [part.media for part in parts])
    rows.append(("Sound at the edges", _edges([part.features for part in parts])))
    rows += _score_rows(result.scores, several)
    rows.append(("Time taken", f"{result.seconds:.2f} s"))
    return rows


def _union(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sorted union of the arrays."""
    return np.unique(np.concatenate(list(parts)))


def _stretches(frames: np.ndarray) -> str:
    """Describe the start, the end and the number of gapless stretches."""
    pieces = 1 + int((np.diff(frames) > 1).sum())
    told = f"{frames[0] / FPS:.2f} s to {(frames[-1] + 1) / FPS:.2f} s"
    return told if pieces == 1 else f"{told} in {pieces:,} stretches"


def _left_out(scored: float, duration: float) -> str:
    missing = duration - scored
    if missing < 1.5 / FPS:  # declared lengths may be off by a frame
        return "nothing: the whole video was scored"
    return f"{missing:.2f} s of the {duration:.2f} s of this video"


def _media_rows(media: MediaReport, parts: Sequence[MediaReport]) -> list[tuple[str, str]]:
    """Describe the data read from a file for all faces together."""
    picture = f"{media.width} × {media.height}, {number(media.fps)} fps"
    if media.video_codec:
        picture += f", {media.video_codec}"
    if media.display_aspect:
        picture += f", shown {number(media.display_aspect)} times as wide as high"
    if media.tone_map:
        picture += f", {media.tone_map}"
    if media.rotation:  # the size refers to the upright picture
        picture += f", turned by {media.rotation}°"
    frames = sum(part.video_frames for part in parts)
    together = f", {len(parts)} faces together" if len(parts) > 1 else ""
    sound = f"{sum(part.audio_samples for part in parts) / SAMPLE_RATE:.2f} s read{together}"
    if media.audio_codec:
        sound += f", {media.audio_codec}"
    if media.level is not None:
        sound += f", level {media.level:.0f} dB (full scale is 0)"
    several = {track.kind for track in media.tracks if not track.chosen}
    read = [describe(track) for track in media.tracks if track.chosen and track.kind in several]
    damaged = f"{media.skipped_packets:,} skipped" if media.skipped_packets else "none"
    return [
        *([("Tracks read", "; ".join(read))] if read else []),
        ("Picture", f"{picture}; {frames:,} frames read after conversion to {FPS} fps{together}"),
        ("Sound", sound),
        ("Damaged packets", damaged),
    ]


def _score_rows(scores: list[Score], several: bool) -> list[tuple[str, str]]:
    """Describe the score, which for ``several`` faces need not be the mean of all steps."""
    score = scores[0]
    mean = "" if several else "; each is a mean of step losses"
    rows = [
        (
            "Parts of the score",
            f"delay distributions {number(score.distribution_score)} + λ × activations "
            f"{number(score.activation_score)}{mean}",
        )
    ]
    if score.maximum > score.score and not several:
        highest = f"{number(score.maximum)}; the score is the mean of all sequences"
        rows.append(("Highest sequence", highest))
    if len(scores) > 1:
        others = (f"{number(other.score)} for λ = {number(other.lam)}" for other in scores)
        rows.append(("Score by λ", ", ".join(others)))
    return rows


def _edges(parts: Sequence[Features]) -> str:
    unheard = sum(int((~part.valid_audio).sum()) for part in parts)
    if not unheard:
        return "every delay of every window is compared with real sound"
    total = sum(part.n_windows for part in parts)
    together = f" of {len(parts)} faces together" if len(parts) > 1 else ""
    return (
        f"{unheard:,} of {total:,} windows{together} have delays that reach before the start or "
        "past the end of the sound (hatched in the plot)"
    )
