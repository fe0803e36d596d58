"""Detect and track all faces of a video in one pass over the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from avforensics.errors import MediaError
from avforensics.faces.detector import FaceDetector
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import THUMB, ShotCuts
from avforensics.faces.track import Faces
from avforensics.faces.tracking import Detections, associate, intersection_over_union, tracks_of
from avforensics.media.frames import Part, scaled
from avforensics.media.kept import KeptFrames
from avforensics.media.prefetch import in_another_thread
from avforensics.media.remarks import damaged_packets, of_pictures
from avforensics.media.survey import survey
from avforensics.media.video import DECODERS, VideoReader
from avforensics.pool import cores

LARGE = 48  # face size (pixels) at which the detector works best
STEP = 32  # sides of regions are rounded up to multiples of this, because new sizes take time
LONG = 20  # seconds; longer videos are decoded by several threads
WORTH = 0.5  # share of the frame's pixels up to which a region is searched instead of the frame


class FrameWatcher(Protocol):
    """Receives the frames of a video during the search for faces."""

    def watch(self, video: VideoReader, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames; a damaged video that is read a second time calls this method again."""

    def found(self, detections: Detections, shots: ShotCuts) -> None:
        """Receive the faces in the next searched frame."""

    def finish(self, faces: Faces, *, intact: bool) -> None:
        """Receive the tracks after the last frame; ``intact`` is False if a frame was damaged."""


def find_faces(
    path: str | os.PathLike,
    settings: FaceSettings | None = None,
    *,
    video_stream: int | None = None,
    start_frame: int = 0,
    max_frames: int | None = None,
    progress: Callable[[int], None] = lambda frame: None,
    kept: KeptFrames | None = None,
    watcher: FrameWatcher | None = None,
) -> Faces:
    """Detect and track all faces in a video or a part of it.

    Decoding and detection run in separate threads.

    Parameters
    ----------
    video_stream : int, optional
        Index among the video streams.
    start_frame, max_frames : int, int or None
        First frame and maximum number of frames to search, at 25 fps. The frame numbers of tracks
        are counted from the start of the video.
    progress : callable
        Function that is called with the number of each searched frame. If it raises an exception,
        the search ends.
    kept : KeptFrames, optional
        Object that stores the decoded frames for later passes.
    watcher : FrameWatcher, optional
        Object that receives frames and detections. If neither ``watcher`` nor ``kept`` is given,
        the decoder skips its loop filter. This saves a quarter of the work but leaves visible
        blocks, which move faces by up to a pixel.

    Raises
    ------
    MediaError
        The file cannot be decoded.
    ConfigError
        The detector is not installed.
    """
    settings = settings or FaceSettings()
    long = cores() > 1 and max_frames is None and survey(path).end > LONG
    rough, threads = kept is None and watcher is None, DECODERS if long else 1
    while True:
        with VideoReader(
            path, stream=video_stream, start=start_frame, rough=rough, threads=threads
        ) as video:
            frames = islice(video, max_frames)
            frames = frames if kept is None else kept.keep(video, frames)
            frames = frames if watcher is None else watcher.watch(video, frames)
            try:
                faces = _faces_in(video, frames, settings, watcher, start_frame, progress)
            except av.FFmpegError as error:
                raise MediaError(path, f"cannot be decoded ({error.strerror})") from None
            if threads == 1 or not (video.tally.skipped or video.tally.concealed):
                if watcher is not None:
                    watcher.finish(faces, intact=not video.tally.damaged)
                return faces
        threads = 1  # a damaged video is read again


def _faces_in(
    video: VideoReader,
    frames: Iterable[av.VideoFrame],
    settings: FaceSettings,
    watcher: FrameWatcher | None,
    first: int,
    progress: Callable[[int], None],
) -> Faces:
    """Find the faces in frames, of which the first has the number ``first`` in the video."""
    detector = FaceDetector(score=settings.score_on)
    shots, detections = ShotCuts(settings.cut), []
    detect = _Search(video, detector, settings).detect
    for found in in_another_thread(detect, _frames_to_search(frames, shots, settings.every)):
        detections.append(found)
        if watcher is not None:
            watcher.found(found, shots)
        progress(first + found.frame)
    cuts, tally = shots.cuts(), video.tally
    tracklets = associate(detections, cuts, settings)
    tracks, dropped = tracks_of(tracklets, cuts, shots.n_frames, settings)
    return Faces(
        width=video.width,
        height=video.height,
        n_frames=first + shots.n_frames,
        tracks=tuple(replace(track, first_frame=first + track.first_frame) for track in tracks),
        dropped=dropped,
        detector=detector.sha256,
        cuts=tuple(first + cut for cut in cuts),
        warnings=(
            *([damaged_packets(video=tally.skipped)] if tally.skipped else []),
            *of_pictures(tally.concealed, tally.resized, tally.refused_aspect),
        ),
        skipped_packets=tally.skipped,
    )


def _frames_to_search(
    frames: Iterable[av.VideoFrame], shots: ShotCuts, every: int
) -> Iterator[tuple[int, av.VideoFrame, bool]]:
    """Yield the number of each frame to search, the frame, and whether it may begin a shot.

    Every ``every``-th frame, the last frame and the two frames at each possible cut are searched.
    """
    reformatter = VideoReformatter()
    last, before, index = -1, None, -1
    for index, frame in enumerate(frames):
        thumb = scaled(frame, (THUMB, THUMB), reformatter, interpolation=Interpolation.POINT)
        jump = shots.add(thumb) > shots.least
        if jump and last < index - 1:
            yield index - 1, before, False
        if jump or index % every == 0:
            yield index, frame, jump
            last = index
        before = frame
    if last < index:
        yield index, before, False


class _Search:
    """Detect faces in successive frames with little work.

    Finding small faces requires a large image, which takes time. Most searches are therefore quick:
    if the known faces are large, the whole frame is searched at a small size, otherwise only the
    region around the faces. The usual search is repeated after some frames.
    """

    def __init__(self, video: VideoReader, detector: FaceDetector, settings: FaceSettings) -> None:
        self._video = video
        self._detector = detector
        self._settings = settings
        self._size = np.array([video.width, video.height])
        self._reformatters: dict[object, VideoReformatter] = {}
        self._doubtful: list[np.ndarray] = []  # faces in this frame that cannot start a track
        self._known = np.zeros((0, 15), np.float32)  # faces in the last searched frame
        self._scale = 1.0  # scale of the last usual search
        self._searched = 0  # frame of the last usual search
        self._in_vain: int | None = None  # frame of the last full search that found nothing

    def detect(self, index: int, frame: av.VideoFrame, new_shot: bool) -> Detections:
        """Detect the faces in a frame; ``new_shot`` is True if the frame may begin a shot."""
        self._doubtful = []
        found = self._sure(index, frame, new_shot)
        doubtful = np.concatenate([found[:0], *self._doubtful])
        return Detections(index, np.concatenate([found, _not_among(doubtful, found, 0.01)]))

    def _sure(self, index: int, frame: av.VideoFrame, new_shot: bool) -> np.ndarray:
        """Find confident faces, which may start a track; store the others in ``_doubtful``."""
        rest = self._settings.every if new_shot else self._settings.usual_every
        if len(self._known) and index - self._searched < rest:
            found = self._quick(frame, self._known, self._scale)
            if len(found) >= len(self._known):
                self._known = found
                return found
        found = self._usual(index, frame)
        self._known, self._searched = found, index
        return found

    def _usual(self, index: int, frame: av.VideoFrame) -> np.ndarray:
        """Search the whole frame, then the region of known faces that were not found again."""
        settings, scale = self._settings, self._scale
        found = self._whole(frame, settings.long_side)
        rested = self._in_vain is None or index - self._in_vain >= settings.full_every
        if len(found) == 0 and self._size.max() > settings.long_side and rested:
            found = self._whole(frame, settings.full_side)
            self._in_vain = None if len(found) else index
        lost = _not_among(self._known, found, settings.overlap)
        if len(lost) == 0:
            return found
        again = _not_among(self._quick(frame, lost, scale), found, settings.overlap)
        self._scale = max(self._scale, scale) if len(again) else self._scale
        return np.concatenate([found, again])

    def _whole(self, frame: av.VideoFrame, long_side: int) -> np.ndarray:
        self._scale = min(1.0, long_side / self._size.max())
        return self._at(frame, None, self._scale)

    def _quick(self, frame: av.VideoFrame, known: np.ndarray, scale: float) -> np.ndarray:
        """Search a reduced frame, or the region of known faces unless the region is too large."""
        boxes = known[:, :4].T  # (4, n)
        sizes = (boxes[2:] - boxes[:2]).max(axis=0)
        small = self._settings.quick_side / self._size.max()
        if small < scale and sizes.min() * small >= LARGE:
            return self._at(frame, None, small)
        first, last = (boxes[:2] - sizes).min(axis=1), (boxes[2:] + sizes).max(axis=1)
        extent = np.minimum(last, self._size) - np.maximum(first, 0)
        extent = np.minimum(np.ceil(extent * scale / STEP) * STEP / scale, self._size) // 2 * 2
        if extent.prod() > WORTH * self._size.prod():
            return known[:0]
        start = np.clip((first + last - extent) / 2, 0, self._size - extent) // 2 * 2
        left, top, right, bottom = map(int, (*start, *(start + extent)))
        return self._at(frame, (left, top, right, bottom), scale)

    def _at(self, frame: av.VideoFrame, part: Part | None, scale: float) -> np.ndarray:
        """Detect faces in a region or the whole frame; coordinates are in the upright frame."""
        left, top, right, bottom = part or (0, 0, *map(int, self._size))
        width, height = right - left, bottom - top
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        reformatter = self._reformatters.setdefault((part is None, scale), VideoReformatter())
        picture = scaled(frame, size, reformatter, part=part, view=self._video.view, pixels="bgr24")
        found = self._detector.find(picture)
        found[:, 0:14:2] = left + found[:, 0:14:2] * (width / size[0])
        found[:, 1:14:2] = top + found[:, 1:14:2] * (height / size[1])
        sure = found[:, 14] >= self._settings.score
        self._doubtful.append(found[~sure])
        return found[sure]


def _not_among(faces: np.ndarray, others: np.ndarray, overlap: float) -> np.ndarray:
    """Return the rows of ``faces``, (n, 15), that do not overlap any of ``others``."""
    shared = intersection_over_union(faces[:, :4], others[:, :4])
    return faces[shared.max(axis=1, initial=0) < overlap]
