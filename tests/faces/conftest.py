"""Videos with faces, made from the real clips next to the checkout."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from media_files import mux
from PIL import Image

from avforensics.commands import preprocess
from avforensics.media.types import HOP
from avforensics.media.video import VideoReader


@cache
def _pictures(path: Path) -> tuple[np.ndarray, ...]:
    with VideoReader(path) as video:
        return tuple(np.asarray(video.upright(frame)) for frame in video)


@pytest.fixture
def seen(monkeypatch):
    """Names of the videos that `preprocess` has processed."""
    names, real = [], preprocess.cut_clips
    monkeypatch.setattr(
        preprocess, "cut_clips", lambda row, *rest: (names.append(rest[1]), real(row, *rest))[1]
    )
    return names


@pytest.fixture(scope="session")
def pictures(shared):
    """Return a function that gives the frames of a named clip at a size, uint8 (H, W, 3)."""

    def get(name: str, width: int, height: int) -> list[np.ndarray]:
        images = map(Image.fromarray, _pictures(shared / "media" / name))
        return [np.asarray(image.resize((width, height))) for image in images]

    return get


@pytest.fixture
def write_video(tmp_path):
    """Return a function that writes frames and a tone to a file, by default 25 fps and 8 bits."""

    def write(
        name: str,
        frames: Iterable[np.ndarray],
        *,
        times: Sequence[float] | None = None,
        **options,
    ) -> Path:
        frames = list(frames)
        times = times or [n / 25 for n in range(len(frames))]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(round((times[-1] + 0.04) * 25) * HOP) / 9)
        return mux(
            path,
            times=times,
            size=frames[0].shape[1::-1],
            picture=lambda number, *_: np.ascontiguousarray(frames[number]),
            options={"preset": "veryfast", "crf": "16", "g": "250", "bf": "3"},
            sounds=[[(0, (6000 * tone).astype(np.int16))]],
            **options,
        )

    return write
