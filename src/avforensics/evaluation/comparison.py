"""Compare two runs on the same videos, with a paired bootstrap and DeLong's test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

from avforensics.evaluation.bootstrap import Difference
from avforensics.evaluation.delong import DeLong, delong, holm
from avforensics.evaluation.exchange import read_any
from avforensics.evaluation.output import percent
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.shared import share_videos
from avforensics.evaluation.summary import PAPER_AVERAGES
from avforensics.files import typed_path, write_json, write_text
from avforensics.tables import Table


@dataclass(frozen=True)
class RunDifference:
    """Differences between two runs (B minus A), on the videos that both scored."""

    results: dict[str, dict[str, Difference]]  # by category, average or ``overall``, then by metric
    n: int  # number of compared videos
    left_out: int  # number of videos that only one run scored
    # tests of the AUC, by category or ``overall``; averages have none
    delong: dict[str, DeLong]
    holm: dict[str, float | None]  # Holm-corrected p-values of the tests


NOTE = (
    "p: paired bootstrap over identities. DeLong's test assumes independent videos; Holm corrects "
    "its p-values for the number of results."
)


def read_run(path: str | PathLike, *, fake: int = 1) -> list[ScoredVideo]:
    """Read a run's scored videos from its folder, its scores.csv or any file that `read_any` reads.

    ``fake``: the label of fakes, 1 or 0.

    Raises
    ------
    ManifestError
        The file is missing or not a list of scores.
    """
    path = typed_path(path)
    return read_any(path / "scores.csv" if path.is_dir() else path, fake=fake)


def compare(
    rows_a: Sequence[ScoredVideo],
    rows_b: Sequence[ScoredVideo],
    **options: Any,
) -> RunDifference:
    """Compare two runs (B minus A) on the same resamples of identities.

    Parameters
    ----------
    rows_a, rows_b : sequence of ScoredVideo
        Videos in any order, which are paired by path, category and label. A run without categories
        and identities (a plain list of scores) takes them from the other run.
    **options
        Options of `share_videos`, which also lists the exceptions.
    """
    shared = share_videos((rows_a, rows_b), **options)
    results = {
        name: {
            metric: Difference.of(
                metric,
                *(point[metric] for point in shared.points[name]),
                shared.drawn[name][1][metric] - shared.drawn[name][0][metric],
                shared.bootstrap,
                rows,
            )
            for metric in shared.points[name][0]
        }
        for name, rows in shared.groups.items()
    }
    tests = {
        name: delong(shared.labels[rows], *(scores[rows] for scores in shared.scores))
        for name, rows in shared.groups.items()
        if name not in PAPER_AVERAGES
    }
    corrected = holm([test.p_value for test in tests.values()])
    return RunDifference(
        results,
        n=len(shared.labels),
        left_out=shared.left_out,
        delong=tests,
        holm=dict(zip(tests, corrected, strict=True)),
    )


def cells(difference: RunDifference, metrics: Sequence[str] = ("auc", "ap")) -> list[list[str]]:
    """Return one line per result and metric, in %, header first."""
    table = [["result", "metric", "other run", "this run", "difference", "p", "DeLong p", "Holm"]]
    for name, by_metric in difference.results.items():
        for metric in metrics:
            found = by_metric[metric]
            change = percent(found.difference, found.interval, "+.1f")
            values = [percent(found.a), percent(found.b)]
            tested = [None, None]
            if metric == "auc" and name in difference.delong:
                tested = [difference.delong[name].p_value, difference.holm[name]]
            p_values = ["-" if p is None else f"{p:.2g}" for p in (found.p_value, *tested)]
            table.append([name, metric.upper(), *values, change, *p_values])
    return table


def sentence(difference: RunDifference) -> str:
    """State the numbers of compared and omitted videos."""
    text = f"{difference.n} videos that both runs scored"
    return f"{text}, {difference.left_out} excluded" if difference.left_out else text


def write_comparison(
    difference: RunDifference,
    other: str,
    folder: str | PathLike,
    *,
    what: str = "This run",
    stem: str = "comparison",
) -> None:
    """Write ``stem.json`` (every number, fractions of 1) and ``stem.md``."""
    content = {
        "other": other,
        "n": difference.n,
        "left_out": difference.left_out,
        "results": {
            name: {metric: asdict(found) for metric, found in by_metric.items()}
            for name, by_metric in difference.results.items()
        },
        "delong": {
            name: asdict(test) | {"p_holm": difference.holm[name]}
            for name, test in difference.delong.items()
        },
    }
    write_json(f"{folder}/{stem}.json", content)
    table, below = Table(cells(difference)).markdown(), f"{sentence(difference)}."
    lines = [f"### {what} against {other}", "", table, below, NOTE, ""]
    write_text(f"{folder}/{stem}.md", "\n".join(lines))
