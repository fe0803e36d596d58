"""From files to features: reading in threads, and one pass of the synchronisation network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avforensics.applicability import Measures, Meter, MouthView, Speaking
from avforensics.applicability.voice import load_voice_network
from avforensics.checkpoints import Models
from avforensics.errors import MediaError
from avforensics.media.reader import MIN_FRAMES, MediaStream, open_media
from avforensics.media.types import Block, MediaOptions, MediaReport
from avforensics.models.projection import Projection
from avforensics.models.sync import SyncNetwork
from avforensics.scoring.engine import Engine
from avforensics.scoring.result import Features
from avforensics.scoring.runtime import DEFAULT_RUNTIME, RuntimeOptions
from avforensics.scoring.source import Clip, Source, read_ahead
from avforensics.scoring.spans import Span, cut_spans, frames_needed

LARGE = 224  # pixels: networks of that size and above see the whole face, smaller ones the mouth
Progress = Callable[[Clip, int], None]  # a clip, and how many of its windows the network has seen


@dataclass
class Extraction:
    """What became of one clip.

    Attributes
    ----------
    features : Features or None
        None where ``error`` says why.
    sha256 : str or None
        Of the video file's bytes.
    silence : float
        Seconds of leading silence of the part that was read.
    seconds : float
        Wall-clock time spent on the clip.
    measures : Measures or None
        Of that part; None where they were not asked for.
    speaking : Speaking or None
        When there is a voice in it and the mouth moves; None where no mouth was looked at.
    """

    clip: Clip
    features: Features | None
    error: str | None
    media: MediaReport | None
    sha256: str | None
    silence: float
    seconds: float
    measures: Measures | None = None
    speaking: Speaking | None = None


class FeatureExtractor:
    """Rows of delay logits and activations of any number of clips; needs no decoders.

    Parameters
    ----------
    projection : Projection, optional
        Fills ``Features.projected``.
    max_windows : int, optional
        Windows of a clip, from its start; None = all.
    mix_clips : bool
        Let small clips share batches. Otherwise the last digits of a clip's features do not depend
        on its neighbours.
    measure : bool
        Measure, while a clip is read, what says whether a score of it means anything.
    recipe : str or mapping, optional
        How clips without a crop of their own were cut, which says where the mouth is; see
        `avforensics.applicability.MouthView`.

    Raises
    ------
    ConfigError
        With ``measure``: the speech detector is not installed.
    """

    def __init__(
        self,
        sync: SyncNetwork,
        projection: Projection | None = None,
        *,
        max_windows: int | None = None,
        runtime: RuntimeOptions = DEFAULT_RUNTIME,
        keep_activations: bool = False,
        mix_clips: bool = True,
        measure: bool = True,
        recipe: str | Mapping[str, Any] | None = None,
    ) -> None:
        if measure:
            load_voice_network()  # fail once and now rather than in every file
        self.measure = measure
        self.recipe = recipe
        self.engine = Engine(sync, projection, runtime=runtime, keep_activations=keep_activations)
        self.readers = runtime.readers or (4 if self.engine.device.type == "cuda" else 1)
        self.mix_clips = mix_clips
        self.max_windows = max_windows
        self.max_delay = sync.max_delay
        self.media = MediaOptions(
            size=sync.size,
            crop=sync.crop,
            video_stream=runtime.video_stream,
            audio_stream=runtime.audio_stream,
        )

    def extract(
        self, clips: Iterable[Clip], progress: Progress | None = None
    ) -> Iterator[Extraction]:
        """Features of clips, in order, each as soon as it is there.

        A clip that cannot be read gives an extraction with ``error``; the others go on. Reading
        runs ahead in threads, and small clips share batches. What ``progress`` raises ends it.
        """
        held: list[_Pending] = []  # clips in order, whose features are not out yet
        try:
            yield from self._extract(clips, held, progress)
        finally:
            for pending in held:  # where it ends early
                self.engine.forget(id(pending))

    def _extract(
        self, clips: Iterable[Clip], held: list[_Pending], progress: Progress | None
    ) -> Iterator[Extraction]:
        sources = read_ahead(clips, self._open, self._cut, readers=self.readers, meter=self._meter)
        batch: list[tuple[_Pending, Span]] = []
        windows = 0
        for source in sources:
            pending = _Pending(source)
            held.append(pending)
            try:
                for span in source.spans():
                    batch.append((pending, span))
                    windows += span.n_windows
                    if windows >= self.engine.chunk:
                        self._run(batch, progress)
                        batch, windows = [], 0
            finally:
                source.stop()
            if batch and not self.mix_clips:
                self._run(batch, progress)
                batch, windows = [], 0
            if windows == 0:
                yield from (self._finish(done) for done in held)
                held.clear()
        if batch:
            self._run(batch, progress)
        yield from (self._finish(done) for done in held)

    def _meter(self, clip: Clip) -> Meter | None:
        if not self.measure:
            return None
        if clip.mouth is None and clip.crop is None and self.media.crop is None:
            return Meter(MouthView.of_recipe(self.recipe))
        return Meter(clip.mouth)

    def _open(self, clip: Clip) -> MediaStream:
        limits = [clip.n_frames]
        if self.max_windows is not None and clip.edit.blocks is None:  # an edit may drop some
            limits.append(frames_needed(self.max_windows, self.max_delay))
        frames = min((limit for limit in limits if limit is not None), default=None)
        return open_media(
            clip.path,
            self.media,
            start_frame=clip.first_frame,
            max_frames=None if frames is None else max(frames, MIN_FRAMES),
            audio_path=clip.audio,
            crop=clip.crop,
            sound=clip.sound,
            edit=clip.edit.pictures,
        )

    def _cut(self, blocks: Iterable[Block]) -> Iterator[Span]:
        return cut_spans(blocks, max_delay=self.max_delay, max_windows=self.max_windows)

    def _run(self, batch: list[tuple[_Pending, Span]], progress: Progress | None) -> None:
        started = time.perf_counter()
        parts = self.engine.run([(id(pending), span) for pending, span in batch])
        share = (time.perf_counter() - started) / sum(span.n_windows for _, span in batch)
        for (pending, span), features in zip(batch, parts, strict=True):
            pending.parts.append(features)
            pending.seconds += share * span.n_windows
            if progress is not None:
                progress(pending.source.clip, span.first_window + span.n_windows)

    def _finish(self, pending: _Pending) -> Extraction:
        source, features = pending.source, None
        self.engine.forget(id(pending))
        started = time.perf_counter()
        if source.error is None:
            try:
                features = _join(source.clip, pending.parts)
            except MediaError as error:
                source.error = error.reason
        return Extraction(
            clip=source.clip,
            features=features,
            error=source.error,
            media=source.media,
            sha256=source.sha256,
            silence=source.silence.seconds,
            seconds=source.seconds + pending.seconds + time.perf_counter() - started,
            measures=None if source.meter is None else source.meter.measures(),
            speaking=None if source.meter is None else source.meter.speaking(),
        )


@dataclass(eq=False)
class _Pending:
    """A clip between its first span and its features."""

    source: Source
    parts: list[Features] = field(default_factory=list)
    seconds: float = 0.0


def trained_recipe(models: Models) -> str | Mapping[str, Any] | None:
    """How the clips were cut that the synchronisation network was trained on, where that is known.

    A checkpoint may name it (``recipe`` in its metadata); networks of 224 pixels and more see whole
    faces, as the paper's.
    """
    if models.recipe is not None:
        return models.recipe
    return "lrs" if models.sync.size >= LARGE else None


def _join(clip: Clip, parts: list[Features]) -> Features:
    """Features of consecutive spans as those of one clip."""
    if sum(part.n_windows for part in parts) < 2:
        raise MediaError(clip.path, "too short: fewer than two windows of five frames")

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return Features(
        sync_logits=joined("sync_logits"),
        projected=joined("projected"),
        valid_audio=joined("valid_audio"),
        activations=None if parts[0].activations is None else joined("activations"),
    )
