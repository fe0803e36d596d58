"""Score the clips of a feature store: seconds for hundreds of videos, for no network has to run.

>>> store = FeatureStore.open("features/fakeavceleb")  # doctest: +SKIP
>>> models = load_models({"bundle": "model.safetensors"})  # doctest: +SKIP
>>> rows, summary = evaluate_store(store, models, SequencePolicy())  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from avforensics.applicability import Limits, Measures
from avforensics.checkpoints import Models
from avforensics.checkpoints.digest import network_digest
from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.baselines import BaselineClip, baseline_scores
from avforensics.evaluation.benchmark import Names, fits
from avforensics.evaluation.evidence import Evidence
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.summary import summarise
from avforensics.features.store import Entry, FeatureStore
from avforensics.models.anomaly import NaiveBayes
from avforensics.scoring.result import Features, Score, Steps, VideoResult
from avforensics.scoring.sequences import SequencePolicy, check_lams, score_features
from avforensics.scoring.statistics import VideoRows, measure, towards_fake

STATISTICS = ("mean", "max")
SCORE_PARTS = ("both", "distribution", "activation")


_ATTRIBUTE = {
    "both": "score",
    "distribution": "distribution_score",
    "activation": "activation_score",
}


@dataclass(frozen=True)
class StoredScore:
    """One clip of a store after scoring.

    Attributes
    ----------
    index : int
        Of the entry in the store.
    scores : list of Score
        One for each lam; empty where ``error`` says why.
    statistics : dict of str to float
        As of `avforensics.scoring.statistics.measure`; ``score`` is that of the first lam.
    inner : bool
        Whether the statistics are of windows that are heard in full.
    evidence : float or None
        The statistics fused, where there is a calibration.
    """

    index: int
    scores: list[Score] = field(default_factory=list)
    steps: Steps | None = None
    error: str | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    statistics: dict[str, float] = field(default_factory=dict)
    inner: bool = True
    evidence: float | None = None


class StoreScorer:
    """Scores and baselines of single clips of a store.

    Parameters
    ----------
    models : Models
        Decoders and the projection; the synchronisation network is not needed.
    part : {"both", "distribution", "activation"}
        Which models are needed.
    delay_frequency : float array, (D,), optional
        See `fit_delay_frequency`.
    evidence : Evidence, optional
        Of a calibration.
    seed : int
        Of the random baseline.

    Raises
    ------
    CheckpointError
        A model is missing.
    ConfigError
        The store lacks what the policy or the models need.
    """

    def __init__(
        self,
        store: FeatureStore,
        models: Models,
        policy: SequencePolicy,
        *,
        lams: Sequence[float] = (0.0,),
        part: str = "both",
        delay_frequency: np.ndarray | None = None,
        evidence: Evidence | None = None,
        seed: int = 0,
    ) -> None:
        models = check_models(models, policy, part, lams)
        store = as_scored(store, models)
        check_store(store, models, policy)
        self.store, self.models, self.policy = store, models, policy
        self.lams = check_lams(lams)
        self.delay_frequency = delay_frequency
        self.evidence = evidence
        self.seed = seed
        self._folder = _common_folder(store)

    def features(self, index: int) -> Features:
        """The stored features of a clip, its activations projected."""
        logits = self.store.logits(index)
        projected = logits[:, :0]
        if self.models.projection is not None:
            activations = torch.from_numpy(self.store.activations(index))
            projected = self.models.projection(activations).numpy()
        return Features(
            sync_logits=logits, projected=projected, valid_audio=self.store.valid_audio(index)
        )

    def result(self, index: int) -> VideoResult:
        """One clip with its features and steps, for figures.

        Raises
        ------
        ValueError
            It has no features, or too few windows.
        """
        features = self.features(index)
        steps, scores = score_features(
            features, self.models.distribution, self.models.activation, self.policy, self.lams
        )
        path = Path(self.store[index].path)
        return VideoResult(path=path, scores=scores, features=features, steps=steps)

    def score(self, index: int) -> StoredScore:
        """Score one clip, on its own: what stands beside it changes nothing."""
        entry = self.store[index]
        if entry.error is not None:
            return StoredScore(index, error=entry.error)
        return self.judge(index, self.features(index))

    def judge(self, index: int, features: Features) -> StoredScore:
        """Score one clip whose features were read before."""
        entry = self.store[index]
        steps, scores, error = None, [], None
        try:
            steps, scores = score_features(
                features, self.models.distribution, self.models.activation, self.policy, self.lams
            )
        except ValueError as reason:  # too few windows for the policy
            error = str(reason)
        rows = VideoRows.of(
            features,
            self.policy,
            steps,
            score=scores[0].score if scores else None,
            delay_frequency=self.delay_frequency,
        )
        statistics = measure(rows) if self.store.info.max_delay else {}  # of rows over delays
        path = os.path.relpath(entry.path, self._folder)  # the same wherever the data lie
        clip = BaselineClip(path, features, statistics, entry.clip.silence, self.seed)
        baselines = baseline_scores(clip)
        fused = None
        if self.evidence is not None and rows.inner == self.evidence.inner:
            fused = self.evidence.value(statistics)
        return StoredScore(index, scores, steps, error, baselines, statistics, rows.inner, fused)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread inside the block.

    Decoders are too small for more, and sums then come out the same on any number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def evaluate_store(
    store: FeatureStore,
    models: Models,
    policy: SequencePolicy,
    *,
    lam: float = 0.0,
    statistic: str = "mean",
    split: Names = None,
    fit_split: str | None = "anomaly",
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[list[ScoredVideo], dict]:
    """Score every clip of a store, or of some splits, and summarise.

    Parameters
    ----------
    statistic : {"mean", "max"}
        Over the sequences of a video under policy ``all``.
    split : str or collection of str, optional
        None = every clip.
    fit_split : str, optional
        Split whose real clips the naive Bayes baseline is fitted on; those that are evaluated are
        never used.
    resamples, seed : int
        Of the bootstrap, and the random baseline.

    Returns
    -------
    list of ScoredVideo
    dict
        As of `avforensics.evaluation.summary.summarise`.
    """
    store = as_scored(store, models)
    chosen = choose(store, split=split)
    scorer = StoreScorer(
        store,
        models,
        policy,
        lams=[lam],
        delay_frequency=fit_delay_frequency(store, fit_split, leave_out=chosen),
        seed=seed,
    )
    with one_thread():
        found = [scorer.score(index) for index in chosen]
    rows = [scored_video(store, item, statistic=statistic) for item in found]
    return rows, summarise(rows, resamples=resamples, seed=seed)


def choose(
    store: FeatureStore,
    *,
    split: Names = None,
    category: Names = None,
    method: Names = None,
) -> list[int]:
    """Indices of a store's entries, those without features too; a doubled row counts once.

    As `avforensics.evaluation.benchmark.fits` says, real videos are always among them.

    Raises
    ------
    ManifestError
        Nothing matches.
    """
    wanted = fits(split, category, method)
    found = {}
    for index, entry in enumerate(store):
        if wanted(entry):
            found.setdefault((video_name(entry), entry.label, entry.category), index)
    if not found:
        there = ", ".join(sorted({entry.split or "(empty)" for entry in store}))
        raise ManifestError(f"{store.folder}: no clip fits the selection; splits there: {there}")
    return list(found.values())


def fit_delay_frequency(
    store: FeatureStore, split: str | None, *, leave_out: Collection[int] = ()
) -> np.ndarray | None:
    """How often each delay is the likeliest in the real clips of a training split.

    What the naive Bayes statistic needs: log-probabilities, float64, (D,); None where there are no
    such clips.

    ``leave_out`` are indices that are evaluated: what is measured is never fitted on.
    """
    held_out = set(leave_out)
    chosen = [
        index
        for index, entry in enumerate(store)
        if split is not None
        and entry.split == split
        and entry.label == 0
        and entry.error is None
        and index not in held_out
    ]
    return count_delays(store, chosen) if chosen else None


def count_delays(store: FeatureStore, chosen: Sequence[int]) -> np.ndarray:
    """Log-probability of each delay being the likeliest in these clips, float64, (D,)."""
    counted = NaiveBayes(delays=store.info.n_delays)
    counted.fit(torch.from_numpy(store.logits(index)) for index in chosen)
    return counted.log_probability.double().numpy()


def scored_video(
    store: FeatureStore,
    found: StoredScore,
    place: int = 0,
    *,
    statistic: str = "mean",
    part: str = "both",
    limits: Limits | None = None,
) -> ScoredVideo:
    """A row of results: the score of the ``place``-th lam with the entry's labels.

    Parameters
    ----------
    statistic : {"mean", "max"}
        Over the sequences of a video under policy ``all``.
    part : {"both", "distribution", "activation"}
        One model's score alone, as most rows of the paper's Table 3.
    limits : Limits, optional
        Of the measures that were taken when the features were extracted; None = every score
        counts.

    Raises
    ------
    ConfigError
        ``statistic`` or ``part`` has no meaning.
    """
    entry = store[found.index]
    check_statistic(statistic, part)
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
    """Statistics with the polarity of a score, evidence first; the score has a place of its own."""
    fused = {} if found.evidence is None else {"evidence": found.evidence}
    others = {name: value for name, value in found.statistics.items() if name != "score"}
    return fused | towards_fake(others)


def score_of(score: Score, *, statistic: str = "mean", part: str = "both") -> float:
    """The number of a score that is asked for; see `scored_video`."""
    return score.maximum if statistic == "max" else getattr(score, _ATTRIBUTE[part])


def _attributes(entry: Entry) -> dict[str, str]:
    """What is known of a clip that is not a part of its score's row, for breakdowns.

    The manifest's columns and facts, and what was measured while the clip was read, with
    ``speech_share``, the share of that time in which there is speech.
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
    """Why a clip's score means nothing, in words; None where it does or nothing was measured."""
    if limits is None or entry.clip.measures is None:
        return None
    return "; ".join(limits.reasons(Measures.parse(entry.clip.measures))) or None


def video_name(entry: Entry) -> str:
    """The path, with the start of the clip where it is only a part of the file."""
    return f"{entry.path}#t={entry.start:g}" if entry.start else entry.path


def as_scored(store: FeatureStore, models: Models) -> FeatureStore:
    """A store with the delays that the models look at, where it has more.

    Raises
    ------
    ConfigError
        It has fewer.
    """
    return store if models.max_delay is None else store.within(models.max_delay)


def check_network(store: FeatureStore, models: Models) -> None:
    """Refuse features of another synchronisation network than the checkpoint's own.

    Raises
    ------
    ConfigError
    """
    network = models.metadata.get("network")  # of bundles that hold decoders alone
    if models.sync is not None:
        network = network_digest(models.sync)
    if network is not None and network != store.info.network:
        raise ConfigError(
            f"{store.folder} holds features of another synchronisation network than the one in the "
            "checkpoint, to which its decoders belong"
        )


def check_statistic(statistic: str, part: str) -> None:
    """Refuse what is no statistic of a video's sequences, or none of that part.

    Raises
    ------
    ConfigError
    """
    if statistic not in STATISTICS:
        raise ConfigError(f"statistic must be one of {STATISTICS}, not {statistic!r}")
    if statistic == "max" and part != "both":
        raise ConfigError("the maximum is that of both parts together")


def check_models(
    models: Models, policy: SequencePolicy, part: str, lams: Sequence[float]
) -> Models:
    """The models that a score is made of, trained for the policy.

    Raises
    ------
    CheckpointError
        A model is missing.
    ConfigError
        ``part`` is unknown, or a decoder was trained for shorter sequences.
    """
    if part not in SCORE_PARTS:
        raise ConfigError(f"part must be one of {SCORE_PARTS}, not {part!r}")
    models = models.to_score(lams, part)
    policy.check(distribution=models.distribution, activation=models.activation)
    return models


def check_store(store: FeatureStore, models: Models, policy: SequencePolicy) -> None:
    """Refuse a store that lacks what the policy or the models need; raises ConfigError."""
    kept = store.info.max_windows
    unheard = store.info.max_delay if policy.audio == "context" else 0
    needed = policy.max_len + unheard
    if kept is not None and (policy.windows == "all" or kept < needed):
        wanted = "every window" if policy.windows == "all" else f"{needed} windows"
        raise ConfigError(
            f"{store.folder} holds the first {kept} windows of each clip, and windows="
            f"{policy.windows} with audio={policy.audio} needs {wanted}"
        )
    width = 0 if models.projection is None else models.projection.inputs
    if width and store.info.activations != "none" and store.info.activation_width != width:
        raise ConfigError(
            f"{store.folder}: activations of {store.info.activation_width} values; the projection "
            f"was fitted on {width}: it belongs to another synchronisation network"
        )


def _common_folder(store: FeatureStore) -> str:
    folders = {os.path.dirname(entry.path) for entry in store}  # noqa: PTH120
    return os.path.commonpath(folders) if folders else ""
