"""Score videos in a few lines of plain Python.

>>> detector = Detector.from_checkpoints(bundle="model.safetensors")  # doctest: +SKIP
>>> detector.score("clip.mp4").scores[0].score  # doctest: +SKIP
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avforensics.applicability import DEFAULT_LIMITS, Limits
from avforensics.checkpoints import Models, load_models
from avforensics.errors import ConfigError, MediaError
from avforensics.media.types import MediaOptions
from avforensics.scoring.extractor import Extraction, FeatureExtractor, Progress, trained_recipe
from avforensics.scoring.given import Temporary, Video, listed, video_of
from avforensics.scoring.result import Features, VideoResult
from avforensics.scoring.sequences import SequencePolicy, check_lams, score_features


class Detector:
    """The published method: one score for a video, higher = more likely fake.

    Parameters
    ----------
    models : Models
        Synchronisation network, both decoders and the projection.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    precision : str
        ``float32`` or ``bf16``.
    compile : bool
        Use ``torch.compile``.
    lams : sequence of float
        Weights of the activation score; one `Score` for each.
    max_len : int
        Windows in a sequence.
    windows : str
        ``first`` (published: the first ``max_len`` windows only) or ``all``.
    audio : str
        ``pad`` (published) or ``context``; see `SequencePolicy`.
    batch_windows : int, optional
        Windows in the 3-D stages at a time; default 8 on a CPU, 64 on a GPU.
    readers : int, optional
        Files read at a time; default 1 on a CPU, 4 on a GPU.
    keep_activations : bool
        Keep the activations of every window in the results (4 KB a window).
    video_stream, audio_stream : int, optional
        Which stream of a file, counted among its kind.
    applicability : Limits or None
        What a video must have for its score to mean anything: beyond them it is marked
        ``not_applicable``. None = nothing is measured.

    Raises
    ------
    ConfigError
        For a setting without meaning, or a ``max_len`` that the decoders were not trained for.
    CheckpointError
        When a model is missing.
    """

    def __init__(
        self,
        models: Models,
        *,
        device: str = "auto",
        precision: str = "float32",
        compile: bool = False,
        lams: Sequence[float] = (0.0,),
        max_len: int = 50,
        windows: str = "first",
        audio: str = "pad",
        batch_windows: int | None = None,
        readers: int | None = None,
        keep_activations: bool = False,
        video_stream: int | None = None,
        audio_stream: int | None = None,
        applicability: Limits | None = DEFAULT_LIMITS,
    ) -> None:
        if not lams:
            raise ConfigError("at least one lam is needed")
        models.require("sync", "distribution", "activation", "projection")
        self.models = models
        self.lams = check_lams(lams)
        self.policy = SequencePolicy(max_len=max_len, windows=windows, audio=audio)
        self.policy.check(distribution=models.distribution, activation=models.activation)
        self.applicability = applicability
        self.extractor = FeatureExtractor(
            models.sync,
            models.projection,
            max_windows=self._max_windows,
            device=device,
            precision=precision,
            compile=compile,
            batch_windows=batch_windows,
            readers=readers,
            keep_activations=keep_activations,
            video_stream=video_stream,
            audio_stream=audio_stream,
            measure=applicability is not None,
            recipe=trained_recipe(models),
        )

    @property
    def media(self) -> MediaOptions:
        """How files are read."""
        return self.extractor.media

    @classmethod
    def from_checkpoints(
        cls,
        *,
        sync: str | os.PathLike | None = None,
        distribution: str | os.PathLike | None = None,
        activation: str | os.PathLike | None = None,
        pca: str | os.PathLike | None = None,
        bundle: str | os.PathLike | None = None,
        **options: object,
    ) -> Detector:
        """Load published files, or one of our bundles, and build a detector.

        Parameters
        ----------
        sync, distribution, activation, pca : path, optional
            ``sync_model.pth``, ``dist_regressive_model.pth``, ``avfeature_regressive_model.pth``
            and ``pca.pkl``; None = as `load_models` finds them.
        bundle : path, optional
            A safetensors bundle; the files above replace parts of it.
        **options
            As for `Detector`.

        Raises
        ------
        CheckpointError
            A file is missing, damaged or foreign.
        """
        files = {
            "sync": sync,
            "distribution": distribution,
            "activation": activation,
            "pca": pca,
            "bundle": bundle,
        }
        given = {name: os.fspath(path) for name, path in files.items() if path is not None}
        return cls(load_models(given), **options)

    def score(
        self,
        video: Video | np.ndarray,
        fps: float | None = None,
        samples: np.ndarray | None = None,
        rate: int | None = None,
    ) -> VideoResult:
        """Score one video.

        Parameters
        ----------
        video : path, bytes, binary file object, Clip, Arrays, or uint8 array (T, H, W, 3)
            Frames alone need the other three; see `Arrays`.
        fps, samples, rate
            Of frames in an array.

        Raises
        ------
        MediaError
            When the video cannot be scored.
        TypeError, ValueError
            When this is nothing that can be scored; says what can be.
        """
        (result,) = self.score_many([video_of(video, fps, samples, rate)])
        if result.error is not None:
            raise MediaError(result.path, result.error)
        return result

    def score_many(
        self, videos: Video | Iterable[Video], progress: Progress | None = None
    ) -> Iterator[VideoResult]:
        """Score videos, in order, each result as soon as it is there.

        A file that cannot be scored gives a result with ``error``; the others go on. Reading runs
        ahead in threads, and small videos share batches.

        Parameters
        ----------
        videos : iterable of path, bytes, binary file object, Clip or Arrays, or one of these
            A `Clip` names a part of a file, or a file whose sound lies elsewhere. A str is one
            path. Bytes, file objects and arrays lie in the folder for temporary files until they
            are scored.
        progress : callable, optional
            Called with a clip and the number of its windows that the network has seen; what it
            raises ends the scoring.

        Raises
        ------
        TypeError, ValueError
            Something is nothing that can be scored; says what can be.
        """
        return self._score_many(listed(videos), progress)

    def _score_many(
        self, videos: Iterable[Video], progress: Progress | None
    ) -> Iterator[VideoResult]:
        with Temporary() as temporary:
            for found in self.extractor.extract(temporary.clips(videos), progress):
                yield self._result(found)
                temporary.forget(found.clip)

    @property
    def _max_windows(self) -> int | None:
        if self.policy.windows == "all":
            return None
        unheard = self.models.sync.max_delay if self.policy.audio == "context" else 0
        return self.policy.max_len + unheard

    def _result(self, found: Extraction) -> VideoResult:
        started = time.perf_counter()
        result = VideoResult(
            path=Path(found.clip.name or found.clip.path),
            error=found.error,
            media=found.media,
            sha256=found.sha256,
            silence=found.silence,
            measures=found.measures,
            speaking=found.speaking,
        )
        if found.media is not None:
            result.warnings = list(found.media.warnings)
        if found.features is not None:
            try:
                self._score(result, found.features)
            except ValueError as error:  # too few windows for the policy
                result.error = str(error)
        result.seconds = found.seconds + time.perf_counter() - started
        return result

    def _score(self, result: VideoResult, features: Features) -> None:
        result.features = features
        if self.applicability is not None and result.measures is not None:
            result.not_applicable = self.applicability.reasons(result.measures)
        result.steps, result.scores = score_features(
            features, self.models.distribution, self.models.activation, self.policy, self.lams
        )
        if not all(np.isfinite(score.score) for score in result.scores):
            result.warnings.append("the score is not a finite number")
