"""Robustness to the paper's perturbations (Fig. 4) and to sound and platform conditions.

"Average" is the mean over perturbations at a level, "adversarial" is the worst value. The
false-alarm rate at a fixed threshold is reported next to the AUC: a detector that keeps its AUC may
still flag every noisy video.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avforensics.data.tables import write_table
from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import Bootstrap
from avforensics.evaluation.figures import COLOURS, MARKERS
from avforensics.evaluation.output import percent, write_figure
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.summary import identity_of
from avforensics.evaluation.tables import block_of, blocks, headline
from avforensics.fields import check_choice
from avforensics.files import write_text
from avforensics.media.conditions import GROUPS
from avforensics.media.perturbations import PAPER_PERTURBATIONS, PERTURBATIONS
from avforensics.tables import Table

Runs = Mapping[tuple[str, int], Mapping]
"""Summaries by perturbation and level; level 0 is the unperturbed run.

``false_alarms`` in a summary holds a rate and its interval; see `false_alarms`.
"""

NAMES = {"paper": PAPER_PERTURBATIONS, **GROUPS}

PLOTTED_AVERAGES = ("AVG-FV",)  # average plotted in the paper's Fig. 4


def edits(
    names: Sequence[str], levels: Sequence[int], seed: int, edit: str = ""
) -> dict[tuple[str, int], str]:
    """Return the edit for each perturbation and level; see `avforensics.scoring.edits`.

    A name may be a group: ``paper``, ``sound`` or ``platforms``.

    Raises
    ------
    ConfigError
        A perturbation or level is unknown, or clips already have an ``edit``.
    """
    if levels and edit:
        raise ConfigError(
            "perturbations are edits, and only one edit can be applied: robustness.levels cannot "
            f"be combined with edit={edit}"
        )
    names = list(dict.fromkeys(one for name in names for one in NAMES.get(name, (name,))))
    for name in names:
        check_choice("perturbation", name, [*NAMES, *PERTURBATIONS])
    if any(level not in range(1, 6) for level in levels):
        raise ConfigError(f"levels must be within 1..5, got {list(levels)}")
    return {(name, level): f"{name}={level}/{seed}" for name in names for level in levels}


def false_alarms(
    rows: Sequence[ScoredVideo],
    threshold: float,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict:
    """Compute the share of scored real videos above a threshold, with an interval.

    Returns
    -------
    dict
        ``rate`` and ``interval`` (None if there are too few people), fractions of 1.
    """
    scored = [row for row in rows if row.counts]
    labels = np.array([row.label for row in scored], np.int64)
    real = np.flatnonzero(labels == 0)
    if not len(real):
        return {"rate": None, "interval": None}
    called = np.array([row.score > threshold for row in scored])
    found = {"rate": float(called[real].mean()), "interval": None}
    if len(real) < len(scored):
        people = [identity_of(row) for row in scored]
        bootstrap = Bootstrap(labels, people, resamples=resamples, level=level, seed=seed)
        interval = bootstrap.auc_interval(bootstrap.rate(called[real], real), real)
        found["interval"] = interval and list(interval)
    return found


def curves(runs: Runs, metric: str = "auc") -> dict[str, list[tuple[int, float]]]:
    """Return each perturbation's levels and values (AVG-FV if all runs have it, else overall)."""
    found: dict[str, list[tuple[int, float]]] = {}
    result = headline(runs.values(), PLOTTED_AVERAGES)
    for (name, level), summary in sorted(runs.items()):
        if metric == "false_alarms":
            value = (summary.get(metric) or {}).get("rate")
        else:
            value = block_of(summary, result).get(metric)
        found.setdefault(name, []).append((level, np.nan if value is None else value))
    return found


def average_and_adversarial(
    by_name: Mapping[str, Sequence[tuple[int, float]]], worst: Callable = np.min
) -> tuple[list[int], list[float], list[float]]:
    """Return the levels common to all perturbations, and each level's mean and worst value."""
    tables = [dict(values) for values in by_name.values()]
    levels = sorted(set.intersection(*(set(table) for table in tables)))
    values = np.array([[table[level] for level in levels] for table in tables])
    return levels, values.mean(0).tolist(), worst(values, 0).tolist()


def robustness_figure(runs: Runs, title: str = "") -> Figure:
    """Draw all perturbations, their mean and worst value per level, and false alarms if known."""
    by_name, alarms = curves(runs), curves(runs, "false_alarms")
    known = bool(alarm_cells(runs))
    figure = Figure(figsize=(13.2 if known else 9.2, 3.8), layout="constrained")
    left, right, *others = figure.subplots(1, 2 + known)
    levels, mean, worst = average_and_adversarial(by_name)
    _draw(left, by_name, mean, levels)
    left.set_title("average")
    right.plot(levels, 100 * np.array(worst), color="black", linewidth=2.5, marker="o")
    for level, value in zip(levels, worst, strict=True):
        name = min(by_name, key=lambda key: dict(by_name[key])[level])
        if level:
            right.annotate(name, (level, 100 * value), (0, 6), textcoords="offset points")
    right.margins(x=0.15)  # room for the last label
    right.set_title("adversarial: the worst at each level")
    right.sharey(left)
    left.set_ylabel(f"AUC, {headline(runs.values(), PLOTTED_AVERAGES)} (%)")
    for panel in (left, right):
        panel.axhline(50, color="0.6", linestyle=":", linewidth=1)
    if known:
        levels, mean, _ = average_and_adversarial(alarms)
        _draw(others[0], alarms, mean, levels)
        others[0].set_title("false alarms at the fixed threshold")
        others[0].set_ylabel("real videos above the threshold (%)")
    for panel in (left, right, *others):
        panel.set_xlabel("level")
        panel.set_xticks(levels)
        panel.grid(color="0.92")
    left.legend(fontsize=7)
    figure.suptitle(title, fontsize=11)
    return figure


def _draw(
    panel: Axes,
    by_name: Mapping[str, Sequence[tuple[int, float]]],
    mean: Sequence[float],
    levels: Sequence[int],
) -> None:
    for place, (name, values) in enumerate(by_name.items()):
        x, y = zip(*values, strict=True)
        panel.plot(
            x,
            100 * np.array(y),
            label=PERTURBATIONS[name].title,
            linewidth=1,
            markersize=4,
            color=COLOURS[place % len(COLOURS)],
            linestyle=("-", "--", ":")[place // len(COLOURS) % 3],
            marker=MARKERS[place % len(MARKERS)],
        )
    panel.plot(levels, 100 * np.array(mean), color="black", linewidth=2.5, label="average")


def write_robustness(runs: Runs, folder: str | PathLike, title: str, note: str) -> list[str]:
    """Write robustness.csv (every category), robustness.md and one figure per kind.

    Parameters
    ----------
    note : str
        Text below the table of false alarms: the threshold and its origin.

    Returns
    -------
    list of str
        Names of the figures: ``robustness.png`` for picture perturbations, ``robustness_sound.png``
        for sound and platform conditions.
    """
    counts, names = ("n_real", "n_fake"), ("auc", "ap", "ap_balanced", "eer")
    rows = []
    for (name, level), summary in sorted(runs.items()):
        alarms = summary.get("false_alarms") or {}
        share = [alarms.get("rate"), *(alarms.get("interval") or ("", ""))]
        rows += [
            [name, level, category, *map(block.get, (*counts, *names))]
            + [*(block.get("auc_ci") or ("", ""))]
            + (share if category == "overall" else ["", "", ""])
            for category, block in blocks(summary)
        ]
    header = ["perturbation", "level", "category", *counts, *names, "auc_low", "auc_high"]
    header += ["false_alarms", "false_alarms_low", "false_alarms_high"]
    write_table(f"{folder}/robustness.csv", header, rows)
    parts = [Table(cells(runs)).markdown(), f"{videos_line(runs)}.\n"]
    if rates := alarm_cells(runs):
        parts += [Table(rates).markdown(), f"{note}.\n"]
    write_text(f"{folder}/robustness.md", "\n".join(parts))
    figures = []
    for stem, part in by_kind(runs).items():
        write_figure(f"{folder}/{stem}.png", robustness_figure(part, title))
        figures.append(f"{stem}.png")
    return figures


def videos_line(runs: Runs) -> str:
    """State how many videos the metrics cover; perturbed videos may fail or be not applicable."""
    found = {key: block_of(summary, "overall") for key, summary in sorted(runs.items())}
    counts = {key: block.get("n_real", 0) + block.get("n_fake", 0) for key, block in found.items()}
    most = max(counts.values())
    fewer = [f"{name} {level}: {n}" for (name, level), n in counts.items() if n < most]
    return f"Metrics of {most} videos" + (f" (fewer at {', '.join(fewer)})" if fewer else "")


def by_kind(runs: Runs) -> dict[str, Runs]:
    """Group runs by figure: picture perturbations, and sound and platform conditions."""
    kinds: dict[str, dict] = {}
    for (name, level), summary in runs.items():
        stem = "robustness_sound" if PERTURBATIONS[name].sound else "robustness"
        kinds.setdefault(stem, {})[name, level] = summary
    return kinds


def cells(runs: Runs) -> list[list[str]]:
    """Return AUCs by perturbation and level in %, average and adversarial; header first."""
    return _cells(curves(runs), "AUC", np.min)


def alarm_cells(runs: Runs) -> list[list[str]]:
    """Return false-alarm rates in the format of `cells`; empty if a run has no rate."""
    found = curves(runs, "false_alarms")
    if np.isnan([value for values in found.values() for _, value in values]).any():
        return []
    return _cells(found, "false alarms", np.max)


def _cells(by_name: Mapping, what: str, worst_of: Callable) -> list[list[str]]:
    levels, mean, worst = average_and_adversarial(by_name, worst_of)
    table = [[what, *(f"level {level}" for level in levels)]]
    for name, values in by_name.items():
        shares = (percent(dict(values)[level]) for level in levels)
        table.append([PERTURBATIONS[name].title, *shares])
    for name, values in (("average", mean), ("adversarial", worst)):
        table.append([name, *map(percent, values)])
    return table
