"""Crop faces in a long video while the search for faces continues.

A face's square in a frame depends on the detections in the few seconds around it
(`LiveTracks.reach`). Until these detections are known, only the surroundings of faces are kept in
memory, not whole frames. Which faces become tracks is known only at the end: the pictures of a face
are used if its squares equal the squares of a track. Otherwise (damage, a face that jumps, too much
memory), the track needs a second pass.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, Queue

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from avforensics.applicability import MouthView
from avforensics.faces.crops import RECIPES, CropRecipe
from avforensics.faces.settings import FaceSettings
from avforensics.faces.shots import AROUND, EACH, ShotCuts
from avforensics.faces.track import Faces, FaceTrack
from avforensics.faces.tracking import (
    Detections,
    Tracklet,
    associate,
    intersection_over_union,
    smoothing_reach,
    track_of,
)
from avforensics.media.crop import MovingCrop, room_of
from avforensics.media.frames import stored_ranges
from avforensics.media.planes import Surroundings
from avforensics.media.prefetch import put
from avforensics.media.types import FPS
from avforensics.media.video import VideoReader

MOST = 192 * 2**20  # maximum bytes of surroundings in memory
STEP = 2 * FPS  # frames between two updates of the tracks
AHEAD = 2 * FPS  # maximum number of a face's pictures in the queue for the network
ROOM = 1.7  # side of the surroundings relative to the side of the square
MORE = 48  # pixels added to the side of the surroundings
SAME = 0.3  # minimum overlap (IoU) of successive detections of a face
ENDLESS = 2**31  # number of frames to assume while the length of the video is unknown


class GrowingMouth:
    """A `MouthView` of the frames that have been cropped so far."""

    squares = property(lambda self: self._columns(slice(3)))
    width = property(lambda self: self._columns(3))
    turn = property(lambda self: self._columns(4))

    def __init__(self) -> None:
        self._numbers = array("d")  # rows of `squares`, `width` and `turn`

    def add(self, view: MouthView, part: slice) -> None:
        """Append a part of a view."""
        rows = np.column_stack([view.squares[part], view.width[part], view.turn[part]])
        self._numbers.frombytes(rows.tobytes())

    def square(self, frame: int) -> np.ndarray:
        """As in `MouthView`."""
        first = min(5 * frame, len(self._numbers) - 5)
        return np.array(self._numbers[first : first + 3])

    def _columns(self, columns: int | slice) -> np.ndarray:
        return np.array(self._numbers).reshape(-1, 5)[:, columns]


@dataclass(eq=False)
class LiveTrack:
    """Face that is cropped while the video is read; iterate over its pictures in another thread.

    Attributes
    ----------
    first_frame : int
        Number of the first frame with the face.
    squares : list of float32 array, (n, 3) or (n, 4)
        Squares of the cropped frames, as consecutive pieces.
    track : str or None
        Name of the track that the face became; None = its pictures cannot be used.
    """

    first_frame: int
    squares: list[np.ndarray] = field(default_factory=list)
    mouth: GrowingMouth = field(default_factory=GrowingMouth)
    track: str | None = None
    latest: tuple[int, np.ndarray] | None = None  # latest detection; identifies the tracklet
    ended: bool = False
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    _pictures: Queue[Future[np.ndarray] | None] = field(default_factory=lambda: Queue(AHEAD))
    _closed: threading.Event = field(default_factory=threading.Event)

    @property
    def next_frame(self) -> int:
        """Number of the first frame that has not been cropped yet."""
        return self.first_frame + sum(map(len, self.squares))

    def put(self, picture: Future[np.ndarray] | None) -> None:
        """Add the next picture, or None after the last one; wait while the queue is full."""
        put(self._pictures, picture, self._closed)

    def end(self) -> None:
        """Signal that no more pictures follow."""
        if not self.ended:
            self.ended = True
            self.put(None)

    def __iter__(self) -> Iterator[np.ndarray]:
        while not self._closed.is_set():
            with suppress(Empty):
                if (picture := self._pictures.get(timeout=0.1)) is None:
                    return
                yield picture.result()

    def close(self) -> None:
        """Stop accepting pictures, because no more are needed."""
        self._closed.set()


class LiveTracks:
    """Tracks and crops the faces of a video during the search.

    Parameters
    ----------
    recipe : CropRecipe
        Recipe for cropping faces.
    settings : FaceSettings
        Settings for finding faces.
    size : int
        Side of the pictures in pixels.

    Attributes
    ----------
    begin : callable
        Function that is called with each new face.
    faces : list of LiveTrack
        All faces so far.
    reach : int
        Number of frames before and after a frame that affect its square.
    """

    def __init__(self, recipe: CropRecipe, settings: FaceSettings, size: int) -> None:
        self.begin: Callable[[LiveTrack], None] = lambda face: None
        self.faces: list[LiveTrack] = []
        self.reach = smoothing_reach(settings.smooth) + max(recipe.reach, RECIPES["mouth"].reach)
        self._recipe, self._settings, self._size = recipe, settings, size
        # for single frames, which filters would not change
        self._unfiltered = replace(recipe, median=1, smooth=0, smooth_size=0, smooth_roll=0)
        self._gap = settings.gap_frames
        self._horizon = AROUND + EACH + settings.every  # frames after which shot cuts are known
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="faces")
        self._stopped = False
        self._forget()

    def _forget(self) -> None:
        """End the tracking of all faces and release the memory."""
        for face in self.faces:
            face.end()
        self._frames: deque[tuple[int, av.VideoFrame]] = deque()  # frames since the last search
        self._around: deque[tuple[int, list[Surroundings]]] = deque()  # one item per frame
        self._bytes = 0
        self._detections: deque[Detections] = deque()
        self._known: list[tuple[int, np.ndarray]] = []  # latest detection of each face
        self._looked = 0
        self._active = False

    def stop(self) -> None:
        """Stop the search and all unfinished faces."""
        self._stopped = True
        for face in self.faces:
            face.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def watch(self, video: VideoReader, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """As in `avforensics.faces.find.FrameWatcher`."""
        self._forget()
        self._active = True
        self._tally = video.tally
        self._view, self._shape = video.view, None
        for index, frame in enumerate(frames):
            if self._stopped:
                return
            if self._active:
                self._shape = frame.width, frame.height
                self._frames.append((index, frame))
            yield frame

    def found(self, detections: Detections, shots: ShotCuts) -> None:
        """As in `avforensics.faces.find.FrameWatcher`."""
        if not self._active:
            return
        self._detections.append(detections)
        self._keep_around(detections)
        if self._bytes > MOST or self._tally.damaged:  # no face can be used
            self._forget()
        elif detections.frame - self._looked >= STEP:
            self._looked = detections.frame
            self._advance(detections.frame, shots.cuts())

    def finish(self, faces: Faces, *, intact: bool) -> None:
        """As in `avforensics.faces.find.FrameWatcher`."""
        if self._active and intact:
            left = list(faces.tracks)
            for face in self.faces:
                track = next((one for one in left if self._is(face, one)), None)
                if track is not None:
                    left.remove(track)
                    self._finish(face, track)
        self._forget()
        self._pool.shutdown(wait=False)

    def _keep_around(self, detections: Detections) -> None:
        """Replace the frames up to a search by the surroundings of the faces."""
        now, faces = detections.frame, detections.faces
        sizes = (faces[:, 2:4] - faces[:, :2]).max(axis=1)
        faces = faces[sizes >= self._settings.min_size / 2]
        lost = [
            (frame, face)
            for frame, face in self._known
            if now - frame <= self._gap
            and not (intersection_over_union(face[None, :4], faces[:, :4]) >= SAME).any()
        ]
        self._known = [*((now, face) for face in faces), *lost]
        areas = [self._area(face) for _, face in self._known]
        while self._frames and self._frames[0][0] <= now:
            index, frame = self._frames.popleft()
            around = [Surroundings(frame, *area) for area in areas]
            self._bytes += sum(one.n_bytes for one in around)
            self._around.append((index, around))

    def _area(self, face: np.ndarray) -> tuple[int, int, int, int]:
        """Return the region of the stored frame around the square of a detected face."""
        box, points = face[None, :4], face[None, 4:14].reshape(1, 5, 2)
        alone = FaceTrack("", 0, box, points, np.ones(1, bool))
        x, y, side = map(float, self._unfiltered.squares(alone)[0, :3])
        room = round(side * ROOM) + MORE
        across, down = stored_ranges(self._shape, self._view, (x, y), room, 2)
        return across[0], down[0], across[1], down[1]

    def _advance(self, now: int, cuts: Sequence[int]) -> None:
        """Crop the squares that are known so far."""
        begun, seen = self._detections[0].frame, []
        for tracklet in associate(self._detections, cuts, self._settings):
            face = next((one for one in self.faces if _holds(tracklet, one.latest)), None)
            if face is None and (begun == 0 or tracklet.frames[0] > begun + 2 * self._gap):
                face = self._new(tracklet, cuts)
            if face is not None and not face.ended:
                self._cut(face, tracklet, now, cuts)
                seen.append(face)
        for face in self.faces:
            if face not in seen:  # its tracklet has ended
                face.end()
        young = now - self._gap - self._horizon - STEP - round(self._settings.min_seconds * FPS)
        oldest = min([young, *(face.next_frame for face in self.faces if not face.ended)])
        while self._around and self._around[0][0] < oldest:
            self._bytes -= sum(one.n_bytes for one in self._around.popleft()[1])
        while self._detections[0].frame < oldest - self.reach - 3 * self._gap:
            self._detections.popleft()

    def _new(self, tracklet: Tracklet, cuts: Sequence[int]) -> LiveTrack | None:
        """Begin a face if it is long and large enough to become a track, else return None."""
        track, size = track_of(tracklet, cuts, ENDLESS, self._settings)
        if len(track) < self._settings.min_seconds * FPS or size < self._settings.min_size:
            return None
        if track.first_frame < self._around[0][0]:
            return None
        face = LiveTrack(track.first_frame)
        self.faces.append(face)
        self.begin(face)
        return face

    def _cut(self, face: LiveTrack, tracklet: Tracklet, now: int, cuts: Sequence[int]) -> None:
        """Crop the squares that later detections cannot change."""
        last = tracklet.frames[-1]
        face.latest = last, tracklet.faces[-1]
        track, _ = track_of(tracklet, cuts, ENDLESS, self._settings)
        over = now - last > self._gap + self._horizon
        stop = track.end_frame if over else last + 1 - max(self.reach, self._horizon)
        if stop > face.next_frame:
            self._emit(face, track, stop)
        if over:
            face.end()

    def _emit(self, face: LiveTrack, track: FaceTrack, stop: int) -> bool:
        """Crop the frames up to ``stop``; return False if that is not possible."""
        if track.first_frame > face.next_frame:
            face.end()
            return False
        part = slice(face.next_frame - track.first_frame, stop - track.first_frame)
        crop = self._recipe.crop(track)
        face.mouth.add(MouthView.of_track(track, crop), part)
        crop = MovingCrop(crop.squares[part].copy(), fill=crop.fill)  # not a view of the track
        first = face.next_frame
        face.squares.append(crop.squares)
        for index, square in enumerate(crop.squares.astype(float).tolist()):
            around = self._holding(first + index, square)
            if around is None:
                face.squares.clear()
                face.end()
                return False
            face.put(
                self._pool.submit(
                    crop.cut_stored, around, self._view, index, self._size, face.reformatter
                )
            )
        return True

    def _holding(self, frame: int, square: list[float]) -> Surroundings | None:
        """Return the surroundings in memory that contain a square, or None."""
        x, y, side, *angle = square
        factor, room = room_of(side, angle, self._size)
        across, down = stored_ranges(self._shape, self._view, (x, y), room, factor)
        area = across[0], down[0], across[1], down[1]
        index = frame - self._around[0][0]
        if not 0 <= index < len(self._around):
            return None
        return next((one for one in self._around[index][1] if one.holds(*area)), None)

    def _is(self, face: LiveTrack, track: FaceTrack) -> bool:
        """Return True if the squares cropped so far are the first squares of a track."""
        count = face.next_frame - face.first_frame
        if track.first_frame != face.first_frame or len(track) < count:
            return False
        if not count:
            return not face.ended
        crop = self._recipe.crop(track)
        mouth = MouthView.of_track(track, crop).squares[:count]
        same = np.array_equal(crop.squares[:count], np.concatenate(face.squares))
        return same and np.array_equal(mouth, face.mouth.squares)

    def _finish(self, face: LiveTrack, track: FaceTrack) -> None:
        """Crop the rest of a track; on success, name the face after the track."""
        complete = face.next_frame == track.end_frame
        if complete or (not face.ended and self._emit(face, track, track.end_frame)):
            face.track = track.name


def _holds(tracklet: Tracklet, detection: tuple[int, np.ndarray] | None) -> bool:
    """Return True if a detection belongs to a tracklet."""
    # from the end, because it is usually one of the last detections
    pairs = zip(reversed(tracklet.frames), reversed(tracklet.faces), strict=True)
    return detection is not None and any(
        frame == detection[0] and np.array_equal(face, detection[1]) for frame, face in pairs
    )
