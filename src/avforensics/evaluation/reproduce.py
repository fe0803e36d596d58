"""Compare our results with the paper's, and check whether our intervals contain the paper's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from os import PathLike

from avforensics.evaluation.output import percent
from avforensics.evaluation.tables import blocks
from avforensics.fields import check_choice
from avforensics.files import write_json, write_text
from avforensics.tables import Table

PAPER_METRICS = ("ap", "auc")
ROUNDING = 0.0005  # the paper prints percentages with one decimal


@dataclass(frozen=True)
class Comparison:
    """A result of the paper and our result, as fractions of 1."""

    result: str  # category or average
    metric: str
    paper: float
    ours: float | None  # None if the run has no such result
    interval: tuple[float, float] | None

    @property
    def difference(self) -> float | None:
        """Our result minus the paper's."""
        return None if self.ours is None else self.ours - self.paper

    @property
    def inside(self) -> bool | None:
        """True if our interval contains the paper's result; None without an interval."""
        if self.interval is None:
            return None
        low, high = self.interval
        return low - ROUNDING <= self.paper <= high + ROUNDING


def published(name: str) -> dict:
    """Return the title, results and optional note of one of the paper's experiments.

    Raises
    ------
    ConfigError
        The experiment is unknown.
    """
    path = resources.files("avforensics.evaluation") / "published.json"
    experiments = json.loads(path.read_text(encoding="utf-8"))["experiments"]
    check_choice("experiment", name, experiments)
    return experiments[name]


def compare_with_paper(name: str, summary: Mapping) -> list[Comparison]:
    """Pair the paper's results for an experiment with our results from a summary."""
    found = dict(blocks(summary))
    comparisons = []
    for result, numbers in published(name)["results"].items():
        block = found.get(result, {})
        for metric in (name for name in PAPER_METRICS if name in numbers):
            interval = block.get(f"{metric}_ci")
            comparisons.append(
                Comparison(
                    result=result,
                    metric=metric,
                    paper=numbers[metric] / 100,
                    ours=block.get(metric),
                    interval=None if interval is None else tuple(interval),
                )
            )
    return comparisons


def cells(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """Return one line per number, in %, header first."""
    table = [["result", "metric", "ours", "paper", "difference", "paper in our interval"]]
    for item in comparisons:
        table.append(
            [
                item.result,
                item.metric.upper(),
                percent(item.ours, item.interval),
                percent(item.paper),
                percent(item.difference, form="+.1f"),
                {True: "yes", False: "no", None: "-"}[item.inside],
            ]
        )
    return table


def write_reproduction(
    name: str, comparisons: Sequence[Comparison], folder: str | PathLike
) -> None:
    """Write reproduction.json (fractions of 1) and reproduction.md."""
    experiment = published(name)
    title, note = experiment["title"], experiment.get("note")
    content = {
        "experiment": name,
        "title": title,
        "note": note,
        "numbers": [
            asdict(item) | {"difference": item.difference, "inside": item.inside}
            for item in comparisons
        ],
    }
    write_json(f"{folder}/reproduction.json", content)
    lines = [
        f"### {title}",
        "",
        *([note, ""] if note else []),
        Table(cells(comparisons)).markdown(),
    ]
    write_text(f"{folder}/reproduction.md", "\n".join(lines))
