"""Metrics of several runs on the same videos and the same resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from avforensics.errors import ManifestError
from avforensics.evaluation.bootstrap import Bootstrap
from avforensics.evaluation.metrics import RocCurve
from avforensics.evaluation.rows import ScoredVideo, check_once
from avforensics.evaluation.summary import PAPER_AVERAGES, by_category, category_of, identity_of

MAIN_METRICS = ("auc", "ap", "ap_balanced", "eer")
Key = tuple[str, str, int]  # path, category and label, which identify a video


@dataclass(frozen=True)
class SharedVideos:
    """Videos that all runs scored, and each run's metrics on them."""

    labels: np.ndarray  # int (n,)
    scores: list[np.ndarray]  # float (n,) for each run
    # int (k,): indices for ``overall``, each category (with all real videos) and each average
    groups: dict[str, np.ndarray]
    points: dict[str, list[dict]]  # by group: the metrics of each run
    # by group: the same metrics on each resample of identities, float (resamples,); all runs share
    # the resamples
    drawn: dict[str, list[dict]]
    bootstrap: Bootstrap
    left_out: int  # number of videos that at least one run lacks


def share_videos(
    runs: Sequence[Sequence[ScoredVideo]],
    *,
    metrics: Sequence[str] = MAIN_METRICS,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> SharedVideos:
    """Pair the videos of several runs by path, category and label, and resample them together.

    Parameters
    ----------
    runs : sequence of sequence of ScoredVideo
        Videos in any order. A run without categories and identities (a plain list) takes them
        from the other runs.
    metrics : sequence of str
        Names from `avforensics.evaluation.metrics.METRICS`.
    resamples, level, seed
        See `Bootstrap`.

    Raises
    ------
    ManifestError
        The runs share too few videos, or disagree on a label or an identity.
    """
    keys, tables, left_out = _paired(_described(runs))
    shared = [tables[0][key] for key in keys]
    labels = np.array([row.label for row in shared])
    scores = [np.array([float(table[key].score) for key in keys]) for table in tables]
    people = [identity_of(row) for row in shared]
    bootstrap = Bootstrap(labels, people, resamples=resamples, level=level, seed=seed)
    groups = {"overall": np.arange(len(keys))}
    for name in by_category(shared):
        chosen = [row.label == 0 or category_of(row) == name for row in shared]
        groups[name] = np.flatnonzero(chosen)
    points, drawn = {}, {}
    for name, rows in groups.items():
        curves = [RocCurve.from_scores(labels[rows], of_run[rows]) for of_run in scores]
        points[name] = [{m: float(curve.metric(m)) for m in metrics} for curve in curves]
        drawn[name] = [bootstrap.values(of_run[rows], metrics, rows) for of_run in scores]
    for name, members in PAPER_AVERAGES.items():
        if all(member in groups for member in members):
            groups[name] = np.unique(np.concatenate([groups[member] for member in members]))
            for values in (points, drawn):
                values[name] = [
                    _mean([values[member][run] for member in members]) for run in range(len(runs))
                ]
    return SharedVideos(labels, scores, groups, points, drawn, bootstrap, left_out)


def _described(runs: Sequence[Sequence[ScoredVideo]]) -> list[list[ScoredVideo]]:
    """Fill in rows without category and identity from another run's row with the same path."""
    known: dict[str, list[ScoredVideo]] = {}
    for rows in runs:
        of_run: dict[str, list[ScoredVideo]] = {}
        for row in rows:
            if row.category or row.identity:
                of_run.setdefault(row.path, []).append(row)
        known = of_run | known

    def filled(row: ScoredVideo) -> ScoredVideo:
        alike = known.get(row.path, ())
        if row.category or row.identity or len(alike) != 1:
            return row
        return replace(row, category=alike[0].category, identity=alike[0].identity)

    return [list(map(filled, rows)) for rows in runs]


def _paired(
    runs: Sequence[Sequence[ScoredVideo]],
) -> tuple[list[Key], list[dict[Key, ScoredVideo]], int]:
    """Return the shared videos' keys, each run's videos by key, and the number left out."""
    for rows in runs:
        check_once(rows)
    tables = [
        {(row.path, category_of(row), row.label): row for row in rows if row.counts}
        for rows in runs
    ]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    wrong = [key for key in shared if len({table[key].identity for table in tables}) > 1]
    named = set.intersection(*({key[:2] for key in table} for table in tables))
    wrong += sorted(named - {key[:2] for key in shared})  # without a common label
    if wrong:
        raise ManifestError(f"{wrong[0][0]}: the runs disagree on its label or identity")
    if {label for _, _, label in shared} != {0, 1}:
        raise ManifestError(
            f"the {len(runs)} runs share {len(shared)} videos, but both classes are needed"
        )
    return shared, tables, len(set.union(*(set(table) for table in tables))) - len(shared)


def _mean(values: Sequence[Mapping]) -> dict:
    return {metric: np.mean([v[metric] for v in values], axis=0) for metric in values[0]}
