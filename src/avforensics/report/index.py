"""One self-contained HTML page about a batch: counts, a histogram, a table with links."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from avforensics.report.markup import (
    asset,
    banner,
    data_block,
    provenance_section,
    relative_link,
    text,
    write_page,
)
from avforensics.report.sentences import number

# Key in scores.csv, heading, kind. A column that no row fills is left out, but for the first four.
COLUMNS = (
    ("path", "video", "name"),
    ("track", "face", "name"),
    ("status", "status", "word"),
    ("score", "score", "number"),
    ("error", "reason", "reason"),
    ("p_value", "p-value", "number"),
    ("distribution_score", "distribution", "number"),
    ("activation_score", "activation", "number"),
    ("lam", "λ", "number"),
    ("n_windows", "windows", "number"),
    ("n_frames", "frames", "number"),
    ("fps", "fps", "number"),
    ("seconds", "seconds", "number"),
    ("skipped_packets", "skipped", "number"),
)
ALWAYS = frozenset({"path", "status", "score", "lam"})
BINS = 40
WIDTH, FLOOR = 640, 142  # of the histogram, in its own units


def write_index(
    rows: Iterable[Mapping[str, object]],
    out: str | os.PathLike,
    *,
    provenance: Mapping[str, object],
    title: str = "Scores",
) -> Path:
    """Write the index of a batch.

    Parameters
    ----------
    rows : iterable of mapping
        As in scores.csv, numbers as numbers or as text; empty text and NaN count as nothing.
        ``report``, where present, is the page's path relative to ``out``. Rows with a ``track``
        are of one face of a video: they are in the table and not counted. ``not_applicable`` is
        shown as the reason of a row that has no ``error``.
    out : str or PathLike
        The HTML file; written whole or not at all.
    provenance : mapping
        As for the page of a video; ``notice`` becomes a banner.
    title : str
        Heading of the page.

    Returns
    -------
    Path
        ``out``.
    """
    rows = [row | {"error": row.get("error") or row.get("not_applicable")} for row in rows]
    columns = [
        (key, label, kind)
        for key, label, kind in COLUMNS
        if key in ALWAYS or any(_value(row.get(key), kind) is not None for row in rows)
    ]
    videos = [row for row in rows if not row.get("track")]
    counts = Counter(str(row.get("status")) for row in videos)
    write_page(
        out,
        "index.html",
        title=text(title),
        style=asset("base.css") + asset("index.css"),
        banner=banner(provenance),
        counts=_counts(counts, len(videos)),
        statuses=_status_buttons({str(row.get("status")) for row in rows}),
        histogram=histogram(videos),
        provenance=provenance_section(provenance),
        version=text(provenance.get("version", "")),
        data=data_block("rows", _data(rows, columns)),
        script=asset("index.js"),
    )
    return Path(out)


def _data(rows: list[Mapping[str, object]], columns: list[tuple[str, str, str]]) -> dict:
    """Rows as arrays in the order of the columns, with the link behind the last one."""
    return {
        "columns": [{"key": key, "label": label, "kind": kind} for key, label, kind in columns],
        "rows": [
            [_value(row.get(key), kind) for key, _, kind in columns]
            + [relative_link(str(row["report"])) if row.get("report") else None]
            for row in rows
        ],
    }


def _value(value: object, kind: str) -> float | str | None:
    """A cell: a finite number, text, or nothing."""
    if value is None or value == "":
        return None
    if kind != "number":
        # Names may hold bytes that are no UTF-8.
        return str(value).encode("utf-8", "replace").decode("utf-8")
    number_ = float(str(value))
    return number_ if math.isfinite(number_) else None


def _counts(counts: Counter[str], total: int) -> str:
    items = [
        (total, "rows" if total != 1 else "row"),
        *((n, name) for name, n in sorted(counts.items(), reverse=True)),
    ]
    return (
        "<ul>"
        + "".join(f"<li><strong>{n:,}</strong>{text(name)}</li>" for n, name in items)
        + "</ul>"
    )


def _status_buttons(statuses: Iterable[str]) -> str:
    return "".join(
        f'<button type="button" data-status="{text(name)}">{text(name)}</button>'
        for name in ("all", *sorted(statuses, reverse=True))
    )


def histogram(rows: list[Mapping[str, object]]) -> str:
    """Scores as an inline SVG whose columns can be clicked.

    Where rows differ in lam, those of the first one are counted.
    """
    scored = [
        (score, _value(row.get("lam"), "number"))
        for row in rows
        if (score := _value(row.get("score"), "number")) is not None
    ]
    if not scored:
        return '<p class="soft">No video has a score.</p>'
    lam = scored[0][1]
    scores = np.array([score for score, its_lam in scored if its_lam == lam])
    counts, edges = np.histogram(scores, bins=_bins(scores))
    step = WIDTH / len(counts)
    bars = "".join(
        _bar(i, int(count), int(counts.max()), step, edges, lam) for i, count in enumerate(counts)
    )
    at_lam = "" if lam is None else f", λ = {number(lam)}"
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {FLOOR + 1}" role="group" '
        f'aria-label="Histogram of scores">{bars}'
        f'<line x1="0" x2="{WIDTH}" y1="{FLOOR + 0.5}" y2="{FLOOR + 0.5}"/></svg>'
        f"<figcaption><span>{number(edges[0], 3)}</span><span>score of {len(scores):,} "
        f"video{'s' if len(scores) > 1 else ''}{at_lam}; click a column to see its rows</span>"
        f"<span>{number(edges[-1], 3)}</span></figcaption></figure>"
    )


def _bins(scores: np.ndarray) -> np.ndarray:
    """Edges of at most 40 bins of one width."""
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    count = min(BINS, max(5, round(2 * math.sqrt(len(scores)))))
    return np.linspace(low, high, count + 1)


def _bar(
    index: int, count: int, most: int, step: float, edges: np.ndarray, lam: float | None
) -> str:
    """A column, and over it the full-height area that takes clicks."""
    height = max(1.5, (FLOOR - 6) * count / most) if count else 0.0  # one video can be seen
    start, end = float(edges[index]), float(edges[index + 1])
    label = f"{number(start, 3)} to {number(end, 3)}"
    last = " data-last" if index == len(edges) - 2 else ""
    return (
        f'<rect class="column" x="{index * step + 1:.2f}" y="{FLOOR - height:.2f}" '
        f'width="{step - 2:.2f}" height="{height:.2f}"/>'
        f'<rect class="target" x="{index * step:.2f}" y="0" width="{step:.2f}" height="{FLOOR}" '
        f'tabindex="0" role="button" data-from="{start!r}" data-until="{end!r}"{last} '
        f'data-lam="{"" if lam is None else lam}" data-label="{label}">'
        f"<title>{count:,} with a score of {label}</title></rect>"
    )
