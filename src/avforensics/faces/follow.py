"""From faces in single frames to tracks over consecutive frames."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment

from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import FaceTrack
from avforensics.media.types import FPS

NEAR = 1.0  # of a face's size: how far its middle gets from look to look in a fast turn
ALIKE = 2.0  # at most how many times as large it is then


@dataclass(frozen=True)
class Look:
    """What the detector found in a frame: float32 (n, 15), in pixels of the upright picture.

    The last column is its confidence. Where that is less than `FaceSettings.score`, the face
    begins no track but continues one.
    """

    frame: int
    faces: np.ndarray


@dataclass
class Sighting:
    """A face while it is being followed: where it was seen, within one shot."""

    shot: int
    frames: list[int] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)

    def add(self, frame: int, face: np.ndarray) -> None:
        self.frames.append(frame)
        self.faces.append(face)

    def put_before(self, frame: int, face: np.ndarray) -> None:
        self.frames.insert(0, frame)
        self.faces.insert(0, face)


def link(looks: Iterable[Look], cuts: Sequence[int], settings: FaceSettings) -> list[Sighting]:
    """Join faces from look to look.

    Faces that overlap are joined first. What is left is one fast turn of a head if it is near and
    of a like size: nothing else in the picture has changed. Then faces of less confidence (blurred,
    in profile, behind a hand) continue tracks, forwards and backwards in time.

    Parameters
    ----------
    looks : iterable of Look
        In order.
    cuts : sequence of int
        Frames at which shots begin: nothing is joined across them.
    settings : FaceSettings
        Its ``overlap`` is with where the face was seen last.
    """
    gap = max(round(settings.gap * FPS), settings.every)
    sightings: list[Sighting] = []
    open_ones: list[Sighting] = []
    doubtful: list[Look] = []
    for look in looks:
        shot = bisect_right(cuts, look.frame)
        open_ones = [s for s in open_ones if s.shot == shot and look.frame - s.frames[-1] <= gap]
        sure = look.faces[:, 14] >= settings.score
        faces, weak = look.faces[sure], look.faces[~sure]
        last = [s.faces[-1] for s in open_ones]
        pairs = _overlapping(last, faces, settings.overlap)
        pairs |= _near(last, faces, pairs)
        for row, column in pairs.items():
            open_ones[row].add(look.frame, faces[column])
        rows = [row for row in range(len(last)) if row not in pairs]
        again = _overlapping([last[row] for row in rows], weak, settings.overlap)
        for row, column in again.items():
            open_ones[rows[row]].add(look.frame, weak[column])
        doubtful.append(Look(look.frame, np.delete(weak, list(again.values()), axis=0)))
        for column in sorted(set(range(len(faces))) - set(pairs.values())):
            begun = Sighting(shot)
            begun.add(look.frame, faces[column])
            sightings.append(begun)
            open_ones.append(begun)
    for look in reversed(doubtful):
        shot = bisect_right(cuts, look.frame)
        later = [s for s in sightings if s.shot == shot and 0 < s.frames[0] - look.frame <= gap]
        first = [s.faces[0] for s in later]
        for row, column in _overlapping(first, look.faces, settings.overlap).items():
            later[row].put_before(look.frame, look.faces[column])
    return sightings


def _overlapping(first: Sequence[np.ndarray], second: np.ndarray, least: float) -> dict[int, int]:
    """Which faces of two looks are one, each once: index in ``first`` -> index in ``second``."""
    shared = intersection_over_union(_boxes(first), _boxes(second))
    pairs = zip(*linear_sum_assignment(-shared), strict=True)
    return {int(row): int(column) for row, column in pairs if shared[row, column] >= least}


def _near(
    first: Sequence[np.ndarray], second: np.ndarray, taken: Mapping[int, int]
) -> dict[int, int]:
    """The same by distance and size, of what is not taken."""
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
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {rows[row]: columns[column] for row, column in pairs if apart[row, column] <= NEAR}


def _boxes(faces: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.array([face[:4] for face in faces]).reshape(-1, 4)


def intersection_over_union(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(m, 4) and (n, 4) boxes ``left, top, right, bottom`` -> (m, n) shares, 0 to 1."""
    left_top = np.maximum(first[:, None, :2], second[None, :, :2])
    right_bottom = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    areas = [
        np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)
    ]
    return shared / np.maximum(areas[0][:, None] + areas[1][None, :] - shared, 1e-9)


def tracks_of(
    sightings: Iterable[Sighting],
    cuts: Sequence[int],
    n_frames: int,
    settings: FaceSettings,
) -> tuple[tuple[FaceTrack, ...], dict[str, int]]:
    """Fill in the frames between sightings, smooth, and leave out what is of no use.

    Parameters
    ----------
    sightings : iterable of Sighting
    cuts : sequence of int
    n_frames : int
        Of the video. A face seen in all of it is kept however short the video is.
    settings : FaceSettings

    Returns
    -------
    tracks : tuple of FaceTrack
        In the order of their first frames, larger faces first.
    dropped : dict
        Reason -> number of tracks left out.
    """
    kept, dropped = [], Counter()
    edges = [0, *cuts, n_frames]
    for sighting in sightings:
        bounds = edges[sighting.shot], edges[sighting.shot + 1]
        first, values, seen = _filled(sighting, bounds, settings.every)
        size = float(np.median((values[:, 2:4] - values[:, :2]).max(axis=1)))
        looks = 1 + (sighting.frames[-1] - sighting.frames[0]) / settings.every
        if len(values) < min(settings.min_seconds * FPS, n_frames):
            dropped[settings.too_short] += 1
        elif size < settings.min_size:
            dropped[f"smaller than {settings.min_size:g} pixels"] += 1
        elif len(sighting.frames) < settings.min_seen * looks:
            dropped[f"seen in less than {100 * settings.min_seen:g} % of the looks"] += 1
        else:
            values = smoothed(values, settings.smooth)
            kept.append((first, -size, values.astype(np.float32), seen))
    kept.sort(key=lambda track: track[:2])
    tracks = tuple(
        FaceTrack(str(n), first, values[:, :4], values[:, 4:].reshape(-1, 5, 2), seen)
        for n, (first, _, values, seen) in enumerate(kept, start=1)
    )
    return tracks, dict(dropped)


def _filled(
    sighting: Sighting, bounds: tuple[int, int], every: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """First frame, (T, 14) boxes and landmarks, (T,) whether seen.

    What is seen at the first or last look of a shot reaches to the shot's end.
    """
    first, end = sighting.frames[0], sighting.frames[-1] + 1
    first = bounds[0] if first - bounds[0] <= every else first
    end = bounds[1] if bounds[1] - end <= every else end
    clock = np.arange(first, end)
    faces = np.array(sighting.faces, np.float64)[:, :14]
    values = np.stack([np.interp(clock, sighting.frames, column) for column in faces.T], axis=1)
    return first, values, np.isin(clock, sighting.frames)


def smoothed(values: np.ndarray, seconds: float) -> np.ndarray:
    """A Gaussian of that standard deviation over the frames, (T, ...); it delays nothing."""
    if seconds == 0:
        return values
    return gaussian_filter1d(values, seconds * FPS, axis=0, mode="nearest")
