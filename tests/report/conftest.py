"""A small scored video whose numbers are known, and a real browser to look at its page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from avforensics.media.types import MediaReport
from avforensics.media.writer import write_clip
from avforensics.scoring.result import Features, Score, Steps, VideoResult

FRAMES, WINDOWS, DELAYS = 75, 50, 31
OFFSET = 3  # frames: where the ridge of the made-up delays lies
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Three seconds in which the picture's brightness counts the frames, with a tone."""
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    frames = (np.full((96, 64, 3), 2 * i + 40, np.uint8) for i in range(FRAMES))
    time = np.arange(FRAMES * 640) / 16000
    write_clip(path, frames, (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16))
    return path


def make_result(path: Path, *, windows: int = WINDOWS, lams=(0.0, 1.0)) -> VideoResult:
    """A result with a ridge of delays at `OFFSET` and a burst of loss at steps 20 to 24."""
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
            heard=np.arange(windows) >= 15,
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
    """Make results: ``scored(path=..., windows=..., lams=...)``."""
    return lambda path=clip, **choices: make_result(path, **choices)


@pytest.fixture
def result(scored) -> VideoResult:
    return scored()


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[object]:
    """Headless Chromium that logs its console and every request."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_window_size(1280, 900)
    yield chrome
    chrome.quit()
