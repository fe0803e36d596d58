"""Breakdowns as tables, and what they need beside the scores: further columns, a threshold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from avforensics.data.tables import read_table
from avforensics.errors import ConfigError
from avforensics.evaluation.breakdowns import METRICS, differences
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.output import markdown, percent, write_json, write_text
from avforensics.evaluation.rows import ScoredVideo, printable

_TITLES = {"auc": "AUC", "false_alarms": "false alarms"}


def with_columns(
    rows: Sequence[ScoredVideo], path: str | PathLike, columns: Sequence[str]
) -> tuple[list[ScoredVideo], int]:
    """Give scored videos what a table says of their paths.

    Parameters
    ----------
    path : path
        A table with a column of files, spelt as in the scores or relative to the table's folder,
        and the columns wanted.
    columns : sequence of str
        Those that the table lacks stay as the rows have them.

    Returns
    -------
    rows, missing : list of ScoredVideo, int
        The rows, and how many of them the table does not list.

    Raises
    ------
    ManifestError
        The table cannot be read, or has no column of files.
    """
    table = read_table(path).with_path()
    table.require("path")
    wanted = [name for name in columns if name in table.header]
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120
    known: dict[str, dict[str, str]] = {}
    for _, cells in table.videos():
        values = {name: cells[name] for name in wanted}
        known[cells["path"]] = values
        known[os.path.normpath(os.path.join(folder, cells["path"]))] = values  # noqa: PTH118
    found, missing = [], 0
    for row in rows:
        values = known.get(row.path) or known.get(row.path.partition("#t=")[0])
        missing += values is None
        found.append(replace(row, attributes={**row.attributes, **(values or {})}))
    return found, missing


def choose_threshold(
    rows: Sequence[ScoredVideo],
    *,
    threshold: float | None = None,
    calibration: Calibration | None = None,
    rate: float = 0.05,
) -> tuple[float | None, str]:
    """The score above which a video is called fake, and where it comes from.

    Parameters
    ----------
    threshold : float, optional
        Taken as it is.
    calibration : Calibration, optional
        Else the one of these held-out real videos, at ``rate``.
    rate : float
        Share of real videos that may be called fake. Without a calibration it is that of the tested
        real videos themselves: no false-alarm rate of all, then, but still one by group.

    Returns
    -------
    threshold, origin : float or None, str
        None where there are too few real videos for the rate.
    """
    if threshold is not None:
        return float(threshold), "as given"
    origin = f"{100 * rate:g} % of the calibration's real videos"
    if calibration is None:
        scores = [row.score for row in rows if row.counts and not row.label]
        if not scores:
            return None, "no real video is scored"
        calibration = Calibration.fit(np.array(scores))
        origin = f"{100 * rate:g} % of the tested real videos themselves"
    try:
        return calibration.threshold(rate), origin
    except ConfigError as error:
        return None, str(error)


def cells(found: Mapping, column: str) -> list[list[str]]:
    """One line for each group of a column, in %, header first."""
    metrics = [
        metric
        for metric in METRICS
        if any(metric in block for block in found["columns"][column]["groups"].values())
    ]
    header = [printable(column), "real", "fake", "scored"]
    for metric in metrics:
        header += [_TITLES[metric], "gap", "p (Holm)"]
    table = [header]
    for name, block in found["columns"][column]["groups"].items():
        line = [printable(name), str(block["n_real"]), str(block["n_fake"])]
        line.append(f"{100 * block['scored'] / block['listed']:.1f} %" if block["listed"] else "-")
        for metric in metrics:
            p_value = block.get(f"{metric}_gap_p_holm")
            line += [
                percent(block.get(metric), block.get(f"{metric}_ci")),
                percent(block.get(f"{metric}_gap"), block.get(f"{metric}_gap_ci"), "+.1f"),
                "-" if p_value is None else f"{p_value:.2g}",
            ]
        table.append(line)
    return table


def notes(found: Mapping) -> list[str]:
    """What stands below the tables: the threshold, what is left out, what was found."""
    threshold, origin = found["threshold"], found["origin"]
    if threshold is None:
        lines = [f"No rates of false alarms: {origin}"]
    else:
        lines = [f"False alarms: real videos above {threshold:.4g} ({origin})"]
    lines.append(
        f"A gap is to all other videos; ranges are {100 * found['level']:g} % intervals over "
        "identities; Holm's correction counts every gap of every column"
    )
    for column, of in found["columns"].items():
        name = printable(column)
        if of["fakes_only"]:
            lines.append(f"{name} tells fakes apart: each group stands against all real videos")
        if of["left_out"]:
            groups = ", ".join(
                f"{printable(group)} ({counts['n_real']} real, {counts['n_fake']} fake)"
                for group, counts in of["left_out"].items()
            )
            lines.append(f"{name}, too few videos (below {found['min_videos']}): {groups}")
        if of["unknown"]:
            lines.append(f"{name}: nothing is known of {of['unknown']} scored videos")
    if found["absent"]:
        lines.append(f"Nothing is known of {', '.join(map(printable, found['absent']))}")
    kept = differences(found)
    return [*lines, *(kept or ["No gap stays after correction"])]


def write_breakdowns(found: Mapping, folder: str | PathLike) -> None:
    """Write breakdowns.json (every number, fractions of 1) and breakdowns.md."""
    write_json(f"{folder}/breakdowns.json", found)
    parts = [
        f"### By {printable(column)}\n\n{markdown(cells(found, column))}"
        for column in found["columns"]
    ]
    text = "\n".join([*parts, *(f"{line}.  " for line in notes(found)), ""])
    write_text(f"{folder}/breakdowns.md", text)
