"""Format numbers for table cells, and write figures to files."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from matplotlib.figure import Figure

from avforensics.files import atomic_path


def percent(value: float | None, interval: Sequence[float] | None = None, form: str = ".1f") -> str:
    """Format a fraction of 1 in %, with its interval; ``-`` if it is missing (None, NaN)."""
    if value is None or value != value:
        return "-"
    text = format(100 * value, form)
    if not interval:
        return text
    low, high = (format(100 * end, form) for end in interval)
    return f"{text} [{low}, {high}]"


def write_figure(path: str | PathLike, figure: Figure) -> None:
    """Write a figure in the format given by the path's suffix."""
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=150)
