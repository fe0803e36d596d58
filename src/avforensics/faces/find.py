"""All faces of a video, followed from frame to frame, in one pass over the file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from avforensics.errors import MediaError
from avforensics.faces.detector import FaceDetector
from avforensics.faces.follow import Look, link, tracks_of
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import THUMB, ShotCuts
from avforensics.faces.track import Faces
from avforensics.media.pictures import scaled
from avforensics.media.video import VideoReader

LARGE = 48  # pixels of a face at which the detector is at its best
AHEAD = 4  # frames waiting for the detector while others are decoded


def find_faces(
    path: str | os.PathLike,
    settings: FaceSettings | None = None,
    *,
    video_stream: int = 0,
    progress: Callable[[int], None] = lambda frame: None,
) -> Faces:
    """Find and follow all faces of a video.

    Decoding and detecting run side by side in two threads. What is kept of a frame is what was
    found in it, a few bytes.

    Parameters
    ----------
    path : str or PathLike
    settings : FaceSettings, optional
    video_stream : int
        Counted among the video streams.
    progress : callable
        Called with the number of each frame that was looked at; what it raises ends the search.

    Raises
    ------
    MediaError
        The file cannot be decoded.
    ConfigError
        The detector is not installed.
    """
    settings = settings or FaceSettings()
    detector = FaceDetector(score=settings.score)
    with VideoReader(path, stream=video_stream, rough=True) as video:
        shots = ShotCuts(settings.cut)
        try:
            looks = []
            for look in _looks(video, detector, shots, settings):
                looks.append(look)
                progress(look.frame)
        except av.FFmpegError as error:
            raise MediaError(path, f"cannot be decoded ({error.strerror})") from None
        cuts = shots.cuts()
        tracks, dropped = tracks_of(link(looks, cuts, settings), cuts, shots.n_frames, settings)
        return Faces(
            width=video.width,
            height=video.height,
            n_frames=shots.n_frames,
            tracks=tracks,
            dropped=dropped,
            detector=detector.sha256,
            cuts=cuts,
        )


def explain(faces: Faces) -> str:
    """Why a video has no track, in a few words for its status; empty where it has one."""
    if faces.tracks:
        return ""
    if not faces.dropped:
        return "no face was found"
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(faces.dropped.items()))
    return f"no face of use was found: {reasons}"


def _looks(
    video: VideoReader, detector: FaceDetector, shots: ShotCuts, settings: FaceSettings
) -> Iterator[Look]:
    """Looks in order, made in a thread of their own while the next frames are decoded."""
    eye = _Eye(video, detector, settings)
    pending: deque[Future[Look]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for index, frame in _frames_to_look_at(video, shots, settings.every):
            pending.append(pool.submit(eye.look, index, frame))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _frames_to_look_at(
    video: VideoReader, shots: ShotCuts, every: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every few frames, the last one, and both sides of whatever may be a cut."""
    reformatter = VideoReformatter()
    last, before, index = -1, None, -1
    for index, frame in enumerate(video):
        thumb = scaled(frame, (THUMB, THUMB), reformatter, interpolation=Interpolation.POINT)
        jump = shots.add(thumb) > shots.least
        if jump and last < index - 1:
            yield index - 1, before
        if jump or index % every == 0:
            yield index, frame
            last = index
        before = frame
    if last < index:
        yield index, before


class _Eye:
    """Looks at frames one after the other, at the size that shows the faces.

    Small faces need a large picture, which takes long. So where all faces of the last look were
    large, the next one is quick, and a full one is tried again only after some rest.
    """

    def __init__(self, video: VideoReader, detector: FaceDetector, settings: FaceSettings) -> None:
        self._video = video
        self._detector = detector
        self._settings = settings
        self._reformatters: dict[int, VideoReformatter] = {}
        self._known = 0  # faces of the last look, all of them large
        self._looked = 0  # frame of the last look at the usual size
        self._in_vain: int | None = None  # frame of the last full look that found nothing

    def look(self, index: int, frame: av.VideoFrame) -> Look:
        settings = self._settings
        if self._known and index - self._looked < settings.usual_every:
            found = self._at(frame, settings.quick_side)
            if len(found) >= self._known:
                return Look(index, found)
        found = self._at(frame, settings.long_side)
        self._looked = index
        rested = self._in_vain is None or index - self._in_vain >= settings.full_every
        if len(found) == 0 and self._long_side > settings.long_side and rested:
            found = self._at(frame, settings.full_side)
            self._in_vain = None if len(found) else index
        self._known = len(found) if self._all_large(found) else 0
        return Look(index, found)

    @property
    def _long_side(self) -> int:
        return max(self._video.width, self._video.height)

    def _all_large(self, found: np.ndarray) -> bool:
        sizes = (found[:, 2:4] - found[:, :2]).max(axis=1, initial=0)
        return bool((sizes * self._settings.quick_side >= LARGE * self._long_side).all())

    def _at(self, frame: av.VideoFrame, long_side: int) -> np.ndarray:
        """Faces at a size, in pixels of the upright picture."""
        width, height = self._video.width, self._video.height
        scale = min(1.0, long_side / self._long_side)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        reformatter = self._reformatters.setdefault(long_side, VideoReformatter())
        picture = scaled(frame, size, reformatter, turn=self._video.turn, pixels="bgr24")
        found = self._detector.find(picture)
        found[:, 0:14:2] *= width / size[0]
        found[:, 1:14:2] *= height / size[1]
        return found
