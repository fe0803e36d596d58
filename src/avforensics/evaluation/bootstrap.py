"""Intervals by resampling identities, for one run and for the difference between two runs.

Videos of one person are similar, so the bootstrap draws identities, not videos. Drawing videos
would make the intervals for, say, 100 clips of 20 people too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from avforensics.errors import ConfigError
from avforensics.evaluation.metrics import RocCurve, check_scores

_CHUNK = 1 << 21  # weights in memory at a time: 16 MiB as float64


def check_intervals(resamples: int, level: float) -> None:
    """Raise ConfigError if the interval settings are invalid."""
    if not 0 < level < 1:
        raise ConfigError(f"the level of intervals must be within (0, 1), e.g. 0.95, got {level}")
    if resamples < 1:
        raise ConfigError(f"resamples must be >= 1, got {resamples}")


class Bootstrap:
    """Seeded resamples of a list of videos, by identity.

    Identities are drawn with replacement within strata (those with only real videos, only fakes, or
    both), so every resample has both classes. All categories, all metrics and both runs of a
    comparison share the same resamples.

    Parameters
    ----------
    labels : array, (n,)
        1 = fake, 0 = real; both present.
    identities : sequence of hashable, (n,)
        Identity of each video; videos of one identity are drawn together.
    level : float
        Coverage of the intervals, 0.95 by default.

    Raises
    ------
    ValueError
        The lengths differ, or a class is missing.
    ConfigError
        See `check_intervals`.
    """

    def __init__(
        self,
        labels: ArrayLike,
        identities: Sequence,
        *,
        resamples: int = 2000,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        check_intervals(resamples, level)
        self.labels, _ = check_scores(labels, np.zeros(len(labels)))
        if len(identities) != len(self.labels):
            raise ValueError(
                f"there must be one identity for each video, got {len(identities)} identities for "
                f"{len(self.labels)} videos"
            )
        self.level, self.resamples = level, resamples
        names = np.asarray([str(identity) for identity in identities])
        _, self.cluster = np.unique(names, return_inverse=True)
        self._draws = self._draw(np.random.default_rng(seed))

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """Count each identity in each resample: uint16, (resamples, identities)."""
        n_clusters = self.cluster.max() + 1
        has_real = np.bincount(self.cluster, self.labels == 0, n_clusters) > 0
        has_fake = np.bincount(self.cluster, self.labels == 1, n_clusters) > 0
        stratum = has_real + 2 * has_fake
        draws = np.zeros((self.resamples, n_clusters), dtype=np.uint16)
        for value in np.unique(stratum):
            members = np.flatnonzero(stratum == value)
            share = np.full(len(members), 1 / len(members))
            draws[:, members] = rng.multinomial(len(members), share, size=self.resamples)
        return draws

    def _chunks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        step = max(1, _CHUNK // max(1, len(rows)))
        for start in range(0, self.resamples, step):
            yield self._draws[start : start + step, self.cluster[rows]]

    def values(
        self, scores: ArrayLike, metrics: Sequence[str] = ("auc",), rows: ArrayLike | None = None
    ) -> dict[str, np.ndarray]:
        """Compute each metric on each resample.

        Parameters
        ----------
        scores : array, (n,) or (rows,)
            Finite scores of the chosen rows.
        metrics : sequence of str
            Names from :data:`avforensics.evaluation.metrics.METRICS`.
        rows : int array, optional
            Indices of videos, e.g. all real videos and one category; all videos by default.

        Returns
        -------
        dict of str to float array, (resamples,)
            Values by metric; NaN where a resample lacks a class among ``rows``.
        """
        rows = np.arange(len(self.labels)) if rows is None else np.asarray(rows)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
        for weights in self._chunks(rows):
            curve = RocCurve.from_scores(self.labels[rows], scores, weights)
            for name in metrics:
                parts[name].append(curve.metric(name))
        return {name: np.concatenate(part) for name, part in parts.items()}

    def rate(self, events: ArrayLike, rows: ArrayLike) -> np.ndarray:
        """Compute the share of the videos in ``rows`` that have an event, on each resample.

        Parameters
        ----------
        events : bool array, (rows,)
        rows : int array
            Indices of videos.

        Returns
        -------
        float array, (resamples,)
            Share on each resample; NaN where a resample has none of these videos.
        """
        events, rows = np.asarray(events, dtype=bool), np.asarray(rows)
        parts = []
        for weights in self._chunks(rows):
            with np.errstate(invalid="ignore"):
                parts.append(weights[:, events].sum(-1) / weights.sum(-1, dtype=np.float64))
        return np.concatenate(parts)

    def identities(self, rows: ArrayLike | None = None) -> tuple[int, int]:
        """Count the identities with real videos and those with fakes among ``rows``."""
        rows = np.arange(len(self.labels)) if rows is None else np.asarray(rows)
        clusters, labels = self.cluster[rows], self.labels[rows]
        return tuple(len(np.unique(clusters[labels == label])) for label in (0, 1))

    def interval(
        self, values: np.ndarray, rows: ArrayLike | None = None
    ) -> tuple[float, float] | None:
        """Compute a percentile interval of resampled values, widened for few identities.

        The quantiles come from Student's t with n - 1 degrees of freedom, where n is the number of
        identities of the scarcer class (the "expanded percentile" interval of Hesterberg 2015). A
        plain percentile interval of ten identities covers 90 % instead of 95 %. If all ``rows``
        have the same class, as for a false-alarm rate, n is the number of its identities.

        Returns
        -------
        (low, high) or None
            Ends of the interval; None if n < 2, or if most resamples lack a class.
        """
        n = self._fewest(rows)
        present = values[np.isfinite(values)]
        if n < 2 or len(present) < len(values) / 2:
            return None
        tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 - self.level) / 2, n - 1))
        low, high = np.quantile(present, (tail, 1 - tail))
        return float(low), float(high)

    def auc_interval(
        self, values: np.ndarray, rows: ArrayLike | None = None
    ) -> tuple[float, float] | None:
        """Compute :meth:`interval` for an AUC or a rate, with an exact bound at 0 or 1.

        If no resample misorders a pair, the percentiles collapse to 1 (or 0). In that case, all n
        identities were ranked perfectly, and the exact binomial bound on the share of such
        identities is ``((1 - level) / 2) ** (1 / n)``.
        """
        interval = self.interval(values, rows)
        if interval is None or interval[0] != interval[1] or interval[0] not in (0.0, 1.0):
            return interval
        bound = float(((1 - self.level) / 2) ** (1 / self._fewest(rows)))
        return (bound, 1.0) if interval[0] == 1 else (0.0, 1 - bound)

    def _fewest(self, rows: ArrayLike | None) -> int:
        """Count the identities of the scarcer class among ``rows``."""
        return min((n for n in self.identities(rows) if n), default=0)


def bootstrap_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    identities: Sequence,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Compute the 95 % interval of the AUC of one list of scored videos, by identity."""
    bootstrap = Bootstrap(labels, identities, resamples=resamples, seed=seed)
    return bootstrap.auc_interval(bootstrap.values(scores, ("auc",))["auc"])


@dataclass(frozen=True)
class Difference:
    """A metric of run B minus the same metric of run A, on the same videos.

    Attributes
    ----------
    interval : (low, high) or None
    p_value : float
        Two-sided p-value from the share of resamples whose difference has the opposite sign. With
        the +1 correction, it is at least ``2 / (resamples + 1)``.
    """

    metric: str
    a: float
    b: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float

    @classmethod
    def of(
        cls,
        metric: str,
        a: float,
        b: float,
        change: np.ndarray,
        bootstrap: Bootstrap,
        rows: ArrayLike | None = None,
    ) -> Difference:
        """Build from the values of both runs, ``a`` and ``b``, and from their resamples.

        ``change`` is B minus A on each resample of ``bootstrap``; ``rows`` holds indices of videos,
        as in `Bootstrap.values`.
        """
        present = change[np.isfinite(change)]
        opposite = min((present <= 0).sum(), (present >= 0).sum())
        p_value = min(1.0, 2 * (opposite + 1) / (len(present) + 1))
        interval = bootstrap.interval(change, rows)
        return cls(metric, float(a), float(b), float(b - a), interval, float(p_value))
