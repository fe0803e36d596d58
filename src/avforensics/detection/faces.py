"""Score whole videos, or every face in them, as ``avforensics detect`` does for each file."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import tee
from typing import Any

from avforensics.detection.live import LiveTrack, LiveTracks
from avforensics.detection.searched import SearchedVideo, clips_of, noted
from avforensics.errors import ConfigError, MediaError
from avforensics.faces.crops import CropRecipe, name_of
from avforensics.faces.find import find_faces
from avforensics.faces.framing import unlike_crop
from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import NO_FACE, NO_USABLE_FACE, Faces
from avforensics.fields import check_choice
from avforensics.files import sha256_or_none
from avforensics.media.kept import may_be_kept
from avforensics.media.prefetch import prefetch
from avforensics.media.reader import open_media
from avforensics.media.remarks import damaged_packets, of_file, of_lengths, of_pictures
from avforensics.media.types import FPS, SAMPLE_RATE, MediaReport
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.extractor import Progress
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import VideoResult
from avforensics.scoring.source import Clip
from avforensics.scoring.tracks import (
    RULES,
    FaceResult,
    find_speakers,
    main_face,
    measures_of_video,
    on_video_clock,
    score_of_video,
)

MODES = ("given", "auto", "none")
Finder = Callable[..., Faces]


@dataclass(frozen=True, kw_only=True)
class FaceOptions:
    """Settings that determine which part of a frame is scored.

    Parameters
    ----------
    mode : str
        ``given``: the video is framed as in training (face crops, or frames that the network crops
        itself). ``none``: whole frames are scored. ``auto``: faces are found, tracked and scored
        one by one.
    recipe : CropRecipe, optional
        Recipe for cropping faces; required by ``auto``.
    rule : str
        Rule that derives the score of a video from the scores of its faces; see `score_of_video`.
    find : FaceSettings
        Settings for finding faces.
    expected : CropRecipe, optional
        Recipe of the training crops, if no face is cropped here. Videos that are framed
        differently get a warning.

    Raises
    ------
    ConfigError
        A value is invalid.
    """

    mode: str = "given"
    recipe: CropRecipe | None = None
    rule: str = "speaker"
    find: FaceSettings = field(default_factory=FaceSettings)
    expected: CropRecipe | None = None

    def __post_init__(self) -> None:
        check_choice("faces", self.mode, MODES)
        if self.mode == "auto" and self.recipe is None:
            raise ConfigError("faces=auto needs a crop recipe: set `recipe`")
        check_choice("rule", self.rule, RULES)

    @property
    def crop(self) -> str | dict[str, Any] | None:
        """Name of the recipe, or its settings if it has no name; None if nothing is cropped."""
        return None if self.recipe is None else name_of(self.recipe)


class VideoScorer:
    """Scores videos with a detector, face by face if ``mode`` is ``auto``.

    Parameters
    ----------
    detector : ClipScorer
        Scorer of the clips. It is not changed: ``VideoScorer.detector`` is a copy unless ``mode``
        is ``given``.
    finder : callable, optional
        Function that finds the faces in a file; None = `find_faces`.
    """

    def __init__(
        self, detector: ClipScorer, options: FaceOptions, *, finder: Finder | None = None
    ) -> None:
        self.options = options
        self.detector = detector if options.mode == "given" else _whole_pictures(detector)
        self._finder = finder or find_faces
        self._can_watch = finder is None  # only `find_faces` accepts a watcher

    def score(self, video: str | os.PathLike | Clip, progress: Progress | None = None) -> Outcome:
        """Score one video; if this fails, ``result.error`` is the reason."""
        (outcome,) = self.score_many([video], progress)
        return outcome

    def score_many(
        self, videos: Iterable[str | os.PathLike | Clip], progress: Progress | None = None
    ) -> Iterator[Outcome]:
        """Score videos or parts of videos in order; yield each outcome when it is ready.

        Faces are found in other threads, a few videos ahead of the network. In long videos, faces
        are scored during the search if all windows are scored. Small clips share batches, up to the
        next video without a face. ``progress`` is called for each clip (one face track of a video),
        as in `ClipScorer.score_many`.
        """
        if self.options.mode != "auto":
            clips, asked = tee(map(Clip.of, videos))
            results = self.detector.score_many(clips, progress)
            for result, clip in zip(results, asked, strict=False):
                if self.options.expected is not None and result.error is None:
                    result.warnings += unlike_crop(
                        clip.path,
                        self.options.expected,
                        video_stream=self.detector.media.video_stream,
                        start_frame=clip.first_frame,
                    )
                yield Outcome(on_video_clock(result, clip.first_frame))
            return
        found = prefetch(self._find, map(Clip.of, videos), threads=self.detector.extractor.readers)
        while (first := next(found, None)) is not None:
            waiting = deque([first])  # faces have been found but not all scored
            for result in self.detector.score_many(clips_of(found, waiting), progress):
                next(video for video in waiting if not video.complete).results.append(result)
                while waiting and waiting[0].complete:
                    yield self._outcome(waiting.popleft())
            while waiting:  # a video without a face, or a long video
                video = waiting.popleft()
                if video.live:
                    self._score_live(video, progress)
                yield self._outcome(video)

    def _find(self, clip: Clip) -> SearchedVideo:
        """Find the faces in a file or a part of it; errors are stored in the result, not raised."""
        video, media = SearchedVideo(clip), self.detector.media
        with noted(video):
            # opening raises an error for a file without audio, which need not be searched
            with open_media(clip.path, media, audio_path=clip.audio) as stream:
                video.media = stream.report
            every = self._can_watch and self.detector.policy.windows == "all"
            if every and not clip.is_part and not may_be_kept(video.media):
                video.live = True
                return video
            video.found = self._finder(
                clip.path,
                self.options.find,
                video_stream=media.video_stream,
                start_frame=clip.first_frame,
                max_frames=clip.n_frames,
                kept=video.kept,
            )
            if video.found.n_frames <= clip.first_frame:
                raise MediaError(clip.path, f"no frames after its start at {clip.start:g} s")
            video.cut(self.options.recipe, media)
        return video

    def _score_live(self, video: SearchedVideo, progress: Progress | None) -> None:
        """Score the faces of a video during the search, then the tracks that need a second pass."""
        recipe, media, settings = self.options.recipe, self.detector.media, self.options.find
        watcher = LiveTracks(recipe, settings, media.size)
        results: dict[LiveTrack, VideoResult] = {}

        def look(begin: Callable[[Clip], None]) -> None:
            watcher.begin = lambda face: begin(video.clip_of(face))
            try:
                with noted(video):
                    video.found = self._finder(
                        video.path, settings, video_stream=media.video_stream, watcher=watcher
                    )
            finally:
                if video.found is None:
                    watcher.stop()  # otherwise, readers would wait for more pictures

        started = time.perf_counter()
        with noted(video):
            video.open_sound(media)
        if video.error is None:
            try:
                for clip, result in self.detector.score_together(look, progress):
                    results[clip.pictures] = result
            finally:
                watcher.stop()
        if video.error is None:
            scored = {
                face.track: results[face]
                for face in watcher.faces
                if face.track is not None and results[face].error is None
            }
            if len(video.found.tracks) == 1 and (video.sound.warnings or not scored):
                scored = {}  # a single face is scored again to report the damage of its own audio
                video.sound.close()
                video.sound = None
            video.cut(recipe, media)
            names = [track.name for track in video.found.tracks]
            clips = dict(zip(names, video.clips, strict=True))
            rest = (clip for name, clip in clips.items() if name not in scored)
            others = self.detector.score_many(rest, progress)
            video.results = [scored.get(name) or next(others) for name in clips]
        for result in video.results:  # `video.seconds` includes the time of each face
            result.seconds = 0.0
        video.seconds = time.perf_counter() - started

    def _outcome(self, video: SearchedVideo) -> Outcome:
        """Create the outcome of a video whose faces have all been scored."""
        video.close()
        found = video.found
        if found is None or video.error is not None:
            return Outcome(VideoResult(video.path, error=video.error, seconds=video.seconds))
        if not found.tracks:
            result = VideoResult(
                video.path,
                error=faceless(found),
                failure=NO_USABLE_FACE if found.dropped else NO_FACE,
                warnings=[*of_file(video.media), *found.warnings],
                media=replace(video.media, n_frames=found.n_frames),
                sha256=sha256_or_none(video.path),
                seconds=video.seconds,
            )
            return Outcome(result, found=found)
        faces = tuple(
            FaceResult(track, on_video_clock(result, track.first_frame))
            for track, result in zip(found.tracks, video.results, strict=True)
        )
        result = self._result(faces, found)
        if video.sound is not None and result.error is None:  # the audio is shared by all faces
            result.media.skipped_packets += video.sound.audio.tally.skipped
            result.warnings += video.sound.warnings
        result.seconds += video.seconds
        return Outcome(result, faces, found, self.options.rule)

    def _result(self, faces: tuple[FaceResult, ...], found: Faces) -> VideoResult:
        """Combine the results of a video's faces into the result of the video."""
        speaker = find_speakers(faces)
        seconds = sum(face.result.seconds for face in faces)
        if not any(face.result.scores for face in faces):
            return replace(faces[0].result, seconds=seconds)
        main = faces[main_face(faces)].result
        skipped = max(main.media.skipped_packets, found.skipped_packets + main.media.skipped_audio)
        measures, limits = measures_of_video(faces), self.detector.applicability
        return replace(
            main,
            scores=score_of_video(faces, speaker, self.options.rule),
            measures=measures,
            speaking=None,
            not_applicable=() if measures is None else limits.reasons(measures),
            media=replace(main.media, n_frames=found.n_frames, skipped_packets=skipped),
            seconds=seconds,
            warnings=[
                *main.warnings,
                *_elsewhere(found, main.media),
                *_sound_ended(faces, found),
                *_short(found, self.options.find),
                *(f"not used: {what}" for what in found.left_out),
            ],
        )


def _whole_pictures(detector: ClipScorer) -> ClipScorer:
    """Return a copy of a detector that shares its networks but does not crop frames."""
    whole = copy(detector)
    whole.extractor = copy(detector.extractor)
    whole.extractor.media = replace(detector.media, crop=None)
    return whole


def faceless(found: Faces) -> str:
    """Return the reason why a video has no face track."""
    left_out = ", ".join(found.left_out)
    return f"no usable face was found: {left_out}" if left_out else "no face was found"


def _short(found: Faces, settings: FaceSettings) -> Iterator[str]:
    """Yield a warning if the whole video is shorter than the minimum length of a track."""
    if found.n_frames < settings.min_seconds * FPS:
        yield (
            f"short: {found.n_frames / FPS:.2f} s ({found.n_frames} frames), "
            f"less than {settings.min_seconds:g} s"
        )


def _elsewhere(found: Faces, main: MediaReport) -> Iterator[str]:
    """Yield warnings about damage to the video that are missing from the main face's report."""
    known = {
        damaged_packets(video=main.skipped_packets - main.skipped_audio),
        *of_pictures(main.concealed, main.resized, main.refused_aspect),
    }
    yield from (f"in the whole video: {what}" for what in found.warnings if what not in known)


def _sound_ended(faces: tuple[FaceResult, ...], found: Faces) -> Iterator[str]:
    """Yield a warning if the audio ends before the frames of a face."""
    for face in faces:
        media = face.result.media
        heard = 0.0 if media is None else media.audio_samples / SAMPLE_RATE
        told = list(of_lengths(found.n_frames / FPS, face.track.start + heard))
        if told and heard and media.video_frames / FPS > heard:
            yield from told
            return
