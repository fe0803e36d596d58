"""Make forgeries from real clips by giving their videos audio that does not match.

Only audio is written; videos stay where they are. Real clips also get an audio file, so that real
and forged clips differ only in whether audio and video match.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from avforensics.data.row import Row
from avforensics.errors import ManifestError, MediaError
from avforensics.media.audio import read_audio
from avforensics.media.types import FPS, HOP
from avforensics.media.video import VideoReader
from avforensics.media.wav import write_wav

KINDS = ("swap", "jump", "part")
FADE = 160  # samples (10 ms) of cross-fade at a jump, or at the borders of replaced audio
SHORTEST = 20  # frames; shorter clips leave no room for a jump


def sound_of(row: Row) -> np.ndarray:
    """Read the audio of a row's whole file from the first video frame on, as int16 at 16 kHz.

    Raises
    ------
    MediaError
        A file cannot be used, or the clip is shorter than `SHORTEST` frames.
    """
    if row.audio:
        sound = read_audio(row.audio)
    else:
        with VideoReader(row.path) as video:
            origin = video.origin
        sound = read_audio(row.path, origin=origin)
    first, last = _span(row, sound)
    if last - first < SHORTEST:
        reason = f"{last - first} frames with audio, but {SHORTEST} are needed"
        raise MediaError(row.path, f"too short to be forged: {reason}")
    return sound


def partners(rows: Sequence[Row], *, seed: int) -> list[int]:
    """For each row, draw the index of another row as audio source, of another identity if possible.

    Raises
    ------
    ManifestError
        There are fewer than two clips, or all clips come from one file.
    """
    if len(rows) < 2:
        raise ManifestError("swapped audio needs at least two clips")
    same_identity, same_file = _places(row.identity for row in rows), _places(r.path for r in rows)
    found = []
    for index, row in enumerate(rows):
        own = same_identity[row.identity]
        if len(own) == len(rows):
            own = same_file[row.path]
        if len(own) == len(rows):
            raise ManifestError(
                f"swapped audio needs at least two clips, but all rows name {row.path}"
            )
        drawn = _stream(seed, "swap", row, index).integers(len(rows) - len(own))
        # from an index into the rows outside ``own`` to an index into all rows
        found.append(int(drawn + np.searchsorted(own - np.arange(len(own)), drawn, "right")))
    return found


def _places(names: Iterable[str]) -> dict[str, np.ndarray]:
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(name, []).append(place)
    return {name: np.array(places) for name, places in found.items()}


def swap(row: Row, sound: np.ndarray, other: Row, other_sound: np.ndarray) -> np.ndarray:
    """Return ``row``'s audio up to the clip, followed by ``other``'s audio for the clip."""
    first, last = _span(row, sound)
    begin, end = _span(other, other_sound)
    count = min(last - first, end - begin) * HOP
    return np.concatenate([sound[: first * HOP], other_sound[begin * HOP : begin * HOP + count]])


def part(
    row: Row, sound: np.ndarray, other: Row, other_sound: np.ndarray, *, first: int, last: int
) -> np.ndarray:
    """Replace the audio of frames ``first .. last - 1`` of ``row``'s clip by ``other``'s audio."""
    swapped = np.resize(swap(row, sound, other, other_sound), len(sound))
    begin = _span(row, sound)[0]
    return splice_sound(sound, swapped, (begin + first) * HOP, (begin + last) * HOP)


def jump(row: Row, sound: np.ndarray, *, frame: int, by: int) -> np.ndarray:
    """Return audio that is in sync until ``frame`` of the clip and then ``by`` frames ahead.

    If ``by`` is positive, the audio ends ``by`` frames earlier; if negative, some audio is
    repeated.
    """
    first, last = _span(row, sound)
    here = (first + frame) * HOP
    after = sound[here + by * HOP : last * HOP][: last * HOP - here]
    joined = np.concatenate([sound[:here], after])
    ramp = np.linspace(0, 1, FADE)
    straight = sound[here : here + FADE].astype(float)
    joined[here : here + FADE] = np.round(straight + ramp * (after[:FADE] - straight))
    return joined


def splice_sound(sound: np.ndarray, other: np.ndarray, first: int, last: int) -> np.ndarray:
    """Replace samples ``first .. last - 1`` of ``sound`` by samples of ``other``, cross-faded."""
    share = np.zeros(len(sound))
    share[first:last] = 1
    ramp = np.linspace(0, 1, FADE)
    if first > 0:
        share[first : first + FADE] = ramp
    if last < len(sound):
        share[last - FADE : last] = ramp[::-1]
    return np.round(sound + share * (other.astype(float) - sound)).astype(np.int16)


def draw_jump(row: Row, sound: np.ndarray, limits: tuple[int, int], *, seed: int) -> dict[str, int]:
    """Draw a jump in frames, and the frame in the clip's middle quarter at which it happens.

    Parameters
    ----------
    limits : (int, int)
        Minimum and maximum jump in frames; no jump exceeds a quarter of the clip. Half of the jumps
        are negative.

    Raises
    ------
    MediaError
        A quarter of the clip is shorter than the minimum jump.
    """
    rng = _stream(seed, "jump", row)
    first, last = _span(row, sound)
    n_frames = last - first
    least, most = limits
    if least > n_frames // 4:
        reason = f"{n_frames} frames are too few for a jump of {least} frames ({4 * least} needed)"
        raise MediaError(row.path, reason)
    by = int(rng.integers(least, min(most, n_frames // 4) + 1))
    frame = int(rng.integers(3 * n_frames // 8, 5 * n_frames // 8))
    return {"frame": frame, "by": by if rng.random() < 0.5 else -by}


def draw_part(
    row: Row, sound: np.ndarray, other: Row, other_sound: np.ndarray, *, seed: int
) -> dict[str, int]:
    """Draw the frames that get the other clip's audio: one to two fifths of the shorter clip.

    Returns
    -------
    dict
        ``first`` and ``last``, as in `part`.
    """
    rng = _stream(seed, "part", row)
    begin, end = _span(row, sound)
    other_begin, other_end = _span(other, other_sound)
    n_frames = min(end - begin, other_end - other_begin)
    length = int(rng.integers(n_frames // 5, 2 * n_frames // 5 + 1))
    first = int(rng.integers(0, n_frames - length + 1))
    return {"first": first, "last": first + length}


def forged_row(
    row: Row,
    kind: str,
    sound: np.ndarray,
    path: Path,
    *,
    segments: tuple[tuple[float, float], ...] = (),
) -> Row:
    """Write ``sound`` to ``path`` and return the clip's row with that audio.

    ``segments`` are the forged parts of a partial forgery, in seconds.
    """
    write_wav(path, sound)
    row = row._replace(label=0, audio=os.fspath(path), segments=segments)
    return row._replace(label=1, category=kind, method=kind) if kind in KINDS else row


def _span(row: Row, sound: np.ndarray) -> tuple[int, int]:
    """Return the first frame of the clip, and the frame after its last frame with audio."""
    first = round(row.start * FPS)
    last = len(sound) // HOP
    return first, last if row.duration is None else min(last, first + round(row.duration * FPS))


def _stream(seed: int, kind: str, row: Row, *more: int) -> np.random.Generator:
    clip = "/".join(Path(row.path).parts[-2:])  # preprocess writes NAME/1.mp4
    name = f"{kind} {clip} {row.start:.3f} {more}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng([seed, *digest[:8]])
