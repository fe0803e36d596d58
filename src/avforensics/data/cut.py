"""Cut training clips of faces or whole frames: 25 fps, square, with audio and a sidecar."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.data.row import Row, facts
from avforensics.errors import AVForensicsError, MediaError
from avforensics.faces.crops import CropRecipe
from avforensics.faces.find import find_faces
from avforensics.faces.parts import divide
from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import NO_FACE, NO_USABLE_FACE, FaceTrack
from avforensics.fields import check_numbers
from avforensics.files import fingerprint, sha256_file, states_of, write_text
from avforensics.media.reader import open_media
from avforensics.media.remarks import of_file, of_lengths, of_part
from avforensics.media.spool import SoundSpool
from avforensics.media.types import FPS, HOP, MediaOptions
from avforensics.media.wav import write_wav
from avforensics.media.writer import check_encoding, write_clip

DONE, FAILED = "done", "failed"
SILENT = "without sound"
UNFORGED = "in the unforged part of a partial forgery"  # reason for dropping a clip
IN_MEMORY = 256 << 20  # bytes; whole-frame clips with more data are kept on disk until encoding
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Settings for detecting, cropping and writing faces.

    Parameters
    ----------
    recipe : CropRecipe, tuple of float or None
        None = the whole frame; a tuple = a fixed region, ``(left, top, right, bottom)`` in
        fractions of the frame. In both cases, faces are not detected, and each video becomes one
        clip.
    size : int
        Side of the clips in pixels, even.
    longest : float
        Maximum length in seconds; a longer track becomes several clips of nearly equal length.
    single_face_only : bool
        Keep only segments in which no other face is tracked, so that the visible face is the
        speaker.
    crf, preset, gop
        As in `avforensics.media.write_clip`.

    Raises
    ------
    ValueError
        A value is invalid.
    """

    find: FaceSettings = field(default_factory=FaceSettings)
    recipe: CropRecipe | tuple[float, ...] | None
    size: int = 224
    longest: float = 60.0
    single_face_only: bool = False
    crf: int = 18
    preset: str = "fast"
    gop: int = 12

    def __post_init__(self) -> None:
        check_numbers(self)
        check_encoding(size=self.size, crf=self.crf, preset=self.preset, gop=self.gop)
        if isinstance(self.recipe, tuple) and not _is_rectangle(self.recipe):
            raise ValueError(
                f"crop must be [left, top, right, bottom] within 0..1, got {list(self.recipe)}"
            )
        if self.longest < max(2 * self.find.min_seconds, 1.0):
            raise ValueError(
                "longest must be >= 1 s and >= twice find.min_seconds "
                f"({self.find.min_seconds:g} s), got {self.longest:g}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        values = asdict(self)
        values["alone"] = values.pop("single_face_only")  # its name in ledgers of version 0.1.0
        return fingerprint(values)


@dataclass(frozen=True)
class FaceClip:
    """Clip that was cut from a video."""

    name: str  # relative to the folder of all clips, with ``/``
    start: float  # start in the video, in seconds
    frames: int
    hash: str  # SHA-256 of the clip
    # median width of the face in pixels of the video; None without a detected face
    face_size: float | None = None


@dataclass(frozen=True)
class Cut:
    """Result of cutting one video."""

    status: str  # `DONE`, `NO_FACE`, `NO_USABLE_FACE` (all tracks were dropped) or `FAILED`
    reason: str = ""  # reason for not writing clips
    frames: int = 0  # number of frames in the searched part, at 25 fps
    clips: tuple[FaceClip, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> number of dropped tracks
    # state of the video's files before reading; see `states_of`
    state: list[list[int]] | None = None
    # warnings of damage or missing audio; warnings about one clip begin with its name
    warnings: tuple[str, ...] = ()


def clip_row(row: Row, folder: Path, clip: FaceClip) -> Row | None:
    """Build the manifest row of a clip in ``folder`` from the row of its video.

    Times and segments are relative to the start of the clip, and the size of the face is added to
    the row's facts. Returns None if a partial forgery has no segment within the clip, because a
    fake without segments would count as forged throughout.
    """
    start, duration = clip.start, clip.frames / FPS
    shifted = (
        # manifests store microseconds, so shorter segments are rounding errors
        (round(max(begin - start, 0.0), 6), round(min(end - start, duration), 6))
        for begin, end in row.segments
    )
    segments = tuple((begin, end) for begin, end in shifted if end > begin)
    if row.label == 1 and row.segments and not segments:
        return None
    made = {"path": f"{folder / clip.name}", "duration": duration, "hash": clip.hash}
    if clip.face_size is not None:
        made["about"] = facts(dict(row.about) | {"face_size": f"{clip.face_size:g}"})
    return row._replace(start=0.0, audio="", segments=segments, **made)


def _is_rectangle(crop: tuple) -> bool:
    try:
        left, top, right, bottom = crop
        return 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    except (TypeError, ValueError):
        return False


def cut_clips(row: Row, folder: Path, name: str, settings: ClipSettings) -> Cut:
    """Write a clip, its audio (``.wav``) and its sidecar (``.json``) for each face of a video.

    Parameters
    ----------
    folder : Path
        Folder of all clips.
    name : str
        The video's folder below ``folder``, with ``/``; clips are ``NAME/TRACK.mp4``, or
        ``NAME/TRACK-PART.mp4`` if a track is too long for one clip.

    Raises
    ------
    ConfigError
        The detector is not installed.
    OSError
        The clips cannot be written.
    """
    try:
        state = states_of(row.files)
        cut = _cut_faces if isinstance(settings.recipe, CropRecipe) else _cut_whole
        first = round(row.start * FPS)
        length = None if row.duration is None else max(round(row.duration * FPS), 1)
        return replace(cut(row, folder, name, settings, first, length), state=state)
    except MediaError as error:
        return Cut(FAILED, _told(row, error.path, error.reason))
    except AVForensicsError:  # every other video would fail, too
        raise
    except OSError as error:
        if error.errno in NO_ROOM or _is_below(error.filename, folder):
            raise
        return Cut(
            FAILED, _told(row, error.filename, f"cannot be read ({error.strerror or error})")
        )
    except Exception as error:  # one video must never end the batch
        return Cut(FAILED, f"{type(error).__name__}: {error}")


def _told(row: Row, path: object, reason: str) -> str:
    """Prefix a reason with the file's name, unless the file is the video."""
    return reason if path is None or str(path) == row.path else f"{path}: {reason}"


def _is_below(name: object, folder: Path) -> bool:
    """Return True if an error's file is in a folder; FFmpeg prefixes names with ``file:``."""
    return isinstance(name, str) and Path(name.removeprefix("file:")).is_relative_to(folder)


def _cut_whole(
    row: Row, folder: Path, name: str, settings: ClipSettings, first: int, length: int | None
) -> Cut:
    """Write one clip of whole frames, or of a fixed region."""
    clip, sound, size = folder / name / "1.mp4", [], settings.size
    clip.parent.mkdir(parents=True, exist_ok=True)
    options = MediaOptions(size=size, crop=settings.recipe)
    audio = row.audio or None
    with (
        open_media(
            row.path, options, start_frame=first, max_frames=length, audio_path=audio
        ) as media,
        tempfile.SpooledTemporaryFile(IN_MEMORY, dir=clip.parent) as spool,
    ):
        for block in media:
            spool.write(block.frames.tobytes())
            sound.append(block.audio)
        count = spool.tell() // (3 * size**2)
        spool.seek(0)
        frames = iter(lambda: spool.read(3 * size**2), b"")
        pictures = (np.frombuffer(frame, np.uint8).reshape(size, size, 3) for frame in frames)
        digest = _write(clip, pictures, np.concatenate(sound), settings)[0]
    report = media.report
    origin = {"width": report.width, "height": report.height}
    written = _write_sidecar(row, folder, clip, digest, settings, first, count, origin)
    return Cut(DONE, "", count, (written,), warnings=tuple(report.warnings))


def _cut_faces(
    row: Row, folder: Path, name: str, settings: ClipSettings, first: int, length: int | None
) -> Cut:
    with SoundSpool(row.path, audio_path=row.audio or None) as sound:
        faces = find_faces(row.path, settings.find, start_frame=first, max_frames=length)
        end = faces.n_frames
        if first >= end:
            raise MediaError(row.path, f"no frames after its start at {row.start} s")
        shortest = max(round(settings.find.min_seconds * FPS), 1)
        dropped, clips, warnings = Counter(faces.dropped), [], []
        tracks = [track for track in faces.tracks if len(track) >= shortest]
        if len(tracks) < len(faces.tracks):
            dropped[settings.find.too_short] += len(faces.tracks) - len(tracks)
        longest = max(round(settings.longest * FPS), 1)
        parts = divide(
            tracks,
            dropped,
            shortest=shortest,
            longest=longest,
            single_face_only=settings.single_face_only,
        )
        for part, title in parts:
            audio = sound.read(part.first_frame * HOP, len(part) * HOP)
            part = part.part(0, len(audio) // HOP)
            if len(part) < shortest:
                dropped[SILENT] += 1
                continue
            clip = folder / name / f"{title}.mp4"
            digest, found = _write_face(row, part, audio[: len(part) * HOP], sound, clip, settings)
            origin = {
                "track": part.name,
                "face_size": round(float(np.median(np.ptp(part.boxes[:, ::2], axis=1))), 1),
                "width": faces.width,
                "height": faces.height,
                "detector_sha256": faces.detector,
                "boxes": part.boxes.round(1).tolist(),
                "landmarks": part.landmarks.round(1).tolist(),
                "squares": settings.recipe.squares(part).round(3).tolist(),
                "seen": part.seen.astype(int).tolist(),
            }
            span = part.first_frame, len(part)
            clips.append(_write_sidecar(row, folder, clip, digest, settings, *span, origin))
            warnings += [f"{title}: {warning}" for warning in found]
        with open_media(row.path, audio_path=row.audio or None) as media:
            warnings += of_file(media.report)
        warnings += sound.warnings
        if sound.ended is not None:
            warnings += of_lengths(end / FPS, sound.ended)
    status, reason = DONE, ""
    if not clips:
        warnings += faces.warnings
        status, reason = (NO_USABLE_FACE, _listed(dropped)) if dropped else (NO_FACE, NO_FACE)
    return Cut(status, reason, end - first, tuple(clips), dict(dropped), warnings=tuple(warnings))


def _write_face(
    row: Row,
    part: FaceTrack,
    audio: np.ndarray,
    sound: SoundSpool,
    clip: Path,
    settings: ClipSettings,
) -> tuple[str, list[str]]:
    """Write a clip of a track; return its SHA-256 and warnings about this part of the video."""
    crop = settings.recipe.crop(part)
    options, start = MediaOptions(size=settings.size), part.first_frame
    with open_media(row.path, options, start_frame=start, crop=crop, sound=sound) as media:
        frames = (frame for block in media for frame in block.frames)
        digest, count = _write(clip, frames, audio, settings)
    if count != len(part):
        clip.unlink()
        raise MediaError(
            row.path, f"only {count} of {len(part)} frames of a track could be read again"
        )
    return digest, list(of_part(media.report))


def _write(
    clip: Path, frames: Iterable[np.ndarray], sound: np.ndarray, settings: ClipSettings
) -> tuple[str, int]:
    """Write the audio before the clip, so that no clip lacks its audio.

    Returns
    -------
    str, int
        SHA-256 of the clip, and number of its frames.
    """
    write_wav(clip.with_suffix(".wav"), sound)
    encoding = {"crf": settings.crf, "preset": settings.preset, "gop": settings.gop}
    count = write_clip(clip, frames, sound, **encoding)
    return sha256_file(clip), count


def _write_sidecar(
    row: Row,
    folder: Path,
    clip: Path,
    digest: str,
    settings: ClipSettings,
    first: int,
    frames: int,
    origin: dict[str, Any],
) -> FaceClip:
    """Write the sidecar, which records where a clip comes from and what it shows."""
    record = {
        "source": os.path.relpath(row.path, clip.parent),
        "clip_sha256": digest,
        "first_frame": first,
        "frames": frames,
        "start": first / FPS,
        "end": (first + frames) / FPS,
        "fps": FPS,
        "settings": asdict(settings),
        **origin,
    }
    text = json.dumps(_short(record), separators=(",", ":"))
    write_text(clip.with_suffix(".json"), text + "\n", errors="surrogateescape")
    name, size = clip.relative_to(folder).as_posix(), origin.get("face_size")
    return FaceClip(name, first / FPS, frames, digest, size)


def _short(value: Any) -> Any:
    """Round floats to four decimals, to drop spurious digits of float32."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _listed(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
