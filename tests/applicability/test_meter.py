"""What the blocks of a clip are measured to be, and where limits refuse them."""

import numpy as np
import pytest
from omegaconf import OmegaConf
from voices import speech

from avforensics.applicability import DEFAULT_LIMITS, Limits, Measures, Meter, limits_of
from avforensics.errors import ConfigError
from avforensics.media.types import HOP, Block

FRAMES = 50


def measured(frames: np.ndarray, sound: np.ndarray, size: int = 25) -> Measures:
    meter = Meter()
    for first in range(0, len(frames), size):
        part = slice(first * HOP, (first + size) * HOP)
        meter.take(Block(frames[first : first + size], sound[part]))
    return meter.measures()


def refused(frames: np.ndarray, sound: np.ndarray) -> str:
    return "; ".join(DEFAULT_LIMITS.reasons(measured(frames, sound)))


def pictures(n: int = FRAMES, every: int = 1) -> np.ndarray:
    """Something that moves, shown anew every so many frames; with the noise of a camera."""
    random = np.random.default_rng(3)
    frames = random.integers(90, 110, (n, 64, 64, 3))
    for index in range(n):
        at = 2 * (index % 20)
        frames[index, 20:40, at : at + 20] += 80
    return frames[np.arange(n) // every * every].astype(np.uint8)


def test_a_talking_picture_passes():
    found = measured(pictures(), speech(FRAMES))
    assert DEFAULT_LIMITS.reasons(found) == ()
    assert found.seconds == FRAMES / 25 and found.speech > 1 and found.still == 0


def test_blocks_of_another_size_change_nothing():
    frames, sound = pictures(), speech(FRAMES)
    one, other = measured(frames, sound, 25), measured(frames, sound, 7)
    for name in ("level", "speech", "still"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=0.5)


def test_silence():
    assert refused(pictures(), np.zeros(FRAMES * HOP, np.int16)).startswith("silence")


def test_sound_without_speech():
    noise = np.random.default_rng(0).normal(0, 2000, FRAMES * HOP).astype(np.int16)
    assert refused(pictures(), noise).startswith("no speech")


def test_a_frozen_picture():
    still = np.repeat(pictures(1), FRAMES, axis=0)
    assert "frozen picture: still for 100 %" in refused(still, speech(FRAMES))
    coded = still.astype(np.int16)
    coded[:, ::8, ::8] += np.random.default_rng(1).integers(-1, 2, (FRAMES, 8, 8, 3))
    assert "frozen picture" in refused(coded.clip(0, 255).astype(np.uint8), speech(FRAMES))


def test_a_slow_video_is_not_frozen():
    assert refused(pictures(every=4), speech(FRAMES)) == ""


def test_a_freeze_counts_by_its_length():
    half = pictures()
    half[FRAMES // 2 :] = half[FRAMES // 2]
    assert 0.3 < measured(half, speech(FRAMES)).still < 0.6


def test_nothing_read_is_nothing_measured():
    assert Meter().measures() is None


def test_limits_are_those_of_the_configuration(configs):
    written = OmegaConf.to_container(OmegaConf.load(configs / "applicability/default.yaml"))
    assert limits_of(written) == DEFAULT_LIMITS
    assert limits_of(written | {"measure": False}) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"min_speech": -1}, "applicability: min_speech must be 0 s or more, got -1"),
        ({"max_still": 2.0}, "applicability: max_still must lie within 0..1, got 2.0"),
        ({"min_smile": 1}, "applicability has no min_smile, but "),
    ],
)
def test_limits_without_meaning(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        limits_of(settings)


def test_a_measure_that_was_not_taken_refuses_nothing():
    assert Limits().reasons(Measures(seconds=3.0)) == ()
    assert Measures.parse({"seconds": 2.0, "speech": 1.0, "of_a_later_version": 3.0}).speech == 1
