"""Create the rows of scores.csv from the content of a result file, and write the tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.applicability.measures import NAMES
from avforensics.data.tables import write_table
from avforensics.files import atomic_path
from avforensics.scoring.result import VideoResult

COLUMNS = (
    "path",
    "status",
    "error",
    "score",
    "distribution_score",
    "activation_score",
    "lam",
    "n_windows",
    "n_frames",
    "fps",
    "seconds",
    "skipped_packets",
    "sha256",
    "maximum",
    "offset_ms",
    "warnings",
    "report",
    "p_value",
    "track",
    "start",
    "end",
    "speaks",
    "evidence",
    "evidence_p_value",
    "log10_lr",
    "not_applicable",
    *NAMES,
)
SEGMENT_COLUMNS = ("path", "track", "start", "end", "measure", "value", "threshold")
LAM_COLUMNS = ("path", "lam", "score", "distribution_score", "activation_score", "maximum")

Cells = dict[str, Any]


def rows_of(record: Mapping[str, Any], *, report: str | None = None) -> list[Cells]:
    """Create the rows of scores.csv for a result: the video's row, then a row for each face.

    Values are Python scalars or None. ``start`` and ``end`` are the times (s) at which a part of a
    video, or a face, begins and ends. ``speaks`` is the share of the time with a face in which this
    face is the speaker.
    """
    file = record["file"]
    common = {"path": file["path"], "sha256": file["sha256"], "report": report}
    if media := record["media"]:
        common |= {name: media[name] for name in ("n_frames", "skipped_packets")}
        common["fps"] = round(media["fps"], 3)
    rows = [_row(found) | common for found in (record, *record["tracks"])]
    if file["start"] or file["duration"] is not None:
        end = None if file["duration"] is None else round(file["start"] + file["duration"], 6)
        rows[0] |= {"start": file["start"], "end": end}
    for row, face in zip(rows[1:], record["tracks"], strict=True):
        row |= {"track": face["name"], "speaks": round(face["speaks"], 4)}
        row |= {name: round(face[name], 3) for name in ("start", "end")}
    return rows


def _row(found: Mapping[str, Any]) -> Cells:
    """Return the cells that a video and a face have in common."""
    measures, evidence = found.get("measures") or {}, found["evidence"] or {}
    return {
        **dict.fromkeys(COLUMNS),
        **(found["score"] or {}),
        **{name: round(measures[name], 3) for name in NAMES if measures.get(name) is not None},
        **{name: found[name] for name in ("status", "error", "p_value", "offset_ms")},
        "n_windows": found["windows"]["count"] or None,
        "warnings": "; ".join(found["warnings"]) or None,
        "evidence": evidence.get("value"),
        "evidence_p_value": evidence.get("p_value"),
        "log10_lr": (found["likelihood_ratio"] or {}).get("log10"),
        "not_applicable": "; ".join(found.get("not_applicable", ())) or None,
    }


def lam_rows(result: VideoResult) -> list[Cells]:
    """Create a row of scores_by_lam.csv for each score."""
    return [
        {"path": str(result.path), **{name: _finite(n) for name, n in asdict(score).items()}}
        for score in result.scores
    ]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table atomically; None becomes an empty cell."""
    write_table(path, columns, ([row.get(name) for name in columns] for row in rows))


def write_scores(paths: Iterable[Path], scores: np.ndarray) -> None:
    """Write the same scores, (videos,) float64, to each path; failures are NaN."""
    for path in paths:
        with atomic_path(path) as partial:
            np.save(partial, scores)
