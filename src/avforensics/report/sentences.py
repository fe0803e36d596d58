"""What a report says in words. Plain text: the pages escape it."""

from __future__ import annotations

from dataclasses import dataclass

from avforensics.media.types import FPS, SAMPLE_RATE, MediaReport
from avforensics.report.curves import FRAME_MS, WINDOW_FRAMES, ConstantOffset
from avforensics.scoring.result import Features, Score, VideoResult


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Where a score stands among held-out real videos.

    Parameters
    ----------
    p_value : float
        Share of real videos that score at least as high, this one counted among them.
    n_real : int
        How many real videos that was measured on.
    source : str
        Which ones, for a person.
    threshold : float, optional
        Score above which a video is called unusual ...
    false_positive_rate : float, optional
        ... and the share of real videos that lies above it.
    warnings : tuple of str
        Why this video may be unlike the real ones.
    """

    p_value: float
    n_real: int
    source: str = ""
    threshold: float | None = None
    false_positive_rate: float | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.p_value <= 1:
            raise ValueError(f"p_value must lie in 0..1, got {self.p_value}")
        if self.n_real < 1:
            raise ValueError(f"n_real must be at least 1, got {self.n_real}")
        if (self.threshold is None) != (self.false_positive_rate is None):
            raise ValueError("threshold and false_positive_rate belong together")


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, without an exponent where it can be read."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e9 else text


def percent(share: float) -> str:
    """A share as a percentage with two significant digits: 0.031 -> ``"3.1 %"``, unbreakable."""
    return f"{number(100 * share, 2 if share < 0.995 else 3)}\N{NO-BREAK SPACE}%"


def signed(value: int) -> str:
    """A whole number with its sign, a true minus among them."""
    return f"{value:+d}".replace("-", "−") if value else "0"


def score_meaning(score: Score, calibrated: Calibrated | None) -> str:
    """What the score says about the video, in a sentence or two."""
    if calibrated is None:
        return (
            "Higher means more unusual to a model of real videos, and so more likely manipulated. "
            "The score has no upper limit, is not a probability, and without a calibration on real "
            "videos no value of it separates real from fake."
        )
    source = f" ({calibrated.source})" if calibrated.source else ""
    real = f"{calibrated.n_real:,} real videos{source}"
    if calibrated.p_value <= 1 / (calibrated.n_real + 1):
        text = f"More unusual than every one of {real}."
    else:
        text = f"As unusual as the top {percent(calibrated.p_value)} of {real}."
    if calibrated.threshold is not None:
        side = "above" if score.score > calibrated.threshold else "not above"
        text += (
            f" It is {side} the threshold of {number(calibrated.threshold)}, which "
            f"{percent(calibrated.false_positive_rate)} of real videos exceed."
        )
    return f"{text} This is not the probability that the video is fake."


def offset_meaning(offset: ConstantOffset) -> str:
    """Which way sound and picture are shifted, and whether that can be trusted."""
    if offset.frames == 0:
        text = "Sound and picture match best without any shift."
    else:
        order = "later than" if offset.frames > 0 else "before"
        frames = abs(offset.frames)
        text = (
            f"The matching sound comes {frames * FRAME_MS} ms ({frames} frame"
            f"{'s' if frames > 1 else ''}) {order} the picture."
        )
    share = f"{percent(offset.probability)} on average; {percent(offset.chance)} would be chance"
    if not offset.is_clear:
        return f"{text} Unclear: no delay stands out (this one has {share})."
    return f"{text} That delay has {share}. A constant offset alone is no sign of manipulation."


def coverage(result: VideoResult, lam_index: int, duration: float) -> list[tuple[str, str]]:
    """What was scored and what was not, as pairs of a heading and a sentence.

    ``duration`` is the length of the whole video in seconds.
    """
    features, steps, media = result.features, result.steps, result.media
    first, count = features.first_window, features.n_windows
    frames = count + WINDOW_FRAMES - 1
    start, end = first / FPS, (first + frames) / FPS
    rows = [
        (
            "Scored",
            f"{count:,} windows of {WINDOW_FRAMES} frames, {start:.2f} s to {end:.2f} s "
            f"({frames:,} frames at {FPS} fps)",
        ),
        (
            "Predicted",
            f"{len(steps.window):,} of them; each from the ones before it, so the first cannot be",
        ),
        ("Left out", _left_out(start, end, duration)),
    ]
    if media is not None:
        rows += _media_rows(media)
    rows.append(("Sound at the edges", _edges(features)))
    rows += _score_rows(result.scores, lam_index)
    rows.append(("Time taken", f"{result.seconds:.2f} s"))
    return rows


def _left_out(start: float, end: float, duration: float) -> str:
    missing = start + max(0.0, duration - end)
    if missing < 1.5 / FPS:  # declared lengths are off by a frame
        return "nothing: the whole video was scored"
    return f"{missing:.2f} s of the {duration:.2f} s of this video"


def _media_rows(media: MediaReport) -> list[tuple[str, str]]:
    picture = f"{media.width} × {media.height}, {number(media.fps)} fps"
    if media.video_codec:
        picture += f", {media.video_codec}"
    if media.rotation:  # the size is the upright one
        picture += f", turned by {media.rotation}°"
    sound = f"{media.audio_samples / SAMPLE_RATE:.2f} s read"
    if media.audio_codec:
        sound += f", {media.audio_codec}"
    return [
        ("Picture", f"{picture}; {media.video_frames:,} frames read after conversion to {FPS} fps"),
        ("Sound", sound),
        ("Damaged packets", f"{media.skipped_packets:,} skipped"),
    ]


def _score_rows(scores: list[Score], lam_index: int) -> list[tuple[str, str]]:
    score = scores[lam_index]
    rows = [
        (
            "Parts of the score",
            f"delay distributions {number(score.distribution_score)} + λ × activations "
            f"{number(score.activation_score)}, each the mean of its step losses",
        )
    ]
    if score.maximum > score.score:
        rows.append(("Highest sequence", f"{number(score.maximum)}; the score is the mean of all"))
    if len(scores) > 1:
        others = (f"{number(other.score)} for λ = {number(other.lam)}" for other in scores)
        rows.append(("Score by λ", ", ".join(others)))
    return rows


def _edges(features: Features) -> str:
    unheard = int((~features.heard).sum())
    if not unheard:
        return "every delay of every window is compared with real sound"
    return (
        f"{unheard:,} of {features.n_windows:,} windows have delays that reach before the start or "
        "past the end of the sound (hatched in the plot)"
    )
