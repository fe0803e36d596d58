"""Score clips, face crops or parts of files, without searching for faces."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from avforensics.applicability import DEFAULT_LIMITS, Limits
from avforensics.checkpoints import Models
from avforensics.errors import ConfigError
from avforensics.media.types import MediaOptions
from avforensics.scoring.extractor import Extraction, FeatureExtractor, Progress, trained_recipe
from avforensics.scoring.memory import release_after
from avforensics.scoring.result import Features, VideoResult
from avforensics.scoring.runtime import DEFAULT_RUNTIME, RuntimeOptions
from avforensics.scoring.sequences import SequencePolicy, check_lams, score_features
from avforensics.scoring.source import Clip


class ClipScorer:
    """Score clips with the published method; higher = more likely fake.

    Parameters
    ----------
    models : Models
        Synchronisation network and both decoders with the projection; the activation model and the
        projection may be missing if every lam is 0.
    lams : sequence of float
        Weights of the activation score; results have one `Score` per weight.
    max_len, windows, audio
        As in `SequencePolicy`.
    keep_activations : bool
        Keep the activations in the results (4 KB per window).
    applicability : Limits or None
        Limits beyond which a video is marked ``not_applicable``; None = nothing is measured.

    Raises
    ------
    ConfigError
        A setting is invalid, or the decoders were not trained for ``max_len``.
    CheckpointError
        A model is missing.
    """

    def __init__(
        self,
        models: Models,
        *,
        runtime: RuntimeOptions = DEFAULT_RUNTIME,
        lams: Sequence[float] = (0.0,),
        max_len: int = 50,
        windows: str = "first",
        audio: str = "pad",
        keep_activations: bool = False,
        applicability: Limits | None = DEFAULT_LIMITS,
    ) -> None:
        if not lams:
            raise ConfigError("at least one lam is needed")
        self.lams = check_lams(lams)
        self.models = models = models.to_score(self.lams)
        models.require("sync")
        self.policy = SequencePolicy(max_len=max_len, windows=windows, audio=audio)
        self.policy.check(distribution=models.distribution, activation=models.activation)
        self.applicability = applicability
        unheard = models.sync.max_delay if audio == "context" else 0
        self.extractor = FeatureExtractor(
            models.sync,
            models.projection,
            runtime=runtime,
            max_windows=None if windows == "all" else max_len + unheard,
            keep_activations=keep_activations,
            measure=applicability is not None,
            recipe=trained_recipe(models),
        )

    @property
    def media(self) -> MediaOptions:
        """Options for reading files."""
        return self.extractor.media

    def score_many(
        self, clips: Iterable[str | os.PathLike | Clip], progress: Progress | None = None
    ) -> Iterator[VideoResult]:
        """Score clips in order; yield each result as soon as it is available.

        A file that cannot be scored yields a result with ``error``. Files are read ahead in
        threads, and small clips share batches.

        Parameters
        ----------
        clips : iterable of path or Clip
            Clips to score. A `Clip` is a part of a file, or a file with separate audio.
        progress : callable, optional
            Called with a clip and the number of its windows processed so far; an exception from
            this function ends scoring.
        """
        return map(self._result, self.extractor.extract(map(Clip.of, clips), progress))

    def score_together(
        self,
        produce: Callable[[Callable[[Clip], None]], None],
        progress: Progress | None = None,
    ) -> Iterator[tuple[Clip, VideoResult]]:
        """Score clips that are read at the same time; see `FeatureExtractor.extract_together`."""
        for found in self.extractor.extract_together(produce, progress):
            yield found.clip, self._result(found)

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
        release_after(features.n_windows)
        if not all(np.isfinite(score.score) for score in result.scores):
            result.warnings.append("the score is not finite")
