"""Check a result file: its bytes, video and weights, and whether a new run reproduces it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

from avforensics.checkpoints import load_models
from avforensics.checkpoints.hub import PINNED, is_local
from avforensics.checkpoints.locate import FILE_SETTINGS
from avforensics.detection.record import digest_of, read_record, text_of
from avforensics.errors import AVForensicsError
from avforensics.faces.track import RENAMED_STATUSES
from avforensics.files import sha256_or_none, typed_path

NUMBERS = ("score", "p_value", "statistics", "evidence", "likelihood_ratio", "offset_ms")


@dataclass(frozen=True)
class Check:
    """Outcome of a check.

    Attributes
    ----------
    passed : bool or None
        Whether the check passed; None if it could not be made.
    said : str
        Description of the finding.
    """

    name: str
    passed: bool | None
    said: str


def check_record(path: str | PathLike) -> tuple[dict[str, Any], list[Check]]:
    """Read a result file and check whether it is unchanged.

    Raises
    ------
    ConfigError
        The file is not a result file, or violates the schema.
    """
    record = read_record(path)
    digest = digest_of(record)
    whole = digest == record["digest"] and Path(path).read_bytes() == text_of(record).encode()
    said = digest if whole else "the file was changed after avforensics wrote it"
    return record, [Check("schema", True, record["format"]), Check("result", whole, said)]


def check_video(record: Mapping[str, Any], video: str | PathLike | None) -> Check:
    """Check that ``video`` is the file that was scored; without a file, nothing is checked."""
    expected = record["file"]["sha256"]
    if expected is None:
        return Check("video", None, "the file could not be read when it was scored")
    return _checked("video", video, expected, "video=FILE")


def check_audio(record: Mapping[str, Any], audio: str | PathLike | None) -> list[Check]:
    """Check that ``audio`` is the separate audio file that was scored, if there was one."""
    expected = record["file"].get("audio_sha256")  # earlier files have no hash of the audio
    return [] if expected is None else [_checked("audio", audio, expected, "audio=FILE")]


def check_weights(
    record: Mapping[str, Any], checkpoint: Mapping[str, Any]
) -> tuple[list[Check], Sequence[Path]]:
    """Check that a checkpoint setting names the weights of the result.

    Parameters
    ----------
    checkpoint : mapping
        Setting of the checkpoint; if it is empty, nothing is checked.

    Returns
    -------
    list of Check
    sequence of Path
        Calibrations that come with the weights.
    """
    if not record["weights"]:
        return [Check("weights", None, "the result names no weights")], ()
    if not checkpoint:
        return [Check("weights", None, _told("checkpoint.bundle=FILE"))], ()
    try:
        found = load_models(checkpoint)
    except AVForensicsError as error:
        return [Check("weights", False, str(error))], ()
    by_hash = set(found.hashes.values())
    return [
        Check("weights", expected in by_hash, f"{name} {expected[:16]}")
        for name, expected in record["weights"].items()
    ], found.calibrations


def local_checkpoint(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded checkpoint setting; empty if a file is missing or must be downloaded."""
    setting = record["settings"].get("checkpoint")
    if not isinstance(setting, Mapping):
        return {}
    named = [setting[name] for name in ("bundle", *FILE_SETTINGS) if setting.get(name)]
    weights = setting.get("weights")
    if not all(isinstance(name, str) for name in (*named, weights or "")):
        return {}
    there = all(typed_path(name).is_file() for name in named)
    return dict(setting) if there and (not weights or is_local(weights)) else {}


def shipped(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the setting for this package's weights if the result was made with them, else {}."""
    hashes = set(record["weights"].values())
    return next(({"asset": name} for name, sha256 in PINNED.items() if hashes == {sha256}), {})


def check_calibration(record: Mapping[str, Any], path: str | PathLike | None) -> list[Check]:
    """Check that ``path`` is the calibration of the result; without a file, nothing is checked."""
    if record["calibration"] is None:
        return []
    return [_checked("calibration", path, record["calibration"]["sha256"], "calibration=FILE")]


def _told(setting: str) -> str:
    return f"no file to compare; give {setting}"


def _checked(name: str, path: str | PathLike | None, expected: str, setting: str) -> Check:
    """Check that a file has the recorded hash; without a file, nothing is checked."""
    if path is None:
        return Check(name, None, _told(setting))
    path = typed_path(path)
    if (found := sha256_or_none(path)) is None:
        return Check(name, False, f"{path} cannot be read; give {setting}")
    if found != expected:
        return Check(name, False, f"{path} has SHA-256 {found[:16]}, expected {expected[:16]}")
    return Check(name, True, f"{path} {found[:16]}")


def compare(
    record: Mapping[str, Any], again: Mapping[str, Any], *, tolerance: float
) -> list[Check]:
    """Compare the numbers of a result with the numbers of a new run on the same video.

    Parameters
    ----------
    record, again : mapping
        Contents of the result files of the first run and the new run.
    tolerance : float
        Largest accepted difference, relative to the larger number if that number is above 1.
    """
    pairs = list(_numbers(record, again))
    wrong = [
        f"{name} is {one} (recorded: {other})"
        for name, other, one in pairs
        if not _alike(other, one, tolerance)
    ]
    same = RENAMED_STATUSES.get(record["status"], record["status"]) == again["status"]
    said = f"{len(pairs)} numbers within {tolerance:g}"
    if wrong or not same:
        said = "; ".join(wrong[:5]) or f"status is {again['status']} (recorded: {record['status']})"
    return [Check("numbers", same and not wrong, said)]


def _numbers(record: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the recorded value and the new value of every number."""
    for name in NUMBERS:
        before, now = record[name], again[name]
        if isinstance(before, dict) and isinstance(now, dict):
            for key in sorted(before.keys() | now.keys()):
                yield f"{name}.{key}", before.get(key), now.get(key)
        else:
            yield name, before, now
    if record["format"] != again["format"]:  # segments were found by a different method
        return
    for place, pair in enumerate(zip_longest(record["segments"], again["segments"], fillvalue={})):
        for key in sorted(pair[0].keys() | pair[1].keys()):
            yield f"segments.{place}.{key}", pair[0].get(key), pair[1].get(key)


def _alike(before: Any, now: Any, tolerance: float) -> bool:
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return before == now
    return math.isclose(before, now, rel_tol=tolerance, abs_tol=tolerance)
