"""``avforensics render``: write an annotated video: face boxes, delays and the running score.

  avforensics render VIDEO --out FILE.mp4 results=OUT
  avforensics render VIDEO --out FILE.mp4 faces=auto scoring.windows=all checkpoint=...

OUT is the output folder of `avforensics detect save_features=true`; without results=OUT, the video
is scored first. The MP4 file keeps the video's sound. Exit code 0: written; 1: the video cannot be
scored; 2: wrong usage.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from avforensics.commands.detect import prepare
from avforensics.detection.saved import find_saved
from avforensics.detection.verdict import judge_outcome
from avforensics.errors import ConfigError, MediaError
from avforensics.files import typed_path
from avforensics.media.types import FPS
from avforensics.media.video import VideoReader
from avforensics.progress import Progress
from avforensics.report.overlay import Overlay
from avforensics.report.render import render_video
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.timeline import timeline_of

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Write the annotated video ``cfg.output``."""
    video, output = typed_path(cfg.input), typed_path(cfg.output)
    if output.suffix.lower() != ".mp4":
        raise ConfigError(f"output must be an .mp4 file, got {cfg.output}")
    if output.is_dir():
        raise ConfigError(f"output={cfg.output} is a folder")
    if not 0 <= cfg.crf <= 51:
        raise ConfigError(f"crf must be within 0..51, got {cfg.crf}")
    if video.exists() and output.exists() and output.samefile(video):
        raise ConfigError("output must not be the input")
    if cfg.results is None:
        outcome, lam = score_now(video, cfg)
    else:
        outcome, lam = find_saved(typed_path(cfg.results), video)
    if outcome.result.error is not None:
        log.warning("%s: %s", video, outcome.result.error)
        return 1
    with VideoReader(video, stream=cfg.video_stream) as reader:
        width, height, length = reader.width, reader.height, reader.length
    overlay = Overlay(
        timeline_of(outcome.result, outcome.faces, lam, outcome.rule),
        width,
        height,
        faces=outcome.faces,
        marked=[(s.start, s.end) for s in outcome.segments if s.threshold is not None],
    )
    total = round(length * FPS)
    with Progress("rendering", total, unit="frames") as progress:
        frames = render_video(
            video,
            output,
            overlay.draw,
            overlay.size,
            video_stream=cfg.video_stream,
            audio_stream=cfg.audio_stream,
            crf=cfg.crf,
            progress=progress.update,
        )
    log.info("wrote %s: %d frames", output, frames)
    return 0


def score_now(video: Path, cfg: DictConfig) -> tuple[Outcome, float]:
    """Score a video; return the outcome and the lam of its score."""
    if not video.is_file():
        raise MediaError(video, "no such file")
    _, scorer, judge = prepare(cfg)
    outcome = scorer.score(video)
    judge_outcome(outcome, scorer, judge)
    return outcome, scorer.detector.lams[0]
