"""A small scored video whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avforensics.faces.track import Faces, FaceTrack
from avforensics.media.types import MediaReport
from avforensics.media.writer import write_clip
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.result import Features, Score, Steps, VideoResult
from avforensics.scoring.tracks import FaceResult

FRAMES, WINDOWS, DELAYS = 75, 50, 31
OFFSET = 3  # frames: position of the ridge of synthetic delays


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """A clip of three seconds whose brightness counts the frames, with a tone."""
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    frames = (np.full((96, 64, 3), 2 * i + 40, np.uint8) for i in range(FRAMES))
    time = np.arange(FRAMES * 640) / 16000
    write_clip(path, frames, (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16))
    return path


def make_result(path: Path, *, windows: int = WINDOWS, lams=(0.0, 1.0)) -> VideoResult:
    """Make a result with a ridge of delays at `OFFSET` and high losses at steps 20 to 24."""
    random = np.random.default_rng(0)
    delay = np.arange(DELAYS) - DELAYS // 2
    logits = -0.5 * (delay - OFFSET) ** 2 + random.normal(0, 0.1, (windows, DELAYS))
    distribution = np.full(windows - 1, 0.125)
    distribution[20:25] = 2.0
    activation = np.full(windows - 1, 0.25)
    scores = [
        Score(lam, distribution.mean() + lam * 0.25, distribution.mean(), 0.25, 3.0) for lam in lams
    ]
    return VideoResult(
        path=path,
        scores=scores,
        media=MediaReport(
            n_frames=FRAMES, video_frames=FRAMES, audio_samples=FRAMES * 640, fps=25.0,
            width=64, height=96, duration=FRAMES / 25, video_codec="h264", audio_codec="aac",
        ),
        features=Features(
            sync_logits=logits.astype(np.float32),
            projected=np.zeros((windows, 31), np.float32),
            valid_audio=np.arange(windows) >= 15,
        ),
        steps=Steps(
            window=np.arange(1, windows),
            distribution=distribution.astype(np.float32),
            activation=activation.astype(np.float32),
            prediction=np.full((windows - 1, DELAYS), 1 / DELAYS, np.float32),
        ),
        sha256="5e" * 32,
        seconds=1.5,
    )  # fmt: skip


@pytest.fixture
def scored(clip) -> Callable[..., VideoResult]:
    """Return a function that makes results: ``scored(path=..., windows=..., lams=...)``."""
    return lambda path=clip, **choices: make_result(path, **choices)


@pytest.fixture
def result(scored) -> VideoResult:
    return scored()


@pytest.fixture
def face() -> Callable[..., FaceResult]:
    """Return a function that makes faces; ``box``, (4,) or (frames, 4), is in fractions."""

    def make(
        result: VideoResult, name="1", first=0, frames=75, box=(0.25, 0.25, 0.5, 0.75), **told
    ) -> FaceResult:
        boxes = np.broadcast_to(np.multiply(box, [64, 96, 64, 96]), (frames, 4))
        nothing = np.zeros((frames, 5, 2)), np.ones(frames, bool)
        return FaceResult(FaceTrack(name, first, boxes, *nothing), result, **told)

    return make


@pytest.fixture
def outcome_of() -> Callable[..., Outcome]:
    """Return a function that makes an outcome from a result and faces."""

    def make(result: VideoResult, *faces: FaceResult, **more) -> Outcome:
        tracks = tuple(face.track for face in faces)
        found = Faces(64, 96, FRAMES, tracks, {"too <small>": 1}) if faces else None
        return Outcome(result, faces, found, **more)

    return make
