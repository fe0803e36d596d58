"""Write a self-contained HTML page on a batch: counts, a histogram and a table with links."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from avforensics.report.markup import relative_link, write_page

# Key in scores.csv, heading and kind of each column. Empty columns are omitted, except those in
# ALWAYS.
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


def write_index(
    rows: Iterable[Mapping[str, object]],
    out: str | os.PathLike,
    *,
    provenance: Mapping[str, object],
) -> Path:
    """Write the index of a batch; return its path.

    Parameters
    ----------
    rows : iterable of mapping
        Rows with the columns of scores.csv. Numbers may be given as text; empty text and NaN mean
        no value. ``report``, if present, is the path of the video's page relative to ``out``. A row
        with a ``track`` describes a face in a video, so it is listed in the table but not counted.
        If a row has no ``error``, ``not_applicable`` is shown as the reason, without a p-value.
    out : str or PathLike
        HTML file, which is written atomically.
    provenance : mapping
        As in `write_video_report`; ``notice`` becomes a banner.
    """
    rows = [row | {"error": row.get("error") or row.get("not_applicable")} for row in rows]
    # a p-value would rate a video that cannot be judged
    rows = [row | {"p_value": None} if row.get("not_applicable") else row for row in rows]
    columns = [
        (key, label, kind)
        for key, label, kind in COLUMNS
        if key in ALWAYS or any(_value(row.get(key), kind) is not None for row in rows)
    ]
    videos = [row for row in rows if not row.get("track")]
    counts = Counter(str(row.get("status")) for row in videos)
    return write_page(
        out,
        "index.html",
        provenance=provenance,
        title="Scores",
        counts=[
            (len(videos), "row" if len(videos) == 1 else "rows"),
            *((n, name) for name, n in sorted(counts.items(), reverse=True)),
        ],
        statuses=["all", *sorted({str(row.get("status")) for row in rows}, reverse=True)],
        histogram=histogram(videos),
        data=_data(rows, columns),
    )


def _data(rows: list[Mapping[str, object]], columns: list[tuple[str, str, str]]) -> dict:
    """Convert rows to lists in the order of the columns; append the link to the video's page."""
    return {
        "columns": [{"key": key, "label": label, "kind": kind} for key, label, kind in columns],
        "rows": [
            [_value(row.get(key), kind) for key, _, kind in columns]
            + [relative_link(str(row["report"])) if row.get("report") else None]
            for row in rows
        ],
    }


def _value(value: object, kind: str) -> float | str | None:
    """Convert the value of a cell to a finite number, text or None."""
    if value is None or value == "":
        return None
    if kind != "number":
        # names may contain bytes that are not UTF-8
        return str(value).encode("utf-8", "replace").decode("utf-8")
    number_ = float(str(value))
    return number_ if math.isfinite(number_) else None


def histogram(rows: list[Mapping[str, object]]) -> dict[str, object] | None:
    """Count the scores in bins; return counts, edges and lam, or None if there are no scores.

    If rows differ in lam, only rows with the same lam as the first score are counted.
    """
    scored = [
        (score, _value(row.get("lam"), "number"))
        for row in rows
        if (score := _value(row.get("score"), "number")) is not None
    ]
    if not scored:
        return None
    lam = scored[0][1]
    scores = np.array([score for score, its_lam in scored if its_lam == lam])
    bins = min(BINS, max(5, round(2 * math.sqrt(len(scores)))))
    low, high = scores.min(), scores.max()
    edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, high + 0.5])
    counts, edges = np.histogram(scores, edges)
    return {"lam": lam, "counts": counts.tolist(), "edges": edges.tolist()}
