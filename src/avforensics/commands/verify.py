"""``avforensics verify``: check a result file against its hash, the video and the weights.

  avforensics verify OUT/results/NAME.json
  avforensics verify OUT/results/NAME.json video=FILE recompute=true

Checks the file's schema and hash, and the hashes of the video, a separate audio file, the weights
and the calibration at their recorded paths; if they have moved, name them with video=, audio=,
checkpoint.bundle= and calibration=. For results from strangers, recorded=false opens no path that
the result names. Weights are never downloaded. With recompute=true, the video is scored again with
the recorded settings, and every number is compared. Exit code 0: no check failed; 1: some failed;
2: wrong usage.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avforensics.commands import detect
from avforensics.detection.judging import FALSE_SEGMENTS
from avforensics.detection.record import read_record
from avforensics.detection.verification import (
    Check,
    check_audio,
    check_calibration,
    check_record,
    check_video,
    check_weights,
    compare,
    local_checkpoint,
    shipped,
)
from avforensics.engine.crew import reason_of
from avforensics.errors import ConfigError
from avforensics.fields import escaped
from avforensics.files import sha256_or_none, typed_path
from avforensics.pool import LOCAL
from avforensics.scoring.runtime import DEFAULT_RUNTIME
from avforensics.tables import Table

log = logging.getLogger(__name__)


# Settings that results of earlier versions do not list, with their values at that time.
ADDED = {
    **asdict(DEFAULT_RUNTIME),
    "channels_last": False,
    "false_segments_per_minute": FALSE_SEGMENTS,
}


def run(cfg: DictConfig) -> int:
    """Check ``cfg.result``."""
    record, checks = check_record(typed_path(cfg.result))
    video, audio, calibration = cfg.video, cfg.audio, cfg.calibration
    checkpoint = {k: v for k, v in cfg.checkpoint.items() if v is not None}
    if cfg.recorded:
        video = video or _present(record["file"]["path"])
        audio = audio or _present(record["file"]["audio"])
        checkpoint = checkpoint or local_checkpoint(record)
        calibration = calibration or _present((record["calibration"] or {}).get("file"))
    checkpoint = checkpoint or shipped(record)
    found, beside = check_weights(record, checkpoint)
    if calibration is None and record["calibration"] is not None:
        expected = record["calibration"]["sha256"]
        calibration = next((path for path in beside if sha256_or_none(path) == expected), None)
    found += check_calibration(record, calibration)
    checks += [check_video(record, video), *check_audio(record, audio), *found]
    if cfg.recompute:
        files = {"input": video, "checkpoint": checkpoint, "calibration": calibration}
        lacking = [check.said for check in found if not check.passed]
        if video is None:
            lacking.append("give video=FILE")
        checks += [Check("numbers", None, lacking[0])] if lacking else again(record, files, cfg)
    show(checks, str(cfg.result))
    return int(any(check.passed is False for check in checks))


def _present(path: str | None) -> str | None:
    return path if path and typed_path(path).is_file() else None


def again(record: Mapping[str, Any], files: Mapping[str, Any], cfg: DictConfig) -> list[Check]:
    """Score the video again in a temporary folder and compare the results.

    Parameters
    ----------
    files : mapping
        Settings of `detect` that name files to read: ``input``, ``checkpoint`` and ``calibration``.
    """
    recorded, video = record["file"], typed_path(files["input"])
    if recorded["start"] or recorded["duration"] is not None or recorded["audio"] is not None:
        return [Check("numbers", None, "only results of whole files can be recomputed")]
    if not video.is_file():
        return [Check("numbers", None, f"{video} cannot be read; give video=FILE")]
    with tempfile.TemporaryDirectory() as folder:
        wanted = {
            **files,
            "input": os.fspath(video),
            "output_dir": folder,
            "report": False,
            "figures": False,
            "save_features": False,
            "device": cfg.device,
            # a result may come from anyone, so it must not choose a cluster or code
            "engine": asdict(LOCAL),
            "workers": 1,
            "plugins": None,
        }
        settings = OmegaConf.create(as_text({**ADDED, **record["settings"], **wanted}))
        try:
            detect.run(settings)
        except (AttributeError, TypeError, ValueError, OmegaConfBaseException) as error:
            # the schema does not check settings, and a result may come from anyone
            raise ConfigError(
                f"{cfg.result}: scoring with the settings of this result failed "
                f"({reason_of(error)})"
            ) from error
        files = list(Path(folder, "results").glob("*.json"))
        if len(files) != 1:
            raise ConfigError(f"{video}: scoring the video again gave no result")
        return compare(record, read_record(files[0]), tolerance=cfg.tolerance)


def as_text(value: Any) -> Any:
    """Escape ``${...}`` in settings, so that it is read as text, not as an interpolation."""
    if isinstance(value, Mapping):
        return {name: as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, str):
        return escaped(value)
    return value


def show(checks: list[Check], title: str) -> None:
    """Print the checks as a table."""
    words = {True: "right", False: "WRONG", None: "not checked"}
    rows = [[check.name, words[check.passed], check.said] for check in checks]
    Table([["what", "is", ""], *rows], title, words=["is", ""]).show()
