"""Write and read ``results/NAME.json``, which contains all findings on a video.

The bytes of the file depend only on its content, and one entry is the SHA-256 of the other entries,
so `avforensics verify` detects any changed byte. An attacker who changes a file can also rewrite
the hash; to rule that out, quote the hash elsewhere, such as in a written report.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avforensics.errors import ConfigError
from avforensics.files import fingerprint, sha256_or_none, write_text
from avforensics.report.statements import LIMITS
from avforensics.scoring.offset import constant_offset
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult, windows_of
from avforensics.scoring.source import Clip

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

FORMAT = "avforensics.result/"
VERSIONS = (1, 2)  # versions that can be read; new files have the last version


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Data that all results of a run share.

    Attributes
    ----------
    weights : mapping of str to str
        Name of each weight file -> SHA-256.
    calibration : mapping or None
        ``file`` (name) and ``sha256`` (hash) of the calibration.
    settings : mapping
        Resolved configuration.
    versions : mapping
        Versions of software, from `avforensics.provenance.versions`.
    command : sequence of str
        Command as typed.
    """

    weights: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    command: Sequence[str] = ()
    notice: str | None = None


def record_of(outcome: Outcome, clip: Clip, size: int | None, run: RunRecord) -> dict[str, Any]:
    """Return the content of a result file as JSON values; ``digest`` is the hash of the rest."""
    result, calibrated = outcome.result, outcome.calibrated
    record = {
        "format": f"{FORMAT}{VERSIONS[-1]}",
        **_result(result),
        "file": {
            "name": clip.path.name,
            "path": str(clip.path),
            "size": size,
            "sha256": result.sha256,
            "start": clip.start,
            "duration": clip.duration,
            "audio": None if clip.audio is None else str(clip.audio),
            "audio_sha256": None if clip.audio is None else sha256_or_none(clip.audio),
        },
        "media": None if result.media is None else asdict(result.media),
        "tracks": [
            {
                "name": face.track.name,
                "start": face.track.start,
                "end": face.track.end,
                "speaks": face.speaks,
                "spans": face.spans,
                **_result(face.result),
            }
            for face in outcome.faces
        ],
        "threshold": None if calibrated is None else calibrated.threshold,
        "false_positive_rate": None if calibrated is None else calibrated.false_positive_rate,
        "false_segments_per_minute": outcome.segments_per_minute,
        "segments": [asdict(one) | {"track": one.track or None} for one in outcome.segments],
        "weights": dict(run.weights),
        "calibration": run.calibration,
        "settings": run.settings,
        "versions": run.versions,
        "command": list(run.command),
        "notice": run.notice,
        "limits": [*_coverage(result, outcome, run.settings), *LIMITS],
    }
    parts = [face.result for face in outcome.faces if face.result.scores] or [result]
    record["windows"]["count"] = len(windows_of(parts))
    record = _plain(record)
    return record | {"digest": digest_of(record)}


def _result(result: VideoResult) -> dict[str, Any]:
    """Return the entries that a video and each of its faces have in common."""
    score = result.scores[0] if result.scores else None
    features = result.features
    evidence = {"value": result.evidence, "p_value": result.evidence_p_value}
    return {
        "status": result.status,
        "error": result.error,
        "score": None if score is None else asdict(score),
        "p_value": result.p_value,
        "offset_ms": None if features is None else constant_offset(features).milliseconds,
        "windows": {
            "count": 0 if features is None else features.n_windows,
            "first": None if features is None else features.first_window,
            "heard_in_full": 0 if features is None else int(np.sum(features.valid_audio)),
        },
        "measures": None if result.measures is None else asdict(result.measures),
        "not_applicable": result.not_applicable,
        "statistics": result.statistics,
        "measured_on_inner_windows": result.inner,
        "evidence": None if result.evidence is None else evidence,
        "likelihood_ratio": result.likelihood,
        "statements": result.statements,
        "warnings": result.warnings,
    }


def _coverage(result: VideoResult, outcome: Outcome, settings: Mapping[str, Any]) -> list[str]:
    """List limits of the analysis of this video, such as parts that were not scored."""
    limits = [f"Not applicable: {reason}." for reason in result.not_applicable]
    scoring = settings.get("scoring", {})
    if result.scores and scoring.get("windows") == "first":
        limits.append(
            f"Only the first {scoring['max_len']} windows were scored; later parts were not."
        )
    if result.scores and result.p_value is None:
        limits.append("Without a calibration, no value of the score separates real from fake.")
    if outcome.found is not None and outcome.found.dropped:
        limits.append("Some faces were found but not scored; the report counts them.")
    return limits


def _plain(value: Any) -> Any:
    """Convert a value to JSON types; numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def text_of(record: Mapping[str, Any]) -> str:
    """Format the text of a result file, which depends only on the content."""
    return json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n"


def digest_of(record: Mapping[str, Any]) -> str:
    """Compute the SHA-256 of everything except the digest itself."""
    rest = {name: value for name, value in record.items() if name != "digest"}
    return fingerprint(text_of(rest))


def write_record(record: Mapping[str, Any], path: str | PathLike) -> None:
    """Write a result file atomically."""
    write_text(path, text_of(record))


def read_record(path: str | PathLike) -> dict[str, Any]:
    """Read a result file of any supported version.

    Raises
    ------
    ConfigError
        The file is missing, is not a result, has a later version, or violates the schema.
    """
    try:
        record = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: this is not a result file ({error})") from None
    name = record.get("format") if isinstance(record, dict) else None
    if not isinstance(name, str) or not name.startswith(FORMAT):
        raise ConfigError(f"{path}: this is not a result file of avforensics detect")
    version = name.removeprefix(FORMAT)
    if version not in map(str, VERSIONS):
        raise ConfigError(
            f"{path}: unsupported result version {version}; this program reads versions "
            f"{', '.join(map(str, VERSIONS))}"
        )
    errors = sorted(_validator(int(version)).iter_errors(record), key=lambda one: one.json_path)
    if errors:
        raise ConfigError(f"{path}: {errors[0].json_path}: {errors[0].message}")
    return record


@lru_cache
def schema(version: int = VERSIONS[-1]) -> dict[str, Any]:
    """Load the JSON Schema for a version of result files."""
    name = f"result-{version}.schema.json"
    text = files("avforensics.detection").joinpath(name).read_text(encoding="utf-8")
    return json.loads(text)


@lru_cache
def _validator(version: int) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # slow import, not needed for writing

    return Draft202012Validator(schema(version))
