"""Score files of other programs: dfwb's C5 (``dfwb.scores/1``) and DeepfakeBench's tables.

C5 is a CSV file (``dataset, key, compression, label, score, status`` and others) with a JSON file
that describes its origin. Its scores are probabilities of a fake. C5 is documented at
https://github.com/dfwb-research/deepfake-workbench (docs/concepts/score-files.md).

DeepfakeBench scores frames and saves the scores only with pickle. This module instead reads a table
of the inputs to its metrics (``image, pred, label``; `get_test_metrics` in
training/metrics/utils.py of https://github.com/SCLBD/DeepfakeBench) and averages the scores per
folder. DeepfakeBench's metrics merge folders of the same name, so each video is written under a
unique name.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import avforensics
from avforensics.data.tables import Table, read_table, write_table
from avforensics.errors import ManifestError
from avforensics.evaluation.rows import ScoredVideo, parse_scores, read_scores
from avforensics.files import fingerprint, write_json

SCHEMA = "dfwb.scores/1"
C5 = ("dataset", "key", "compression", "label", "score", "status")
STATUSES = ("ok", "missing", "error")
ROUNDING = 1e-9  # probabilities that differ by less count as equal
IMAGES = ("image", "image_path", "img_path", "img_name", "img_names")
RAW = "x_avforensics_score"  # our own score, which is not a probability
FRAMES = ("image", "pred", "label", "path", RAW, "category", "identity")


def read_any(path: str | os.PathLike, *, fake: int = 1) -> list[ScoredVideo]:
    """Read scored videos from our own table, a C5 file, or a table of DeepfakeBench's frames.

    Raises
    ------
    ManifestError
        The file cannot be read, or has none of these formats.
    """
    table = read_table(Path(path))
    if set(C5) <= set(table.header):
        return parse_scores(table, enumerate(from_c5(table)))
    if table.index(*IMAGES) is not None and {"pred", "label"} <= set(table.header):
        return parse_scores(table, enumerate(from_frames(table)), fake=fake)
    return read_scores(path, fake=fake)


def from_c5(table: Table) -> list[dict[str, str]]:
    """Convert the rows of a C5 file to our column names.

    Raises
    ------
    ManifestError
        A status is unknown, a score is out of range, or the meta file states different counts.
    """
    cells, counts = [], Counter()
    for number, row in enumerate(table.records()):
        status = row["status"]
        if status not in STATUSES:
            raise ManifestError(
                f"{table.row_name(number)}: status must be one of {', '.join(STATUSES)}, got "
                f"{status!r}"
            )
        counts[status] += 1
        known = {name: value for name, value in row.items() if name not in (*C5, RAW) and value}
        score = row["score"]
        if score and not 0 <= _float(score) <= 1:
            raise ManifestError(f"{table.row_name(number)}: score must be within 0..1, got {score}")
        if row.get(RAW) and score and abs(_logistic(_float(row[RAW])) - _float(score)) < ROUNDING:
            score = row[RAW]  # the same score before the logistic function
        name = "/".join(filter(None, (row["dataset"], row["compression"], row["key"])))
        made = {"path": name, "label": str(_label(row["label"], table.row_name(number)))}
        made |= {"score": score if status == "ok" else "", "dataset": row["dataset"]}
        made |= {"error": "" if status == "ok" else known.pop("x_error", "") or status}
        made |= {"category": known.get("x_category") or known.get("method", "")}
        made |= {"identity": known.pop("x_identity", ""), "compression": row["compression"]}
        cells.append({name: value for name, value in {**known, **made}.items() if name})
    _check_coverage(table.path, counts)
    return cells


def from_frames(table: Table) -> list[dict[str, str]]:
    """Return one row per folder of frames, with the mean prediction.

    A table from `write_frames` contains the path and the score of each video, which are used
    instead.
    """
    if {"path", RAW} <= set(table.header):
        own = [name for name in FRAMES if name not in ("image", "pred", RAW)]
        return [
            {"score": row[RAW], **{name: row.get(name, "") for name in own}}
            for row in table.records()
        ]
    column = next(name for name in IMAGES if name in table.header)
    videos: dict[str, list[dict[str, str]]] = {}
    for row in table.records():
        folder = PurePosixPath(row[column].replace("\\", "/")).parent
        videos.setdefault(str(folder), []).append(row)
    cells = []
    for folder, frames in videos.items():
        if len({frame["label"] for frame in frames}) > 1:
            raise ManifestError(f"{table.path}: frames of {folder} have different labels")
        mean = math.fsum(_float(frame["pred"]) for frame in frames) / len(frames)
        cells.append({"path": folder, "label": frames[0]["label"], "score": repr(mean)})
    return cells


def write_frames(rows: Sequence[ScoredVideo], path: str | os.PathLike) -> None:
    """Write a table for DeepfakeBench's metrics: one frame per scored video.

    ``pred`` is the logistic function of our score, as in `write_c5`. Videos without a score, or
    marked as not applicable, are omitted.
    """
    common, cells, folders = _common_folder(rows), [], set()
    for row in filter(lambda row: row.counts, rows):
        name = os.path.relpath(row.path, common) if common else row.path
        folder = name.strip("/").replace("\\", "/").replace("/", "__")
        while folder in folders:  # DeepfakeBench would average a/b and a__b
            folder += "~"
        folders.add(folder)
        known = [row.label, row.path, repr(row.score), row.category, row.identity]
        cells.append([f"{folder}/000.png", _logistic(row.score), *known])
    write_table(path, FRAMES, cells)


def _common_folder(rows: Sequence[ScoredVideo]) -> str:
    """Return the videos' common parent folder; empty if only some paths are absolute."""
    folders = [os.path.dirname(row.path) for row in rows]  # noqa: PTH120
    alike = len({os.path.isabs(row.path) for row in rows}) == 1  # noqa: PTH117
    return os.path.commonpath(folders) if alike else ""


def write_c5(
    rows: Sequence[ScoredVideo], path: str | os.PathLike, made_with: Mapping[str, Any]
) -> None:
    """Write ``NAME.scores.csv`` and ``NAME.scores.meta.json``.

    C5 requires probabilities, but our scores are not probabilities. ``score`` is therefore the
    logistic function of our score, which keeps the order; ``x_avforensics_score`` is our score,
    written so that it reads back exactly.

    Parameters
    ----------
    path : path
        File to write; must end in ``.scores.csv``.
    made_with : mapping
        Origin of the scores: ``dataset``, ``detector``, ``source``, and the manifest's ``digest``
        (64 hexadecimal digits, or None).
    """
    if not str(path).endswith(".scores.csv"):
        raise ManifestError(f"{path}: the name of a C5 file must end in .scores.csv")
    common = _common_folder(rows)
    header = [*C5, "method", RAW, "x_category", "x_identity", "x_error"]
    cells, counts = [], Counter()
    for row in rows:
        if row.counts:
            status, score, raw, reason = "ok", _logistic(row.score), repr(row.score), None
        else:
            status = "missing" if "no such file" in (row.error or "") else "error"
            score, raw, reason = None, None, row.reason or row.not_applicable
        counts[status] += 1
        key = os.path.relpath(row.path, common) if common else row.path
        method = row.attributes.get("method", row.category)
        own = [method, raw, row.category, row.identity, reason]
        cells.append([made_with["dataset"], key, "", row.label, score, status, *own])
    write_table(path, header, cells)
    meta = {
        "schema": SCHEMA,
        "detector": {
            "name": made_with["detector"],
            "version": avforensics.__version__,
            "source": made_with["source"],
            "contract_version": [1, 0],
        },
        "protocol": {
            "id": f"{made_with['dataset']}/avforensics",
            "split": "test",
            "where": {},
            "pack": "avforensics",
            "pack_version": avforensics.__version__,
            "scheme_sha256": made_with.get("digest") or fingerprint([row.path for row in rows]),
        },
        "labels": "binary",
        "coverage": {"expected": len(rows), **{name: counts[name] for name in STATUSES}},
        "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    write_json(_meta_of(Path(path)), meta)


def _check_coverage(path: Path, counts: Counter) -> None:
    meta = _meta_of(path)
    if not meta.is_file():
        return
    try:
        content = json.loads(meta.read_text(encoding="utf-8"))
        schema, coverage = content["schema"], content["coverage"]
        said = {name: int(coverage[name]) for name in STATUSES}
    except (OSError, ValueError, KeyError, TypeError):
        raise ManifestError(f"{meta}: this does not describe a C5 file") from None
    if schema != SCHEMA:
        raise ManifestError(f"{meta}: schema must be {SCHEMA}, got {schema!r}")
    found = {name: counts[name] for name in STATUSES}
    if found != said:
        raise ManifestError(f"{meta}: coverage is {said}, but the rows of {path.name} say {found}")


def _meta_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".csv") + ".meta.json")


def _label(text: str, row: str) -> int:
    """Return 0 for real, 1 for fake; every class of C5 except 0 is a kind of fake."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (value >= 0 and value.is_integer()):
        raise ManifestError(f"{row}: label must be 0 (real) or a positive integer, got {text!r}")
    return int(value > 0)


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(min(score, 700), -700)))


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ManifestError(f"a score must be a number, got {text!r}") from None
