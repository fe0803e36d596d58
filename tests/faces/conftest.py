"""Videos with faces, made from the real clips beside the checkout."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from avforensics.media.types import HOP
from avforensics.media.video import VideoReader


@cache
def _pictures(path: Path) -> tuple[np.ndarray, ...]:
    with VideoReader(path) as video:
        return tuple(np.asarray(video.upright(frame)) for frame in video)


@pytest.fixture(scope="session")
def pictures(shared):
    """Function: name of a clip, width and height -> its frames, uint8 (H, W, 3)."""

    def get(name: str, width: int, height: int) -> list[np.ndarray]:
        images = map(Image.fromarray, _pictures(shared / "media" / name))
        return [np.asarray(image.resize((width, height))) for image in images]

    return get


@pytest.fixture
def write_video(tmp_path):
    """Function: name, frames -> a file; 25 fps and 8 bits unless told otherwise, with a tone."""

    def write(
        name: str,
        frames: Iterable[np.ndarray],
        *,
        times: Sequence[float] | None = None,
        pix_fmt: str = "yuv420p",
        rotation: int = 0,
    ) -> Path:
        frames = list(frames)
        times = times or [n / 25 for n in range(len(frames))]
        base = Fraction(1, 12_800)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as out:
            video = out.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "16"})
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt, video.codec_context.time_base = pix_fmt, base
            if rotation:
                video.set_display_rotation(rotation)
            sound = out.add_stream("aac", rate=16_000, layout="mono")
            for time, picture in zip(times, frames, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = round(time / base), base
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
            samples = round((times[-1] + 0.04) * 25) * HOP
            tone = (6000 * np.sin(np.arange(samples) / 9)).astype(np.int16)
            for start in range(0, samples, 1024):
                piece = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "s16", "mono")
                piece.sample_rate, piece.pts, piece.time_base = 16_000, start, Fraction(1, 16_000)
                out.mux(sound.encode(piece))
            out.mux(sound.encode(None))
        return path

    return write
