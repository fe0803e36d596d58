"""Join the faces detected in single frames into tracks."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import FaceTrack
from avforensics.media.types import FPS
from avforensics.smoothing import gaussian, reach_of

NEAR = 1.0  # maximum motion, in face sizes, between two detections without overlap (fast turn)
ALIKE = 2.0  # maximum ratio of the sizes of two detections without overlap


@dataclass(frozen=True)
class Detections:
    """Faces detected in a frame: float32 (n, 15), in pixels of the upright frame.

    The last column is the confidence. A face with a confidence below `FaceSettings.score` can
    continue a track but not start a track.
    """

    frame: int
    faces: np.ndarray


@dataclass
class Tracklet:
    """Detections of a face within a shot."""

    shot: int
    frames: list[int] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)

    def add(self, frame: int, face: np.ndarray) -> None:
        self.frames.append(frame)
        self.faces.append(face)

    def put_before(self, frame: int, face: np.ndarray) -> None:
        self.frames.insert(0, frame)
        self.faces.insert(0, face)


def associate(
    detections: Iterable[Detections], cuts: Sequence[int], settings: FaceSettings
) -> list[Tracklet]:
    """Join the faces of successive frames into tracklets.

    Overlapping faces are matched first, then other faces that are close and similar in size (a fast
    turn of the head). Finally, low-confidence faces (blurred, in profile, occluded) extend
    tracklets forwards and backwards in time.

    Parameters
    ----------
    detections : iterable of Detections
        Detections in the order of their frames.
    cuts : sequence of int
        First frames of shots; tracklets end there.
    """
    gap = settings.gap_frames
    tracklets: list[Tracklet] = []
    open_ones: list[Tracklet] = []
    doubtful: list[Detections] = []
    for found in detections:
        shot = bisect_right(cuts, found.frame)
        open_ones = [s for s in open_ones if s.shot == shot and found.frame - s.frames[-1] <= gap]
        sure = found.faces[:, 14] >= settings.score
        faces, weak = found.faces[sure], found.faces[~sure]
        last = [s.faces[-1] for s in open_ones]
        pairs = _overlapping(last, faces, settings.overlap)
        pairs |= _near(last, faces, pairs)
        for row, column in pairs.items():
            open_ones[row].add(found.frame, faces[column])
        rows = [row for row in range(len(last)) if row not in pairs]
        again = _overlapping([last[row] for row in rows], weak, settings.overlap)
        for row, column in again.items():
            open_ones[rows[row]].add(found.frame, weak[column])
        doubtful.append(Detections(found.frame, np.delete(weak, list(again.values()), axis=0)))
        for column in sorted(set(range(len(faces))) - set(pairs.values())):
            begun = Tracklet(shot)
            begun.add(found.frame, faces[column])
            tracklets.append(begun)
            open_ones.append(begun)
    for found in reversed(doubtful):
        shot = bisect_right(cuts, found.frame)
        later = [s for s in tracklets if s.shot == shot and 0 < s.frames[0] - found.frame <= gap]
        first = [s.faces[0] for s in later]
        for row, column in _overlapping(first, found.faces, settings.overlap).items():
            later[row].put_before(found.frame, found.faces[column])
    return tracklets


def _overlapping(first: Sequence[np.ndarray], second: np.ndarray, least: float) -> dict[int, int]:
    """Match each face at most once by overlap: index in ``first`` -> index in ``second``."""
    if not len(first) or not len(second):
        return {}
    shared = intersection_over_union(_boxes(first), _boxes(second))
    pairs = assigned(-shared)
    return {row: column for row, column in pairs if shared[row, column] >= least}


def _near(
    first: Sequence[np.ndarray], second: np.ndarray, taken: Mapping[int, int]
) -> dict[int, int]:
    """Match the faces that are not in ``taken`` by distance and size."""
    rows = [row for row in range(len(first)) if row not in taken]
    columns = sorted(set(range(len(second))) - set(taken.values()))
    if not rows or not columns:
        return {}
    one, two = (
        _boxes([faces[n] for n in these]) for faces, these in ((first, rows), (second, columns))
    )
    sizes = [(boxes[:, 2:] - boxes[:, :2]).max(axis=1) for boxes in (one, two)]
    larger = np.maximum(sizes[0][:, None], sizes[1][None, :])
    smaller = np.minimum(sizes[0][:, None], sizes[1][None, :])
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (one, two)]
    apart = np.linalg.norm(middles[0][:, None] - middles[1][None, :], axis=2) / larger
    apart[larger > ALIKE * smaller] = np.inf
    costs = np.minimum(apart, 10 * NEAR)
    pairs = assigned(costs)
    return {rows[row]: columns[column] for row, column in pairs if apart[row, column] <= NEAR}


def assigned(costs: np.ndarray) -> list[tuple[int, int]]:
    """Return rows and columns of the pairs with the lowest total cost, each used at most once."""
    if costs.shape[0] > costs.shape[1]:
        return [(row, column) for column, row in assigned(costs.T)]
    nearest = costs.argmin(axis=1).tolist() if costs.size else []
    if len(set(nearest)) == len(nearest):  # as usual, no two rows compete for a column
        return list(enumerate(nearest))
    from scipy.optimize import linear_sum_assignment  # its import takes as long as a short clip

    return [
        (int(row), int(column)) for row, column in zip(*linear_sum_assignment(costs), strict=True)
    ]


def _boxes(faces: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.array([face[:4] for face in faces]).reshape(-1, 4)


def intersection_over_union(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the pairwise IoU, (m, n), of boxes, (m, 4) and (n, 4): left, top, right, bottom."""
    left_top = np.maximum(first[:, None, :2], second[None, :, :2])
    right_bottom = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    areas = [
        np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)
    ]
    return shared / np.maximum(areas[0][:, None] + areas[1][None, :] - shared, 1e-9)


def tracks_of(
    tracklets: Iterable[Tracklet],
    cuts: Sequence[int],
    n_frames: int,
    settings: FaceSettings,
) -> tuple[tuple[FaceTrack, ...], dict[str, int]]:
    """Create tracks by interpolation and smoothing; drop short, small and sparse tracks.

    Parameters
    ----------
    cuts : sequence of int
        First frames of shots.
    n_frames : int
        Number of frames in the video. A face that is visible throughout is kept, however short the
        video is.

    Returns
    -------
    tracks : tuple of FaceTrack
        Tracks sorted by first frame, then by decreasing size.
    dropped : dict
        Reason -> number of dropped tracks.
    """
    kept, dropped = [], Counter()
    for tracklet in tracklets:
        track, size = track_of(tracklet, cuts, n_frames, settings)
        searched = 1 + (tracklet.frames[-1] - tracklet.frames[0]) / settings.every
        if len(track) < min(settings.min_seconds * FPS, n_frames):
            dropped[settings.too_short] += 1
        elif size < settings.min_size:
            dropped[f"smaller than {settings.min_size:g} pixels"] += 1
        elif len(tracklet.frames) < settings.min_seen * searched:
            dropped[f"detected in fewer than {100 * settings.min_seen:g} % of searched frames"] += 1
        else:
            kept.append((-size, track))
    kept.sort(key=lambda one: (one[1].first_frame, one[0]))
    tracks = tuple(replace(track, name=str(n)) for n, (_, track) in enumerate(kept, start=1))
    return tracks, dict(dropped)


def track_of(
    tracklet: Tracklet, cuts: Sequence[int], n_frames: int, settings: FaceSettings
) -> tuple[FaceTrack, float]:
    """Create the smoothed, unnamed track of a tracklet; return it and the face size in pixels.

    Parameters
    ----------
    cuts, n_frames
        As in `tracks_of`.
    """
    edges = [0, *cuts, n_frames]
    bounds = edges[tracklet.shot], edges[tracklet.shot + 1]
    first, values, seen = _filled(tracklet, bounds, settings.every)
    size = float(np.median((values[:, 2:4] - values[:, :2]).max(axis=1)))
    values = smoothed(values, settings.smooth).astype(np.float32)
    return FaceTrack("", first, values[:, :4], values[:, 4:].reshape(-1, 5, 2), seen), size


def _filled(
    tracklet: Tracklet, bounds: tuple[int, int], every: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """Interpolate between detections.

    If the face was detected in the first or last searched frame of the shot, the track is extended
    to the edge of the shot. The function returns the number of the first frame, the boxes and
    landmarks, (T, 14), and flags of frames with a detection, (T,).
    """
    first, end = tracklet.frames[0], tracklet.frames[-1] + 1
    first = bounds[0] if first - bounds[0] <= every else first
    end = bounds[1] if bounds[1] - end <= every else end
    clock = np.arange(first, end)
    faces = np.array(tracklet.faces, np.float64)[:, :14]
    values = np.stack([np.interp(clock, tracklet.frames, column) for column in faces.T], axis=1)
    return first, values, np.isin(clock, tracklet.frames)


def smoothed(values: np.ndarray, seconds: float) -> np.ndarray:
    """Smooth (T, ...) over frames by a zero-phase Gaussian; ``seconds`` = standard deviation."""
    if seconds == 0:
        return values
    return gaussian(values, seconds * FPS)


def smoothing_reach(seconds: float) -> int:
    """Return the number of frames on each side that affect a value of `smoothed`."""
    return reach_of(seconds * FPS)
