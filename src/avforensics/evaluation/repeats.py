"""Mean, spread and intervals of an experiment that was trained with several seeds.

A result varies with the tested videos and with the training seed. An interval over the videos alone
shows the uncertainty of one trained model, not of the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike

import numpy as np
from scipy import stats

from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import Bootstrap
from avforensics.evaluation.output import percent
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.shared import MAIN_METRICS, share_videos
from avforensics.files import write_json, write_text
from avforensics.tables import Table


@dataclass(frozen=True)
class Repeated:
    """One metric over several runs."""

    values: list[float]  # value of each run
    # spread: standard deviation of the values (n - 1)
    mean: float
    spread: float
    # interval of the mean over tested people, for the same trained models
    interval_videos: tuple[float, float] | None
    # interval of the mean over tested people and training seeds
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class RepeatedRuns:
    """Results of several runs on the videos that all runs scored."""

    results: dict[str, dict[str, Repeated]]  # by category, average or ``overall``, then by metric
    # runs, n, left_out: numbers of runs, compared videos, and videos that at least one run lacks
    runs: int
    n: int
    left_out: int
    level: float  # coverage of the intervals


def repeat(
    runs: Sequence[Sequence[ScoredVideo]],
    *,
    metrics: Sequence[str] = MAIN_METRICS,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> RepeatedRuns:
    """Compute the mean, spread and intervals of at least two runs of one experiment.

    The variance of the mean of k runs is its variance over resampled identities plus the variance
    between runs divided by k; the interval is Student's t with Satterthwaite's degrees of freedom
    (Biometrics 1946). With three seeds the interval is wide, as it should be.

    Raises
    ------
    ConfigError
        There are fewer than two runs.
    ManifestError
        See `share_videos`.
    """
    if len(runs) < 2:
        raise ConfigError(f"repeats need at least 2 runs, got {len(runs)}")
    shared = share_videos(runs, metrics=metrics, resamples=resamples, level=level, seed=seed)
    results = {
        name: {
            metric: _repeated(
                [point[metric] for point in shared.points[name]],
                np.mean([drawn[metric] for drawn in shared.drawn[name]], axis=0),
                shared.bootstrap,
                rows,
            )
            for metric in metrics
        }
        for name, rows in shared.groups.items()
    }
    return RepeatedRuns(results, len(runs), len(shared.labels), shared.left_out, level)


def _repeated(
    values: list[float], drawn: np.ndarray, bootstrap: Bootstrap, rows: np.ndarray
) -> Repeated:
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    of_videos = bootstrap.interval(drawn, rows)
    both = None
    if of_videos is not None:
        people = min(bootstrap.identities(rows))
        # resampling n identities understates the variance by (n - 1) / n
        parts = np.array(
            [np.nanvar(drawn, ddof=1) * people / (people - 1), spread**2 / len(values)]
        )
        freedom = np.array([people - 1, len(values) - 1])
        total, half = parts.sum(), 0.0
        if total > 0:
            t = stats.t.ppf((1 + bootstrap.level) / 2, total**2 / (parts**2 / freedom).sum())
            half = float(t * np.sqrt(total))
        both = (max(0.0, mean - half), min(1.0, mean + half))
    return Repeated(values, mean, spread, of_videos, both)


def cells(found: RepeatedRuns, metrics: Sequence[str] = ("auc", "ap")) -> list[list[str]]:
    """Return one line per result and metric, in %, header first."""
    table = [["result", "metric", "mean", "spread", "lowest", "highest", "videos", "both"]]
    for name, by_metric in found.results.items():
        for metric in metrics:
            one = by_metric[metric]
            numbers = (one.mean, one.spread, min(one.values), max(one.values))
            ranges = (_range(one.interval_videos), _range(one.interval))
            table.append([name, metric.upper(), *map(percent, numbers), *ranges])
    return table


def _range(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"[{100 * pair[0]:.1f}, {100 * pair[1]:.1f}]"


def sentence(found: RepeatedRuns) -> str:
    """State the numbers of runs, compared videos and omitted videos."""
    text = f"{found.runs} runs on the {found.n} videos that every run scored"
    return f"{text}, {found.left_out} excluded" if found.left_out else text


def write_repeats(found: RepeatedRuns, others: Sequence[str], folder: str | PathLike) -> None:
    """Write repeats.json (every number, fractions of 1) and repeats.md."""
    write_json(f"{folder}/repeats.json", asdict(found) | {"others": list(others)})
    note = (
        f"Spread: standard deviation between runs. Ranges are {100 * found.level:g} % intervals of "
        "the mean: over tested people, and over people and seeds."
    )
    table, below = Table(cells(found)).markdown(), f"{sentence(found)}. {note}"
    text = "\n".join(["### This run and its repeats", "", table, below, ""])
    write_text(f"{folder}/repeats.md", text)
