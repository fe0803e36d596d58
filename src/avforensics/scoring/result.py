"""Results of scoring: features, step losses and scores of one video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avforensics.applicability import NOT_APPLICABLE, Measures, Speaking
from avforensics.faces.track import NO_FACE, NO_USABLE_FACE
from avforensics.media.types import MediaReport

SCORED = "scored"
# Statuses with a score, whether or not it is meaningful.
WITH_SCORE = SCORED, NOT_APPLICABLE
# Statuses without a score; `FACELESS` occurs only if faces were searched for.
FAILED = "failed"
FACELESS = NO_FACE, NO_USABLE_FACE


@dataclass
class Features:
    """Network outputs of the windows of one video, in window order.

    Attributes
    ----------
    sync_logits : float32, (N, 31)
        Rows of logits over delays (before the softmax in Eq. 1 of the paper).
    projected : float32, (N, D)
        Activations after StandardScaler and PCA, before L2 normalisation; without a projection
        D = 0.
    activations : float32, (N, 1024), optional
        Activations, kept only on request.
    first_window : int
        Index of the first row's window in the video.
    valid_audio : bool, (N,)
        Whether every delay of the window has audio, not padding.
    """

    sync_logits: np.ndarray
    projected: np.ndarray
    valid_audio: np.ndarray
    activations: np.ndarray | None = None
    first_window: int = 0

    @property
    def n_windows(self) -> int:
        return len(self.sync_logits)


@dataclass
class Steps:
    """Losses of predicting each window from the previous windows.

    Arrays have one entry per predicted window; ``window`` is its index in the video (the first
    window is never predicted). Under policy ``all``, overlapping sequences are averaged.

    Attributes
    ----------
    window : int64, (S,)
    distribution : float32, (S,), KL divergence summed over delays (Eq. 5)
    activation : float32, (S,), squared error of L2-normalised PCA vectors
    prediction : float32, (S, 31), predicted probabilities over delays
    """

    window: np.ndarray
    distribution: np.ndarray
    activation: np.ndarray
    prediction: np.ndarray

    def loss(self, lam: float) -> np.ndarray:
        """Return ``distribution + lam * activation``, float64, (S,); its mean is the score."""
        distribution = self.distribution.astype(np.float64)
        return distribution + lam * self.activation if lam else distribution


@dataclass(frozen=True, eq=False)
class DelayCurve:
    """Deviation of a video's windows from its constant delay; see `own_delay_curve`.

    Attributes
    ----------
    window : int64, (S,)
        Indices of the windows in the video, ascending.
    value : float64, (S,)
        Deviation at each window; 0 = the constant delay is the most probable.
    """

    window: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Score:
    """One video's score for one lam.

    ``score = distribution_score + lam * activation_score``; higher = more likely fake. The score is
    not a probability. ``maximum`` is the highest score of any sequence (equal to ``score`` under
    policy ``first``).
    """

    lam: float
    score: float
    distribution_score: float
    activation_score: float
    maximum: float


@dataclass(repr=False)
class VideoResult:
    """Result of scoring one file.

    Attributes
    ----------
    error : str or None
        Reason why the file could not be scored; None = scored.
    scores : list of Score
        Scores for each requested lam, in the same order; empty on failure.
    sha256 : str or None
        Hash of the file; None if it cannot be read.
    seconds : float
        Wall-clock time spent on this file.
    silence : float
        Leading silence (s) of the part that was read.
    p_value : float or None
        Share of real videos that score at least as high; None without a calibration.
    statistics : dict of str to float
        Statistics of the video's rows; see `avforensics.scoring.statistics`.
    inner : bool
        Whether the statistics are measured on inner windows only.
    off_delay : DelayCurve or None
        Curve that is high where the video's constant delay is not the most probable.
    evidence : float or None
        The calibration's fusion of the statistics; higher = less like real videos.
    evidence_p_value : float or None
        Share of real videos whose evidence is at least as high.
    likelihood : dict or None
        ``log10``, ``low``, ``high`` and ``at_bound`` of the likelihood ratio, if there is one.
    statements : tuple of str
        Evidence and likelihood ratio in words.
    warnings : list of str
        Warnings, e.g. about silent or damaged audio; the score remains valid.
    measures : Measures or None
        Measures of applicability; None if not measured.
    speaking : Speaking or None
        Times of voice and of mouth movement, from the start of the part that was read.
    not_applicable : tuple of str
        Reasons why the score is meaningless: measures beyond their limits. The score is kept, but
        ``status`` is ``"not_applicable"``.
    failure : str or None
        ``status`` in case of an error; None = `FAILED`. After a face search, it may be `NO_FACE`,
        or `NO_USABLE_FACE` if all faces were too small, too short or too sparse.
    """

    path: Path
    error: str | None = None
    scores: list[Score] = field(default_factory=list)
    media: MediaReport | None = None
    features: Features | None = None
    steps: Steps | None = None
    sha256: str | None = None
    seconds: float = 0.0
    silence: float = 0.0
    p_value: float | None = None
    statistics: dict[str, float] = field(default_factory=dict)
    inner: bool = True
    off_delay: DelayCurve | None = None
    evidence: float | None = None
    evidence_p_value: float | None = None
    likelihood: dict[str, float | bool] | None = None
    statements: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    measures: Measures | None = None
    speaking: Speaking | None = None
    not_applicable: tuple[str, ...] = ()
    failure: str | None = None

    @property
    def status(self) -> str:
        """``"scored"``, ``"not_applicable"``, ``"failed"``, or ``failure``."""
        if self.error is not None:
            return self.failure or FAILED
        return NOT_APPLICABLE if self.not_applicable else SCORED

    def __repr__(self) -> str:
        """Return the result in one line."""
        return f"<{type(self).__name__} {self.summary()}>"

    def _repr_html_(self) -> str:
        """Return HTML for notebooks, with numbers and the delay map."""
        from avforensics.scoring.notebook import html_of

        return html_of(self)

    def summary(self) -> str:
        """Return the file and the score in one line, or the reason why there is no score."""
        if self.error is not None:
            return f"{self.path.name}: {self.status}: {self.error}"
        told = [f"score {one.score:.4g}" for one in self.scores[:1]]
        told += [] if self.features is None else [f"{self.features.n_windows} windows"]
        if self.not_applicable:
            told.append(f"not applicable ({'; '.join(self.not_applicable)})")
        told += [f"{len(self.warnings)} warnings"] if self.warnings else []
        return f"{self.path.name}: {', '.join(told) or self.status}"


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Rank of a score among held-out real videos.

    Parameters
    ----------
    p_value : float
        Share of real videos that score at least as high, including this one.
    n_real : int
        Number of real videos.
    source : str
        Description of the real videos.
    threshold : float, optional
        Score above which a video is called unusual.
    false_positive_rate : float, optional
        Share of real videos above the threshold.
    statements : sequence of str
        Evidence and likelihood ratio in words, if the calibration has them.
    highest_of : int
        Number of scores (of faces) among which this score is the highest. If it is above 1, the
        p-value refers to the highest of this many real scores.
    """

    p_value: float
    n_real: int
    source: str = ""
    threshold: float | None = None
    false_positive_rate: float | None = None
    statements: Sequence[str] = ()
    highest_of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.p_value <= 1:
            raise ValueError(f"p_value must be within 0..1, got {self.p_value}")
        if self.n_real < 1:
            raise ValueError(f"n_real must be >= 1, got {self.n_real}")
        if (self.threshold is None) != (self.false_positive_rate is None):
            raise ValueError("threshold and false_positive_rate must be given together")


def windows_of(results: Iterable[VideoResult]) -> np.ndarray:
    """Return the sorted indices of windows with logits in any result of one video: int array."""
    features = [result.features for result in results if result.features is not None]
    spans = [one.first_window + np.arange(one.n_windows) for one in features]
    return np.unique(np.concatenate(spans)) if spans else np.zeros(0, int)
