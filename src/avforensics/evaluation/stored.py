"""Score the clips of a feature store without running the synchronisation network.

>>> store = FeatureStore.open("features/fakeavceleb")  # doctest: +SKIP
>>> models = load_models({"bundle": "model.safetensors"})  # doctest: +SKIP
>>> scorer = StoreScorer(store, models, SequencePolicy())  # doctest: +SKIP
>>> found = [scorer.score(index) for index in choose(store, split="test")]  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
import torch

from avforensics.checkpoints import Models
from avforensics.errors import ManifestError
from avforensics.evaluation.baselines import BaselineClip, baseline_scores
from avforensics.evaluation.benchmark import Names, fits
from avforensics.evaluation.checks import as_scored, check_models, check_store
from avforensics.evaluation.evidence import Evidence
from avforensics.evaluation.stored_score import StoredScore, clip_of, score_of
from avforensics.features.store import FeatureStore
from avforensics.models.anomaly import NaiveBayes
from avforensics.scoring.result import Features, VideoResult
from avforensics.scoring.rows import VideoRows
from avforensics.scoring.sequences import SequencePolicy, check_lams, score_features
from avforensics.scoring.statistics import measure


@dataclass(eq=False)
class StoreScorer:
    """Compute scores and baselines of single clips in a store.

    Parameters
    ----------
    models : Models
        Decoders and the projection; the synchronisation network is not needed.
    part : {"both", "distribution", "activation"}
        Part of the score, which determines the required models.
    delay_frequency : float array, (D,), optional
        See `fit_delay_frequency`.
    evidence : Evidence, optional
        Evidence from a calibration.
    seed : int
        Seed of the random baseline.

    Raises
    ------
    CheckpointError
        A model is missing.
    ConfigError
        The store does not support the policy or the models.
    """

    store: FeatureStore
    models: Models
    policy: SequencePolicy
    _: KW_ONLY
    lams: Sequence[float] = (0.0,)
    part: str = "both"
    delay_frequency: np.ndarray | None = None
    evidence: Evidence | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.models = check_models(self.models, self.policy, self.part, self.lams)
        self.store = as_scored(self.store, self.models)
        check_store(self.store, self.models, self.policy)
        self.lams = check_lams(self.lams)
        folders = {os.path.dirname(entry.path) for entry in self.store}  # noqa: PTH120
        self._folder = os.path.commonpath(folders) if folders else ""

    def features(self, index: int) -> Features:
        """Read the features of a clip, with projected activations."""
        logits = self.store.logits(index)
        projected = logits[:, :0]
        if self.models.projection is not None:
            activations = torch.from_numpy(self.store.activations(index))
            projected = self.models.projection(activations).numpy()
        return Features(
            sync_logits=logits, projected=projected, valid_audio=self.store.valid_audio(index)
        )

    def result(self, index: int) -> VideoResult:
        """Score one clip and keep its features and steps, for figures.

        Raises
        ------
        ValueError
            The clip has no features, or too few windows.
        """
        features = self.features(index)
        steps, scores = score_features(
            features, self.models.distribution, self.models.activation, self.policy, self.lams
        )
        path = Path(self.store[index].path)
        return VideoResult(path=path, scores=scores, features=features, steps=steps)

    def score(self, index: int) -> StoredScore:
        """Score one clip, independently of the others."""
        entry = self.store[index]
        if entry.error is not None:
            return StoredScore(index, error=entry.error)
        return self.judge(index, self.features(index))

    def judge(self, index: int, features: Features) -> StoredScore:
        """Score one clip from its features."""
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
            score=score_of(scores[0], part=self.part) if scores else None,
            delay_frequency=self.delay_frequency,
        )
        over_delays = self.store.info.max_delay > 0
        statistics = measure(rows) if over_delays else {}
        path = os.path.relpath(entry.path, self._folder)  # independent of the data's location
        # the sound of imported rows was never read
        silence = None if self.store.info.external else entry.clip.silence
        clip = BaselineClip(path, features, statistics, silence, self.seed)
        baselines = baseline_scores(clip)
        fused = None
        if self.evidence is not None and rows.inner == self.evidence.inner:
            fused = self.evidence.value(statistics)
        return StoredScore(index, scores, steps, error, baselines, statistics, rows.inner, fused)


@contextmanager
def one_thread() -> Iterator[None]:
    """Make torch use one thread inside the ``with`` block.

    Decoders are too small to benefit from more threads, and with a single thread, sums are the same
    on any number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose(
    store: FeatureStore,
    *,
    split: Names = None,
    category: Names = None,
    method: Names = None,
) -> list[int]:
    """Return the indices of the selected entries of a store, with or without features.

    Duplicates count once. Real videos are included whatever their category and method; see
    `avforensics.evaluation.benchmark.fits`.

    Raises
    ------
    ManifestError
        No entry matches.
    """
    wanted = fits(split, category, method)
    found = {}
    for index, entry in enumerate(store):
        if wanted(entry):
            found.setdefault(clip_of(entry), index)
    if not found:
        there = ", ".join(sorted({entry.split or "(empty)" for entry in store}))
        raise ManifestError(f"{store.folder}: no clip matches the selection; splits: {there}")
    return list(found.values())


def fit_delay_frequency(
    store: FeatureStore, split: str | None, *, leave_out: Collection[int] = ()
) -> np.ndarray | None:
    """Estimate how often each delay is the most likely one in real clips of a training split.

    Returns log-probabilities for the naive Bayes statistic, float64, (D,), or None if the split has
    no real clips. The clips with an index in ``leave_out``, usually the evaluated clips, and their
    duplicates are excluded.
    """
    held_out = {store[index].source for index in leave_out}
    chosen = [
        index
        for index, entry in enumerate(store)
        if split is not None
        and entry.split == split
        and entry.label == 0
        and entry.error is None
        and entry.source not in held_out
    ]
    return count_delays(store, chosen) if chosen else None


def count_delays(store: FeatureStore, chosen: Sequence[int]) -> np.ndarray:
    """Return the log-frequency of each delay as the most likely delay, float64, (D,)."""
    counted = NaiveBayes(delays=store.info.n_delays)
    counted.fit(torch.from_numpy(store.logits(index)) for index in chosen)
    return counted.log_probability.double().numpy()
