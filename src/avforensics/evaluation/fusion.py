"""Fuse several statistics of a video into a distance from real videos; no fakes are needed.

Each statistic is first mapped so that its values in real videos are roughly normal with unit
spread. A fusion then measures how unusual a video is. Both high and low values can be unusual: the
output of a lip-sync generator may be more in sync than real speech.

References: minimum covariance determinant, Rousseeuw and Van Driessen 1999; combination of
p-values, Fisher 1925 and Tippett 1931; isolation forest, Liu, Ting and Zhou 2008.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from avforensics.fields import check_choice
from avforensics.scoring.statistics import STATISTICS

_SHARE_FLOOR = 0.01  # shares are mapped to 0.01..0.99
# share of the median added before the logarithm, so that values far below it are similar
_POSITIVE_FLOOR = 0.1
_FINEST = 0.05  # minimum spread: a difference of 5 % (in log or logit units) is never unusual
_MAD = 1.4826  # standard deviation / median absolute deviation of a normal distribution


@dataclass(frozen=True)
class NormalMap:
    """Map statistics to numbers with median 0 and spread 1 in real videos.

    Attributes
    ----------
    floor, centre, spread : float64 array, (K,)
        Offset added to positive statistics before the logarithm, and the median and spread of the
        transformed statistics.
    one_sided : bool array, (K,)
        True for statistics that are unusual only towards fakes.
    """

    names: tuple[str, ...]
    floor: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    one_sided: np.ndarray

    @classmethod
    def fit(cls, names: Sequence[str], values: np.ndarray, *, sides: str = "declared") -> NormalMap:
        """Fit to the statistics of real videos.

        Parameters
        ----------
        names : sequence of str
            Registered statistics.
        values : float array, (n, K)
        sides : {"declared", "two"}
            Unusual sides: ``declared`` = as each statistic declares, ``two`` = both sides for all.
        """
        check_choice("evidence.sides", sides, ("declared", "two"))
        floor = np.maximum(_POSITIVE_FLOOR * np.median(np.abs(values), axis=0), 1e-6)
        one = [sides == "declared" and STATISTICS[name].sides == "one" for name in names]
        names, one_sided = tuple(names), np.array(one, bool)
        raw = cls(names, floor, np.zeros(len(names)), np.ones(len(names)), one_sided)
        mapped = raw._transform(values)
        centre = np.median(mapped, axis=0)
        spread = _MAD * np.median(np.abs(mapped - centre), axis=0)
        return cls(names, floor, centre, np.maximum(spread, _FINEST), one_sided)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map statistics, (n, K) -> float64 (n, K); higher = more like a fake."""
        mapped = (self._transform(values) - self.centre) / self.spread
        signs = [1.0 if STATISTICS[name].fake == "high" else -1.0 for name in self.names]
        mapped = mapped * signs
        return np.where(self.one_sided, np.maximum(mapped, 0.0), mapped)

    def _transform(self, values: np.ndarray) -> np.ndarray:
        columns = []
        for name, floor, value in zip(self.names, self.floor, np.asarray(values).T, strict=True):
            scale = STATISTICS[name].scale
            if scale == "share":
                share = _SHARE_FLOOR + (1 - 2 * _SHARE_FLOOR) * np.clip(value, 0, 1)
                value = np.log(share / (1 - share))
            elif scale == "positive":
                value = np.log(np.maximum(value, 0) + floor)
            columns.append(value)
        return np.stack(columns, axis=1).astype(np.float64)


class Fusion(ABC):
    """Measure of how unusual a point of mapped statistics is, compared with real videos.

    Attributes
    ----------
    arrays : mapping of str to float64 array
        Fitted arrays, from which the fusion can be rebuilt without pickle.
    videos_per_statistic : int
        Minimum number of real videos per statistic.
    """

    videos_per_statistic = 0

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = dict(arrays)

    @classmethod
    @abstractmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Fit to mapped statistics of real videos, (n, K)."""

    @abstractmethod
    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Measure how unusual each point is, (n, K) -> float64 (n,); higher = more unusual."""


class Mahalanobis(Fusion):
    """Distance from the robust centre, in units of the robust covariance."""

    # up to 10 % of the videos may be outliers, and a covariance has K (K + 1) / 2 parameters
    videos_per_statistic = 5

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Fit a minimum covariance determinant, robust to 10 % outliers among the real videos."""
        location, covariance = _robust(points)
        return cls({"location": location, "precision": np.linalg.inv(covariance)})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the distance of each point, (n,)."""
        away = points - self.arrays["location"]
        return np.sqrt(np.einsum("ni,ij,nj->n", away, self.arrays["precision"], away))


class _Independent(Fusion):
    """Base of fusions that combine the statistics' p-values as if they were independent.

    They are not independent, so the result is not a p-value; the calibration provides p-values.
    """

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Return an empty fusion: only the mapping is fitted."""
        return cls({})

    @staticmethod
    def _log_p(points: np.ndarray) -> np.ndarray:
        """Return the log of the two-sided p-value under a normal distribution, (n, K)."""
        log_p = torch.special.log_ndtr(torch.from_numpy(-np.abs(points)))
        return np.log(2) + log_p.numpy()


class MinP(_Independent):
    """Fusion that uses only the most unusual statistic (Tippett 1931)."""

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return minus the log of the smallest p-value, (n,)."""
        return -self._log_p(points).min(axis=1)


class Fisher(_Independent):
    """Fusion that sums the evidence of all statistics (Fisher 1925)."""

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return minus twice the sum of the logs of all p-values, (n,)."""
        return -2 * self._log_p(points).sum(axis=1)


class Forest(Fusion):
    """Isolation forest of the real videos' points; unusual points are isolated by few cuts."""

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Keep the points; the forest is rebuilt from them with the same seed."""
        return cls({"points": points})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return minus the forest's score, (n,)."""
        from sklearn.ensemble import IsolationForest  # slow import, not needed for scoring

        if not hasattr(self, "_forest"):
            self._forest = IsolationForest(n_estimators=200, random_state=0).fit(
                self.arrays["points"]
            )
        return -self._forest.score_samples(points)


class Density(Fusion):
    """Minus the log of a kernel density estimate of the real videos' points (Parzen 1962)."""

    videos_per_statistic = Mahalanobis.videos_per_statistic

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Fit kernels with the shape of the robust covariance and Scott's width."""
        _, covariance = _robust(points)
        n, k = points.shape
        width = n ** (-1 / (k + 4))
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T / width
        return cls({"points": points, "whiten": whiten})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return minus the log density, up to a constant, (n,)."""
        whiten = self.arrays["whiten"]
        away = points[:, None] @ whiten - (self.arrays["points"] @ whiten)[None]
        kernels = torch.from_numpy(-0.5 * np.square(away).sum(-1))
        return -torch.logsumexp(kernels, dim=1).numpy()


FUSIONS: dict[str, type[Fusion]] = {
    "mahalanobis": Mahalanobis,
    "min_p": MinP,
    "fisher": Fisher,
    "forest": Forest,
    "density": Density,
}


def check_fusion(name: str) -> str:
    """Return the name of a fusion; raises ConfigError if it is unknown."""
    check_choice("evidence.fusion", name, FUSIONS)
    return name


def _robust(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the robust centre (K,) and covariance (K, K) of points."""
    from sklearn.covariance import MinCovDet  # slow import, not needed for scoring

    # a constant statistic, such as a share that is always 1, would make the determinant 0
    jitter = np.random.default_rng(0).normal(scale=_FINEST, size=points.shape)
    found = MinCovDet(random_state=0, support_fraction=0.9).fit(points + jitter)
    return found.location_, found.covariance_
