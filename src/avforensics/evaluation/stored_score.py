"""The result of scoring one clip of a feature store, and its row in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from avforensics.applicability import Limits, Measures
from avforensics.data.row import Row
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
    names: Mapping[Hashable, str] | None = None,
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
    names : mapping, optional
        Names of all clips from `video_names`; None = the clip shares its file with no other.
    """
    entry = store[found.index]
    score = None
    if found.error is None:
        score = score_of(found.scores[place], statistic=statistic, part=part)
    return ScoredVideo(
        path=(video_names([entry]) if names is None else names)[clip_of(entry)],
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


def not_measured(store: FeatureStore, indices: Iterable[int], limits: Limits | None) -> str | None:
    """Return a sentence on clips to which the limits could not be applied, or None."""
    clips = [store[index].clip for index in indices] if limits is not None else []
    count = sum(clip.error is None and clip.measures is None for clip in clips)
    return (
        f"whether the method applies to {count} of the clips is unknown, because their speech and "
        "mouths were not measured"
        if count
        else None
    )


def clip_of(entry: Row | Entry) -> Hashable:
    """Return what identifies a row's clip: source, label and category."""
    return entry.source, entry.label, entry.category


def video_names(entries: Iterable[Row | Entry]) -> dict[Hashable, str]:
    """Name each clip, given by `clip_of`, for tables.

    The name is the path of the file, plus the start if it is not 0. If clips of the same label and
    category would share a name, their ends and audio files are added.
    """
    clips = {clip_of(entry): entry for entry in entries}
    often = Counter((_name(entry), entry.label, entry.category) for entry in clips.values())
    return {
        clip: _name(entry, whole=often[_name(entry), entry.label, entry.category] > 1)
        for clip, entry in clips.items()
    }


def _name(entry: Row | Entry, *, whole: bool = False) -> str:
    if not whole:
        return f"{entry.path}#t={_seconds(entry.start)}" if entry.start else entry.path
    end = "" if entry.duration is None else f",{_seconds(entry.start + entry.duration)}"
    audio = f"&audio={entry.audio}" if entry.audio else ""
    return f"{entry.path}#t={_seconds(entry.start)}{end}{audio}"


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
