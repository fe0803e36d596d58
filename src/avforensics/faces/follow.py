"""From faces in single frames to tracks over consecutive frames."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment

from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import FaceTrack
from avforensics.media.types import FPS


@dataclass(frozen=True)
class Look:
    """What the detector found in a frame: float32 (n, 15), in pixels of the upright picture."""

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


def link(looks: Iterable[Look], cuts: Sequence[int], settings: FaceSettings) -> list[Sighting]:
    """Join faces that overlap from look to look.

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
    for look in looks:
        shot = bisect_right(cuts, look.frame)
        open_ones = [s for s in open_ones if s.shot == shot and look.frame - s.frames[-1] <= gap]
        boxes = np.array([s.faces[-1][:4] for s in open_ones]).reshape(-1, 4)
        shared = intersection_over_union(boxes, look.faces[:, :4])
        taken = set()
        for row, column in zip(*linear_sum_assignment(-shared), strict=True):
            if shared[row, column] >= settings.overlap:
                open_ones[row].add(look.frame, look.faces[column])
                taken.add(column)
        for column, face in enumerate(look.faces):
            if column not in taken:
                begun = Sighting(shot)
                begun.add(look.frame, face)
                sightings.append(begun)
                open_ones.append(begun)
    return sightings


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
