"""Lip shapes in every frame, made by a person or by a lip-sync generator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from avforensics.media.types import FPS
from avforensics.synthetic.articulation import RATE, Articulation, smooth
from avforensics.synthetic.identity import Habits


@dataclass(frozen=True)
class LipTrack:
    """Mouth shape in every frame."""

    lips: np.ndarray  # float32 (T, 3): opening, spread, rounding
    jaw: np.ndarray  # float32 (T,): drop of the chin, in units of lip opening


def natural_lips(articulation: Articulation, habits: Habits, n_frames: int) -> LipTrack:
    """Return the lip track of a person with these habits.

    Frame ``k`` shows the articulation of the sound at ``k + 1/2 + habits.offset`` frames.
    """
    times = (np.arange(n_frames) + 0.5 + habits.offset) / FPS
    return _at_times(articulation, habits, times)


def remake(
    articulation: Articulation,
    habits: Habits,
    n_frames: int,
    rng: np.random.Generator,
    *,
    strength: float = 1.0,
) -> LipTrack:
    """Make the lip track of a lip-sync generator: in sync on average, with local errors.

    Each frame shows the lips at a slightly wrong time (slow drift and frame-wise jitter), the track
    is smoothed over time, and the amplitudes vary.

    Parameters
    ----------
    habits : Habits
        Habits of the target; the constant offset is lost, since the generator aligns the lips with
        the audio.
    strength : float
        Factor on all errors; with 0, lips are smoothed but have no errors.
    """
    strength = strength * rng.uniform(0.6, 1.4)  # some forgeries are better than others
    # Smoothing leaves a third of the spread: a drift of about 1.7 frames; the jitter is 0.5 frames.
    wander = smooth(rng.standard_normal(n_frames + 20).astype(np.float32), 2.5)[10:-10]
    stray = 5.1 * wander + 0.5 * rng.standard_normal(n_frames)
    times = (np.arange(n_frames) + 0.5 + strength * stray) / FPS
    track = _at_times(articulation, habits, times)
    errors = smooth(rng.standard_normal((n_frames + 20, 3)).astype(np.float32), 2.0)[10:-10]
    blurred = smooth(track.lips, 0.9)
    lips = blurred * (1 + 0.8 * strength * errors)
    lips[:, 0] = np.clip(lips[:, 0], 0, 1.25)
    jaw = smooth(track.jaw, 0.9) * (1 + 0.8 * strength * errors[:, 0])
    return LipTrack(lips=lips, jaw=np.clip(jaw, 0, 1.25))


def splice(track: LipTrack, other: LipTrack, first: int, last: int) -> LipTrack:
    """Replace frames ``first .. last - 1`` with ``other``; blend one frame at each end."""
    share = np.zeros(len(track.lips), np.float32)
    share[first:last] = 1
    for border in (first - 1, last):
        if 0 <= border < len(share):
            share[border] = 0.5
    return LipTrack(
        lips=track.lips + share[:, None] * (other.lips - track.lips),
        jaw=track.jaw + share * (other.jaw - track.jaw),
    )


def _at_times(articulation: Articulation, habits: Habits, times: np.ndarray) -> LipTrack:
    sluggish = replace(articulation, lips=smooth(articulation.lips, habits.smoothing * RATE))
    lips = sluggish.lips_at(times)
    lips[:, 2] = sluggish.lips_at(times + habits.rounding_lead)[:, 2]
    jaw = sluggish.lips_at(times - habits.jaw_lag)[:, 0] * habits.jaw * habits.opening
    lips *= np.array([habits.opening, habits.spread, habits.rounding], np.float32)
    return LipTrack(lips=lips, jaw=jaw.astype(np.float32))
