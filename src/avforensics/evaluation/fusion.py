"""Fuse several statistics of a video into its distance from real videos; no fakes needed.

Each statistic is first mapped so that real videos look roughly normal with unit spread. A fusion
then measures how unusual a point is. Values on both sides are unusual: a lip-sync generator can be
more in sync than a person.

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
_POSITIVE_FLOOR = (
    0.1  # share of the median added before the logarithm: values far below it are alike
)
_FINEST = 0.05  # minimum spread: differences of 5 % (in log or logit units) are never unusual
_MAD = 1.4826  # median absolute deviation to standard deviation


@dataclass(frozen=True)
class NormalMap:
    """Maps statistics to numbers with median 0 and spread 1 in real videos.

    Attributes
    ----------
    floor, centre, spread : float64 array, (K,)
        Offset of positive statistics before the logarithm; median and spread after it.
    one_sided : bool array, (K,)
        Statistics that are unusual only on the side of fakes.
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
            ``declared`` = as each statistic declares, ``two`` = both sides of all statistics.
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
        """Mapped statistics, (n, K) -> float64 (n, K); higher = towards fake."""
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
    """How unusual a point of mapped statistics is, compared with real videos.

    Attributes
    ----------
    arrays : mapping of str to float64 array
        Fitted arrays, from which the fusion can be rebuilt without pickle.
    videos_per_statistic : int
        Minimum number of real videos for each statistic.
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
        """How unusual each point is, (n, K) -> float64 (n,); higher = more unusual."""


class Mahalanobis(Fusion):
    """Distance from the robust centre, in units of the robust covariance."""

    videos_per_statistic = (
        5  # of which 10 % may be outliers; a covariance has K (K + 1) / 2 numbers
    )

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Minimum covariance determinant, robust to 10 % outliers among the real videos."""
        location, covariance = _robust(points)
        return cls({"location": location, "precision": np.linalg.inv(covariance)})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The distance, (n,)."""
        away = points - self.arrays["location"]
        return np.sqrt(np.einsum("ni,ij,nj->n", away, self.arrays["precision"], away))


class _Independent(Fusion):
    """Fusions of the p-values of single statistics, as if they were independent.

    They are not independent, so the result is not a p-value; the calibration turns it into one.
    """

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Nothing to fit except the mapping."""
        return cls({})

    @staticmethod
    def _log_p(points: np.ndarray) -> np.ndarray:
        """Logarithm of the two-sided p-value under a normal distribution, (n, K)."""
        log_p = torch.special.log_ndtr(torch.from_numpy(-np.abs(points)))
        return np.log(2) + log_p.numpy()


class MinP(_Independent):
    """The most unusual statistic decides (Tippett 1931): minus its log p."""

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Minus the log of the smallest p-value, (n,)."""
        return -self._log_p(points).min(axis=1)


class Fisher(_Independent):
    """All statistics together (Fisher 1925): minus twice the sum of log p."""

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Fisher's combination, (n,)."""
        return -2 * self._log_p(points).sum(axis=1)


class Forest(Fusion):
    """Isolation forest of the real videos' points: how few cuts isolate a video."""

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Keep the points; the forest is rebuilt from them with the same seed."""
        return cls({"points": points})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Minus the forest's score, (n,)."""
        from sklearn.ensemble import IsolationForest  # slow import, not needed for scoring

        if not hasattr(self, "_forest"):
            self._forest = IsolationForest(n_estimators=200, random_state=0).fit(
                self.arrays["points"]
            )
        return -self._forest.score_samples(points)


class Density(Fusion):
    """Minus the log density of the real videos' points, with a kernel on each (Parzen 1962)."""

    videos_per_statistic = Mahalanobis.videos_per_statistic

    @classmethod
    def fit(cls, points: np.ndarray) -> Fusion:
        """Kernels with the shape of the robust covariance and Scott's width."""
        _, covariance = _robust(points)
        n, k = points.shape
        width = n ** (-1 / (k + 4))
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T / width
        return cls({"points": points, "whiten": whiten})

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Minus log density up to a constant, (n,)."""
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
    """Validate the name of a fusion; raises ConfigError."""
    check_choice("evidence.fusion", name, FUSIONS)
    return name


def _robust(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust centre (K,) and covariance (K, K) of points."""
    from sklearn.covariance import MinCovDet  # slow import, not needed for scoring

    # a constant statistic, such as a share that is always 1, would make the determinant 0
    jitter = np.random.default_rng(0).normal(scale=_FINEST, size=points.shape)
    found = MinCovDet(random_state=0, support_fraction=0.9).fit(points + jitter)
    return found.location_, found.covariance_
