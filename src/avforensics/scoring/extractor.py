"""Read files in threads, and extract their features in one pass of the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
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
from avforensics.scoring.memory import release_after
from avforensics.scoring.result import Features
from avforensics.scoring.runtime import DEFAULT_RUNTIME, RuntimeOptions
from avforensics.scoring.source import AHEAD, Clip, Source, SpanQueue, read_ahead
from avforensics.scoring.spans import Span, cut_spans, frames_needed

LARGE = 224  # pixels; networks with smaller inputs see only the mouth, others the whole face
Progress = Callable[[Clip, int], None]  # called with a clip and the number of its windows processed


@dataclass
class Extraction:
    """Result of extracting one clip.

    Attributes
    ----------
    features : Features or None
        Features of the clip; None if there is an ``error``.
    sha256 : str or None
        Hash of the video file.
    silence : float
        Leading silence (s) of the part that was read.
    seconds : float
        Wall-clock time spent on the clip.
    measures : Measures or None
        Applicability measures of the part that was read; None if not requested.
    speaking : Speaking or None
        Times of voice and of mouth movement; None if no mouth was measured.
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
    """Compute delay logits and activations of clips, without decoders.

    Parameters
    ----------
    projection : Projection, optional
        Projection of activations for ``Features.projected``.
    max_windows : int, optional
        Maximum number of windows per clip; None = all.
    mix_clips : bool
        Let small clips share batches. If False, a clip's features do not depend on other clips,
        down to the last digit.
    measure : bool
        Measure applicability while a clip is read.
    recipe : str or mapping, optional
        Crop recipe that locates the mouth in clips without a ``crop``; see
        `avforensics.applicability.MouthView`.

    Raises
    ------
    ConfigError
        ``measure`` is set, but the speech detector is not installed.
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
            load_voice_network()  # fail early if the speech detector is not installed
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
        """Extract features of clips in order; yield each as soon as it is available.

        A clip that cannot be read yields an extraction with ``error``. Files are read ahead in
        threads, and small clips share batches. An exception from ``progress`` ends extraction.
        """
        held: list[_Pending] = []  # clips with incomplete features, in order
        try:
            yield from self._extract(clips, held, progress)
        finally:
            for pending in held:  # if extraction ends early
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

    def extract_together(
        self,
        produce: Callable[[Callable[[Clip], None]], None],
        progress: Progress | None = None,
    ) -> Iterator[Extraction]:
        """Extract features of clips that are read at the same time; yield each when its clip ends.

        Each span is processed when it arrives and shares no batch with other spans.

        Parameters
        ----------
        produce : callable
            Called in another thread with a function ``begin``. It must call ``begin(clip)`` to
            start reading a clip, and may then supply the clip's data. Its exceptions are raised by
            this method, after all clips have ended.
        """
        queue: SpanQueue = Queue(AHEAD)
        begun: list[Source] = []
        failed: list[BaseException] = []
        producer = Source(Clip(Path()), queue=queue)  # ends when `produce` ends

        def begin(clip: Clip) -> None:
            begun.append(Source(clip, meter=self._meter(clip), queue=queue))
            begun[-1].start(self._open, self._cut)

        def work() -> None:
            try:
                produce(begin)
            except BaseException as error:
                failed.append(error)
            producer.put(None)

        threading.Thread(target=work, daemon=True).start()
        held: dict[Source, _Pending] = {}
        ended = 0
        try:
            while ended < 1 + len(begun):
                source, span = queue.get()
                if source is not producer:
                    pending = held.setdefault(source, _Pending(source))
                    if span is not None:
                        self._run([(pending, span)], progress)
                    else:
                        yield self._finish(held.pop(source))
                ended += span is None
        finally:
            for source in (producer, *begun):
                source.stop()
            for pending in held.values():
                self.engine.forget(id(pending))
        if failed:
            raise failed[0]

    def _meter(self, clip: Clip) -> Meter | None:
        if not self.measure:
            return None
        if clip.mouth is None and clip.crop is None and self.media.crop is None:
            return Meter(MouthView.of_recipe(self.recipe))
        return Meter(clip.mouth)

    def _open(self, clip: Clip) -> MediaStream:
        limits = [clip.n_frames]
        if self.max_windows is not None and clip.edit.blocks is None:  # edits may drop frames
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
            kept=clip.kept,
            pictures=clip.pictures,
        )

    def _cut(self, blocks: Iterable[Block]) -> Iterator[Span]:
        return cut_spans(blocks, max_delay=self.max_delay, max_windows=self.max_windows)

    def _run(self, batch: list[tuple[_Pending, Span]], progress: Progress | None) -> None:
        started = time.perf_counter()
        parts = self.engine.run([(id(pending), span) for pending, span in batch])
        n_windows = sum(span.n_windows for _, span in batch)
        share = (time.perf_counter() - started) / n_windows
        for (pending, span), features in zip(batch, parts, strict=True):
            pending.parts.append(features)
            pending.seconds += share * span.n_windows
            if progress is not None:
                progress(pending.source.clip, span.first_window + span.n_windows)
        release_after(n_windows)

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
    """A clip whose features are not complete."""

    source: Source
    parts: list[Features] = field(default_factory=list)
    seconds: float = 0.0


def trained_recipe(models: Models) -> str | Mapping[str, Any] | None:
    """Return the crop recipe of the network's training clips; None if unknown.

    A checkpoint may hold the recipe (metadata ``recipe``). Otherwise, networks with an input of at
    least 224 pixels are assumed to see whole faces, like the paper's network.
    """
    if models.recipe is not None:
        return models.recipe
    return "lrs" if models.sync.size >= LARGE else None


def _join(clip: Clip, parts: list[Features]) -> Features:
    """Concatenate the features of consecutive spans of a clip."""
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
