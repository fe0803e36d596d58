"""Make the frames and audio of a planned clip, real or forged."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from avforensics.data.missync import splice_sound
from avforensics.media.types import FPS, HOP, SAMPLE_RATE
from avforensics.synthetic.articulation import Articulation, articulate
from avforensics.synthetic.identity import Appearance, Identity
from avforensics.synthetic.lips import LipTrack, natural_lips, remake, splice
from avforensics.synthetic.plan import FORGERIES, PlannedClip, Take, Use, person, stream
from avforensics.synthetic.render import render
from avforensics.synthetic.scene import Scene
from avforensics.synthetic.speech import synthesise_speech

# What a face swap takes from the target; the source's head, hair, clothes and articulation stay.
SWAPPED = (
    "skin", "lip", "iris", "eye_gap", "eye_size", "brow_weight", "brow_tilt", "nose_width",
    "nose_length", "mouth_width", "lip_height", "smile", "freckles", "moustache",
)  # fmt: skip


def make_clip(
    job: PlannedClip,
    *,
    seed: int,
    n_frames: int,
    size: int,
    strength: float = 1.0,
    silence: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Render a planned clip.

    Parameters
    ----------
    seed : int
        Seed of the whole set.
    size : int
        Frame side in pixels.
    strength : float
        Factor on the errors of generated mouths (see `remake`).
    silence : float
        Seconds of silence at the start of completely forged clips.

    Returns
    -------
    frames : uint8 array, (n_frames, size, size, 3)
    audio : int16 array, (n_frames * 640,)
    """
    speaker = person(seed, job.source.identity)
    said = _articulation(seed, job.source, n_frames)
    appearance = speaker.appearance
    track = natural_lips(said, speaker.habits, n_frames)
    audio = _sound(seed, job.source, said, speaker, n_frames)
    if job.manner == "FVRA-faceswap":
        appearance = swap_face(appearance, person(seed, job.target.identity).appearance)
    elif job.manner != "real":
        forged_track, forged_audio = _forge(job, speaker, track, audio, seed, n_frames, strength)
        first, last = job.span or (0, n_frames)
        track = splice(track, forged_track, first, last)
        audio = splice_sound(audio, forged_audio, first * HOP, last * HOP)
    if job.category in FORGERIES:
        audio[: round(silence * SAMPLE_RATE)] = 0
    scene = Scene.sample(stream(seed, Use.SCENE, *job.source), n_frames)
    return render(appearance, speaker.habits, scene, track.lips, track.jaw, size=size), audio


def swap_face(appearance: Appearance, other: Appearance) -> Appearance:
    """Put another person's face on a head."""
    return replace(appearance, **{part: getattr(other, part) for part in SWAPPED})


def _forge(
    job: PlannedClip,
    speaker: Identity,
    track: LipTrack,
    audio: np.ndarray,
    seed: int,
    n_frames: int,
    strength: float,
) -> tuple[LipTrack, np.ndarray]:
    """Make forged lips and audio for the whole clip."""
    other = _articulation(seed, job.target, n_frames)
    if job.manner == "RVFA":
        voice = person(seed, job.target.identity)
        return track, _sound(seed, job.target, other, voice, n_frames)
    if job.manner == "FVRA-WL":
        return natural_lips(other, speaker.habits, n_frames), audio
    rng = stream(seed, Use.REMAKE, *job.source, job.number)
    # A cloned voice says the target's words, and a generator makes lips from that audio.
    cloned = _sound(seed, job.target, other, speaker, n_frames)
    return remake(other, speaker.habits, n_frames, rng, strength=strength), cloned


@lru_cache(maxsize=32)
def _articulation(seed: int, take: Take, n_frames: int) -> Articulation:
    return articulate(stream(seed, Use.WORDS, *take), n_frames / FPS)


def _sound(seed: int, take: Take, said: Articulation, who: Identity, n_frames: int) -> np.ndarray:
    rng = stream(seed, Use.SOUND, *take)
    return synthesise_speech(said, who.voice, rng, n_frames / FPS)
