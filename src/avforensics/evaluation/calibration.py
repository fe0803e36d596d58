"""Turn a score without a unit into a rank, e.g. "as unusual as the top x % of real videos".

Only held-out real videos are used: neither the detector nor its threshold has seen a fake. A
p-value refers to real videos *like those in the calibration set*, so their properties are stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avforensics.errors import CheckpointError, ConfigError
from avforensics.evaluation.alarms import SegmentAlarms
from avforensics.evaluation.evidence import Evidence, arrays_below
from avforensics.evaluation.pvalues import p_values
from avforensics.evaluation.strength import LikelihoodRatio
from avforensics.files import atomic_path

_FORMATS = ("avforensics.calibration/1", "avforensics.calibration/2")  # version 2 adds parts
_PARTS = {"evidence": Evidence, "likelihood": LikelihoodRatio, "segments": SegmentAlarms}
_SLACK = 0.01  # relative tolerance of calibrated ranges: 25.0004 fps counts as 25 fps


def check_rate(false_positive_rate: float) -> None:
    """Raise ConfigError unless a rate is in (0, 1)."""
    if not 0 < false_positive_rate < 1:
        raise ConfigError(f"false_positive_rate must be within (0, 1), got {false_positive_rate}")


@dataclass(frozen=True)
class Calibration:
    """Scores of held-out real videos, with the videos' properties and the scoring settings.

    Attributes
    ----------
    scores : float64 array, (n,)
        Scores of the videos, sorted.
    setting : mapping
        Settings of scoring (lam, window policy, hashes of weights ...), as JSON values.
    ranges : mapping of str to (low, high)
        Smallest and largest value of each property of the videos, such as ``frames_per_second``,
        ``width``, ``leading_silence`` or ``audio_level``.
    evidence : Evidence or None
        Fused statistics of the same videos; None if there are too few videos.
    likelihood : LikelihoodRatio or None
        Likelihood ratio, or the reason why it is missing; None if no forgeries were given.
    segments : SegmentAlarms or None
        Unusual segments in the same videos; None with ``windows=first`` and in older files.
    """

    scores: np.ndarray
    setting: Mapping = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    evidence: Evidence | None = None
    likelihood: LikelihoodRatio | None = None
    segments: SegmentAlarms | None = None

    @classmethod
    def fit(
        cls,
        real_scores: ArrayLike,
        *,
        setting: Mapping | None = None,
        inputs: Sequence[Mapping[str, float]] = (),
    ) -> Calibration:
        """Build from scores of real videos that were used neither to train nor to select the model.

        Parameters
        ----------
        real_scores : array, (n,)
            Finite scores, one per video.
        setting : mapping, optional
            Scoring settings, stored with the scores and compared by :meth:`check_setting`.
        inputs : sequence of mapping, optional
            Properties of each calibration video; their ranges are stored.

        Raises
        ------
        ConfigError
            There are no scores, or a score is not finite.
        """
        scores = np.sort(np.asarray(real_scores, dtype=np.float64).ravel())
        if not len(scores):
            raise ConfigError("calibration needs scores of real videos, got none")
        if not np.isfinite(scores).all():
            raise ConfigError("calibration scores must be finite; exclude failed videos")
        names = dict.fromkeys(name for properties in inputs for name in properties)
        values = {name: [given[name] for given in inputs if name in given] for name in names}
        ranges = {name: (float(min(met)), float(max(met))) for name, met in values.items()}
        return cls(scores, dict(setting or {}), ranges)

    def p_value(self, score: ArrayLike) -> np.ndarray:
        """Return the probability that a real video scores at least as high; see `p_values`."""
        return p_values(self.scores, score)

    def threshold(self, false_positive_rate: float) -> float:
        """Return the score above which a video is called fake, for a given false-alarm rate.

        Raises
        ------
        ConfigError
            The rate is not in (0, 1) or too small for the number of calibration videos.
        """
        check_rate(false_positive_rate)
        n = len(self.scores)
        above = int(np.floor(false_positive_rate * (n + 1) * (1 + 1e-12)))
        if not above:
            raise ConfigError(
                f"a false-positive rate of {100 * false_positive_rate:g} % needs at least "
                f"{int(np.ceil(1 / false_positive_rate)) - 1} real videos; the calibration has {n}"
            )
        return float(self.scores[n - above])

    def check_setting(self, setting: Mapping) -> None:
        """Check that the calibration was made with the given settings.

        Raises
        ------
        ConfigError
            Some settings differ; the message lists them.
        """
        differing = [
            f"{name}={self.setting[name]!r} (this run: {value!r})"
            for name, value in setting.items()
            if name in self.setting and self.setting[name] != value
        ]
        if differing:
            raise ConfigError(
                "the calibration does not match the settings: it was made with "
                f"{', '.join(differing)}"
            )

    def unlike(self, properties: Mapping[str, float]) -> list[str]:
        """Return one warning per property of a video that is outside the calibrated range."""
        warnings = []
        for name, value in properties.items():
            low, high = self.ranges.get(name, (value, value))
            slack = _SLACK * max(abs(low), abs(high))
            if not low - slack <= value <= high + slack:
                met = f"{low:g}" if low == high else f"{low:g} to {high:g}"
                label = name.replace("_", " ")
                warnings.append(
                    f"unlike the calibration videos: {label} is {value:g}, but theirs is {met}"
                )
        return warnings

    def save(self, path: str | PathLike) -> None:
        """Write a safetensors file with the setting and the ranges as metadata."""
        parts = {name: part for name in _PARTS if (part := getattr(self, name)) is not None}
        metadata = {
            "format": _FORMATS[bool(parts)],
            "setting": json.dumps(dict(self.setting), sort_keys=True),
            "ranges": json.dumps({name: list(pair) for name, pair in self.ranges.items()}),
        }
        metadata |= {name: part.header() for name, part in parts.items()}
        tensors = {"scores": self.scores}
        for part_name, part in parts.items():
            tensors |= {f"{part_name}.{name}": array for name, array in part.arrays.items()}
        with atomic_path(path) as partial:
            # files written by safetensors' save_file are readable only by their owner
            partial.write_bytes(save(tensors, metadata=metadata))

    @classmethod
    def load(cls, path: str | PathLike) -> Calibration:
        """Read a file written by :meth:`save`.

        Raises
        ------
        CheckpointError
            The file is missing, damaged or not a calibration.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"{path}: no such file")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") not in _FORMATS:
                    raise CheckpointError(f"{path} is not a calibration file")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            ranges = {name: tuple(pair) for name, pair in json.loads(metadata["ranges"]).items()}
            parts = {
                name: kind.restore(metadata[name], arrays_below(name, tensors))
                for name, kind in _PARTS.items()
                if name in metadata
            }
            return cls(tensors["scores"], json.loads(metadata["setting"]), ranges, **parts)
        except (ConfigError, OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: {error}") from error
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is a damaged calibration file ({error!r})") from error
