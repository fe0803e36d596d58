"""Score a clip and forged versions of it and show them side by side, for ``avforensics demo``.

The clip is re-encoded once. All versions have exactly the same frames, and their audio comes from
the same encoder, so that a forgery differs from the clip only in the audio.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from avforensics.data.versions import LEAST, Version, versions_of
from avforensics.detection.faces import VideoScorer, faceless
from avforensics.detection.judging import Judge
from avforensics.detection.verdict import judge_outcome
from avforensics.errors import MediaError
from avforensics.faces.find import find_faces
from avforensics.media.audio import AudioReader
from avforensics.media.types import FPS, HOP
from avforensics.media.video import VideoReader
from avforensics.media.writer import replace_sound, write_clip
from avforensics.report.excerpt import CRF, small_pictures
from avforensics.report.page import write_video_report
from avforensics.report.side_by_side import Entry, write_side_by_side
from avforensics.scoring.outcome import Outcome

SCORED_SIDE, SHOWN_SIDE = 960, 480  # longer side in pixels of scored files and of played files
POSITIONS = (0.0, 0.25, 0.5, 0.75)  # positions to search in a long video, as fractions


@dataclass(frozen=True)
class Shown:
    """A version of the clip: its file, a small copy for playback, and its result."""

    version: Version
    path: Path
    small: Path
    outcome: Outcome


class Showcase:
    """Cuts a clip out of a video, forges it and scores all versions.

    Parameters
    ----------
    folder : Path
        Output folder for ``videos/``, ``reports/`` and ``index.html``.
    seconds : float
        Maximum length of the clip.

    Attributes
    ----------
    start : float
        Start of the clip in the video, in seconds.
    left_out : list of str
        Forgeries that could not be made, and the reasons.
    """

    def __init__(self, video: Path, folder: Path, *, seconds: float = 10.0) -> None:
        self.video = video
        self.folder = folder
        self.start = 0.0
        self.left_out: list[str] = []
        self.shown: list[Shown] = []
        self._count = round(seconds * FPS)

    def score(self, scorer: VideoScorer, judge: Judge | None) -> list[Shown]:
        """Write and score the versions; the unchanged clip comes first.

        Parameters
        ----------
        scorer : VideoScorer
            Scorer of the versions. The faces found in the clip are used for all versions.

        Raises
        ------
        MediaError
            The video cannot be read, its audio is too short, or it shows no usable face.
        """
        versions, paths = self._write()
        faces = find_faces(paths[0])
        if not faces.tracks:
            raise MediaError(self.video, faceless(faces))
        scorer = VideoScorer(scorer.detector, scorer.options, finder=lambda *_, **options: faces)
        for version, path, outcome in zip(versions, paths, scorer.score_many(paths), strict=True):
            if outcome.result.error is not None:
                raise MediaError(self.video, outcome.result.error)
            judge_outcome(outcome, scorer, judge)
            small = self._small_path(version.name)
            self.shown.append(Shown(version, path, small, outcome))
        return self.shown

    def write_page(self, *, title: str, lead: str, provenance: Mapping[str, Any]) -> Path:
        """Write ``index.html`` with all versions; `write_reports` writes the linked pages."""
        entries = [
            Entry(
                title=shown.version.title,
                done=shown.version.done,
                result=shown.outcome.result,
                calibrated=shown.outcome.calibrated,
                forged=shown.version.forged,
                clip=shown.small.read_bytes(),
                report=f"reports/{shown.version.name}.html",
            )
            for shown in self.shown
        ]
        notes = [f"Not made: {what}." for what in self.left_out]
        notes += [w for w in self.shown[0].outcome.result.warnings if w not in notes]
        return write_side_by_side(
            entries,
            self.folder / "index.html",
            title=title,
            lead=lead,
            notes=notes,
            provenance=provenance,
        )

    def write_reports(self, *, provenance: Mapping[str, Any]) -> None:
        """Write the full report of each version."""
        for shown in self.shown:
            write_video_report(
                shown.outcome,
                self.folder / "reports" / f"{shown.version.name}.html",
                provenance=provenance,
                index_link="../index.html",
            )

    def _small_path(self, name: str) -> Path:
        return self.folder / "videos" / "small" / f"{name}.mp4"

    def _write(self) -> tuple[list[Version], list[Path]]:
        """Write two files for each version: one for scoring and one for playback."""
        first = self._first_frame()
        self.start = first / FPS
        original, small = self.folder / "videos" / "original.mp4", self._small_path("original")
        sound, elsewhere = self._sounds(first)
        count = self._write_pictures(first, sound, original, side=SCORED_SIDE, crf=18)
        self._write_pictures(first, sound, small, side=SHOWN_SIDE, crf=CRF)
        sound = sound[: count * HOP]
        self._check_length(len(sound) // HOP)
        versions, self.left_out = versions_of(sound, elsewhere)
        paths = [original]
        for version in versions[1:]:
            paths.append(original.with_name(f"{version.name}.mp4"))
            replace_sound(original, version.sound, paths[-1])
            replace_sound(small, version.sound, self._small_path(version.name))
        return versions, paths

    def _write_pictures(
        self, first: int, sound: np.ndarray, path: Path, *, side: int, crf: int
    ) -> int:
        with VideoReader(self.video, start=first) as video:
            frames = islice(video, min(self._count, len(sound) // HOP))
            pictures = small_pictures(map(video.upright, frames), side)
            return write_clip(path, pictures, sound, crf=crf, preset="veryfast")

    def _first_frame(self) -> int:
        """Choose the first frame of the clip: 0 or, in a long video, a place with a face."""
        with VideoReader(self.video) as video:
            declared = round((video.declared or 0) * FPS)
        if declared <= self._count:
            return 0
        places = [round(share * (declared - self._count)) for share in POSITIONS]
        for first in places:
            found = find_faces(self.video, start_frame=first, max_frames=self._count)
            if any(2 * len(track) >= self._count for track in found.tracks):
                return first
        return places[0]

    def _sounds(self, first: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Read the clip's audio, and equally long audio from elsewhere in the video, if any."""
        with VideoReader(self.video, start=first) as video:
            origin = video.origin
        count = self._count * HOP
        sound = _read(self.video, origin, first, 2 * count)
        after = sound[count:]
        if len(after) == count:
            return sound[:count], after
        if first >= self._count:
            before = _read(self.video, origin, first - self._count, count)
            if len(before) == count:
                return sound[:count], before
        self._check_length(len(sound) // HOP)
        return sound[:count], None

    def _check_length(self, n_frames: int) -> None:
        if n_frames < LEAST:
            raise MediaError(
                self.video,
                f"too short: {n_frames / FPS:.2f} s with sound, {LEAST / FPS:g} s are needed",
            )


def _read(path: str | os.PathLike, origin: Any, first: int, count: int) -> np.ndarray:
    """Read up to ``count`` samples from frame ``first`` on: int16, (samples,)."""
    pieces, left = [], count
    with AudioReader(path, origin=origin, skip=first * HOP) as reader:
        for piece in reader:
            pieces.append(piece[:left])
            left -= len(pieces[-1])
            if left <= 0:
                break
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
