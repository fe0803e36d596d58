"""Likelihood ratio of two propositions: a video is forged in one of the named ways, or real.

A likelihood ratio compares two propositions, each with its own population. The ratio is fitted to
real videos and to forgeries by several generators, validated on people and generators outside the
fit, and bounded by what the number of videos can support. If a step fails, there is no ratio, and
the reason is stored instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avforensics.evaluation.evidence import folds_of
from avforensics.evaluation.likelihood import METHODS, cllr, cllr_min, elub
from avforensics.fields import check_choice

FEWEST_VIDEOS = 50  # minimum number per population
FEWEST_PEOPLE = 10  # minimum number among the real videos
FEWEST_GENERATORS = 3
MOST_FOLDS = 10
GRID = 201  # points at which the ratio is stored
RESAMPLES = 200
LEVEL = 0.95
UNLIKE = 0.01  # p-value below which real videos of a second set count as a different population


@dataclass(frozen=True)
class Sample:
    """Values of one population.

    Attributes
    ----------
    values : float array, (n,)
        Evidence or score; cross-fitted for real videos.
    people : sequence of str
        Person of each video.
    generators : sequence of str
        Generator of each forgery; empty for real videos.
    """

    values: np.ndarray
    people: Sequence[str]
    generators: Sequence[str] = ()


@dataclass(frozen=True)
class Strength:
    """Likelihood ratio for one value, log10.

    Attributes
    ----------
    log10 : float
        Log10 of the ratio; positive = more probable if forged.
    low, high : float
        Interval over resampled people and generators.
    at_bound : bool
        Whether the ratio is at a bound, so that the true ratio may be more extreme.
    """

    log10: float
    low: float
    high: float
    at_bound: bool


@dataclass(frozen=True)
class LikelihoodRatio:
    """A fitted and validated likelihood ratio, or the reason why none is reported.

    Attributes
    ----------
    about : mapping
        ``of`` (evidence or score), ``method``, ``kinds``, ``generators``, ``n_real``, ``n_fake``,
        ``n_people``, ``cllr``, ``cllr_min``, ``refused`` and others, as in the file.
    arrays : mapping of str to float64 array
        ``grid``, ``log10``, ``low``, ``high``, (`GRID`,); ``bounds``, (2,); ``validated_lr`` and
        ``validated_label``, (n,): each video's ratio, from a fit without the video, and its label.
    """

    about: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def refused(self) -> str | None:
        """Reason why no ratio is given; None if a ratio is given."""
        return self.about.get("refused")

    @classmethod
    def fit(
        cls,
        reals: Sample,
        fakes: Sample,
        *,
        of: str,
        kinds: Sequence[str] = (),
        method: str = "logistic",
        fewest: int = FEWEST_VIDEOS,
        seed: int = 0,
    ) -> LikelihoodRatio:
        """Fit, validate and bound the ratio, or record why there is no ratio.

        Parameters
        ----------
        of : {"evidence", "score"}
            Meaning of the values.
        kinds : sequence of str
            Categories of the forgeries, for the proposition.
        method : {"logistic", "kde"}
        fewest : int
            Minimum number of videos per population.
        seed : int
            Seed of folds and resamples.

        Raises
        ------
        ConfigError
            The method is unknown.
        """
        check_choice("likelihood.method", method, METHODS)
        about: dict[str, Any] = {
            "of": of,
            "method": method,
            "kinds": sorted(set(kinds)),
            "generators": sorted(set(fakes.generators)),
            "n_real": len(reals.values),
            "n_fake": len(fakes.values),
            "n_people": len(set(reals.people)),
        }
        if reason := _too_small(reals, fakes, fewest):
            return cls(about | {"refused": reason})
        log10, labels = _validate(reals, fakes, method, seed)
        about |= {"cllr": cllr(log10, labels), "cllr_min": cllr_min(log10, labels)}
        about["cllr_by_generator"] = _by_generator(log10, labels, fakes.generators)
        validated = {"validated_lr": log10, "validated_label": labels.astype(np.float64)}
        if not about["cllr"] < 1:
            reason = (
                f"for people and generators outside the fit, the ratios are worse than no ratios "
                f"(Cllr {about['cllr']:.2f}, but 1 without ratios)"
            )
            return cls(about | {"refused": reason}, validated)
        bounds = elub(log10, labels)
        fitted = _fit_all(reals, fakes, method, bounds, seed)
        return cls(
            about | {"refused": None, "level": LEVEL},
            fitted | {"bounds": np.array(bounds)} | validated,
        )

    def refuse(self, reason: str) -> LikelihoodRatio:
        """Return a copy that gives no ratio, for the given reason."""
        return LikelihoodRatio({**self.about, "refused": reason}, self.arrays)

    def __call__(self, value: float) -> Strength | None:
        """Return the ratio for a value; None if the ratio was refused.

        Values outside the fitted range are clipped to this range.
        """
        if self.refused is not None:
            return None
        grid = self.arrays["grid"]
        names = ("log10", "low", "high")
        log10, low, high = (float(np.interp(value, grid, self.arrays[name])) for name in names)
        lower, upper = self.arrays["bounds"]
        at_bound = not lower < log10 < upper or not grid[0] <= value <= grid[-1]
        return Strength(log10, low, high, at_bound)

    @classmethod
    def restore(cls, header: str, arrays: Mapping[str, np.ndarray]) -> LikelihoodRatio:
        """Inverse of `header` and `arrays`."""
        return cls(json.loads(header), arrays)

    def header(self) -> str:
        """Return the description to save, as JSON."""
        return json.dumps(dict(self.about), sort_keys=True)


def other_population(reals: np.ndarray, others: np.ndarray) -> str | None:
    """Return why a second set of real videos is a different population; None if it is not.

    Parameters
    ----------
    reals, others : float array, (n,)
        Values of both sets.
    """
    from scipy.stats import ks_2samp  # slow import, not needed for scoring

    found = ks_2samp(reals, others)
    if found.pvalue >= UNLIKE:
        return None
    return (
        f"the {len(others)} real videos of the other set differ from the {len(reals)} of the fit "
        f"(Kolmogorov-Smirnov {found.statistic:.2f}, p {found.pvalue:.1e})"
    )


def _too_small(reals: Sample, fakes: Sample, fewest: int) -> str | None:
    counts = [
        ("real videos", len(reals.values), fewest),
        ("forgeries", len(fakes.values), fewest),
        ("people in real videos", len(set(reals.people)), FEWEST_PEOPLE),
        ("generators", len(set(fakes.generators)), FEWEST_GENERATORS),
    ]
    small = [f"{n} {what} (at least {least} are needed)" for what, n, least in counts if n < least]
    return f"the populations are too small: {', '.join(small)}" if small else None


def _joined(reals: np.ndarray, fakes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([reals, fakes]), np.repeat([0, 1], [len(reals), len(fakes)])


def _validate(
    reals: Sample, fakes: Sample, method: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each video's log10 ratio from a fit without its person and generator."""
    count = min(MOST_FOLDS, len(set(reals.people)), len(set(fakes.generators)))
    of_reals = folds_of(reals.people, count, seed=seed)
    of_fakes = folds_of(fakes.generators, count, seed=seed)
    people = np.array(fakes.people, dtype=object)
    found = [np.empty(len(reals.values)), np.empty(len(fakes.values))]
    for fold in range(count):
        real, fake = of_reals == fold, of_fakes == fold
        held_out = {name for name, out in zip(reals.people, real, strict=True) if out and name}
        known = ~fake & ~np.isin(people, list(held_out))
        if not known.any():  # every forgery shows a held-out person
            known = ~fake
        ratio = METHODS[method](*_joined(reals.values[~real], fakes.values[known]))
        found[0][real] = ratio(reals.values[real])
        found[1][fake] = ratio(fakes.values[fake])
    return _joined(*found)


def _by_generator(
    log10: np.ndarray, labels: np.ndarray, generators: Sequence[str]
) -> dict[str, float]:
    """Return the Cllr of each generator's forgeries against all real videos."""
    of_fakes, reals = log10[labels == 1], log10[labels == 0]
    names = np.array(generators, dtype=object)
    return {
        name: cllr(*_joined(reals, of_fakes[names == name])) for name in sorted(set(generators))
    }


def _fit_all(
    reals: Sample, fakes: Sample, method: str, bounds: tuple[float, float], seed: int
) -> dict[str, np.ndarray]:
    """Fit ratios to all videos; return the ratios on a grid of values, with intervals."""
    values, labels = _joined(reals.values, fakes.values)
    grid = np.linspace(values.min(), values.max(), GRID)
    log10 = METHODS[method](values, labels)(grid)
    random = np.random.default_rng(seed)
    resampled = []
    for _ in range(RESAMPLES):
        drawn = _resample(reals.values, reals.people, random)
        drawn_fakes = _resample(fakes.values, fakes.generators, random)
        resampled.append(METHODS[method](*_joined(drawn, drawn_fakes))(grid))
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    curves = {"log10": log10, "low": np.minimum(low, log10), "high": np.maximum(high, log10)}
    return {"grid": grid} | {name: np.clip(curve, *bounds) for name, curve in curves.items()}


def _resample(values: np.ndarray, groups: Sequence[str], random: np.random.Generator) -> np.ndarray:
    """Return the values of groups drawn with replacement."""
    names = np.array(groups, dtype=object)
    members = [values[names == name] for name in sorted(set(groups))]
    drawn = random.integers(0, len(members), len(members))
    return np.concatenate([members[place] for place in drawn])
