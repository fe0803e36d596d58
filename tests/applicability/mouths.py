"""Synthetic pictures of mouths, and singing voices."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from avforensics.media.types import HOP
from avforensics.synthetic.articulation import articulate
from avforensics.synthetic.speech import Voice, synthesise_speech

SIZE = 96


def mouth_pictures(
    n_frames: int, *, speaks: bool = True, rate: float = 3.7, sway: int = 0, seed: int = 0
) -> np.ndarray:
    """Make pictures of skin with a mouth that moves or stays shut: uint8, (n_frames, 96, 96, 3).

    ``rate`` is the number of openings per second.
    ``sway`` is the number of pixels by which the whole picture moves back and forth within a
    second.
    """
    random = np.random.default_rng(seed)
    skin = 150 + 60 * gaussian_filter(random.normal(size=(SIZE + 32, SIZE + 32)), 3) * 5
    rows, columns = np.mgrid[: SIZE + 32, : SIZE + 32] - (SIZE + 32) / 2 + 0.5
    time = np.arange(n_frames) / 25
    opening = 0.5 + 0.5 * np.sin(2 * np.pi * rate * time + seed)
    frames = []
    for frame in range(n_frames):
        height = 3 + 9 * opening[frame] if speaks else 3
        lips = (columns / 26) ** 2 + ((rows + 6) / (height + 5)) ** 2 < 1
        inside = (columns / 22) ** 2 + ((rows + 6) / height) ** 2 < 1
        picture = np.where(inside, 40, np.where(lips, skin - 50, skin))
        at = 16 + round(sway * np.sin(2 * np.pi * time[frame]))
        picture = picture[16 : 16 + SIZE, at : at + SIZE] + random.normal(0, 1.5, (SIZE, SIZE))
        frames.append(picture)
    grey = gaussian_filter(np.array(frames), (0, 0.7, 0.7)).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def sung(n_frames: int, seed: int = 0, slower: int = 4) -> np.ndarray:
    """Make syllables drawn out on a single note: int16, (n_frames * 640,)."""
    seconds = n_frames * HOP / 16_000
    rng = np.random.default_rng(seed)
    said = articulate(rng, seconds)
    drawn_out = {
        name: np.repeat(getattr(said, name), slower, axis=0)[: len(said.level)]
        for name in ("lips", "formants", "level", "noise", "noise_hz")
    }
    voice = replace(Voice.sample(rng, low=False), melody=0.0, breath=0.02)
    return synthesise_speech(replace(said, **drawn_out), voice, rng, seconds)


def notes(seconds: float, vibrato: float = 0.3) -> np.ndarray:
    """Make a tone with overtones that climbs a scale in notes of 0.7 s; ``vibrato`` in
    semitones.
    """
    time = np.arange(round(seconds * 16_000)) / 16_000
    steps = np.array([0, 2, 4, 5, 7, 5, 4, 2])[(time / 0.7).astype(int) % 8]
    semitones = steps + vibrato * np.sin(2 * np.pi * 5.5 * time)
    phase = 2 * np.pi * np.cumsum(180 * 2 ** (semitones / 12)) / 16_000
    sound = sum(np.sin(overtone * phase) / overtone for overtone in range(1, 6))
    return (6000 * sound).astype(np.int16)
