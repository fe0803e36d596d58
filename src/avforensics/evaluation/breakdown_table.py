"""Tables of breakdowns, and their inputs: additional columns and a threshold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from avforensics.data.tables import read_table
from avforensics.errors import ConfigError
from avforensics.evaluation.breakdowns import GROUP_METRICS, differences
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.output import percent
from avforensics.evaluation.rows import ScoredVideo, printable
from avforensics.files import write_json, write_text
from avforensics.tables import Table


def with_columns(
    rows: Sequence[ScoredVideo], path: str | PathLike, columns: Sequence[str]
) -> tuple[list[ScoredVideo], int]:
    """Add a table's columns to scored videos, matched by path.

    Parameters
    ----------
    path : path
        Table with the requested columns and a column of file paths, which are either the same as in
        the scores or relative to the table's folder.
    columns : sequence of str
        Columns to add; if the table lacks a column, the rows keep their own values.

    Returns
    -------
    rows, missing : list of ScoredVideo, int
        The scored videos, and the number of videos missing from the table.

    Raises
    ------
    ManifestError
        The table cannot be read, or has no column of file paths.
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
    """Choose the score above which a video is called fake.

    Parameters
    ----------
    threshold : float, optional
        Threshold to use; returned unchanged if given.
    calibration : Calibration, optional
        Held-out real videos, which set the threshold at ``rate`` if ``threshold`` is None.
    rate : float
        Share of real videos that may be called fake. Without a calibration, the threshold comes
        from the tested real videos; differences between groups are still meaningful.

    Returns
    -------
    threshold, origin : float or None, str
        The threshold (None if there are too few real videos for the rate) and its origin.
    """
    if threshold is not None:
        return float(threshold), "as set"
    origin = f"exceeded by {100 * rate:g} % of the calibration's real videos"
    if calibration is None:
        scores = [row.score for row in rows if row.counts and not row.label]
        if not scores:
            return None, "no real video was scored"
        calibration = Calibration.fit(np.array(scores))
        origin = f"exceeded by {100 * rate:g} % of the tested real videos"
    try:
        return calibration.threshold(rate), origin
    except ConfigError as error:
        return None, str(error)


def cells(found: Mapping, column: str) -> list[list[str]]:
    """Return a table of a column's groups, in %, header first."""
    metrics = [
        metric
        for metric in GROUP_METRICS
        if any(metric in block for block in found["columns"][column]["groups"].values())
    ]
    header = [printable(column), "real", "fake", "scored"]
    for metric in metrics:
        header += [GROUP_METRICS[metric], "gap", "p (Holm)"]
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
    """Return the notes below the tables: threshold, omitted groups, significant gaps."""
    threshold, origin = found["threshold"], found["origin"]
    if threshold is None:
        lines = [f"No false-alarm rates: {origin}"]
    else:
        lines = [f"False alarms: real videos above the threshold {threshold:.4g} ({origin})"]
    lines.append(
        f"A gap is the difference from all other videos; ranges are {100 * found['level']:g} % "
        "intervals over identities; Holm's correction covers all gaps of all columns"
    )
    for column, of in found["columns"].items():
        name = printable(column)
        if of["fakes_only"]:
            lines.append(
                f"{name} applies only to fakes: each group is compared with all real videos"
            )
        if of["left_out"]:
            groups = ", ".join(
                f"{printable(group)} ({counts['n_real']} real, {counts['n_fake']} fake)"
                for group, counts in of["left_out"].items()
            )
            lines.append(
                f"{name}: groups of fewer than {found['min_videos']} videos left out: {groups}"
            )
        if of["unknown"]:
            lines.append(f"{name}: unknown for {of['unknown']} scored videos")
    if found["absent"]:
        lines.append(f"No values for {', '.join(map(printable, found['absent']))}")
    kept = differences(found)
    return [*lines, *(kept or ["No gap is significant after correction"])]


def write_breakdowns(found: Mapping, folder: str | PathLike) -> None:
    """Write breakdowns.json (every number, fractions of 1) and breakdowns.md."""
    write_json(f"{folder}/breakdowns.json", found)
    parts = [
        f"### By {printable(column)}\n\n{Table(cells(found, column)).markdown()}"
        for column in found["columns"]
    ]
    text = "\n".join([*parts, *(f"{line}.  " for line in notes(found)), ""])
    write_text(f"{folder}/breakdowns.md", text)
