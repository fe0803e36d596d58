"""Faces of raw videos as clips to train on: 25 fps, square, with their sound and origin."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.errors import AVForensicsError, MediaError
from avforensics.faces.crops import CropRecipe
from avforensics.faces.find import find_faces
from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import NO_FACE, NO_FACE_OF_USE, Faces, FaceTrack
from avforensics.fields import check_numbers
from avforensics.files import atomic_path, sha256_file
from avforensics.media.crop import MovingCrop
from avforensics.media.reader import open_media
from avforensics.media.remarks import SHORTER_SECONDS, of_file, of_part
from avforensics.media.spool import SoundSpool
from avforensics.media.types import FPS, HOP, MediaOptions
from avforensics.media.wav import write_wav
from avforensics.media.writer import check_encoding, write_clip

DONE, FAILED = "done", "failed"
ALONE = "not alone in the picture"
SILENT = "without sound"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How faces are found, cut out and written.

    Parameters
    ----------
    find : FaceSettings
    recipe : CropRecipe
    size : int
        Side of the clips in pixels, even.
    longest : float
        Seconds; a longer track becomes several clips of nearly the same length.
    alone : bool
        Only stretches in which no other face is followed: the one seen is then the one heard.
    crf, preset, gop
        As for `avforensics.media.write_clip`.

    Raises
    ------
    ValueError
        A value has no meaning.
    """

    find: FaceSettings = field(default_factory=FaceSettings)
    recipe: CropRecipe
    size: int = 224
    longest: float = 60.0
    alone: bool = False
    crf: int = 18
    preset: str = "fast"
    gop: int = 12

    def __post_init__(self) -> None:
        check_numbers(self)
        check_encoding(size=self.size, crf=self.crf, preset=self.preset, gop=self.gop)
        if self.longest < max(2 * self.find.min_seconds, 1.0):
            raise ValueError("longest must be at least a second and twice the shortest track")

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Video:
    """What clips are cut from.

    Attributes
    ----------
    path : str
    audio : str
        Another file with the sound, or empty.
    start, duration : float, float or None
        The part to use, in seconds; None = to the end.
    """

    path: str
    audio: str = ""
    start: float = 0.0
    duration: float | None = None


@dataclass(frozen=True)
class FaceClip:
    """A clip that was written.

    Attributes
    ----------
    name : str
        Below the folder of all clips, with ``/``.
    start : float
        Seconds into the video.
    frames : int
    hash : str
        SHA-256 of the clip.
    """

    name: str
    start: float
    frames: int
    hash: str


@dataclass(frozen=True)
class Cut:
    """What became of a video.

    Attributes
    ----------
    status : str
        `DONE`, `NO_FACE`, `NO_FACE_OF_USE` (all tracks were left out) or `FAILED`.
    reason : str
        Why there are no clips.
    frames : int
        Of the part of the video that was looked at, at 25 a second.
    clips : tuple of FaceClip
    dropped : dict
        Reason -> number of tracks left out.
    state : tuple of int
        Of the video's files before they were read; see `state_of`.
    warnings : tuple of str
        Damage, and sound that is missing; those of a clip begin with its name.
    """

    status: str
    reason: str = ""
    frames: int = 0
    clips: tuple[FaceClip, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    state: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def state_of(video: Video) -> tuple[int, ...]:
    """Size and time of change of each file that a video consists of."""
    states = [Path(path).stat() for path in (video.path, video.audio) if path]
    return tuple(number for state in states for number in (state.st_size, state.st_mtime_ns))


def cut_faces(video: Video, folder: Path, name: str, settings: ClipSettings) -> Cut:
    """Write a clip, its sound (``.wav``) and its sidecar (``.json``) for each face of a video.

    Parameters
    ----------
    video : Video
    folder : Path
        Of all clips.
    name : str
        Of this video's own folder in it, with ``/``; its clips are ``NAME/TRACK.mp4``, or
        ``NAME/TRACK-PART.mp4`` where a track is too long for one.
    settings : ClipSettings

    Raises
    ------
    ConfigError
        The detector is not installed.
    OSError
        The clips cannot be written.
    """
    try:
        state = state_of(video)
        return replace(_cut(video, folder, name, settings), state=state)
    except MediaError as error:
        return Cut(FAILED, _told(video, error.path, error.reason))
    except AVForensicsError:  # what every other video would meet too
        raise
    except OSError as error:
        if error.errno in NO_ROOM or _is_below(error.filename, folder):
            raise
        return Cut(
            FAILED, _told(video, error.filename, f"cannot be read ({error.strerror or error})")
        )
    except Exception as error:  # one video must never end the batch
        return Cut(FAILED, f"{type(error).__name__}: {error}")


def _told(video: Video, path: object, reason: str) -> str:
    """A reason, with the file if it is another one than the picture's: that of the sound."""
    return reason if path is None or str(path) == video.path else f"{path}: {reason}"


def _is_below(name: object, folder: Path) -> bool:
    """Whether an error's file is one of a folder's; FFmpeg puts ``file:`` in front of names."""
    return isinstance(name, str) and Path(name.removeprefix("file:")).is_relative_to(folder)


def _cut(video: Video, folder: Path, name: str, settings: ClipSettings) -> Cut:
    with SoundSpool(video.path, audio_path=video.audio or None) as sound:
        first = round(video.start * FPS)
        length = None if video.duration is None else max(round(video.duration * FPS), 1)
        faces = find_faces(video.path, settings.find, start_frame=first, max_frames=length)
        end = faces.n_frames
        if first >= end:
            raise MediaError(video.path, f"nothing is left after its start at {video.start} s")
        shortest = max(round(settings.find.min_seconds * FPS), 1)
        dropped, clips, warnings = Counter(faces.dropped), [], []
        tracks = [track for track in faces.tracks if len(track) >= shortest]
        if len(tracks) < len(faces.tracks):
            dropped[settings.find.too_short] += len(faces.tracks) - len(tracks)
        for part, title in _parts(tracks, shortest, settings, dropped):
            heard = sound.read(part.first_frame * HOP, len(part) * HOP)
            part = part.part(0, len(heard) // HOP)
            if len(part) < shortest:
                dropped[SILENT] += 1
                continue
            clip = folder / name / f"{title}.mp4"
            digest, found = _write(video, part, heard[: len(part) * HOP], sound, clip, settings)
            _write_sidecar(video, faces, part, clip, digest, settings)
            clips.append(FaceClip(f"{name}/{title}.mp4", part.start, len(part), digest))
            warnings += [f"{title}: {warning}" for warning in found]
        with open_media(video.path, audio_path=video.audio or None) as media:
            warnings += of_file(media.report)
        warnings += sound.warnings
        if sound.ended is not None and (missing := end / FPS - sound.ended) > SHORTER_SECONDS:
            warnings.append(f"sound ended {missing:.2f} s early")
    status, reason = DONE, ""
    if not clips:
        warnings += faces.warnings
        status, reason = (NO_FACE_OF_USE, _listed(dropped)) if dropped else (NO_FACE, NO_FACE)
    return Cut(status, reason, end - first, tuple(clips), dict(dropped), warnings=tuple(warnings))


def _parts(
    tracks: Sequence[FaceTrack], shortest: int, settings: ClipSettings, dropped: Counter[str]
) -> Iterator[tuple[FaceTrack, str]]:
    """What becomes a clip of each track, none too long, with its file's name."""
    longest = max(round(settings.longest * FPS), 1)
    for track in tracks:
        others = [other for other in tracks if other.name != track.name] if settings.alone else []
        edges = [
            edge
            for begin, stop in _alone(track, others)
            if stop - begin >= shortest
            for edge in pairwise(_divided(begin, stop, longest))
        ]
        if not edges:
            dropped[ALONE] += 1
        for number, (begin, stop) in enumerate(edges, start=1):
            digits = len(str(len(edges)))
            title = track.name if len(edges) == 1 else f"{track.name}-{number:0{digits}d}"
            yield track.part(begin, stop), title


def _alone(track: FaceTrack, others: Sequence[FaceTrack]) -> list[tuple[int, int]]:
    """Stretches, from the track's first frame, in which none of the others is followed."""
    company = np.zeros(len(track), bool)
    for other in others:
        begin, stop = (edge - track.first_frame for edge in (other.first_frame, other.end_frame))
        company[max(begin, 0) : max(stop, 0)] = True
    edges = np.flatnonzero(np.diff(company, prepend=True, append=True))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _divided(begin: int, stop: int, longest: int) -> list[int]:
    """Edges of pieces of nearly the same length."""
    count = ceil((stop - begin) / longest)
    return np.linspace(begin, stop, count + 1).round().astype(int).tolist()


def _write(
    video: Video,
    part: FaceTrack,
    heard: np.ndarray,
    sound: SoundSpool,
    clip: Path,
    settings: ClipSettings,
) -> tuple[str, list[str]]:
    """Write the sound, then the clip, so that a clip that is there has its sound.

    Returns
    -------
    str
        SHA-256 of the clip.
    list of str
        What was wrong with this part of the video.
    """
    write_wav(clip.with_suffix(".wav"), heard)
    crop = MovingCrop(settings.recipe.squares(part), fill=settings.recipe.fill)
    with open_media(
        video.path,
        MediaOptions(size=settings.size),
        start_frame=part.first_frame,
        crop=crop,
        sound=sound,
    ) as media:
        frames = (frame for block in media for frame in block.frames)
        count = write_clip(
            clip, frames, heard, crf=settings.crf, preset=settings.preset, gop=settings.gop
        )
    if count != len(part):
        clip.unlink()
        raise MediaError(
            video.path, f"{count} frames of a track of {len(part)} could be read again"
        )
    return sha256_file(clip), list(of_part(media.report))


def _write_sidecar(
    video: Video, faces: Faces, part: FaceTrack, clip: Path, digest: str, settings: ClipSettings
) -> None:
    """What a clip shows, for whoever wants to cut it otherwise or to trace it back."""
    record: dict[str, Any] = {
        "source": os.path.relpath(video.path, clip.parent),
        "clip_sha256": digest,
        "track": part.name,
        "first_frame": part.first_frame,
        "frames": len(part),
        "start": part.start,
        "end": part.end,
        "fps": FPS,
        "width": faces.width,
        "height": faces.height,
        "detector_sha256": faces.detector,
        "settings": asdict(settings),
        "boxes": part.boxes.round(1).tolist(),
        "landmarks": part.landmarks.round(1).tolist(),
        "squares": settings.recipe.squares(part).round(3).tolist(),
        "seen": part.seen.astype(int).tolist(),
    }
    text = json.dumps(_short(record), separators=(",", ":"))
    with atomic_path(clip.with_suffix(".json")) as partial:
        partial.write_text(text + "\n", encoding="utf-8", errors="surrogateescape")


def _short(value: Any) -> Any:
    """Floats without the tail that float32 leaves in them."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _listed(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
