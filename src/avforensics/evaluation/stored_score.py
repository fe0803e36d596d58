"""The result of scoring one clip of a feature store, and its row in tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from avforensics.applicability import Limits, Measures
from avforensics.evaluation.rows import ScoredVideo
from avforensics.features.store import Entry, FeatureStore
from avforensics.scoring.result import Score, Steps
from avforensics.scoring.statistics import towards_fake


@dataclass(frozen=True)
class StoredScore:
    """Result of scoring one clip of a store."""

    index: int  # index of the entry in the store
    # one for each lam; empty if there is an ``error``
    scores: list[Score] = field(default_factory=list)
    steps: Steps | None = None
    error: str | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    # from `avforensics.scoring.statistics.measure`; ``score`` is the scored part for the first lam
    statistics: dict[str, float] = field(default_factory=dict)
    inner: bool = True  # whether the statistics cover only inner windows
    evidence: float | None = None  # fused statistics, if there is a calibration


def scored_video(
    store: FeatureStore,
    found: StoredScore,
    place: int = 0,
    *,
    statistic: str = "mean",
    part: str = "both",
    limits: Limits | None = None,
) -> ScoredVideo:
    """Build a row of results from the score for the ``place``-th lam and the entry's labels.

    Parameters
    ----------
    statistic : {"mean", "max"}
        Statistic over the sequences of a video under policy ``all``.
    part : {"both", "distribution", "activation"}
        Use the score of both models, or of one model as in most rows of the paper's Table 3.
    limits : Limits, optional
        Limits on the measures stored with the features; None = every score counts.
    """
    entry = store[found.index]
    score = None
    if found.error is None:
        score = score_of(found.scores[place], statistic=statistic, part=part)
    return ScoredVideo(
        path=video_name(entry),
        label=entry.label,
        category=entry.category,
        identity=entry.identity,
        score=score,
        error=found.error,
        not_applicable=why_not_applicable(entry, limits),
        baselines=found.baselines,
        statistics=_with_evidence(found),
        attributes=_attributes(entry),
    )


def _with_evidence(found: StoredScore) -> dict[str, float]:
    """Return evidence and statistics, except the score, with the polarity of a score."""
    fused = {} if found.evidence is None else {"evidence": found.evidence}
    others = {name: value for name, value in found.statistics.items() if name != "score"}
    return fused | towards_fake(others)


def score_of(score: Score, *, statistic: str = "mean", part: str = "both") -> float:
    """Return the requested value of a score; see `scored_video`."""
    if statistic == "max":
        return score.maximum
    return score.score if part == "both" else getattr(score, f"{part}_score")


def _attributes(entry: Entry) -> dict[str, str]:
    """Return the properties of a clip without a separate column, for breakdowns.

    These are the manifest's columns and facts, the measures of applicability, and
    ``speech_share``, the share of time with speech.
    """
    known = {"method": entry.method, "split": entry.split, **dict(entry.about)}
    if entry.duration is not None:
        known["duration"] = f"{entry.duration:g}"
    measured = {} if entry.clip.measures is None else dict(entry.clip.measures)
    seconds = measured.pop("seconds", None)
    if seconds and measured.get("speech") is not None:
        measured["speech_share"] = measured["speech"] / seconds
    measured = {name: f"{value:.4g}" for name, value in measured.items() if value is not None}
    return {name: value for name, value in {**measured, **known}.items() if value}


def why_not_applicable(entry: Entry, limits: Limits | None) -> str | None:
    """Return why a clip's score is meaningless; None if it is meaningful or not measured."""
    if limits is None or entry.clip.measures is None:
        return None
    return "; ".join(limits.reasons(Measures.parse(entry.clip.measures))) or None


def video_name(entry: Entry) -> str:
    """Return the path of the clip's file, plus the clip's start if it is not 0."""
    return f"{entry.path}#t={entry.start:g}" if entry.start else entry.path
