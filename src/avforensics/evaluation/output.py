"""Tables for the terminal and Markdown; files, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike

from matplotlib.figure import Figure
from rich import get_console
from rich.console import Console
from rich.table import Table

from avforensics.files import atomic_path

Cells = Sequence[Sequence[str]]
"""Rows of a table, the header first."""

WIDTH = 110  # of tables if the output is not a terminal


def percent(value: float | None, interval: Sequence[float] | None = None, form: str = ".1f") -> str:
    """A fraction of 1 in %, with its interval; ``-`` if there is none."""
    if value is None:
        return "-"
    text = format(100 * value, form)
    if not interval:
        return text
    low, high = (format(100 * end, form) for end in interval)
    return f"{text} [{low}, {high}]"


def markdown(cells: Cells) -> str:
    """Cells as a Markdown table."""
    header, *rows = cells
    rule = ["---"] + ["---:"] * (len(header) - 1)
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in (header, rule, *rows))
    return "".join("| " + " | ".join(row) + " |\n" for row in escaped)


def show_cells(cells: Cells, title: str) -> None:
    """Print a table, with intervals below their values."""
    table = Table(title=title)
    for place, name in enumerate(cells[0]):
        table.add_column(name, justify="right" if place else "left", no_wrap=not place)
    for row in cells[1:]:
        table.add_row(*(cell.replace(" [", "\n[") for cell in row))
    wide(get_console()).print(table)


def wide(console: Console) -> Console:
    """The console, or a wide one if the output is not a terminal."""
    return console if console.is_terminal else Console(width=WIDTH)


def write_text(path: str | PathLike, text: str) -> None:
    """Write text; bytes of file names that are not UTF-8 become escapes."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | PathLike, content: Mapping) -> None:
    """Write numbers at full precision; raises ValueError for NaN and infinity, which JSON lacks."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_figure(path: str | PathLike, figure: Figure) -> None:
    """Write a figure in the format that the path's suffix names."""
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)
