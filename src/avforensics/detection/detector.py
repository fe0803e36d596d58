"""Score videos in a few lines of plain Python, as ``avforensics detect`` does.

>>> from avforensics import Detector
>>> result = Detector().score("video.mp4")  # doctest: +SKIP
>>> result.scores[0].score, result.p_value  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.checkpoints import Models, load_models
from avforensics.checkpoints.locate import AUTO
from avforensics.detection.choices import TRAINED, face_options
from avforensics.detection.faces import VideoScorer
from avforensics.detection.judging import FALSE_SEGMENTS, Judge, judge_for
from avforensics.detection.verdict import judge_outcome
from avforensics.errors import MediaError
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.extractor import Progress
from avforensics.scoring.given import Temporary, Video, listed, video_of
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult
from avforensics.scoring.runtime import RuntimeOptions
from avforensics.scoring.sequences import SequencePolicy

log = logging.getLogger(__name__)


class Detector:
    """Scores videos or face crops; a higher score means that a video is more likely fake.

    Parameters
    ----------
    models : Models, optional
        Networks to use. The default is the same as ``checkpoint=auto``: the published files if all
        are found, else the weights in the package.
    faces : str
        Part of a frame that is scored: ``trained`` (as in the training of the weights), ``auto``,
        ``given`` or ``none``; see `face_options`.
    crop : str or mapping, optional
        Recipe of the crops if ``faces`` is ``auto``; None = the recipe of the training crops.
    calibration : path, optional
        Calibration file, from which the ``p_value`` of results is computed. ``auto`` = the
        calibration that comes with the weights, if it fits these settings; None = no p-values.
    false_positive_rate : float
        Share of real videos with scores above the calibration's threshold.
    false_segments_per_minute : float
        Tolerated number of segments per minute of real video, according to the calibration.
    **options
        Options of `RuntimeOptions` and `ClipScorer`: ``device``, ``precision``, ``windows`` ...

    Raises
    ------
    CheckpointError
        A model is missing, or the calibration is damaged.
    ConfigError
        A setting is invalid, or the calibration was made with other scoring settings.
    """

    def __init__(
        self,
        models: Models | None = None,
        *,
        faces: str = TRAINED,
        crop: str | Mapping[str, Any] | None = None,
        calibration: str | os.PathLike | None = AUTO,
        false_positive_rate: float = 0.05,
        false_segments_per_minute: float = FALSE_SEGMENTS,
        **options: Any,
    ) -> None:
        if models is None:
            models = load_models({"search": AUTO})
            log.info("%s", models.origin)
        names = {field.name for field in fields(RuntimeOptions)} & options.keys()
        runtime = RuntimeOptions(**{name: options.pop(name) for name in names})
        clips = ClipScorer(models, runtime=runtime, **options)
        found = face_options(models, mode=faces, crop=crop)
        self.models = models
        self.scorer = VideoScorer(clips, found)
        self.judge: Judge | None = judge_for(
            calibration,
            clips,
            crop=found.crop,
            false_positive_rate=false_positive_rate,
            false_segments_per_minute=false_segments_per_minute,
        )

    @classmethod
    def from_checkpoints(
        cls,
        *,
        sync: str | os.PathLike | None = None,
        distribution: str | os.PathLike | None = None,
        activation: str | os.PathLike | None = None,
        pca: str | os.PathLike | None = None,
        bundle: str | os.PathLike | None = None,
        **options: Any,
    ) -> Detector:
        """Load published files or a bundle of this package, and build a detector.

        Parameters
        ----------
        sync, distribution, activation, pca : path, optional
            Paths of ``sync_model.pth``, ``dist_regressive_model.pth``,
            ``avfeature_regressive_model.pth`` and ``pca.pkl``. If some are given, the others are
            searched for as with ``checkpoint=released``.
        bundle : path, optional
            Safetensors bundle. The files above replace parts of it.
        **options
            As in `Detector`.

        Raises
        ------
        CheckpointError
            A file is missing, damaged or of the wrong kind.
        """
        files = {"sync": sync, "distribution": distribution, "activation": activation}
        files |= {"pca": pca, "bundle": bundle}
        given = {name: os.fspath(path) for name, path in files.items() if path is not None}
        return cls(load_models({"search": AUTO, **given}), **options)

    @classmethod
    def from_pretrained(cls, name: str, *, sha256: str | None = None, **options: Any) -> Detector:
        """Load weights by name.

        Parameters
        ----------
        name : str
            ``talkers``, ``released``, a bundle, a folder, or ``OWNER/NAME`` on the Hugging Face
            Hub; see `avforensics.checkpoints.hub.setting_of`.
        sha256 : str, optional
            Expected SHA-256 of the bundle. The hashes in a repository only show that its files are
            intact; this hash shows that they are the expected files.
        **options
            As in `Detector`.

        Raises
        ------
        CheckpointError
            No weights have this name, or a file has changed.
        ConfigError
            ``sha256`` is given, but ``name`` (such as ``released``) is not a bundle.
        """
        return cls(load_models({"weights": os.fspath(name), "sha256": sha256}), **options)

    @property
    def policy(self) -> SequencePolicy:
        """Policy that determines which windows are scored."""
        return self.scorer.detector.policy

    def score(
        self,
        video: Video | np.ndarray,
        fps: float | None = None,
        samples: np.ndarray | None = None,
        rate: int | None = None,
    ) -> VideoResult:
        """Score a video or a part of a video.

        Parameters
        ----------
        video : path, bytes, binary file object, Clip, Arrays, or uint8 array (T, H, W, 3)
            Video to score. An array of frames requires the other three arguments; see `Arrays`.
        fps, samples, rate
            Frame rate, audio and sample rate that belong to an array of frames.

        Raises
        ------
        MediaError
            The video cannot be scored.
        TypeError, ValueError
            The type of the argument is not supported.
        """
        (result,) = self.score_many([video_of(video, fps, samples, rate)])
        if result.error is not None:
            raise MediaError(result.path, result.error)
        return result

    def score_many(
        self, videos: Video | Iterable[Video], progress: Progress | None = None
    ) -> Iterator[VideoResult]:
        """Score videos in order and yield each result when it is ready; see `outcomes`."""
        return (outcome.result for outcome in self.outcomes(videos, progress))

    def outcomes(
        self, videos: Video | Iterable[Video], progress: Progress | None = None
    ) -> Iterator[Outcome]:
        """Score videos in order and yield each result with the results of its faces.

        A video that cannot be scored yields a result with ``error``; the other videos are scored.

        Parameters
        ----------
        videos : iterable of path, bytes, binary file object, Clip or Arrays, or one of these
            Videos to score. A `Clip` is a part of a file, or a file whose audio is in a separate
            file. A str is a single path. Bytes, file objects and arrays are stored in the temporary
            folder until they have been scored.
        progress : callable, optional
            As in `ClipScorer.score_many`.

        Raises
        ------
        TypeError, ValueError
            The type of an argument is not supported.
        """
        return self._outcomes(listed(videos), progress)

    def _outcomes(self, videos: Iterable[Video], progress: Progress | None) -> Iterator[Outcome]:
        with Temporary() as temporary:
            clips, asked = tee(temporary.clips(videos))
            for outcome, clip in zip(self.scorer.score_many(clips, progress), asked, strict=False):
                if clip.name:  # bytes or arrays in a temporary file
                    for result in (outcome.result, *(face.result for face in outcome.faces)):
                        result.path = Path(clip.name)
                judge_outcome(outcome, self.scorer, self.judge)
                yield outcome
                temporary.forget(clip)
