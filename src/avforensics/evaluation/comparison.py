"""Two runs on the same videos: what one is better by, with a paired bootstrap."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike

import numpy as np

from avforensics.errors import ManifestError
from avforensics.evaluation.bootstrap import Bootstrap, Difference
from avforensics.evaluation.metrics import Curve
from avforensics.evaluation.rows import ScoredVideo, check_once, read_scores
from avforensics.evaluation.summary import PAPER_AVERAGES, by_category, category_of, identity_of
from avforensics.files import atomic_path
from avforensics.paths import typed_path

METRICS = ("auc", "ap", "ap_balanced", "eer")


@dataclass(frozen=True)
class RunDifference:
    """Run B less run A on the videos that both scored.

    Attributes
    ----------
    results : dict of str to dict of str to Difference
        By category, average or ``overall``, then by metric.
    n : int
        Videos that were compared.
    left_out : int
        Videos that only one run scored.
    """

    results: dict[str, dict[str, Difference]]
    n: int
    left_out: int


def read_run(path: str | PathLike, *, fake: int = 1) -> list[ScoredVideo]:
    """Scored videos of a finished run: its folder, or its scores.csv.

    ``fake`` is the number that marks a fake there, 1 or 0.

    Raises
    ------
    ManifestError
        There is no such file, or it is no list of scores.
    """
    path = typed_path(path)
    return read_scores(path / "scores.csv" if path.is_dir() else path, fake=fake)


def compare(
    rows_a: Sequence[ScoredVideo],
    rows_b: Sequence[ScoredVideo],
    *,
    metrics: Sequence[str] = METRICS,
    averages: Mapping[str, Sequence[str]] = PAPER_AVERAGES,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> RunDifference:
    """Paired difference of two runs (B less A); the same resamples of identities serve both.

    Parameters
    ----------
    rows_a, rows_b : sequence of ScoredVideo
        In any order; videos are paired by path and category. Where one run says nothing of
        categories and identities (a plain list of scores), the other's hold.
    metrics : sequence of str
        Names from `avforensics.evaluation.metrics.METRICS`.
    averages : mapping of str to sequence of str
        Means over categories, where all of them are there.
    resamples, level, seed
        Of `Bootstrap`.

    Raises
    ------
    ManifestError
        The runs share too few videos, or disagree on a label or an identity.
    """
    keys, a, b = _paired(_described(rows_a, rows_b), _described(rows_b, rows_a))
    shared = [a[key] for key in keys]
    labels = np.array([row.label for row in shared])
    pair = [np.array([float(run[key].score) for key in keys]) for run in (a, b)]
    people = [identity_of(row) for row in shared]
    bootstrap = Bootstrap(labels, people, resamples=resamples, level=level, seed=seed)
    groups = {"overall": np.arange(len(keys))}
    for name in by_category(shared):
        chosen = [row.label == 0 or category_of(row) == name for row in shared]
        groups[name] = np.flatnonzero(chosen)
    points, drawn = {}, {}
    for name, rows in groups.items():
        curves = [Curve.from_scores(labels[rows], scores[rows]) for scores in pair]
        points[name] = [{m: float(curve.metric(m)) for m in metrics} for curve in curves]
        drawn[name] = [bootstrap.values(scores[rows], metrics, rows) for scores in pair]
    for name, members in averages.items():
        if all(member in groups for member in members):
            groups[name] = np.unique(np.concatenate([groups[member] for member in members]))
            points[name] = [_mean([points[member][run] for member in members]) for run in (0, 1)]
            drawn[name] = [_mean([drawn[member][run] for member in members]) for run in (0, 1)]
    results = {
        name: {
            metric: Difference.of(
                metric,
                points[name][0][metric],
                points[name][1][metric],
                drawn[name][1][metric] - drawn[name][0][metric],
                bootstrap,
                rows,
            )
            for metric in metrics
        }
        for name, rows in groups.items()
    }
    return RunDifference(results, n=len(keys), left_out=len(a.keys() ^ b.keys()))


def _described(rows: Sequence[ScoredVideo], other: Sequence[ScoredVideo]) -> list[ScoredVideo]:
    """Rows that say neither category nor identity get those of the other run's row of that path."""
    by_path: dict[str, list[ScoredVideo]] = {}
    for row in other:
        by_path.setdefault(row.path, []).append(row)
    found = []
    for row in rows:
        alike = by_path.get(row.path, ())
        if not row.category and not row.identity and len(alike) == 1:
            row = replace(row, category=alike[0].category, identity=alike[0].identity)
        found.append(row)
    return found


def _paired(
    rows_a: Sequence[ScoredVideo], rows_b: Sequence[ScoredVideo]
) -> tuple[list[tuple[str, str]], dict, dict]:
    """Keys of the videos that both runs scored, and each run's videos by key."""
    check_once(rows_a)
    check_once(rows_b)
    a, b = (
        {(row.path, category_of(row)): row for row in rows if row.scored}
        for rows in (rows_a, rows_b)
    )
    shared = sorted(a.keys() & b.keys())
    for key in shared:
        if (a[key].label, a[key].identity) != (b[key].label, b[key].identity):
            raise ManifestError(f"{key[0]}: the two runs disagree on its label or identity")
    if {a[key].label for key in shared} != {0, 1}:
        raise ManifestError(f"the two runs share {len(shared)} videos; both classes are needed")
    return shared, a, b


def _mean(values: Sequence[Mapping]) -> dict:
    return {metric: np.mean([v[metric] for v in values], axis=0) for metric in values[0]}


def cells(difference: RunDifference, metrics: Sequence[str] = ("auc", "ap")) -> list[list[str]]:
    """One line for each result and metric, in %, header first."""
    table = [["result", "metric", "other run", "this run", "difference", "p"]]
    for name, by_metric in difference.results.items():
        for metric in metrics:
            found = by_metric[metric]
            change = f"{100 * found.difference:+.1f}"
            if found.interval is not None:
                low, high = (f"{100 * end:+.1f}" for end in found.interval)
                change += f" [{low}, {high}]"
            values = [f"{100 * value:.1f}" for value in (found.a, found.b)]
            table.append([name, metric.upper(), *values, change, f"{found.p_value:.2g}"])
    return table


def sentence(difference: RunDifference) -> str:
    """How many videos stand behind a comparison."""
    text = f"{difference.n} videos that both runs scored"
    return f"{text}, {difference.left_out} left out" if difference.left_out else text


def write_comparison(
    difference: RunDifference,
    other: str,
    folder: str | PathLike,
    markdown: str,
    *,
    what: str = "This run",
    stem: str = "comparison",
) -> None:
    """Write ``stem.json`` (every number, fractions of 1) and ``stem.md`` (the given table)."""
    content = {
        "other": other,
        "n": difference.n,
        "left_out": difference.left_out,
        "results": {
            name: {metric: asdict(found) for metric, found in by_metric.items()}
            for name, by_metric in difference.results.items()
        },
    }
    with atomic_path(f"{folder}/{stem}.json") as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with atomic_path(f"{folder}/{stem}.md") as partial:
        lines = [f"### {what} against {other}", "", markdown, f"{sentence(difference)}.", ""]
        partial.write_text("\n".join(lines), encoding="utf-8", errors="backslashreplace")
