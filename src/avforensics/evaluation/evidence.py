"""``evidence``: the fused statistics of a video, compared with held-out real videos.

A fusion rates the videos that it was fitted to as less unusual than new videos, so the values
behind p-values are cross-fitted: each person's videos are scored by a fusion fitted without that
person.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avforensics.errors import ConfigError
from avforensics.evaluation.fusion import FUSIONS, Fusion, NormalMap, check_fusion
from avforensics.evaluation.pvalues import p_values
from avforensics.files import fingerprint
from avforensics.scoring.statistics import check_statistics

DEFAULT_STATISTICS = (
    "mean_maximum",
    "constant_delay",
    "at_delay",
    "jump_rate",
    "mass_spread",
    "row_divergence",
)
FEWEST = 20  # minimum number of real videos: the smallest p-value is then 0.05
FOLDS = 5


def fewest(names: Sequence[str], kind: str) -> int:
    """Return the minimum number of real videos for a fusion of these statistics.

    Parameters
    ----------
    kind : str
        Name of the fusion. A fusion that fits a covariance needs more videos if there are more
        statistics.
    """
    return max(FEWEST, FUSIONS[check_fusion(kind)].videos_per_statistic * len(names))


def person(identity: str) -> str:
    """Return a digest of a person's name, for use in files that may be shared."""
    return fingerprint(identity)[:16]


def folds_of(groups: Sequence[str], count: int = FOLDS, *, seed: int = 0) -> np.ndarray:
    """Assign items to folds of similar size, without splitting groups; int64, (n,).

    Raises
    ------
    ConfigError
        There is only one group.
    """
    names, member, sizes = np.unique(list(groups), return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ConfigError("cross-validation needs at least two people")
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.zeros(len(names), int), np.zeros(min(count, len(names)), int)
    for name in order:  # largest groups first, each into the smallest fold
        fold_of[name] = int(filled.argmin())
        filled[fold_of[name]] += sizes[name]
    return fold_of[member]


@dataclass(frozen=True)
class Evidence:
    """A fusion of statistics, and its values for held-out real videos.

    Attributes
    ----------
    names : tuple of str
        Names of the statistics.
    kind : str
        Name of the fusion in `FUSIONS`.
    sides : str
        As in `NormalMap.fit`.
    scores : float64 array, (n,)
        Cross-fitted values of the real videos, in the given order.
    inner : bool
        Whether the statistics cover only inner windows. Statistics of inner windows are not
        comparable with statistics of all windows.
    delay_frequency : float64 array, (D,), or None
        Delay frequencies for the naive Bayes statistic.
    people : frozenset of str
        Digests (`person`) of the people, files and sources of the calibration, which must not
        occur in tests.
    source : str or None
        The column that names sources.
    """

    names: tuple[str, ...]
    kind: str
    sides: str
    mapping: NormalMap
    fusion: Fusion
    scores: np.ndarray
    inner: bool = True
    delay_frequency: np.ndarray | None = None
    people: frozenset[str] = field(default_factory=frozenset)
    source: str | None = None

    @classmethod
    def fit(
        cls,
        statistics: Sequence[Mapping[str, float]],
        groups: Sequence[str],
        *,
        names: Sequence[str] = DEFAULT_STATISTICS,
        kind: str = "min_p",
        sides: str = "declared",
        inner: bool = True,
        delay_frequency: np.ndarray | None = None,
        seen: Iterable[str] = (),
        source: str | None = None,
        seed: int = 0,
    ) -> Evidence:
        """Fit to real videos that no model was trained on.

        Parameters
        ----------
        statistics : sequence of mapping
            Statistics of each video, with all of ``names``.
        groups : sequence of str
            Person of each video; a person's videos are never split between folds.
        names, kind, sides
            See the attributes.
        inner, delay_frequency
            Stored; see the attributes.
        seed : int
            Seed of the folds.

        Raises
        ------
        ConfigError
            A name is unknown, a video lacks a statistic, or there are too few videos or people.
        """
        names = check_statistics(names)
        values = _table(statistics, names)
        if len(values) < (least := fewest(names, kind)):
            raise ConfigError(
                f"{kind} of {len(names)} statistics needs at least {least} real videos, "
                f"got {len(values)}"
            )
        scores = np.empty(len(values))
        folds = folds_of(groups, seed=seed)
        for held_out in (folds == fold for fold in np.unique(folds)):
            mapping, fusion = _fit(names, values[~held_out], kind, sides)
            scores[held_out] = fusion(mapping(values[held_out]))
        mapping, fusion = _fit(names, values, kind, sides)
        return cls(
            names,
            kind,
            sides,
            mapping,
            fusion,
            scores,
            inner,
            delay_frequency,
            frozenset(map(person, {*groups, *seen})),
            source,
        )

    def value(self, statistics: Mapping[str, float]) -> float | None:
        """Return a video's evidence, higher = less like real; None if a statistic is missing."""
        if any(name not in statistics for name in self.names):
            return None
        value = float(self.fusion(self.mapping(_table([statistics], self.names)))[0])
        return value if math.isfinite(value) else None

    def p_value(self, value: float) -> float:
        """Return the probability that a real video is at least as unusual; see `p_values`."""
        return float(p_values(self.scores, value))

    def check_unseen(self, videos: Iterable[Sequence[str]]) -> None:
        """Raise ConfigError if tested people, files or sources were in the calibration.

        Parameters
        ----------
        videos : iterable of sequence of str
            Names of each tested video, from `traces`.
        """
        shared = [[name for name in names if person(name) in self.people] for names in videos]
        shared = sorted(names[0] for names in shared if names)
        if shared:
            raise ConfigError(
                f"{len(shared)} of the tested videos share people, files or sources with the "
                f"calibration, e.g. {shared[0]}; use other videos for the calibration"
            )

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays to save, by name."""
        found = {"scores": self.scores}
        found |= {
            f"map.{name}": getattr(self.mapping, name) for name in ("floor", "centre", "spread")
        }
        found |= {f"fusion.{name}": array for name, array in self.fusion.arrays.items()}
        if self.delay_frequency is not None:
            found["delay_frequency"] = self.delay_frequency
        return {name: np.ascontiguousarray(array, np.float64) for name, array in found.items()}

    def header(self) -> str:
        """Return the description to save, as JSON."""
        return json.dumps(
            {
                "statistics": list(self.names),
                "fusion": self.kind,
                "sides": self.sides,
                "one_sided": self.mapping.one_sided.tolist(),
                "inner": self.inner,
                "people": sorted(self.people),
                "source": self.source,
            },
            sort_keys=True,
        )

    @classmethod
    def restore(cls, header: str, arrays: Mapping[str, np.ndarray]) -> Evidence:
        """Rebuild evidence from its header and arrays.

        Raises
        ------
        ConfigError
            A statistic or fusion is not registered.
        KeyError, TypeError, ValueError
            A part is missing or has the wrong type.
        """
        about = json.loads(header)
        names, kind = check_statistics(about["statistics"]), check_fusion(about["fusion"])
        limits = (arrays[f"map.{name}"] for name in ("floor", "centre", "spread"))
        mapping = NormalMap(names, *limits, np.array(about["one_sided"], bool))
        return cls(
            names,
            kind,
            about["sides"],
            mapping,
            FUSIONS[kind](arrays_below("fusion", arrays)),
            arrays["scores"],
            bool(about["inner"]),
            arrays.get("delay_frequency"),
            frozenset(about["people"]),
            about.get("source"),
        )


def _table(statistics: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    """Return statistics as an array, (n, K)."""
    missing = [name for name in names if any(name not in one for one in statistics)]
    if missing:
        raise ConfigError(
            f"statistic {missing[0]} cannot be computed for every real video: remove it from "
            "evidence.statistics, or use a checkpoint that supports it"
        )
    table = [[one[name] for name in names] for one in statistics]
    return np.array(table, np.float64).reshape(-1, len(names))


def _fit(
    names: Sequence[str], values: np.ndarray, kind: str, sides: str
) -> tuple[NormalMap, Fusion]:
    mapping = NormalMap.fit(names, values, sides=sides)
    return mapping, FUSIONS[check_fusion(kind)].fit(mapping(values))


def arrays_below(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays named ``NAME.*``, without that prefix."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}
