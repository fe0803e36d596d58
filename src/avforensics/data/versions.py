"""Make audio-only forgeries of a clip, in which audio is swapped, repeated or replaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.data.missync import jump, splice_sound
from avforensics.data.row import Row
from avforensics.media.types import FPS, HOP

JUMP = 8  # frames by which the audio jumps back; in a short clip, a quarter of its length
LEAST = 30  # minimum number of frames of a clip
LEAST_HALVES, LEAST_PARTIAL = 50, 60  # frames; parts of shorter clips are too short to exchange


@dataclass(frozen=True)
class Version:
    """A clip, original or forged."""

    name: str  # used in file names
    # title, done: texts for users; ``done`` is a sentence about the change
    title: str
    done: str
    sound: np.ndarray  # int16 (samples,): mono, 16 kHz
    # segment in which audio and video do not match, in seconds
    forged: tuple[float, float] | None = None


def versions_of(
    sound: np.ndarray, elsewhere: np.ndarray | None = None
) -> tuple[list[Version], list[str]]:
    """Return the original version of a clip, followed by forged versions.

    Parameters
    ----------
    sound : int16 array, (samples,), mono, 16 kHz
        Audio of the clip, in at least `LEAST` whole frames of 640 samples.
    elsewhere : int16 array, optional
        Audio of another part of the same video, at least as long as the clip. None = use audio from
        another part of the clip, if the clip is long enough.

    Returns
    -------
    list of Version
        Versions, with the original first.
    list of str
        Versions that could not be made, and why.
    """
    n_frames = len(sound) // HOP
    found, left_out = [Version("original", "As it is", "Nothing was changed.", sound)], []
    found.append(_moved(sound, n_frames))
    half = n_frames // 2
    if elsewhere is not None:
        other, whence = elsewhere[: len(sound)], "another part of the same video"
        done = f"All of the audio comes from {whence}."
    else:
        other, whence = np.roll(sound, -half * HOP), "another part of the clip"
        done = (
            "The two halves of the audio are swapped, because the video is too short for audio "
            "from another part."
        )
    if elsewhere is not None or n_frames >= LEAST_HALVES:
        found.append(Version("swap", "Other sound", done, other, (0.0, n_frames / FPS)))
    else:
        left_out.append(_too_short("other sound", n_frames, LEAST_HALVES))
    if n_frames >= LEAST_PARTIAL:
        first, last = n_frames // 3, 2 * n_frames // 3
        stretch = first / FPS, last / FPS
        found.append(
            Version(
                "partial",
                "Other sound in a part",
                f"From {stretch[0]:.1f} s to {stretch[1]:.1f} s the audio comes from {whence}.",
                splice_sound(sound, other, first * HOP, last * HOP),
                stretch,
            )
        )
    else:
        left_out.append(_too_short("other sound in a part", n_frames, LEAST_PARTIAL))
    return found, left_out


def _moved(sound: np.ndarray, n_frames: int) -> Version:
    """Make the audio jump back in the middle of the clip, so that some of it is repeated."""
    middle, by = n_frames // 2, min(JUMP, n_frames // 4)
    return Version(
        "jump",
        "Shifted audio",
        f"From {middle / FPS:.1f} s on, the audio comes {1000 * by // FPS} ms too late.",
        jump(Row("", 0), sound, frame=middle, by=-by),
        (middle / FPS, n_frames / FPS),
    )


def _too_short(what: str, n_frames: int, least: int) -> str:
    return f"{what}: needs {least / FPS:g} s, but the clip has {n_frames / FPS:.2f} s"
