"""Limits of an upload."""

import av
import numpy as np
import pytest

from avforensics.errors import ConfigError, MediaError
from avforensics.serving.limits import Limits


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_megabytes": 0.001}, r"the file is 0\.\d MB, but at most 0\.001 MB are allowed"),
        (
            {"max_minutes": 1 / 60},
            r"the video lasts 0\.0 minutes, but at most 0\.0166667 are allowed",
        ),
        ({"max_pixels": 4000}, r"a frame has 4,096 pixels, but at most 4,000 are allowed"),
    ],
)
def test_too_large_and_too_long(make_video, limits, reason):
    video = make_video(n_frames=50, size=64)
    Limits().check(video)
    with pytest.raises(MediaError, match=reason):
        Limits(**limits).check(video)
    with pytest.raises(MediaError, match="no audio stream"):
        Limits().check(make_video("mute.mp4", sound=False))


def test_a_header_that_names_a_smaller_picture(tmp_path):
    video = tmp_path / "a.webm"
    with av.open(str(video), "w") as out:
        picture = out.add_stream("libvpx", rate=25, width=320, height=240, pix_fmt="yuv420p")
        sound = out.add_stream("libopus", rate=48_000, layout="mono")
        out.mux(picture.encode(av.VideoFrame(320, 240, "yuv420p")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), layout="mono")
        silence.sample_rate = 48_000
        out.mux(sound.encode(silence))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))
    content = video.read_bytes()
    width, height = b"\xb0\x82" + (320).to_bytes(2, "big"), b"\xba\x81" + bytes([240])
    assert content.count(width) == content.count(height) == 1
    content = content.replace(width, b"\xb0\x82" + (64).to_bytes(2, "big"))
    video.write_bytes(content.replace(height, b"\xba\x81" + bytes([64])))
    Limits(max_pixels=320 * 240).check(video)
    with pytest.raises(
        MediaError, match=r"a frame has 76,800 pixels, but at most 10,000 are allowed"
    ):
        Limits(max_pixels=10_000).check(video)


def test_nonsense():
    names = ("max_megabytes", "max_minutes", "max_pixels", "timeout_minutes", "keep_minutes")
    for name, value in [*((name, 0) for name in names), ("max_waiting", -1)]:
        with pytest.raises(ConfigError, match=name):
            Limits(**{name: value})
