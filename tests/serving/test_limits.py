"""What one upload may ask for."""

import pytest

from avforensics.errors import ConfigError, MediaError
from avforensics.serving.limits import Limits


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_megabytes": 0.001}, r"the file has 0\.\d MB; 0\.001 MB are allowed"),
        ({"max_minutes": 1 / 60}, r"the video lasts 0\.0 minutes; 0\.0166667 are allowed"),
        ({"max_pixels": 4000}, r"a picture has 4,096 pixels; 4,000 are allowed"),
    ],
)
def test_too_large_and_too_long(make_video, limits, reason):
    video = make_video(n_frames=50, size=64)
    Limits().check(video)
    with pytest.raises(MediaError, match=reason):
        Limits(**limits).check(video)


def test_without_sound(make_video):
    with pytest.raises(MediaError, match="no audio stream"):
        Limits().check(make_video(sound=False))


@pytest.mark.parametrize(
    "limits",
    [
        {"max_megabytes": 0},
        {"max_minutes": -1},
        {"max_pixels": 0},
        {"max_waiting": -1},
        {"keep_minutes": 0},
    ],
)
def test_nonsense(limits):
    with pytest.raises(ConfigError, match=next(iter(limits))):
        Limits(**limits)
