"""All faces of a video, followed from frame to frame, in one pass over the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from avforensics.errors import MediaError
from avforensics.faces.detector import FaceDetector
from avforensics.faces.follow import Look, intersection_over_union, link, tracks_of
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import THUMB, ShotCuts
from avforensics.faces.track import Faces
from avforensics.media.ahead import in_another_thread
from avforensics.media.pictures import Part, scaled
from avforensics.media.remarks import damaged_packets, of_pictures
from avforensics.media.video import VideoReader

LARGE = 48  # pixels of a face at which the detector is at its best
STEP = 32  # pixels by which pictures of a part grow: the detector takes time to change their size
WORTH = 0.5  # most of the whole picture's pixels for which a part is looked at


def find_faces(
    path: str | os.PathLike,
    settings: FaceSettings | None = None,
    *,
    video_stream: int | None = None,
    start_frame: int = 0,
    max_frames: int | None = None,
    progress: Callable[[int], None] = lambda frame: None,
) -> Faces:
    """Find and follow all faces of a video, or of a part of it.

    Decoding and detecting run side by side in two threads. What is kept of a frame is what was
    found in it, a few bytes.

    Parameters
    ----------
    path : str or PathLike
    settings : FaceSettings, optional
    video_stream : int, optional
        Counted among the video streams.
    start_frame, max_frames : int, int or None
        Only these frames of the 25 fps clock. Tracks are counted on the clock of the whole video.
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
    detector = FaceDetector(score=settings.score_on)
    with VideoReader(path, stream=video_stream, start=start_frame, rough=True) as video:
        shots = ShotCuts(settings.cut)
        eye = _Eye(video, detector, settings)
        try:
            looks = []
            frames = _frames_to_look_at(islice(video, max_frames), shots, settings.every)
            for look in in_another_thread(eye.look, frames):
                looks.append(look)
                progress(start_frame + look.frame)
        except av.FFmpegError as error:
            raise MediaError(path, f"cannot be decoded ({error.strerror})") from None
        cuts = shots.cuts()
        tracks, dropped = tracks_of(link(looks, cuts, settings), cuts, shots.n_frames, settings)
        return Faces(
            width=video.width,
            height=video.height,
            n_frames=start_frame + shots.n_frames,
            tracks=tuple(
                replace(track, first_frame=start_frame + track.first_frame) for track in tracks
            ),
            dropped=dropped,
            detector=detector.sha256,
            cuts=tuple(start_frame + cut for cut in cuts),
            warnings=tuple(_damage(video)),
        )


def _damage(video: VideoReader) -> Iterator[str]:
    if video.tally.skipped:
        yield damaged_packets(video=video.tally.skipped)
    tally = video.tally
    yield from of_pictures(tally.concealed, tally.resized, tally.refused_aspect)


def _frames_to_look_at(
    frames: Iterable[av.VideoFrame], shots: ShotCuts, every: int
) -> Iterator[tuple[int, av.VideoFrame, bool]]:
    """Every few frames, the last one, and both sides of whatever may be a cut.

    With each frame goes its number and whether it may be the first of a shot.
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


class _Eye:
    """Looks at frames one after the other, with as little work as shows the faces.

    Small faces need a large picture, which takes long. So after a look at the usual size the next
    ones are quick: at all of the picture in a small size, if its faces are large, and otherwise at
    the part of it around them. A usual look is tried again only after some rest.
    """

    def __init__(self, video: VideoReader, detector: FaceDetector, settings: FaceSettings) -> None:
        self._video = video
        self._detector = detector
        self._settings = settings
        self._size = np.array([video.width, video.height])
        self._reformatters: dict[object, VideoReformatter] = {}
        self._doubtful: list[np.ndarray] = []  # faces of this look that begin no track
        self._known = np.zeros((0, 15), np.float32)  # faces of the last look
        self._scale = 1.0  # of the last look that was not quick
        self._looked = 0  # its frame
        self._in_vain: int | None = None  # frame of the last full look that found nothing

    def look(self, index: int, frame: av.VideoFrame, anew: bool) -> Look:
        """What is seen in a frame; ``anew`` where it may be the first of a shot."""
        self._doubtful = []
        found = self._sure(index, frame, anew)
        doubtful = np.concatenate([found[:0], *self._doubtful])
        return Look(index, np.concatenate([found, _not_among(doubtful, found, 0.01)]))

    def _sure(self, index: int, frame: av.VideoFrame, anew: bool) -> np.ndarray:
        """Faces with which a track may begin; the others of this look are kept apart."""
        rest = self._settings.every if anew else self._settings.usual_every
        if len(self._known) and index - self._looked < rest:
            found = self._quick(frame, self._known, self._scale)
            if len(found) >= len(self._known):
                self._known = found
                return found
        found = self._usual(index, frame)
        self._known, self._looked = found, index
        return found

    def _usual(self, index: int, frame: av.VideoFrame) -> np.ndarray:
        """Faces of the whole picture, and those known before that only a nearer look shows."""
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
        """Faces where some are known that show at a scale; none where it would save little."""
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
        """Faces of a part, or all, at a scale, in pixels of the upright picture."""
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
    """Those of some faces, (n, 15), that overlap with none of the others."""
    shared = intersection_over_union(faces[:, :4], others[:, :4])
    return faces[shared.max(axis=1, initial=0) < overlap]
