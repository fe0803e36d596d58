"""From a result to a row of scores.csv, and from rows to the tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.applicability.measures import NAMES
from avforensics.data.tables import write_table
from avforensics.files import atomic_path
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.result import VideoResult, windows_of
from avforensics.scoring.tracks import FaceResult

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


def row_of(
    result: VideoResult, *, report: str | None = None, faces: Sequence[FaceResult] = ()
) -> Cells:
    """A row of scores.csv: plain values, None where there is no value.

    The windows of a video are those of all its faces, each counted once.
    """
    row: Cells = dict.fromkeys(COLUMNS)
    row |= {
        "path": str(result.path),
        "status": result.status,
        "error": result.error,
        "seconds": round(result.seconds, 3),
        "sha256": result.sha256,
        "warnings": "; ".join(result.warnings) or None,
        "report": report,
        "p_value": result.p_value,
        "evidence": result.evidence,
        "evidence_p_value": result.evidence_p_value,
        "log10_lr": None if result.likelihood is None else result.likelihood["log10"],
        "not_applicable": "; ".join(result.not_applicable) or None,
    }
    if result.measures is not None:
        row |= result.measures.row()
    if result.media is not None:
        row |= {
            "n_frames": result.media.n_frames,
            "fps": round(result.media.fps, 3),
            "skipped_packets": result.media.skipped_packets,
        }
    if result.scores:
        row |= lam_rows(result)[0]
    if result.features is not None:
        parts = [face.result for face in faces if face.result.scores] or [result]
        row["n_windows"] = len(windows_of(parts))
        row["offset_ms"] = int(constant_offset(result.features).milliseconds)
    return row


def face_row(face: FaceResult, *, report: str | None = None) -> Cells:
    """A row of scores.csv for one face: the columns of a video, its time span and speaking share.

    ``start`` and ``end`` are seconds into the video, ``speaks`` is the share of the time with a
    face in which this face is the speaker.
    """
    return row_of(face.result, report=report) | {
        "track": face.track.name,
        "start": round(face.track.start, 3),
        "end": round(face.track.end, 3),
        "speaks": round(face.speaks, 4),
    }


def lam_rows(result: VideoResult) -> list[Cells]:
    """A row of scores_by_lam.csv for each score."""
    return [
        {
            "path": str(result.path),
            "lam": score.lam,
            "score": _finite(score.score),
            "distribution_score": _finite(score.distribution_score),
            "activation_score": _finite(score.activation_score),
            "maximum": _finite(score.maximum),
        }
        for score in result.scores
    ]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table, whole or not at all; None is an empty cell."""
    write_table(path, columns, ([row.get(name) for name in columns] for row in rows))


def write_scores(paths: Iterable[Path], scores: np.ndarray) -> None:
    """Write the same scores, (videos,) float64 with NaN for failures, under each name."""
    for path in paths:
        with atomic_path(path) as partial:
            np.save(partial, scores)
