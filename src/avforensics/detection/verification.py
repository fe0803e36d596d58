"""Is a result file unchanged, of this video and these weights? Does a new run reproduce it?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

from avforensics.checkpoints import load_models
from avforensics.checkpoints.locate import FILE_SETTINGS
from avforensics.detection.record import digest_of, read_record, text_of
from avforensics.errors import AVForensicsError
from avforensics.faces.track import RENAMED_STATUSES
from avforensics.files import sha256_or_none, typed_path

NUMBERS = ("score", "p_value", "statistics", "evidence", "likelihood_ratio", "offset_ms")


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes
    ----------
    passed : bool or None
        None = it could not be checked.
    said : str
        The finding in words.
    """

    name: str
    passed: bool | None
    said: str


def check_record(path: str | PathLike) -> tuple[dict[str, Any], list[Check]]:
    """Read a result file and check whether it is as it was written.

    Raises
    ------
    ConfigError
        The file is not a record, or violates the schema.
    """
    record = read_record(path)
    digest = digest_of(record)
    whole = digest == record["digest"] and Path(path).read_bytes() == text_of(record).encode()
    said = digest if whole else "its bytes are not those that avforensics wrote"
    return record, [Check("schema", True, record["format"]), Check("result", whole, said)]


def check_video(record: Mapping[str, Any], video: str | PathLike | None) -> Check:
    """Whether a file is the one that was scored; by default the one at the recorded path."""
    path = typed_path(record["file"]["path"] if video is None else video)
    expected = record["file"]["sha256"]
    if video is None and not path.is_file():
        return Check("video", None, f"{path} is not here; give video=FILE")
    if expected is None:
        return Check("video", None, "the file could not be read when it was scored")
    return _hashes("video", str(path), expected, sha256_or_none(path))


def check_weights(record: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> list[Check]:
    """Whether a checkpoint setting names the weights of the result."""
    named = [
        typed_path(checkpoint[name]) for name in ("bundle", *FILE_SETTINGS) if checkpoint.get(name)
    ]
    if missing := [path for path in named if not path.is_file()]:
        return [Check("weights", None, f"{missing[0]} is not here; give checkpoint.bundle=FILE")]
    try:
        found = load_models(checkpoint).hashes
    except AVForensicsError as error:
        return [Check("weights", False, str(error))]
    by_hash = set(found.values())
    return [
        Check("weights", expected in by_hash, f"{name} {expected[:16]}")
        for name, expected in record["weights"].items()
    ] or [Check("weights", None, "the result names none")]


def check_calibration(record: Mapping[str, Any], path: str | PathLike | None) -> list[Check]:
    """Check by hash that a calibration is the one of the result; default: at the recorded path."""
    recorded = record["calibration"]
    if recorded is None:
        return []
    path = typed_path(recorded["file"] if path is None else path)
    if not path.is_file():
        return [Check("calibration", None, f"{path} is not here; give calibration=FILE")]
    return [_hashes("calibration", str(path), recorded["sha256"], sha256_or_none(path))]


def compare(
    record: Mapping[str, Any], again: Mapping[str, Any], *, tolerance: float
) -> list[Check]:
    """Numbers of a result against those of another run on the same video.

    Parameters
    ----------
    record, again : mapping
        Contents of two result files.
    tolerance : float
        Largest difference, relative to the larger number where that is above 1.
    """
    pairs = list(_numbers(record, again))
    wrong = [
        f"{name} {one} (then {other})"
        for name, other, one in pairs
        if not _alike(other, one, tolerance)
    ]
    same = RENAMED_STATUSES.get(record["status"], record["status"]) == again["status"]
    said = f"{len(pairs)} numbers within {tolerance:g}"
    if wrong or not same:
        said = "; ".join(wrong[:5]) or f"status {again['status']} (then {record['status']})"
    return [Check("numbers", same and not wrong, said)]


def _numbers(record: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, recorded and new value of every number."""
    for name in NUMBERS:
        before, now = record[name], again[name]
        if isinstance(before, dict) and isinstance(now, dict):
            for key in sorted(before.keys() | now.keys()):
                yield f"{name}.{key}", before.get(key), now.get(key)
        else:
            yield name, before, now
    if record["format"] != again["format"]:  # segments were found in another way
        return
    for place, pair in enumerate(zip_longest(record["segments"], again["segments"], fillvalue={})):
        for key in sorted(pair[0].keys() | pair[1].keys()):
            yield f"segments.{place}.{key}", pair[0].get(key), pair[1].get(key)


def _alike(before: Any, now: Any, tolerance: float) -> bool:
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return before == now
    return math.isclose(before, now, rel_tol=tolerance, abs_tol=tolerance)


def _hashes(name: str, what: str, expected: str, found: str | None) -> Check:
    if found is None:
        return Check(name, False, f"{what} cannot be read")
    if found != expected:
        return Check(name, False, f"{what} has SHA-256 {found[:16]}, the result {expected[:16]}")
    return Check(name, True, f"{what} {found[:16]}")
