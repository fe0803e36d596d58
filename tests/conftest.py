"""Fixtures shared by several parts of the suite."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from avforensics.media.types import FPS, HOP
from avforensics.media.writer import write_clip

SHARED = Path(__file__).parents[2] / "shared"
CHROMIUM = [
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first, so that parallel processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder next to the checkout with released weights, golden values and real clips."""
    if not SHARED.is_dir():
        pytest.skip("no folder `shared` beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def reference(shared) -> Path:
    """Released anomaly models and PCA, tensor shapes, golden values."""
    return shared / "reference"


@pytest.fixture(scope="session")
def stand_in_state_dict(reference):
    """Return a function that makes a published synchronisation state dict from a seed."""
    spec = importlib.util.spec_from_file_location("stand_in", reference / "stand_in_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.stand_in_state_dict


@pytest.fixture(scope="session")
def released_folder(reference, stand_in_state_dict, tmp_path_factory) -> Path:
    """The four files of `checkpoint=released`; sync_model.pth holds stand-in weights of seed 0."""
    import torch  # tests of the media layer run without torch

    folder = tmp_path_factory.mktemp("released")
    torch.save(stand_in_state_dict(0), folder / "sync_model.pth")
    for name in ("dist_regressive_model.pth", "avfeature_regressive_model.pth", "pca.pkl"):
        shutil.copyfile(reference / name, folder / name)
    return folder


@pytest.fixture
def avforensics(monkeypatch) -> Callable[..., int]:
    """Run a command line in this process; return its exit code."""

    def run(*words: object) -> int:
        from avforensics import cli  # tests of the media layer run without Hydra

        monkeypatch.setattr(sys, "argv", ["avforensics", *map(str, words)])
        return cli.main()

    return run


@pytest.fixture
def refusal(avforensics, capsys) -> Callable[..., str]:
    """Run a command line that must end with one sentence on stderr; return the sentence.

    ``refusal(*words, by=avforensics)``; ``by`` may be another function that runs a command line.
    """

    def run(*words: object, by: Callable[..., int] = avforensics) -> str:
        capsys.readouterr()
        assert by(*words) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        return said

    return run


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Make a small video: a square that moves over a grey background, and a wavering tone.

    ``make_video(name="clip.mp4", n_frames=50, size=96, seed=0, sound=True, **write_clip_options)``
    writes it into the test's own folder and returns its path.
    """

    def make(
        name: str = "clip.mp4",
        n_frames: int = 50,
        size: int = 96,
        seed: int = 0,
        sound: bool = True,
        **options,
    ) -> Path:
        random = np.random.default_rng(seed)
        steps = np.cumsum(random.integers(-4, 5, (n_frames, 2)), axis=0) + size // 4
        frames = np.full((n_frames, size, size, 3), 110, np.uint8)
        colour = random.integers(0, 256, 3)
        for frame, (y, x) in zip(frames, steps % (size // 2), strict=True):
            frame[y : y + size // 2, x : x + size // 2] = colour
        phase = np.cumsum(0.05 + 0.04 * np.sin(np.arange(n_frames * HOP) * 3 / FPS / HOP))
        tone = (6000 * np.sin(phase + seed)).astype(np.int16)
        path = tmp_path / name
        write_clip(path, frames, tone if sound else None, **options)
        return path

    return make


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[object]:
    """Headless Chromium that logs its console and every request."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_window_size(1280, 900)
    chrome.get("about:blank")  # leaves the browser's start page, which sends many requests
    yield chrome
    chrome.quit()


@pytest.fixture
def asked(browser) -> Callable[[], list[str]]:
    """Return a function that lists the addresses requested by pages since the test began."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # drops entries of earlier pages

    def urls() -> list[str]:
        messages = (json.loads(entry["message"]) for entry in browser.get_log("performance"))
        events = [message["message"] for message in messages]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [e["request"]["url"] for e in sent if not e["documentURL"].startswith("chrome")]

    return urls
