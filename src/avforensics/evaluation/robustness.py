"""Robustness to the seven perturbations of the paper's Fig. 4: a table and a figure of two panels.

"Average" is the mean over perturbations at a level, "adversarial" the worst one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
from matplotlib.figure import Figure

from avforensics.data.tables import write_table
from avforensics.errors import ConfigError
from avforensics.evaluation.figures import COLOURS
from avforensics.evaluation.output import percent, write_figure
from avforensics.evaluation.tables import block_of, blocks, headline
from avforensics.media.perturbations import PERTURBATIONS

Runs = Mapping[tuple[str, int], Mapping]
"""Summaries by perturbation and level; level 0 is the unperturbed run."""

MARKERS = "osD^vPX*"
AVERAGES = ("AVG-FV",)  # the paper's average in this figure


def edits(
    names: Sequence[str], levels: Sequence[int], seed: int, edit: str = ""
) -> dict[tuple[str, int], str]:
    """The edit of each perturbation and level; see `avforensics.scoring.edits`.

    Raises
    ------
    ConfigError
        A perturbation or level is unknown, or clips already have an ``edit``.
    """
    if levels and edit:
        raise ConfigError(
            "perturbations are edits, and clips are read with one edit only: robustness.levels "
            f"cannot be combined with edit={edit}"
        )
    for name in names:
        if name not in PERTURBATIONS:
            raise ConfigError(
                f"perturbation must be one of {', '.join(PERTURBATIONS)}, got {name!r}"
            )
    if any(level not in range(1, 6) for level in levels):
        raise ConfigError(f"levels must be within 1..5, got {list(levels)}")
    return {(name, level): f"{name}={level}/{seed}" for name in names for level in levels}


def curves(runs: Runs, metric: str = "auc") -> dict[str, list[tuple[int, float]]]:
    """Levels and values of each perturbation, of AVG-FV if all runs have it, else overall."""
    found: dict[str, list[tuple[int, float]]] = {}
    result = headline(runs.values(), AVERAGES)
    for (name, level), summary in sorted(runs.items()):
        value = block_of(summary, result).get(metric)
        found.setdefault(name, []).append((level, np.nan if value is None else value))
    return found


def average_and_adversarial(
    by_name: Mapping[str, Sequence[tuple[int, float]]],
) -> tuple[list[int], list[float], list[float]]:
    """Levels that all perturbations have, the mean over perturbations, and the worst one."""
    tables = [dict(values) for values in by_name.values()]
    levels = sorted(set.intersection(*(set(table) for table in tables)))
    values = np.array([[table[level] for level in levels] for table in tables])
    return levels, values.mean(0).tolist(), values.min(0).tolist()


def robustness_figure(runs: Runs, title: str = "") -> Figure:
    """Left: all perturbations and their mean. Right: the worst one at each level."""
    by_name = curves(runs)
    levels, mean, worst = average_and_adversarial(by_name)
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (name, values) in enumerate(by_name.items()):
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        x, y = zip(*values, strict=True)
        left.plot(
            x,
            100 * np.array(y),
            label=PERTURBATIONS[name].title,
            linewidth=1,
            markersize=4,
            **style,
        )
    left.plot(levels, 100 * np.array(mean), color="black", linewidth=2.5, label="average")
    left.set_title("average")
    right.plot(levels, 100 * np.array(worst), color="black", linewidth=2.5, marker="o")
    for level, value in zip(levels, worst, strict=True):
        name = min(by_name, key=lambda key: dict(by_name[key])[level])
        if level:
            right.annotate(name, (level, 100 * value), (0, 6), textcoords="offset points")
    right.set_title("adversarial: the worst at each level")
    left.set_ylabel(f"AUC, {headline(runs.values(), AVERAGES)} (%)")
    for panel in (left, right):
        panel.set_xlabel("level")
        panel.set_xticks(levels)
        panel.axhline(50, color="0.6", linestyle=":", linewidth=1)
        panel.grid(color="0.92")
    left.legend(fontsize=7)
    figure.suptitle(title, fontsize=11)
    return figure


def write_robustness(runs: Runs, folder: str | PathLike, title: str = "") -> None:
    """Write robustness.csv (every category) and robustness.png."""
    names = ("auc", "ap", "ap_balanced", "eer")
    rows = [
        [name, level, category, *map(block.get, names), *(block.get("auc_ci") or ("", ""))]
        for (name, level), summary in sorted(runs.items())
        for category, block in blocks(summary)
    ]
    header = ["perturbation", "level", "category", *names, "auc_low", "auc_high"]
    write_table(f"{folder}/robustness.csv", header, rows)
    write_figure(f"{folder}/robustness.png", robustness_figure(runs, title))


def cells(runs: Runs) -> list[list[str]]:
    """AUC by perturbation and level in %, with average and adversarial lines; header first."""
    by_name = curves(runs)
    levels, mean, worst = average_and_adversarial(by_name)
    table = [["AUC", *(f"level {level}" for level in levels)]]
    for name, values in by_name.items():
        table.append(
            [PERTURBATIONS[name].title, *(percent(dict(values)[level]) for level in levels)]
        )
    for name, values in (("average", mean), ("adversarial", worst)):
        table.append([name, *map(percent, values)])
    return table
